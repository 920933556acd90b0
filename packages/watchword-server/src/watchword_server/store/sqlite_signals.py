"""Streams of security events on SQLite.

Sends none; ssf/ and the outbox do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from watchword_server.store.signal_records import Addressed, Stream
from watchword_server.store.signal_rows import STREAM_COLUMNS, WANTING, addressed_of, stream_of, stream_values
from watchword_server.store.sqlite_file import SqliteFile
from watchword_server.store.text import require_storable, storable

_CREATE: Final = (
    "INSERT INTO ssf_streams (id, receiver, method, endpoint, sealed, requested, description, status, reason, created_at, "
    "verified_at, version) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0 "
    "WHERE (SELECT count(*) FROM ssf_streams WHERE receiver = ?2) < ?12"
)
_REPLACE: Final = (
    "UPDATE ssf_streams SET method = ?2, endpoint = ?3, sealed = ?4, requested = ?5, description = ?6, status = ?7, "
    "reason = ?8, verified_at = ?10, version = version + 1 WHERE id = ?1 AND version = ?11"
)
_NOTE: Final = (
    "INSERT INTO ssf_subjects (stream_id, subject, included) SELECT ?1, ?2, ?3 FROM ssf_streams WHERE id = ?1 AND (EXISTS "
    "(SELECT 1 FROM ssf_subjects WHERE stream_id = ?1 AND subject = ?2) "
    "OR (SELECT count(*) FROM ssf_subjects WHERE stream_id = ?1) < ?4) "
    "ON CONFLICT (stream_id, subject) DO UPDATE SET included = excluded.included"
)
_WANTING: Final = WANTING.format(names="IN (SELECT value FROM json_each(?1))", yes="1", no="0", by_default="?2")


class SqliteSignals(SqliteFile):
    """The Signals part of the port."""

    async def create_stream(self, stream: Stream, *, most: int) -> bool:
        """Add it, unless its receiver has enough."""
        values = (stream.id, stream.receiver, *stream_values(stream), most)
        return await self._one(_CREATE, values)

    async def stream(self, stream_id: str) -> Stream | None:
        """One stream."""
        if not storable(stream_id):
            return None
        row = self._row(f"SELECT {STREAM_COLUMNS} FROM ssf_streams g WHERE g.id = ?", (stream_id,))
        return None if row is None else stream_of(row)

    async def streams(self, receiver: str | None) -> Sequence[Stream]:
        """Those of a receiver, or all."""
        sql = f"SELECT {STREAM_COLUMNS} FROM ssf_streams g WHERE ?1 IS NULL OR g.receiver = ?1 ORDER BY g.id"
        return [stream_of(row) for row in self._rows(sql, (receiver,))] if storable(receiver) else ()

    async def replace_stream(self, stream: Stream) -> bool:
        """Change what can change, if nobody did meanwhile."""
        return await self._one(_REPLACE, (stream.id, *stream_values(stream), stream.version))

    async def delete_stream(self, stream_id: str) -> bool:
        """Delete it with its subjects and deliveries."""
        if not storable(stream_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            connection.execute(
                "DELETE FROM outbox WHERE kind IN ('ssf_push', 'ssf_poll') AND destination = ?", (stream_id,)
            )
            connection.execute("DELETE FROM ssf_subjects WHERE stream_id = ?", (stream_id,))
            return connection.execute("DELETE FROM ssf_streams WHERE id = ?", (stream_id,)).rowcount == 1

        return await self._write(act)

    async def set_subject(self, stream_id: str, subject: str, *, included: bool, most: int) -> bool:
        """Note that events about a subject are wanted, or not."""
        require_storable(subject=subject)
        return storable(stream_id) and await self._one(_NOTE, (stream_id, subject, int(included), most))

    async def streams_about(self, subjects: Sequence[str], *, by_default: bool) -> Sequence[Addressed]:
        """The streams that want events about whoever goes by these names."""
        rows = self._rows(_WANTING, (json.dumps([name for name in subjects if storable(name)]), int(by_default)))
        return [addressed_of(row) for row in rows]

    async def _one(self, sql: str, values: tuple[str | bytes | float | None, ...]) -> bool:
        return await self._write(lambda connection: connection.execute(sql, values).rowcount == 1, whole=True)
