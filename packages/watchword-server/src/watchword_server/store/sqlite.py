"""The store on one SQLite file: audit, notices and upkeep, on top of the other parts.

Serves one host: several processes may open the file at once, hosts may not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Final

from watchword_server.store.records import AuditEntry, AuditEvent, Notice, StoreFigures, SweepReport
from watchword_server.store.rows import audit_entry_of, notice_of
from watchword_server.store.sqlite_api_keys import SqliteApiKeys
from watchword_server.store.sqlite_authorization_sweep import AUTHORIZATION_SWEEPS
from watchword_server.store.sqlite_log import append_audit
from watchword_server.store.sqlite_opaque import SqliteOpaque
from watchword_server.store.sqlite_outbox import SqliteOutbox
from watchword_server.store.sqlite_signals import SqliteSignals
from watchword_server.store.sqlite_status import SqliteStatus
from watchword_server.store.sqlite_sweep import (
    SWEEPS,
    Sweep,
    forget_family_cutoffs,
    give_back_pages,
    settled_family_cutoffs,
)
from watchword_server.store.statements import AUDIT_COLUMNS, NOTICE_COLUMNS, TABLES
from watchword_server.store.text import integer, limited, storable

_AUDIT: Final = (
    f"SELECT {AUDIT_COLUMNS} FROM audit l WHERE (?1 IS NULL OR l.id < ?1) AND {{account}} (?3 IS NULL OR l.event = ?3) "
    "ORDER BY l.id DESC LIMIT ?4"
)
_AUDIT_OF_ALL: Final = _AUDIT.format(account="?2 IS NULL AND")
_AUDIT_OF_ONE: Final = _AUDIT.format(account="l.account_id = ?2 AND")
_NOTICES: Final = (
    f"SELECT {NOTICE_COLUMNS} FROM notices n WHERE n.account_id = ? AND n.read_at IS NULL ORDER BY n.id DESC LIMIT 1000"
)


class SqliteStore(SqliteOpaque, SqliteOutbox, SqliteSignals, SqliteStatus, SqliteApiKeys):
    """The whole port on SQLite.

    Every write is durable when it returns (write-ahead log, synchronous FULL); writes that wait together share one
    commit. Single rows are read on the calling thread in microseconds, lists and counts by a thread of their own.
    """

    async def append_audit(self, event: AuditEvent) -> None:
        """Append one line."""
        await self._write(lambda connection: append_audit(connection, self._now(), event))

    async def audit_entries(
        self, *, before: int | None, limit: int, account_id: str | None, event: str | None
    ) -> Sequence[AuditEntry]:
        """Newest first."""
        if not storable(account_id, event):
            return ()
        sql = _AUDIT_OF_ALL if account_id is None else _AUDIT_OF_ONE
        values = (None if before is None else integer(before), account_id, event, limited(limit))
        return await self._beside(lambda connection: [audit_entry_of(row) for row in connection.execute(sql, values)])

    async def notices(self, account_id: str) -> Sequence[Notice]:
        """Unread ones, newest first, 1000 at most."""
        return [notice_of(row) for row in self._rows(_NOTICES, (account_id,))] if storable(account_id) else ()

    async def read_notices(self, account_id: str, up_to: int) -> int:
        """Mark as read up to that id; returns how many."""
        if not storable(account_id):
            return 0

        def act(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "UPDATE notices SET read_at = ? WHERE account_id = ? AND id <= ? AND read_at IS NULL",
                (self._now(), account_id, integer(up_to)),
            ).rowcount

        return await self._write(act, whole=True)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the file can be read and written."""
        await self._write(
            lambda connection: connection.execute("UPDATE revocation_head SET forgotten = forgotten").close(),
            whole=True,
        )

    async def sweep(self, *, limit: int, retention: float) -> SweepReport:
        """Delete dead rows, at most about `limit` a table, each table in a short transaction of its own."""
        most = max(1, limited(limit))
        deleted: dict[str, int] = {}
        more = False
        for sweep in (*SWEEPS, *AUTHORIZATION_SWEEPS):
            swept = await self._write(partial(self._sweep_by, sweep, most, retention))
            for table, count in swept.deleted.items():
                deleted[table] = deleted.get(table, 0) + count
            more = more or swept.more
        settled = await self._beside(lambda connection: settled_family_cutoffs(connection, self._now(), most))
        deleted["family_cutoffs"] = len(settled)
        if settled:
            await self._write(lambda connection: forget_family_cutoffs(connection, settled))
        await self._write(give_back_pages)
        return SweepReport(deleted=deleted, more=more or len(settled) >= most)

    def _sweep_by(self, sweep: Sweep, limit: int, retention: float, connection: sqlite3.Connection) -> SweepReport:
        return sweep(connection, self._now(), limit, retention)

    async def figures(self) -> StoreFigures:
        """Rows by table, and bytes of the file without its write-ahead log."""

        def read(connection: sqlite3.Connection) -> StoreFigures:
            rows = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            return StoreFigures(rows=rows, bytes=pages * connection.execute("PRAGMA page_size").fetchone()[0])

        return await self._beside(read)
