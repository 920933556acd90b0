"""Deliveries and the news of the log on SQLite.

Does not deliver; outbox/ does.
"""

from __future__ import annotations

import json
import sqlite3
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
from watchword_server.store.sqlite_file import SqliteFile
from watchword_server.store.text import clean, integer, limited, storable

_PUT: Final = (
    "INSERT INTO outbox (kind, destination, dedupe, payload, state, created_at, due_at) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (kind, destination, dedupe) DO NOTHING"
)
_LEASE: Final = (
    "UPDATE outbox AS o SET lease = ?1, due_at = ?2 + ?3, attempts = attempts + 1 WHERE id IN (SELECT id FROM (SELECT id, "
    "due_at, row_number() OVER (PARTITION BY destination ORDER BY due_at, id) AS place FROM (SELECT id, destination, due_at "
    "FROM outbox WHERE state = 'waiting' AND due_at <= ?2 AND destination NOT IN (SELECT value FROM json_each(?4)) "
    f"ORDER BY due_at, id LIMIT {LOOKED_AT})) WHERE place <= ?6 ORDER BY due_at, id LIMIT ?5) RETURNING {DELIVERY_COLUMNS.replace('o.', '')}"
)
_LIST: Final = f"SELECT {DELIVERY_COLUMNS} FROM outbox o WHERE o.state = ? AND o.id > ? ORDER BY o.id LIMIT ?"
_HELD: Final = (
    f"SELECT {DELIVERY_COLUMNS} FROM outbox o WHERE o.kind = ? AND o.destination = ? AND o.state = 'held' "
    "ORDER BY o.id LIMIT ?"
)
_FIGURES: Final = "SELECT state, count(*), min(created_at) FROM outbox GROUP BY state"


class SqliteOutbox(SqliteFile):
    """The Outbox and LogNews parts of the port."""

    async def enqueue(self, deliveries: Sequence[NewDelivery]) -> int:
        """Put them all in, but those on record."""
        require_deliverable(deliveries)
        return await self._write(lambda connection: _put(connection, self._now(), deliveries))

    async def lease_deliveries(
        self, lease: str, *, seconds: float, limit: int, per_destination: int, resting: Sequence[str] = ()
    ) -> Sequence[Delivery]:
        """Take due ones. The writer's transaction is exclusive, so each goes to one caller."""

        def act(connection: sqlite3.Connection) -> list[Delivery]:
            values = (lease, self._now(), seconds, json.dumps(list(resting)), limited(limit), limited(per_destination))
            return sorted(map(delivery_of, connection.execute(_LEASE, values).fetchall()), key=lambda one: one.id)

        return await self._write(act, whole=True)

    async def delivered(self, delivery_id: int, lease: str) -> bool:
        """Forget it."""
        return await self._change("DELETE FROM outbox WHERE id = ? AND lease = ?", (integer(delivery_id), lease))

    async def put_off(self, delivery_id: int, lease: str, *, seconds: float, error: str) -> bool:
        """Have it due again after `seconds`."""
        sql = "UPDATE outbox SET lease = NULL, due_at = ?, last_error = ? WHERE id = ? AND lease = ?"
        return await self._change(sql, (self._now() + seconds, clean(error), integer(delivery_id), lease))

    async def give_up(self, delivery_id: int, lease: str, *, error: str) -> bool:
        """Make it a dead letter."""
        sql = "UPDATE outbox SET lease = NULL, state = 'dead', last_error = ? WHERE id = ? AND lease = ?"
        return await self._change(sql, (clean(error), integer(delivery_id), lease))

    async def deliveries(self, *, dead: bool, after: int | None, limit: int) -> Sequence[Delivery]:
        """By ascending id after that id."""
        values = ("dead" if dead else "waiting", integer(after or 0), limited(limit))
        return await self._beside(lambda connection: [delivery_of(row) for row in connection.execute(_LIST, values)])

    async def retry_delivery(self, delivery_id: int) -> bool:
        """Have a dead letter due at once."""
        sql = "UPDATE outbox SET state = 'waiting', attempts = 0, due_at = ?1, created_at = ?1 WHERE id = ?2 AND state = 'dead'"
        return await self._change(sql, (self._now(), integer(delivery_id)))

    async def forget_delivery(self, delivery_id: int) -> bool:
        """Delete a dead letter."""
        return await self._change("DELETE FROM outbox WHERE id = ? AND state = 'dead'", (integer(delivery_id),))

    async def held_deliveries(self, kind: str, destination: str, *, limit: int) -> Sequence[Delivery]:
        """What is held for a destination to fetch, oldest first."""
        if not storable(kind, destination):
            return ()
        return [delivery_of(row) for row in self._rows(_HELD, (kind, destination, limited(limit)))]

    async def drop_deliveries(self, kind: str, destination: str, dedupes: Sequence[str] | None) -> int:
        """Forget what was fetched; with None all of that kind for that destination."""
        if not storable(kind, destination):
            return 0
        names = None if dedupes is None else json.dumps([name for name in dedupes if storable(name)])

        def act(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM outbox WHERE kind = ?1 AND destination = ?2 "
                "AND (?3 IS NULL OR dedupe IN (SELECT value FROM json_each(?3)))",
                (kind, destination, names),
            ).rowcount

        return await self._write(act, whole=True)

    async def due_in(self) -> float | None:
        """Seconds until a delivery is due."""
        row = self._row("SELECT min(due_at) FROM outbox WHERE state = 'waiting'", ())
        return None if row is None or row[0] is None else row[0] - self._now()

    async def outbox_figures(self) -> OutboxFigures:
        """Rows by state."""
        rows = await self._beside(lambda connection: connection.execute(_FIGURES).fetchall())
        return figures_of({row[0]: (row[1], row[2]) for row in rows}, self._now())

    async def news(self, *, limit: int) -> Sequence[News]:
        """The oldest ones, in order of position."""
        return [news_of(row) for row in self._rows(f"{NEWS} ?", (limited(limit),))]

    async def settle_news(self, positions: Sequence[int], deliveries: Sequence[NewDelivery]) -> bool:
        """Forget these news and enqueue what they mean."""
        require_deliverable(deliveries)
        wanted = json.dumps(list(positions))

        def act(connection: sqlite3.Connection) -> bool:
            which = "FROM revocation_news WHERE position IN (SELECT value FROM json_each(?))"
            if connection.execute(f"SELECT count(*) {which}", (wanted,)).fetchone()[0] < len(positions):
                return False
            connection.execute(f"DELETE {which}", (wanted,))
            _put(connection, self._now(), deliveries)
            return True

        return await self._write(act)

    async def _change(self, sql: str, values: tuple[str | float | None, ...]) -> bool:
        return await self._write(lambda connection: connection.execute(sql, values).rowcount == 1, whole=True)


def figures_of(states: dict[str, tuple[int, float]], now: float) -> OutboxFigures:
    """From count and oldest creation by state."""
    waiting, oldest = states.get("waiting", (0, now))
    return OutboxFigures(
        waiting=waiting,
        held=states.get("held", (0, now))[0],
        dead=states.get("dead", (0, now))[0],
        oldest_waiting=max(0.0, now - oldest),
    )


def _put(connection: sqlite3.Connection, now: float, deliveries: Sequence[NewDelivery]) -> int:
    return sum(
        connection.execute(_PUT, (new.kind, new.destination, new.dedupe, new.payload, state_of(new), now, now)).rowcount
        for new in deliveries
    )
