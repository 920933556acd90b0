"""The store on PostgreSQL: audit, notices and upkeep, on top of the other parts.

Serves any number of processes and hosts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword_server.store.port import StoreUnavailable
from watchword_server.store.postgres_api_keys import PostgresApiKeys
from watchword_server.store.postgres_outbox import PostgresOutbox
from watchword_server.store.postgres_signals import PostgresSignals
from watchword_server.store.postgres_status import PostgresStatus
from watchword_server.store.postgres_sweep import PostgresSweep
from watchword_server.store.records import AuditEntry, AuditEvent, Notice, StoreFigures
from watchword_server.store.rows import audit_entry_of, audit_values, notice_of
from watchword_server.store.statements import AUDIT_COLUMNS, NOTICE_COLUMNS, TABLES
from watchword_server.store.text import integer, limited, storable

_AUDIT: Final = (
    f"SELECT {AUDIT_COLUMNS} FROM audit l WHERE ($1::bigint IS NULL OR l.id < $1) AND "
    "($2::text IS NULL OR l.account_id = $2) AND ($3::text IS NULL OR l.event = $3) ORDER BY l.id DESC LIMIT $4"
)
_NOTICES: Final = f"SELECT {NOTICE_COLUMNS} FROM notices n WHERE n.account_id = $1 AND n.read_at IS NULL ORDER BY n.id DESC LIMIT 1000"
_READ_NOTICES: Final = """
WITH done AS (
    UPDATE notices SET read_at = watchword_now($1) WHERE account_id = $2 AND id <= $3 AND read_at IS NULL RETURNING 1
) SELECT count(*) FROM done
"""
_COUNTS: Final = " UNION ALL ".join(
    f"SELECT '{table}', count(*), pg_total_relation_size('{table}') FROM {table}" for table in TABLES
)


class PostgresStore(PostgresSweep, PostgresOutbox, PostgresSignals, PostgresStatus, PostgresApiKeys):
    """The whole port on PostgreSQL.

    Every verb is one statement, durable when it returns as far as the database's `synchronous_commit` goes (never less
    than `on`). A connection lost while a statement runs leaves it done or not done, never half.
    """

    async def append_audit(self, event: AuditEvent) -> None:
        """Append one line."""
        await self._value("SELECT watchword_audit(watchword_now($1), $2)", self._now(), audit_values(event))

    async def audit_entries(
        self, *, before: int | None, limit: int, account_id: str | None, event: str | None
    ) -> Sequence[AuditEntry]:
        """Newest first."""
        if not storable(account_id, event):
            return ()
        start = None if before is None else integer(before)
        return [audit_entry_of(row) for row in await self._rows(_AUDIT, start, account_id, event, limited(limit))]

    async def notices(self, account_id: str) -> Sequence[Notice]:
        """Unread ones, newest first, 1000 at most."""
        return [notice_of(row) for row in await self._rows(_NOTICES, account_id)] if storable(account_id) else ()

    async def read_notices(self, account_id: str, up_to: int) -> int:
        """Mark as read up to that id; returns how many."""
        if not storable(account_id):
            return 0
        return int(await self._value(_READ_NOTICES, self._now(), account_id, integer(up_to)))

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database can be read and written."""
        if await self._value("SELECT current_setting('transaction_read_only') FROM revocation_head") != "off":
            raise StoreUnavailable("PostgreSQL: read-only")

    async def figures(self) -> StoreFigures:
        """Rows by table, and bytes of these tables with their indexes."""
        rows = await self._rows(_COUNTS)
        return StoreFigures(rows={row[0]: row[1] for row in rows}, bytes=sum(row[2] for row in rows))
