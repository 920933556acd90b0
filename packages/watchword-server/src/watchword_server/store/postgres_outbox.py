"""Deliveries and the news of the log on PostgreSQL.

Does not deliver; outbox/ does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword_server.store.delivery_records import Delivery, NewDelivery, News, OutboxFigures
from watchword_server.store.delivery_rows import (
    DELIVERY_COLUMNS,
    LOOKED_AT,
    NEWS,
    delivery_of,
    news_of,
    require_deliverable,
    state_of,
)
from watchword_server.store.postgres_pool import PostgresPool
from watchword_server.store.text import clean, integer, limited, storable

# Rows that another worker is taking are skipped, so each goes to one caller and nobody waits.
_LEASE: Final = f"""
WITH t AS MATERIALIZED (SELECT watchword_now($1) AS now),
looked_at AS MATERIALIZED (
    SELECT d.id, d.destination, d.due_at FROM outbox d, t
    WHERE d.state = 'waiting' AND d.due_at <= t.now AND d.destination <> ALL ($4::text[])
    ORDER BY d.due_at, d.id LIMIT {LOOKED_AT}
), share AS MATERIALIZED (
    SELECT id, row_number() OVER (PARTITION BY destination ORDER BY due_at, id) AS place FROM looked_at
), due AS MATERIALIZED (
    SELECT d.id FROM outbox d JOIN share USING (id), t
    WHERE share.place <= $6 AND d.state = 'waiting' AND d.due_at <= t.now
    ORDER BY d.due_at, d.id LIMIT $5 FOR UPDATE OF d SKIP LOCKED
)
UPDATE outbox o SET lease = $2, due_at = t.now + $3, attempts = o.attempts + 1 FROM due, t WHERE o.id = due.id
RETURNING {DELIVERY_COLUMNS}
"""
_DELIVERED: Final = "DELETE FROM outbox WHERE id = $1 AND lease = $2 RETURNING 1"
_PUT_OFF: Final = (
    "UPDATE outbox SET lease = NULL, due_at = watchword_now($1) + $2, last_error = $3 WHERE id = $4 AND lease = $5 "
    "RETURNING 1"
)
_GIVE_UP: Final = (
    "UPDATE outbox SET lease = NULL, state = 'dead', last_error = $1 WHERE id = $2 AND lease = $3 RETURNING 1"
)
_RETRY: Final = (
    "UPDATE outbox SET state = 'waiting', attempts = 0, due_at = watchword_now($1), created_at = watchword_now($1) "
    "WHERE id = $2 AND state = 'dead' RETURNING 1"
)
_FORGET: Final = "DELETE FROM outbox WHERE id = $1 AND state = 'dead' RETURNING 1"
_LIST: Final = f"SELECT {DELIVERY_COLUMNS} FROM outbox o WHERE o.state = $1 AND o.id > $2 ORDER BY o.id LIMIT $3"
_HELD: Final = (
    f"SELECT {DELIVERY_COLUMNS} FROM outbox o WHERE o.kind = $1 AND o.destination = $2 AND o.state = 'held' "
    "ORDER BY o.id LIMIT $3"
)
_DROP: Final = """
WITH gone AS (
    DELETE FROM outbox WHERE kind = $1 AND destination = $2 AND ($3::text[] IS NULL OR dedupe = ANY ($3)) RETURNING 1
) SELECT count(*) FROM gone
"""
_DUE_IN: Final = "SELECT min(due_at) - watchword_now($1) FROM outbox WHERE state = 'waiting'"
_FIGURES: Final = """
SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'held'),
    count(*) FILTER (WHERE state = 'dead'),
    greatest(0, coalesce(watchword_now($1) - min(created_at) FILTER (WHERE state = 'waiting'), 0))
