"""The log of cut-offs, the key ring's rows and counters of failures on PostgreSQL.

Does not serve the feed; endpoints/feed does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from watchword_server.store.log import EPOCH_JUMP, START, known_form, require_axis, require_lifetime
from watchword_server.store.ownership import OWNED_AXES, tenants_statement
from watchword_server.store.port import StoreUnavailable
from watchword_server.store.postgres_sessions import PostgresFamilies
from watchword_server.store.postgres_watch import Watch
from watchword_server.store.reach import reach_of, reach_statement
from watchword_server.store.records import (
    AuditEvent,
    Axis,
    Cursor,
    CutOff,
    CutOffBatch,
    Failures,
    KeyState,
    Reach,
    SigningKey,
)
from watchword_server.store.rows import Row, audit_values, cut_off_of, failures_of, key_of
from watchword_server.store.statements import CUT_OFF_COLUMNS, KEY_COLUMNS
from watchword_server.store.text import clean, counter_key, limited, require_storable, storable

_CUT_OFF: Final = f"SELECT {CUT_OFF_COLUMNS} FROM watchword_cut_off($1, $2, $3, $4, $5, $6, $7, $8) r"
# One statement, so head, judgement of the cursor and entries are of one snapshot.
_PAGE: Final = f"""
WITH t AS MATERIALIZED (SELECT watchword_now($1) AS now),
h AS MATERIALIZED (
    SELECT epoch, position, chain, CASE
        WHEN $2::text IS DISTINCT FROM epoch OR $3::bigint > position THEN false
        WHEN $3 = position THEN chain = $4::bytea
        WHEN $3 = 0 THEN $4 = $6::bytea
        ELSE EXISTS (SELECT 1 FROM revocations r WHERE r.position = $3 AND r.chain = $4) END AS known
    FROM revocation_head
)
SELECT h.epoch, h.position, h.chain, h.known, t.now, current_setting('transaction_read_only'), r.* FROM h CROSS JOIN t LEFT JOIN LATERAL (
    SELECT {CUT_OFF_COLUMNS}, r.chain FROM revocations r
    WHERE r.position > CASE WHEN h.known THEN $3 ELSE 0 END AND r.axis <> '' AND r.expires_at > t.now
    ORDER BY r.position LIMIT $5
) r ON true ORDER BY r.position
"""
_TENANTS: Final = tenants_statement("= ANY (${number}::text[])")
_ADD_KEY: Final = "SELECT watchword_add_key($1, ROW($2, $3, $4, $5, $6, $7, $8, $9, $10)::signing_keys, $11, $12)"
_FAILURES: Final = (
    "SELECT name, count, window_ends_at FROM failures WHERE name = ANY ($2) AND window_ends_at > watchword_now($1)"
)
# In order of name everywhere, so that two statements never wait for each other.
_COUNT: Final = """
WITH t AS MATERIALIZED (SELECT watchword_now($1) AS now)
INSERT INTO failures AS f (name, count, window_ends_at)
SELECT n.name, 1, t.now + $3 FROM unnest($2::text[]) WITH ORDINALITY AS n (name, place), t ORDER BY n.place
ON CONFLICT (name) DO UPDATE SET
    count = CASE WHEN f.window_ends_at > excluded.window_ends_at - $3 THEN f.count + 1 ELSE 1 END,
    window_ends_at = CASE WHEN f.window_ends_at > excluded.window_ends_at - $3 THEN f.window_ends_at
        ELSE excluded.window_ends_at END
