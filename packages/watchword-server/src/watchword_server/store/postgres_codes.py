"""Authorization codes, pushed requests and what accounts allowed clients, on PostgreSQL.

Does not read what was asked for or allowed; device codes are in postgres_devices.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from watchword.clock import EpochSeconds

from watchword_server.store.authorization_records import Authorization, CodeView, NewCode, PushedRequest
from watchword_server.store.authorization_rows import authorization_of, code_view_of, merged, require_digests
from watchword_server.store.authorization_statements import AUTHORIZATION_COLUMNS, CODE_SOURCE, code_columns
from watchword_server.store.postgres_sessions import OPENING, opening_values
from watchword_server.store.postgres_sign_ons import NOW, PostgresSignOns
from watchword_server.store.records import AuditEvent, NewNotice, NewSession
from watchword_server.store.rows import audit_values, notice_values
from watchword_server.store.text import limited, pack_list, require_document, require_storable, storable

_AUTHORIZATION: Final = f"SELECT {AUTHORIZATION_COLUMNS} FROM authorizations z WHERE z.account_id = $1 AND "
_ONE_AUTHORIZATION: Final = _AUTHORIZATION + "z.client_id = $2"
_AUTHORIZATIONS: Final = _AUTHORIZATION + "z.client_id > $2 ORDER BY z.client_id LIMIT $3"
_AUTHORIZE: Final = "SELECT watchword_authorize($1, $2, $3, $4, $5, $6, $7)"
_ADD: Final = "SELECT watchword_add_code($1, $2, $3, $4, $5, $6, $7, $8)"
_CODE: Final = (
    NOW + f"SELECT {code_columns('greatest', 't.now')} FROM {CODE_SOURCE} CROSS JOIN t CROSS JOIN revocation_head h "
    "WHERE x.digest = $2"
)
_REDEEM: Final = f"SELECT watchword_redeem_code($1, {OPENING}, $26, $27)"
_REPLAY: Final = "SELECT watchword_replay_code($1, $2, $3, $4, $5)"
_PUSH: Final = "INSERT INTO pushed_requests (digest, client_id, request, expires_at) VALUES ($1, $2, $3, $4)"
_PUSHED: Final = (
    NOW + "SELECT client_id, request, expires_at, used_at IS NOT NULL, t.now FROM pushed_requests, t "
    "WHERE digest = $2 AND expires_at > t.now"
)
_CONSUME: Final = (
    NOW
    + "UPDATE pushed_requests SET used_at = t.now FROM t WHERE digest = $2 AND used_at IS NULL AND expires_at > t.now "
    "RETURNING true"
)


class PostgresCodes(PostgresSignOns):
    """The Authorizations part of the port, and codes and pushed requests of its Codes part."""

    async def authorization(self, account_id: str, client_id: str) -> Authorization | None:
        """What the account allowed the client."""
        if not storable(account_id, client_id):
            return None
        row = await self._row(_ONE_AUTHORIZATION, account_id, client_id)
        return None if row is None else authorization_of(row)

    async def authorizations(
        self, account_id: str, *, after: str | None = None, limit: int = 100
    ) -> Sequence[Authorization]:
        """By client_id, after that one."""
        if not storable(account_id, after):
            return ()
        rows = await self._rows(_AUTHORIZATIONS, account_id, after or "", limited(limit))
        return [authorization_of(row) for row in rows]

    async def authorize(
        self, account_id: str, client_id: str, *, scope: tuple[str, ...], resource: tuple[str, ...], details: bytes,
        audit: AuditEvent,
    ) -> None:  # fmt: skip
        """Record what is allowed now on top of what was. Raises ValueError when there is no such account."""
        require_storable(account_id=account_id, client_id=client_id)
        require_document(details=details)
        scopes, resources = pack_list("scope", merged((), scope)), pack_list("resource", merged((), resource))
        values = (account_id, client_id, scopes, resources, details, audit_values(audit))
        try:
            await self._value(_AUTHORIZE, self._now(), *values)
        except asyncpg.ForeignKeyViolationError as error:
            raise ValueError("there is no such account") from error

    async def withdraw_authorization(self, account_id: str, client_id: str, audit: AuditEvent) -> bool:
        """Forget it, its codes, and end every session of the account there. True for exactly one caller."""
        if not storable(account_id, client_id):
            return False
        sql = "SELECT watchword_withdraw($1, $2, $3, $4, $5)"
        return bool(await self._value(sql, self._now(), self._leeway, account_id, client_id, audit_values(audit)))

    async def add_code(self, new: NewCode) -> bool:
        """Record it, unless the sign-on is over or account or client were cut off since ``new.rev``."""
        require_storable(client_id=new.client_id)
        require_document(terms=new.terms)
        require_digests(new.digest)
        if not storable(new.account_id, new.sign_on):
            return False
        values = (new.digest, new.client_id, new.account_id, new.sign_on, new.rev, new.terms, new.expires_at)
        try:
            return bool(await self._value(_ADD, self._now(), *values))
        except asyncpg.UniqueViolationError as error:
            raise ValueError("that code exists") from error

    async def code(self, digest: bytes) -> CodeView | None:
        """The code, used or not, until it is swept."""
        row = await self._row(_CODE, self._now(), digest)
        return None if row is None else code_view_of(row)

    async def redeem_code(self, digest: bytes, *, session: NewSession, audit: AuditEvent) -> bool:
        """Mark it used and open or join the session. True for exactly one caller."""
        return await self._redeem(_REDEEM, session, audit, digest, session.id_token_sid)

    async def _redeem(self, sql: str, session: NewSession, audit: AuditEvent, *which: Any) -> bool:
        values = opening_values(session, audit)
        if not storable(session.account_id):
            return False
        try:
            return bool(await self._value(sql, self._now(), *values, *which))
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == "sessions_pkey":  # another opened it a moment ago; it is there to be joined now
                return False
            raise ValueError("a family with that id exists") from error

    async def replay_code(self, digest: bytes, *, audit: AuditEvent, notice: NewNotice | None) -> bool:
        """End the session that a used code gave tokens of (RFC 6749 §4.1.2). True for exactly one caller."""
        values: tuple[Any, ...] = (digest, audit_values(audit), notice_values(notice))
        return bool(await self._value(_REPLAY, self._now(), self._leeway, *values))

    async def push_request(self, digest: bytes, *, client_id: str, request: bytes, expires_at: EpochSeconds) -> None:
        """Record a pushed request (RFC 9126)."""
        require_storable(client_id=client_id)
        require_document(request=request)
        require_digests(digest)
        try:
            await self._rows(_PUSH, digest, client_id, request, expires_at)
        except asyncpg.UniqueViolationError as error:
            raise ValueError("that request exists") from error

    async def pushed_request(self, digest: bytes) -> PushedRequest | None:
        """None when unknown or run out."""
        row = await self._row(_PUSHED, self._now(), digest)
        if row is None:
            return None
        return PushedRequest(client_id=row[0], request=row[1], expires_at=row[2], used=bool(row[3]), read_at=row[4])

    async def consume_request(self, digest: bytes) -> bool:
        """Mark it used. True for exactly one caller."""
        return bool(await self._value(_CONSUME, self._now(), digest))
