"""Authorization codes, pushed requests and what accounts allowed clients, on SQLite.

Does not read what was asked for or allowed; device codes are in sqlite_devices.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from watchword.clock import EpochSeconds

from watchword_server.store.authorization_records import Authorization, CodeView, NewCode, PushedRequest
from watchword_server.store.authorization_rows import authorization_of, code_view_of, merged, require_digests
from watchword_server.store.authorization_statements import (
    AUTHORIZATION_COLUMNS,
    CODE_SOURCE,
    code_columns,
    grant_alive,
)
from watchword_server.store.records import AuditEvent, NewNotice, NewSession
from watchword_server.store.rows import named_by
from watchword_server.store.sqlite_log import append_audit, leave_notice
from watchword_server.store.sqlite_sessions import Opening
from watchword_server.store.sqlite_sign_ons import SqliteSignOns
from watchword_server.store.statements import alive
from watchword_server.store.text import limited, pack_list, require_document, require_storable, storable

_AUTHORIZATION: Final = f"SELECT {AUTHORIZATION_COLUMNS} FROM authorizations z WHERE z.account_id = ?1 AND "
_ONE_AUTHORIZATION: Final = _AUTHORIZATION + "z.client_id = ?2"
_AUTHORIZATIONS: Final = _AUTHORIZATION + "z.client_id > ?2 ORDER BY z.client_id LIMIT ?3"
_AUTHORIZE: Final = (
    "INSERT INTO authorizations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (account_id, client_id) DO UPDATE SET "
    "scope = excluded.scope, resource = excluded.resource, details = excluded.details, updated_at = excluded.updated_at"
)
_ADD: Final = (
    "INSERT INTO codes (digest, client_id, account_id, sign_on, rev, terms, expires_at) "
    "SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM sign_ons o JOIN accounts a ON a.id = o.account_id, revocation_head h "
    f"WHERE o.id = ?5 AND o.account_id = ?4 AND {grant_alive('max', '?1', rev='?6', client='?3')}"
)
_CODE: Final = f"SELECT {code_columns('max', '?1')} FROM {CODE_SOURCE}, revocation_head h WHERE x.digest = ?2"
_REDEEMABLE: Final = (
    f"SELECT 1 FROM {CODE_SOURCE}, revocation_head h WHERE x.digest = ?2 AND x.used_at IS NULL AND x.expires_at > ?1 "
    "AND x.account_id = ?3 AND x.client_id = ?4 AND (?5 IS NULL OR x.sign_on = ?5) "
    f"AND {grant_alive('max', '?1', rev='min(x.rev, ?6)', client='x.client_id')}"
)
_NAME: Final = "UPDATE sessions SET id_token_sid = ? WHERE sid = ?"
_SIGN_ON_OF_CODE: Final = (
    "SELECT o.id, o.expires_at FROM codes x JOIN sign_ons o ON o.id = x.sign_on WHERE x.digest = ?"
)
_JOINABLE: Final = (
    "SELECT s.account_id = ?3 AND s.client_id = ?4 AND s.sign_on IS ?5 AND "
    f"{alive('max', '?1')} FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.sid = ?2"
)
_ANOTHER: Final = (
    "SELECT 1 FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.sign_on = ?2 AND s.client_id = ?3 "
    f"AND {alive('max', '?1')}"
)


class SqliteCodes(SqliteSignOns):
    """The Authorizations part of the port, and codes and pushed requests of its Codes part."""

    async def authorization(self, account_id: str, client_id: str) -> Authorization | None:
        """What the account allowed the client."""
        row = self._row(_ONE_AUTHORIZATION, (account_id, client_id)) if storable(account_id, client_id) else None
        return None if row is None else authorization_of(row)

    async def authorizations(
        self, account_id: str, *, after: str | None = None, limit: int = 100
    ) -> Sequence[Authorization]:
        """By client_id, after that one."""
        if not storable(account_id, after):
            return ()
        values = (account_id, after or "", limited(limit))
        return await self._beside(
            lambda connection: [authorization_of(row) for row in connection.execute(_AUTHORIZATIONS, values)]
        )

    async def authorize(
        self, account_id: str, client_id: str, *, scope: tuple[str, ...], resource: tuple[str, ...], details: bytes,
        audit: AuditEvent,
    ) -> None:  # fmt: skip
        """Record what is allowed now on top of what was. Raises ValueError when there is no such account."""
        require_storable(account_id=account_id, client_id=client_id)
        require_document(details=details)

        def act(connection: sqlite3.Connection) -> None:
            now = self._now()
            row = connection.execute(_ONE_AUTHORIZATION, (account_id, client_id)).fetchone()
            before = None if row is None else authorization_of(row)
            scopes = pack_list("scope", merged(() if before is None else before.scope, scope))
            resources = pack_list("resource", merged(() if before is None else before.resource, resource))
            connection.execute(_AUTHORIZE, (account_id, client_id, scopes, resources, details, now))
            append_audit(connection, now, audit)

        try:
            await self._write(act)
        except sqlite3.IntegrityError as error:
            raise ValueError("there is no such account") from error

    async def withdraw_authorization(self, account_id: str, client_id: str, audit: AuditEvent) -> bool:
        """Forget it, its codes, and end every session of the account there. True for exactly one caller."""
        if not storable(account_id, client_id):
            return False
        key = (account_id, client_id)

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            which = "WHERE account_id = ? AND client_id = ?"
            if connection.execute(f"DELETE FROM authorizations {which}", key).rowcount != 1:
                return False
            connection.execute(f"DELETE FROM codes {which} AND used_at IS NULL", key)
            connection.execute(f"DELETE FROM device_codes {which} AND state = 'approved'", key)
            for (sid,) in connection.execute(f"SELECT sid FROM sessions {which} ORDER BY sid", key).fetchall():
                self._end(connection, now, sid, None, "authorization.withdrawn")
            append_audit(connection, now, audit)
            return True

        return await self._write(act)

    async def add_code(self, new: NewCode) -> bool:
        """Record it, unless the sign-on is over or account or client were cut off since ``new.rev``."""
        require_storable(client_id=new.client_id)
        require_document(terms=new.terms)
        require_digests(new.digest)
        if not storable(new.account_id, new.sign_on):
            return False
        values = (new.digest, new.client_id, new.account_id, new.sign_on, new.rev, new.terms, new.expires_at)

        def act(connection: sqlite3.Connection) -> bool:
            return connection.execute(_ADD, (self._now(), *values)).rowcount == 1

        try:
            return await self._write(act, whole=True)
        except sqlite3.IntegrityError as error:
            raise ValueError("that code exists") from error

    async def code(self, digest: bytes) -> CodeView | None:
        """The code, used or not, until it is swept."""
        row = self._row(_CODE, (self._now(), digest))
        return None if row is None else code_view_of(row)

    async def redeem_code(self, digest: bytes, *, session: NewSession, audit: AuditEvent) -> bool:
        """Mark it used and open or join the session. True for exactly one caller."""
        opening = Opening(session)
        key = (digest, session.account_id, session.client_id, session.sign_on, session.rev)

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            if connection.execute(_REDEEMABLE, (now, *key)).fetchone() is None:
                return False
            if session.id_token_sid is not None and not self._open_named(connection, now, digest, session):
                return False
            if not self._open_or_join(connection, now, session, opening):
                return False
            if session.id_token_sid is not None:
                connection.execute(_NAME, (session.id_token_sid, session.sid))
            connection.execute("UPDATE codes SET used_at = ?, sid = ? WHERE digest = ?", (now, session.sid, digest))
            append_audit(connection, now, audit)
            return True

        return await self._redeem(act) if storable(session.account_id) else False

    async def _redeem(self, act: Callable[[sqlite3.Connection], bool]) -> bool:
        try:
            return await self._write(act)
        except sqlite3.IntegrityError as error:
            raise ValueError("a family with that id exists") from error

    def _open_named(self, connection: sqlite3.Connection, now: float, digest: bytes, session: NewSession) -> bool:
        """Open or join the session that the ID tokens of this one name, in the code's sign-on. False, and nothing done, also
        where this one could not be opened afterwards.
        """
        if connection.execute("SELECT 1 FROM sessions WHERE sid = ?", (session.sid,)).fetchone() is not None:
            return False
        sign_on, ends = connection.execute(_SIGN_ON_OF_CODE, (digest,)).fetchone()
        named = named_by(session, sign_on=sign_on, expires_at=ends)
        return self._open_or_join(connection, now, named, Opening(named))

    def _open_or_join(self, connection: sqlite3.Connection, now: float, session: NewSession, opening: Opening) -> bool:
        """Open the session or add its family to the one that is there. False when that one is dead or somebody else's, or
        when another of this client and sign-on is living: one sid stands for both.
        """
        key = (session.sid, session.account_id, session.client_id, session.sign_on)
        there = connection.execute(_JOINABLE, (now, *key)).fetchone()
        if there is not None:
            if there[0]:
                opening.join(connection, now)
            return bool(there[0])
        if session.sign_on is not None:
            other = connection.execute(_ANOTHER, (now, session.sign_on, session.client_id)).fetchone()
            if other is not None:
                return False
        opening.open(connection, now)
        return True

    async def replay_code(self, digest: bytes, *, audit: AuditEvent, notice: NewNotice | None) -> bool:
        """End the session that a used code gave tokens of (RFC 6749 §4.1.2). True for exactly one caller."""

        def act(connection: sqlite3.Connection) -> bool:
            sql = "SELECT sid FROM codes WHERE digest = ? AND used_at IS NOT NULL"
            row = connection.execute(sql, (digest,)).fetchone()
            now = self._now()
            owner = None if row is None else self._end(connection, now, row[0], None, "code.replayed")
            if owner is None:
                return False
            append_audit(connection, now, audit)
            leave_notice(connection, now, owner, notice)
            return True

        return await self._write(act)

    async def push_request(self, digest: bytes, *, client_id: str, request: bytes, expires_at: EpochSeconds) -> None:
        """Record a pushed request (RFC 9126)."""
        require_storable(client_id=client_id)
        require_document(request=request)
        require_digests(digest)
        sql = "INSERT INTO pushed_requests (digest, client_id, request, expires_at) VALUES (?, ?, ?, ?)"
        values = (digest, client_id, request, expires_at)
        try:
            await self._write(lambda connection: connection.execute(sql, values).close(), whole=True)
        except sqlite3.IntegrityError as error:
            raise ValueError("that request exists") from error

    async def pushed_request(self, digest: bytes) -> PushedRequest | None:
        """None when unknown or run out."""
        now = self._now()
        sql = "SELECT client_id, request, expires_at, used_at IS NOT NULL FROM pushed_requests WHERE digest = ? AND expires_at > ?"
        row = self._row(sql, (digest, now))
        if row is None:
            return None
        return PushedRequest(client_id=row[0], request=row[1], expires_at=row[2], used=bool(row[3]), read_at=now)

    async def consume_request(self, digest: bytes) -> bool:
        """Mark it used. True for exactly one caller."""
        sql = "UPDATE pushed_requests SET used_at = ?1 WHERE digest = ?2 AND used_at IS NULL AND expires_at > ?1"
        return await self._write(
            lambda connection: connection.execute(sql, (self._now(), digest)).rowcount == 1, whole=True
        )