RETURNING name, count, window_ends_at
"""
_CLEAR: Final = """
WITH held AS MATERIALIZED (SELECT name FROM failures WHERE name = ANY ($1) ORDER BY name FOR UPDATE)
DELETE FROM failures f USING held WHERE f.name = held.name
"""


class PostgresRevocations(PostgresFamilies):
    """The Revocations part of the port."""

    async def head(self) -> Cursor:
        """Where the log ends."""
        row = await self._row("SELECT epoch, position, chain FROM revocation_head")
        if row is None:
            raise StoreUnavailable("PostgreSQL: the log has no head")
        return Cursor(epoch=row[0], position=row[1], chain=row[2].hex())

    async def cut_off(
        self, axis: Axis, value: str, *, spares: str | None, ends_families: bool, cause: str, audit: AuditEvent
    ) -> CutOff:
        """Write one cut-off with its audit line; on an absolute axis one alive is returned as it is."""
        require_storable(value=value, spares=spares)
        require_axis(axis, value)
        values = (axis, value, spares, clean(cause), ends_families, audit_values(audit))
        row = await self._row(_CUT_OFF, self._now(), self._leeway, *values)
        assert row is not None  # noqa: S101 - the function returns one row or raises
        return cut_off_of(row)

    async def reach(self, axis: Axis, value: str, *, limit: int) -> Reach:
        """Count what a cut-off would end."""
        require_storable(value=value)
        require_axis(axis, value)
        most = max(1, limited(limit))
        sql = reach_statement(
            axis, greatest="greatest", now="watchword_now($1)", value="$2::text", axis_value="$3::text", limit="$4"
        )
        row = await self._row(sql, self._now(), value, axis, most + 1)
        assert row is not None  # noqa: S101 - counts are one row
        return reach_of(row, most)

    async def cut_offs_after(self, cursor: Cursor | None, *, limit: int) -> CutOffBatch:
        """Entries after the cursor, read in one snapshot; from the start when the cursor is not of this log."""
        most = max(1, limited(limit))
        place: tuple[str | None, int, bytes] = (None, 0, b"")
        if cursor is not None and known_form(cursor):
            place = (cursor.epoch, cursor.position, bytes.fromhex(cursor.chain))
        rows = await self._rows(_PAGE, self._now(), *place, most + 1, START)
        if not rows:
            raise StoreUnavailable("PostgreSQL: the log has no head")
        epoch, position, chain, known, now, read_only = rows[0][:6]
        if read_only != "off":
            # A standby, or a primary set aside: what it does not know yet may have been acknowledged elsewhere.
            raise StoreUnavailable("PostgreSQL: read-only")
        found = [row[6:] for row in rows if row[6] is not None]
        more = len(found) > most
        if more:
            position, chain = found[most - 1][0], found[most - 1][8]
        return CutOffBatch(
            entries=tuple(cut_off_of(row) for row in found[:most]),
            cursor=Cursor(epoch=epoch, position=position, chain=chain.hex()),
            more=more,
            snapshot=not known,
            read_at=now,
        )

    async def tenants_of(self, subjects: Collection[tuple[Axis, str]]) -> dict[tuple[Axis, str], str | None]:
        """Whose accounts, sessions and families are, by tenant."""
        values = [sorted(value for axis, value in subjects if axis == owned) for owned in OWNED_AXES]
        return {(row[0], row[1]): row[2] for row in await self._rows(_TENANTS, *values)}

    async def begin_epoch(self, audit: AuditEvent) -> Cursor:
        """Begin a new epoch past all positions that may have been lost, and cut everything off."""
        sql = "SELECT watchword_begin_epoch($1, $2, $3, $4)"
        await self._value(sql, self._now(), self._leeway, EPOCH_JUMP, audit_values(audit))
        return await self.head()

    @asynccontextmanager
    async def watching(self, changed: Callable[[], None]) -> AsyncIterator[None]:
        """Call `changed` when the head has moved, as notifications tell, or a look each second where they are lost."""
        watch = asyncio.create_task(Watch(self._dsn, self.head, changed).run())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def declare_lifetime(self, token_class: str, seconds: float) -> float:
        """Remember the longest lifetime of a class of tokens; returns it, in seconds."""
        require_storable(token_class=token_class)
        require_lifetime(seconds)
        return float(await self._value("SELECT watchword_declare_lifetime($1, $2)", token_class, float(seconds)))


class PostgresKeys(PostgresRevocations):
    """The Keys and Throttle parts of the port."""

    async def keys(self) -> Sequence[SigningKey]:
        """All keys, oldest first."""
        rows = await self._rows(f"SELECT {KEY_COLUMNS} FROM signing_keys k ORDER BY k.created_at, k.kid")
        return [key_of(row) for row in rows]

    async def add_key(self, key: SigningKey, *, unless_state: KeyState | None, audit: AuditEvent) -> bool:
        """Add it unless its kid is there, or a key of the same purpose and algorithm is in `unless_state`."""
        require_storable(kid=key.kid, algorithm=key.algorithm)
        values = (
            *(key.kid, key.purpose, key.algorithm, key.state, key.public_jwk, key.sealed),
            *(key.created_at, key.activated_at, key.retired_at),
        )
        try:
            done = await self._value(_ADD_KEY, self._now(), *values, unless_state, audit_values(audit))
        except asyncpg.UniqueViolationError as error:
            raise ValueError("a key of that purpose and algorithm is active already") from error
        return bool(done)

    async def activate_key(self, kid: str, *, audit: AuditEvent) -> bool:
        """Make `next` active, and the active one of its kind retired. True for exactly one caller."""
        return await self._change_key("SELECT watchword_activate_key($1, $2, $3)", kid, audit)

    async def forget_key(self, kid: str, *, audit: AuditEvent) -> bool:
        """Delete a retired or distrusted key. True for exactly one caller."""
        return await self._change_key("SELECT watchword_forget_key($1, $2, $3)", kid, audit)

    async def distrust_key(self, kid: str, *, audit: AuditEvent) -> bool:
        """Any state -> distrusted, with its cut-off. True for exactly one caller."""
        return await self._change_key("SELECT watchword_distrust_key($1, $4, $2, $3)", kid, audit, self._leeway)

    async def _change_key(self, sql: str, kid: str, audit: AuditEvent, *more: float) -> bool:
        if not storable(kid):
            return False
        return bool(await self._value(sql, self._now(), kid, audit_values(audit), *more))

    async def failures(self, keys: Sequence[str]) -> Sequence[Failures]:
        """For each key with a running window, its count."""
        names = {counter_key(key): key for key in keys}
        rows = await self._rows(_FAILURES, self._now(), list(names))
        return _in_order(names, rows)

    async def count_failure(self, keys: Sequence[str], *, window: float) -> Sequence[Failures]:
        """Count one failure under each key, opening a window of that many seconds where none runs."""
        names = {counter_key(key): key for key in keys}
        rows = await self._rows(_COUNT, self._now(), sorted(names), float(window))
        return _in_order(names, rows)

    async def clear_failures(self, keys: Sequence[str]) -> None:
        """Forget the counts under these keys."""
        await self._rows(_CLEAR, [counter_key(key) for key in keys])


def _in_order(names: dict[str, str], rows: Sequence[Row]) -> list[Failures]:
    """Counters in the order they were asked for, under the keys they were asked by."""
    found = {row[0]: row for row in rows}
    return [failures_of(found[name], key) for name, key in names.items() if name in found]
