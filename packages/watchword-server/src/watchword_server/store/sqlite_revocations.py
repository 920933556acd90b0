"""The log of cut-offs on SQLite: its head, one more entry, pages after a cursor.

Does not serve the feed; endpoints/feed does.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final

from watchword_server.store.log import EPOCH_JUMP, SHARED_AXES, START, known_form, require_axis, require_lifetime
from watchword_server.store.ownership import OWNED_AXES, tenants_statement
from watchword_server.store.port import StoreUnavailable
from watchword_server.store.reach import reach_of, reach_statement
from watchword_server.store.records import AuditEvent, Axis, Cursor, CutOff, CutOffBatch, Reach
from watchword_server.store.rows import Row, cut_off_of
from watchword_server.store.sqlite_families import SqliteFamilies
from watchword_server.store.sqlite_log import (
    Told,
    append_audit,
    end_account_families,
    end_shared_families,
    write_cut_off,
)
from watchword_server.store.statements import CUT_OFF_COLUMNS
from watchword_server.store.text import clean, limited, require_storable

_HEAD: Final = "SELECT epoch, position, chain FROM revocation_head"
_PAGE: Final = (
    f"SELECT {CUT_OFF_COLUMNS}, r.chain FROM revocations r WHERE r.position > ? AND r.axis <> '' AND r.expires_at > ? "
    "ORDER BY r.position LIMIT ?"
)
_TENANTS: Final = tenants_statement("IN (SELECT value FROM json_each(?{number}))")


class SqliteRevocations(SqliteFamilies):
    """The Revocations part of the port."""

    async def head(self) -> Cursor:
        """Where the log ends."""
        row = self._row(_HEAD, ())
        if row is None:
            raise StoreUnavailable("SQLite: the log has no head")
        return _cursor_of(row)

    async def cut_off(
        self, axis: Axis, value: str, *, spares: str | None, ends_families: bool, cause: str, audit: AuditEvent
    ) -> CutOff:
        """Write one cut-off with its audit line; on an absolute axis one alive is returned as it is."""
        require_storable(value=value, spares=spares)
        require_axis(axis, value)
        told = Told(axis, value, clean(cause), spares)

        def act(connection: sqlite3.Connection) -> CutOff:
            now = self._now()
            before = _position(connection)
            entry = self._enforce(connection, now, told, ends_families=ends_families)
            if _position(connection) != before:
                append_audit(connection, now, audit)
            return entry

        return await self._write(act)

    def _enforce(self, connection: sqlite3.Connection, now: float, told: Told, *, ends_families: bool) -> CutOff:
        """Write the entry and make the rows agree with it: what is cut off must not be refreshed or signed with."""
        if told.axis == "session":
            self._end(connection, now, told.value, None, told.cause)
        elif told.axis == "family":
            row = connection.execute("SELECT sid FROM families WHERE id = ?", (told.value,)).fetchone()
            if row is not None:
                self._end(connection, now, row[0], None, told.cause)
        elif told.axis == "key":
            connection.execute("UPDATE signing_keys SET state = 'distrusted' WHERE kid = ?", (told.value,))
        entry = write_cut_off(connection, now, self._leeway, told)
        if ends_families and told.axis == "account":
            end_account_families(connection, now, entry)
        elif ends_families and told.axis in SHARED_AXES:
            end_shared_families(connection, entry)
        return entry

    async def reach(self, axis: Axis, value: str, *, limit: int) -> Reach:
        """Count what a cut-off would end, on the thread of long reads."""
        require_storable(value=value)
        require_axis(axis, value)
        most = max(1, limited(limit))
        sql = reach_statement(axis, greatest="max", now="?1", value="?2", axis_value="?3", limit="?4")
        values = (self._now(), value, axis, most + 1)
        return await self._beside(lambda connection: reach_of(connection.execute(sql, values).fetchone(), most))

    async def cut_offs_after(self, cursor: Cursor | None, *, limit: int) -> CutOffBatch:
        """Entries after the cursor, read in one snapshot; from the start when the cursor is not of this log."""
        most = max(1, limited(limit))
        if cursor is not None and not known_form(cursor):
            cursor = None
        if cursor is not None and cursor == await self.head():
            return CutOffBatch(entries=(), cursor=cursor, more=False, snapshot=False, read_at=self._now())
        return await self._beside(lambda connection: _page(connection, self._now(), cursor, most))

    async def tenants_of(self, subjects: Collection[tuple[Axis, str]]) -> dict[tuple[Axis, str], str | None]:
        """Whose accounts, sessions and families are, by tenant; on the thread of long reads."""
        values = [json.dumps(sorted(value for axis, value in subjects if axis == owned)) for owned in OWNED_AXES]
        return await self._beside(
            lambda connection: {(row[0], row[1]): row[2] for row in connection.execute(_TENANTS, values)}
        )

    async def begin_epoch(self, audit: AuditEvent) -> Cursor:
        """Begin a new epoch past all positions that may have been lost, and cut everything off."""

        def act(connection: sqlite3.Connection) -> Cursor:
            now = self._now()
            connection.execute(
                "UPDATE revocation_head SET epoch = lower(hex(randomblob(16))), position = position + ?", (EPOCH_JUMP,)
            )
            self._enforce(connection, now, Told("everything", "", "store.restored"), ends_families=True)
            append_audit(connection, now, audit)
            return _cursor_of(connection.execute(_HEAD).fetchone())

        return await self._write(act)

    @asynccontextmanager
    async def watching(self, changed: Callable[[], None]) -> AsyncIterator[None]:
        """Call `changed` when the head has moved: at this process's commits, and 50 ms after others' at most."""
        watch = asyncio.create_task(self._watchers.watch(self._reader, changed))
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def declare_lifetime(self, token_class: str, seconds: float) -> float:
        """Remember the longest lifetime of a class of tokens; returns it, in seconds."""
        require_storable(token_class=token_class)
        require_lifetime(seconds)

        def act(connection: sqlite3.Connection) -> float:
            row = connection.execute(
                "INSERT INTO lifetimes (token_class, seconds) VALUES (?, ?) ON CONFLICT (token_class) "
                "DO UPDATE SET seconds = max(seconds, excluded.seconds) RETURNING seconds",
                (token_class, float(seconds)),
            ).fetchone()
            return float(row[0])  # SQLite returns a whole REAL of RETURNING as an integer

        return await self._write(act)


def _position(connection: sqlite3.Connection) -> int:
    position: int = connection.execute("SELECT position FROM revocation_head").fetchone()[0]
    return position


def _cursor_of(row: Row) -> Cursor:
    return Cursor(epoch=row[0], position=row[1], chain=row[2].hex())


def _page(connection: sqlite3.Connection, now: float, cursor: Cursor | None, limit: int) -> CutOffBatch:
    head = _cursor_of(connection.execute(_HEAD).fetchone())
    known = cursor is not None and _known(connection, cursor, head)
    start = cursor.position if cursor is not None and known else 0
    rows = connection.execute(_PAGE, (start, now, limit + 1)).fetchall()
    more = len(rows) > limit
    entries = tuple(cut_off_of(row) for row in rows[:limit])
    end = Cursor(epoch=head.epoch, position=entries[-1].position, chain=rows[limit - 1][8].hex()) if more else head
    return CutOffBatch(entries=entries, cursor=end, more=more, snapshot=not known, read_at=now)


def _known(connection: sqlite3.Connection, cursor: Cursor, head: Cursor) -> bool:
    """Whether the cursor is a place of this log: its position is there and the chain up to it is the same."""
    if cursor.epoch != head.epoch or cursor.position >= head.position:
        return cursor == head
    if cursor.position == 0:
        return cursor.chain == START.hex()
    row = connection.execute("SELECT chain FROM revocations WHERE position = ?", (cursor.position,)).fetchone()
    return row is not None and row[0].hex() == cursor.chain
