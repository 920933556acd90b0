"""Numbers of sessions for status lists, on PostgreSQL.

Makes no list; endpoints/status_list.py does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword_server.store.postgres_pool import PostgresPool
from watchword_server.store.statements import alive
from watchword_server.store.text import integer

_RESERVE: Final = "UPDATE status_counter SET next = next + $1 RETURNING next - $1"
_DEAD: Final = (
    "WITH t AS MATERIALIZED (SELECT watchword_now($1) AS now) SELECT n.number FROM t, status_numbers n "
    "JOIN sessions s ON s.sid = n.sid JOIN accounts a ON a.id = s.account_id "
    f"WHERE n.number BETWEEN $2 AND $3 AND NOT {alive('greatest', 't.now')} ORDER BY n.number"
)


class PostgresStatus(PostgresPool):
    """The StatusNumbers part of the port."""

    async def reserve_status_numbers(self, count: int) -> int:
        """Set aside so many numbers in a row."""
        return int(await self._value(_RESERVE, count))

    async def dead_status_numbers(self, first: int, last: int) -> Sequence[int]:
        """Of these numbers those of dead sessions."""
        return [row[0] for row in await self._rows(_DEAD, self._now(), integer(first), integer(last))]

    async def status_numbers_end(self) -> int:
        """The first number that nobody was given yet."""
        return int(await self._value("SELECT next FROM status_counter"))
