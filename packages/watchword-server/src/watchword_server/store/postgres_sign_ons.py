"""Sign-ons at the authorization server's pages on PostgreSQL, and the sessions of clients that belong to them.

Does not decide what a person must do to sign on: endpoints/authorize does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from watchword.clock import EpochSeconds

from watchword_server.store.authorization_records import ClientSession, NewSignOn, SignOn, SignOnView
from watchword_server.store.authorization_rows import (
    client_session_of,
    require_digests,
    sign_on_of,
    sign_on_view_of,
)
from watchword_server.store.authorization_statements import (
    SIGN_ON_COLUMNS,
    client_sessions_statement,
    ended_by_statement,
    sign_on_alive,
)
from watchword_server.store.postgres_clients import PostgresClients
from watchword_server.store.records import AuditEvent, Axis
from watchword_server.store.rows import audit_values
from watchword_server.store.statements import ACCOUNT_COLUMNS
from watchword_server.store.text import clean, integer, limited, pack_list, require_storable, storable

NOW: Final = "WITH t AS MATERIALIZED (SELECT watchword_now($1) AS now) "
"""Where a statement begins that needs to know what time it is."""
_START: Final = "SELECT watchword_start_sign_on($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_OWNED: Final = "sign_ons o JOIN accounts a ON a.id = o.account_id CROSS JOIN t"
_VIEW: Final = (
    NOW + f"SELECT {ACCOUNT_COLUMNS}, {SIGN_ON_COLUMNS}, h.position, t.now FROM {_OWNED} CROSS JOIN revocation_head h "
    f"WHERE o.digest = $2 AND {sign_on_alive('greatest', 't.now')}"
)
_LIST: Final = (
    NOW + f"SELECT {SIGN_ON_COLUMNS} FROM {_OWNED} WHERE o.account_id = $2 AND {sign_on_alive('greatest', 't.now')} "
    "ORDER BY o.created_at DESC, o.id DESC LIMIT $3"
)
_USE: Final = (
    NOW + "UPDATE sign_ons o SET last_used_at = t.now, place = $3, idle_expires_at = $4 FROM accounts a, t "
    f"WHERE o.id = $2 AND a.id = o.account_id AND {sign_on_alive('greatest', 't.now')}"
)
_RENEW: Final = "SELECT watchword_renew_sign_on($1, $2, $3, $4, $5, $6, $7, $8)"
_END: Final = "SELECT watchword_end_sign_on($1, $2, $3, $4, $5, $6)"


class PostgresSignOns(PostgresClients):
    """The SignOns part of the port."""

    async def start_sign_on(self, new: NewSignOn, audit: AuditEvent) -> bool:
        """Record it, unless the account is gone or was cut off since `new.rev`."""
        require_storable(id=new.id, acr=new.acr)
        require_digests(new.digest)
        amr = pack_list("amr", new.amr)
        if not storable(new.account_id):
            return False
        values = (
            *(new.id, new.digest, new.account_id, new.rev, clean(new.device), clean(new.place), new.auth_time),
            *(amr, new.acr, new.idle_expires_at, new.expires_at, audit_values(audit)),
        )
        try:
            return bool(await self._value(_START, self._now(), *values))
        except asyncpg.UniqueViolationError as error:
            raise ValueError("a sign-on with that id or secret exists") from error

    async def sign_on(self, digest: bytes) -> SignOnView | None:
        """The living sign-on whose cookie holds that secret."""
        row = await self._row(_VIEW, self._now(), digest)
        return None if row is None else sign_on_view_of(row)

    async def use_sign_on(self, sign_on_id: str, *, place: str, idle_expires_at: EpochSeconds) -> None:
        """Note that it was used."""
        if storable(sign_on_id):
            await self._rows(_USE, self._now(), sign_on_id, clean(place), idle_expires_at)

    async def renew_sign_on(
        self, sign_on_id: str, *, digest: bytes, auth_time: EpochSeconds, amr: tuple[str, ...], acr: str | None,
        rev: int, audit: AuditEvent,
    ) -> bool:  # fmt: skip
        """After a fresh login: another secret, and when and how it was authenticated."""
        require_storable(acr=acr)
        require_digests(digest)
        values = (digest, auth_time, pack_list("amr", amr), acr, integer(rev), audit_values(audit))
        if not storable(sign_on_id):
            return False
        try:
            return bool(await self._value(_RENEW, self._now(), sign_on_id, *values))
        except asyncpg.UniqueViolationError as error:
            raise ValueError("a sign-on with that secret exists") from error

    async def end_sign_on(self, sign_on_id: str, *, account_id: str | None, reason: str, audit: AuditEvent) -> bool:
        """End it and every session in it. True for exactly one caller."""
        if not storable(sign_on_id, account_id):
            return False
        values = (sign_on_id, account_id, clean(reason), audit_values(audit))
        return bool(await self._value(_END, self._now(), self._leeway, *values))

    async def list_sign_ons(self, account_id: str, *, limit: int = 100) -> Sequence[SignOn]:
        """Living ones, newest first."""
        if not storable(account_id):
            return ()
        return [sign_on_of(row) for row in await self._rows(_LIST, self._now(), account_id, limited(limit))]

    async def client_sessions(
        self,
        *,
        account_id: str | None = None,
        sign_on: str | None = None,
        client_id: str | None = None,
        limit: int = 1000,
    ) -> Sequence[ClientSession]:
        """Living sessions of clients that meet all that is given, newest first."""
        if not storable(account_id, sign_on, client_id):
            return ()
        given = {"account_id": account_id, "sign_on": sign_on, "client_id": client_id}
        asked = {name: value for name, value in given.items() if value is not None}
        sql = NOW + client_sessions_statement(asked, greatest="greatest", now="(SELECT now FROM t)", mark="$")
        return await self._client_sessions(sql, self._now(), *asked.values(), limited(limit))

    async def sessions_ended_by(
        self, axis: Axis, value: str, *, spares: str | None, since: int, limit: int, after: str | None
    ) -> Sequence[ClientSession]:
        """Sessions of clients that a cut-off at ``since`` ends, dead or alive, by sid after that one."""
        if not storable(value, spares, after):
            return ()
        marks = ("$1::text", "$2::bigint", "$3::text", "$4::text", "$5")
        sql = ended_by_statement(axis, greatest="greatest", marks=marks)
        values = (value, integer(since), spares, after or "", limited(limit))
        return () if sql is None else await self._client_sessions(sql, *values)

    async def _client_sessions(self, sql: str, *values: Any) -> Sequence[ClientSession]:
        return [client_session_of(row) for row in await self._rows(sql, *values)]
