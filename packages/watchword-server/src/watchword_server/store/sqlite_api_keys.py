"""API keys and personal access tokens on SQLite.

Does not make keys, and does not judge their scopes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from watchword_server.store.api_key_records import Added, ApiKey, ApiKeyView, NewApiKey
from watchword_server.store.api_key_rows import (
    API_KEY_COLUMNS,
    DEAD_AND_LIVING,
    OWNED,
    api_key_of,
    api_key_view_of,
    key_alive,
    key_standing,
    key_values,
    view_columns,
)
from watchword_server.store.records import AuditEvent
from watchword_server.store.sqlite_file import SqliteFile
from watchword_server.store.sqlite_log import Told, append_audit, write_cut_off
from watchword_server.store.text import limited, storable

_MAY_ADD: Final = (
    "SELECT 1 FROM (SELECT ?1 AS account_id, ?2 AS client_id, ?3 AS tenant, ?4 AS rev) k "
    "LEFT JOIN accounts a ON a.id = k.account_id, revocation_head h "
    f"WHERE k.rev >= h.forgotten AND {key_standing('max')}"
)
_COUNT: Final = (
    f"SELECT count(*), coalesce(sum({key_alive('max', '?1')}), 0) FROM {OWNED} "
    "WHERE k.client_id = ?2 AND k.account_id IS ?3"
)
_ADD: Final = (
    "INSERT INTO api_keys (id, digest, account_id, client_id, tenant, name, scope, audience, rev, expires_at, created_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LOOK: Final = f"SELECT {view_columns('max', '?1')} FROM {OWNED}, revocation_head h WHERE k.digest = ?2"
_LIST: Final = f"SELECT {API_KEY_COLUMNS} FROM {OWNED} WHERE {{owner}} k.id > ?3 AND {key_alive('max', '?1')} ORDER BY k.id LIMIT ?4"
_OWNERS: Final = {"account": "k.account_id = ?2 AND", "client": "k.client_id = ?2 AND", "all": "?2 IS NULL AND"}
_USE: Final = (
    "UPDATE api_keys SET last_used_at = ?1 WHERE id = ?2 AND ended_at IS NULL "
    "AND (last_used_at IS NULL OR last_used_at <= ?1 - ?3)"
)
_REVOKE: Final = (
    "UPDATE api_keys SET ended_at = ?1 WHERE id = ?2 AND (?3 IS NULL OR account_id = ?3) AND ended_at IS NULL "
    "AND expires_at > ?1 RETURNING account_id, client_id"
)


class SqliteApiKeys(SqliteFile):
    """The ApiKeys part of the port."""

    async def add_api_key(self, new: NewApiKey, *, most: int, audit: AuditEvent) -> Added:
        """Record it, unless its owner has enough or was cut off since."""
        values = key_values(new)
        owner = (new.account_id, new.client_id, new.tenant, new.rev)

        def act(connection: sqlite3.Connection) -> Added:
            if connection.execute(_MAY_ADD, owner).fetchone() is None:
                return "refused"
            now = self._now()
            owned, living = connection.execute(_COUNT, (now, new.client_id, new.account_id)).fetchone()
            if living >= most or owned >= DEAD_AND_LIVING * most:
                return "too_many"
            connection.execute(_ADD, (*values, now))
            append_audit(connection, now, audit)
            return "added"

        try:
            return await self._write(act)
        except sqlite3.IntegrityError as error:
            raise ValueError("a key with that id or secret exists") from error

    async def api_key(self, digest: bytes) -> ApiKeyView | None:
        """The key with all that its use is judged by, from one statement on the calling thread."""
        row = self._row(_LOOK, (self._now(), digest))
        return None if row is None else api_key_view_of(row)

    async def api_keys(
        self, *, account_id: str | None = None, client_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[ApiKey]:
        """Living keys by ascending id."""
        if not storable(account_id, client_id, after):
            return ()
        of = "account" if account_id is not None else "client" if client_id is not None else "all"
        sql = _LIST.format(owner=_OWNERS[of])
        values = (self._now(), account_id if account_id is not None else client_id, after or "", limited(limit))
        return await self._beside(lambda connection: [api_key_of(row) for row in connection.execute(sql, values)])

    async def use_api_key(self, key_id: str, *, every: float) -> bool:
        """Note that it was used now. True for exactly one caller in ``every`` seconds."""
        if not storable(key_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            return connection.execute(_USE, (self._now(), key_id, every)).rowcount == 1

        return await self._write(act, whole=True)

    async def revoke_api_key(self, key_id: str, *, account_id: str | None, audit: AuditEvent) -> bool:
        """End it, by a cut-off of its jti. True for exactly one caller."""
        if not storable(key_id, account_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            ended = connection.execute(_REVOKE, (now, key_id, account_id)).fetchone()
            if ended is None:
                return False
            write_cut_off(connection, now, self._leeway, Told("token", key_id, "api_key.revoked"))
            append_audit(connection, now, msgspec.structs.replace(audit, account_id=ended[0], client_id=ended[1]))
            return True

        return await self._write(act)