FROM outbox
"""


class PostgresOutbox(PostgresPool):
    """The Outbox and LogNews parts of the port."""

    async def enqueue(self, deliveries: Sequence[NewDelivery]) -> int:
        """Put them all in, but those on record."""
        columns = _columns(deliveries)
        return int(await self._value("SELECT watchword_enqueue($1, $2, $3, $4, $5, $6)", self._now(), *columns))

    async def lease_deliveries(
        self, lease: str, *, seconds: float, limit: int, per_destination: int, resting: Sequence[str] = ()
    ) -> Sequence[Delivery]:
        """Take due ones."""
        most = (limited(limit), limited(per_destination))
        rows = await self._rows(_LEASE, self._now(), lease, float(seconds), list(resting), *most)
        return sorted(map(delivery_of, rows), key=lambda one: one.id)

    async def delivered(self, delivery_id: int, lease: str) -> bool:
        """Forget it."""
        return await self._value(_DELIVERED, integer(delivery_id), lease) is not None

    async def put_off(self, delivery_id: int, lease: str, *, seconds: float, error: str) -> bool:
        """Have it due again after `seconds`."""
        values = (float(seconds), clean(error), integer(delivery_id), lease)
        return await self._value(_PUT_OFF, self._now(), *values) is not None

    async def give_up(self, delivery_id: int, lease: str, *, error: str) -> bool:
        """Make it a dead letter."""
        return await self._value(_GIVE_UP, clean(error), integer(delivery_id), lease) is not None

    async def deliveries(self, *, dead: bool, after: int | None, limit: int) -> Sequence[Delivery]:
        """By ascending id after that id."""
        rows = await self._rows(_LIST, "dead" if dead else "waiting", integer(after or 0), limited(limit))
        return [delivery_of(row) for row in rows]

    async def retry_delivery(self, delivery_id: int) -> bool:
        """Have a dead letter due at once."""
        return await self._value(_RETRY, self._now(), integer(delivery_id)) is not None

    async def forget_delivery(self, delivery_id: int) -> bool:
        """Delete a dead letter."""
        return await self._value(_FORGET, integer(delivery_id)) is not None

    async def held_deliveries(self, kind: str, destination: str, *, limit: int) -> Sequence[Delivery]:
        """What is held for a destination to fetch, oldest first."""
        if not storable(kind, destination):
            return ()
        return [delivery_of(row) for row in await self._rows(_HELD, kind, destination, limited(limit))]

    async def drop_deliveries(self, kind: str, destination: str, dedupes: Sequence[str] | None) -> int:
        """Forget what was fetched; with None all of that kind for that destination."""
        if not storable(kind, destination):
            return 0
        names = None if dedupes is None else [name for name in dedupes if storable(name)]
        return int(await self._value(_DROP, kind, destination, names))

    async def due_in(self) -> float | None:
        """Seconds until a delivery is due."""
        seconds: float | None = await self._value(_DUE_IN, self._now())
        return seconds

    async def outbox_figures(self) -> OutboxFigures:
        """Rows by state."""
        row = await self._row(_FIGURES, self._now())
        assert row is not None  # noqa: S101 - counts are one row
        return OutboxFigures(waiting=row[0], held=row[1], dead=row[2], oldest_waiting=row[3])

    async def news(self, *, limit: int) -> Sequence[News]:
        """The oldest ones, in order of position."""
        return [news_of(row) for row in await self._rows(f"{NEWS} $1", limited(limit))]

    async def settle_news(self, positions: Sequence[int], deliveries: Sequence[NewDelivery]) -> bool:
        """Forget these news and enqueue what they mean."""
        sql = "SELECT watchword_settle_news($1, $2, $3, $4, $5, $6, $7)"
        return bool(await self._value(sql, self._now(), list(positions), *_columns(deliveries)))


def _columns(deliveries: Sequence[NewDelivery]) -> tuple[list[str], list[str], list[str], list[bytes], list[str]]:
    require_deliverable(deliveries)
    return (
        [new.kind for new in deliveries],
        [new.destination for new in deliveries],
        [new.dedupe for new in deliveries],
        [new.payload for new in deliveries],
        [state_of(new) for new in deliveries],
    )
