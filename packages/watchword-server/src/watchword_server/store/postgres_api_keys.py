"""API keys and personal access tokens on PostgreSQL.

Does not make keys, and does not judge their scopes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from watchword_server.store.api_key_records import Added, ApiKey, ApiKeyView, NewApiKey
from watchword_server.store.api_key_rows import (
    API_KEY_COLUMNS,
    OWNED,
    api_key_of,
    api_key_view_of,
    key_alive,
    key_values,
    view_columns,
)
from watchword_server.store.postgres_pool import PostgresPool
from watchword_server.store.records import AuditEvent
from watchword_server.store.rows import audit_values
from watchword_server.store.text import integer, limited, storable

_NOW: Final = "WITH t AS MATERIALIZED (SELECT watchword_now($1) AS now) "
_ADD: Final = "SELECT watchword_add_api_key($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_LOOK: Final = (
    _NOW + f"SELECT {view_columns('greatest', 't.now')} FROM {OWNED} CROSS JOIN t CROSS JOIN revocation_head h "
    "WHERE k.digest = $2"
)
_LIST: Final = (
    _NOW + f"SELECT {API_KEY_COLUMNS} FROM {OWNED} CROSS JOIN t WHERE ($2::text IS NULL OR k.account_id = $2) "
    f"AND ($3::text IS NULL OR k.client_id = $3) AND k.id > $4 AND {key_alive('greatest', 't.now')} "
    "ORDER BY k.id LIMIT $5"
)
_USE: Final = (
    _NOW + "UPDATE api_keys k SET last_used_at = t.now FROM t WHERE k.id = $2 AND k.ended_at IS NULL "
    "AND (k.last_used_at IS NULL OR k.last_used_at <= t.now - $3::double precision) RETURNING true"
)
_REVOKE: Final = "SELECT watchword_revoke_api_key($1, $2, $3, $4, $5)"


class PostgresApiKeys(PostgresPool):
    """The ApiKeys part of the port."""

    async def add_api_key(self, new: NewApiKey, *, most: int, audit: AuditEvent) -> Added:
        """Record it, unless its owner has enough or was cut off since."""
        values = (*key_values(new), integer(most), audit_values(audit))
        try:
            added: Added = await self._value(_ADD, self._now(), *values)
        except asyncpg.UniqueViolationError as error:
            raise ValueError("a key with that id or secret exists") from error
        return added

    async def api_key(self, digest: bytes) -> ApiKeyView | None:
        """The key with all that its use is judged by."""
        row = await self._row(_LOOK, self._now(), digest)
        return None if row is None else api_key_view_of(row)

    async def api_keys(
        self, *, account_id: str | None = None, client_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[ApiKey]:
        """Living keys by ascending id."""
        if not storable(account_id, client_id, after):
            return ()
        rows = await self._rows(_LIST, self._now(), account_id, client_id, after or "", limited(limit))
        return [api_key_of(row) for row in rows]

    async def use_api_key(self, key_id: str, *, every: float) -> bool:
        """Note that it was used now. True for exactly one caller in ``every`` seconds."""
        return storable(key_id) and bool(await self._value(_USE, self._now(), key_id, float(every)))

    async def revoke_api_key(self, key_id: str, *, account_id: str | None, audit: AuditEvent) -> bool:
        """End it, by a cut-off of its jti. True for exactly one caller."""
        if not storable(key_id, account_id):
            return False
        values = (key_id, account_id, audit_values(audit))
        return bool(await self._value(_REVOKE, self._now(), self._leeway, *values))
