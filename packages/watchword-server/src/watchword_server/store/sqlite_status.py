"""Numbers of sessions for status lists, on SQLite.

Makes no list; endpoints/status_list.py does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from watchword_server.store.sqlite_file import SqliteFile
from watchword_server.store.statements import alive
from watchword_server.store.text import integer

_RESERVE: Final = "UPDATE status_counter SET next = next + ? RETURNING next"
_DEAD: Final = (
    "SELECT n.number FROM status_numbers n JOIN sessions s ON s.sid = n.sid JOIN accounts a ON a.id = s.account_id "
    f"WHERE n.number BETWEEN ?2 AND ?3 AND NOT {alive('max', '?1')} ORDER BY n.number"
)


class SqliteStatus(SqliteFile):
    """The StatusNumbers part of the port."""

    async def reserve_status_numbers(self, count: int) -> int:
        """Set aside so many numbers in a row."""

        def act(connection: sqlite3.Connection) -> int:
            return int(connection.execute(_RESERVE, (count,)).fetchone()[0]) - count

        return await self._write(act)

    async def dead_status_numbers(self, first: int, last: int) -> Sequence[int]:
        """Of these numbers those of dead sessions."""
        values = (self._now(), integer(first), integer(last))
        return await self._beside(lambda connection: [row[0] for row in connection.execute(_DEAD, values)])

    async def status_numbers_end(self) -> int:
        """The first number that nobody was given yet."""
        row = self._row("SELECT next FROM status_counter", ())
        return 0 if row is None else int(row[0])
