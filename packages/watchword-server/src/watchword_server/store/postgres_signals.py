"""Streams of security events on PostgreSQL.

Sends none; ssf/ and the outbox do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from watchword_server.store.postgres_pool import PostgresPool
from watchword_server.store.signal_records import Addressed, Stream
from watchword_server.store.signal_rows import STREAM_COLUMNS, WANTING, addressed_of, stream_of, stream_values
from watchword_server.store.text import require_storable, storable

_CREATE: Final = "SELECT watchword_create_stream($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
_REPLACE: Final = (
    "UPDATE ssf_streams SET method = $2, endpoint = $3, sealed = $4, requested = $5, description = $6, status = $7, "
    "reason = $8, verified_at = $9, version = version + 1 "
    "WHERE id = $1 AND version = $10 RETURNING 1"
)
_WANTING: Final = WANTING.format(names="= ANY ($1::text[])", yes="true", no="false", by_default="$2::boolean")


class PostgresSignals(PostgresPool):
    """The Signals part of the port."""

    async def create_stream(self, stream: Stream, *, most: int) -> bool:
        """Add it, unless its receiver has enough."""
        return bool(await self._value(_CREATE, stream.id, stream.receiver, *stream_values(stream), most))

    async def stream(self, stream_id: str) -> Stream | None:
        """One stream."""
        if not storable(stream_id):
            return None
        row = await self._row(f"SELECT {STREAM_COLUMNS} FROM ssf_streams g WHERE g.id = $1", stream_id)
        return None if row is None else stream_of(row)

    async def streams(self, receiver: str | None) -> Sequence[Stream]:
        """Those of a receiver, or all."""
        sql = f"SELECT {STREAM_COLUMNS} FROM ssf_streams g WHERE $1::text IS NULL OR g.receiver = $1 ORDER BY g.id"
        return [stream_of(row) for row in await self._rows(sql, receiver)] if storable(receiver) else ()

    async def replace_stream(self, stream: Stream) -> bool:
        """Change what can change, if nobody did meanwhile."""
        return await self._value(_REPLACE, stream.id, *_changeable(stream), stream.version) is not None

    async def delete_stream(self, stream_id: str) -> bool:
        """Delete it with its subjects and deliveries."""
        return storable(stream_id) and bool(await self._value("SELECT watchword_delete_stream($1)", stream_id))

    async def set_subject(self, stream_id: str, subject: str, *, included: bool, most: int) -> bool:
        """Note that events about a subject are wanted, or not."""
        require_storable(subject=subject)
        sql = "SELECT watchword_note_subject($1, $2, $3, $4)"
        return storable(stream_id) and bool(await self._value(sql, stream_id, subject, included, most))

    async def streams_about(self, subjects: Sequence[str], *, by_default: bool) -> Sequence[Addressed]:
        """The streams that want events about whoever goes by these names."""
        rows = await self._rows(_WANTING, [name for name in subjects if storable(name)], by_default)
        return [addressed_of(row) for row in rows]


def _changeable(stream: Stream) -> tuple[Any, ...]:
    *values, _created_at, verified_at = stream_values(stream)
    return (*values, verified_at)
