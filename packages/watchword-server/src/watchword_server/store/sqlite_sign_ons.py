"""Sign-ons at the authorization server's pages on SQLite, and the sessions of clients that belong to them.

Does not decide what a person must do to sign on: endpoints/authorize does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

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
from watchword_server.store.records import AuditEvent, Axis
from watchword_server.store.sqlite_clients import SqliteClients
from watchword_server.store.sqlite_log import append_audit
from watchword_server.store.statements import ACCOUNT_COLUMNS, family_cut_off
from watchword_server.store.text import clean, integer, limited, pack_list, require_storable, storable

_MAY_START: Final = (
    "SELECT 1 FROM accounts a, revocation_head h WHERE a.id = ?1 AND a.disabled_at IS NULL AND ?3 >= h.forgotten "
    f"AND ?3 >= {family_cut_off('max', sid='?2', client='NULL')}"
)
_START: Final = (
    "INSERT INTO sign_ons (id, digest, account_id, rev, device, place, created_at, auth_time, amr, acr, last_used_at, "
    "idle_expires_at, expires_at, due_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?7, ?11, ?12, min(?11, ?12))"
)
_VIEW: Final = (
    f"SELECT {ACCOUNT_COLUMNS}, {SIGN_ON_COLUMNS}, h.position, ?1 FROM sign_ons o JOIN accounts a ON a.id = o.account_id, "
    f"revocation_head h WHERE o.digest = ?2 AND {sign_on_alive('max', '?1')}"
)
_LIST: Final = (
    f"SELECT {SIGN_ON_COLUMNS} FROM sign_ons o JOIN accounts a ON a.id = o.account_id WHERE o.account_id = ?2 "
    f"AND {sign_on_alive('max', '?1')} ORDER BY o.created_at DESC, o.id DESC LIMIT ?3"
)
_ALIVE: Final = (
    "id = ?2 AND EXISTS (SELECT 1 FROM sign_ons o JOIN accounts a ON a.id = o.account_id, revocation_head h "
    f"WHERE o.id = ?2 AND {sign_on_alive('max', '?1')}"
)
_USE: Final = f"UPDATE sign_ons SET last_used_at = ?1, place = ?3, idle_expires_at = ?4 WHERE {_ALIVE})"
_RENEW: Final = (
    f"UPDATE sign_ons SET last_used_at = ?1, digest = ?3, auth_time = ?4, amr = ?5, acr = ?6 WHERE {_ALIVE} "
    f"AND ?7 >= h.forgotten AND ?7 >= {family_cut_off('max', sid='o.id', client='NULL')})"
)
_TO_END: Final = (
    "SELECT 1 FROM sign_ons o JOIN accounts a ON a.id = o.account_id WHERE o.id = ?1 AND o.ended_at IS NULL "
    f"AND (?2 IS NULL OR o.account_id = ?2) AND o.rev >= {family_cut_off('max', sid='o.id', client='NULL')}"
)


class SqliteSignOns(SqliteClients):
    """The SignOns part of the port."""

    async def start_sign_on(self, new: NewSignOn, audit: AuditEvent) -> bool:
        """Record it, unless the account is gone or was cut off since `new.rev`."""
        require_storable(id=new.id, acr=new.acr)
        require_digests(new.digest)
        amr = pack_list("amr", new.amr)
        if not storable(new.account_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            if connection.execute(_MAY_START, (new.account_id, new.id, new.rev)).fetchone() is None:
                return False
            now = self._now()
            connection.execute(
                _START,
                (
                    *(new.id, new.digest, new.account_id, new.rev, clean(new.device), clean(new.place), now),
                    *(new.auth_time, amr, new.acr, new.idle_expires_at, new.expires_at),
                ),
            )
            append_audit(connection, now, audit)
            return True

        try:
            return await self._write(act)
        except sqlite3.IntegrityError as error:
            raise ValueError("a sign-on with that id or secret exists") from error

    async def sign_on(self, digest: bytes) -> SignOnView | None:
        """The living sign-on whose cookie holds that secret."""
        row = self._row(_VIEW, (self._now(), digest))
        return None if row is None else sign_on_view_of(row)

    async def use_sign_on(self, sign_on_id: str, *, place: str, idle_expires_at: EpochSeconds) -> None:
        """Note that it was used."""
        if not storable(sign_on_id):
            return
        values = (sign_on_id, clean(place), idle_expires_at)
        await self._write(lambda connection: connection.execute(_USE, (self._now(), *values)).close(), whole=True)

    async def renew_sign_on(
        self, sign_on_id: str, *, digest: bytes, auth_time: EpochSeconds, amr: tuple[str, ...], acr: str | None,
        rev: int, audit: AuditEvent,
    ) -> bool:  # fmt: skip
        """After a fresh login: another secret, and when and how it was authenticated."""
        require_storable(acr=acr)
        require_digests(digest)
        values = (sign_on_id, digest, auth_time, pack_list("amr", amr), acr, integer(rev))
        if not storable(sign_on_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            if connection.execute(_RENEW, (now, *values)).rowcount != 1:
                return False
            append_audit(connection, now, audit)
            return True

        try:
            return await self._write(act)
        except sqlite3.IntegrityError as error:
            raise ValueError("a sign-on with that secret exists") from error

    async def end_sign_on(self, sign_on_id: str, *, account_id: str | None, reason: str, audit: AuditEvent) -> bool:
        """End it and every session in it. True for exactly one caller."""
        if not storable(sign_on_id, account_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            if connection.execute(_TO_END, (sign_on_id, account_id)).fetchone() is None:
                return False
            now = self._now()
            connection.execute("UPDATE sign_ons SET ended_at = ?1, due_at = ?1 WHERE id = ?2", (now, sign_on_id))
            sids = connection.execute("SELECT sid FROM sessions WHERE sign_on = ? ORDER BY sid", (sign_on_id,))
            for (sid,) in sids.fetchall():
                self._end(connection, now, sid, None, reason)
            append_audit(connection, now, audit)
            return True

        return await self._write(act)

    async def list_sign_ons(self, account_id: str, *, limit: int = 100) -> Sequence[SignOn]:
        """Living ones, newest first."""
        if not storable(account_id):
            return ()
        values = (self._now(), account_id, limited(limit))
        return await self._beside(lambda connection: [sign_on_of(row) for row in connection.execute(_LIST, values)])

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
        sql = client_sessions_statement(asked, greatest="max", now="?1", mark="?")
        return await self._client_sessions(sql, (self._now(), *asked.values(), limited(limit)))

    async def sessions_ended_by(
        self, axis: Axis, value: str, *, spares: str | None, since: int, limit: int, after: str | None
    ) -> Sequence[ClientSession]:
        """Sessions of clients that a cut-off at ``since`` ends, dead or alive, by sid after that one."""
        if not storable(value, spares, after):
            return ()
        sql = ended_by_statement(axis, greatest="max", marks=("?1", "?2", "?3", "?4", "?5"))
        values = (value, integer(since), spares, after or "", limited(limit))
        return () if sql is None else await self._client_sessions(sql, values)

    async def _client_sessions(self, sql: str, values: tuple[object, ...]) -> Sequence[ClientSession]:
        return await self._beside(
            lambda connection: [client_session_of(row) for row in connection.execute(sql, values)]
        )
