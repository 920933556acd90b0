"""Learning that the revocation log has moved, on PostgreSQL: LISTEN on a connection of its own, and a look each second.

Reads no entry of the log. The head is told by the trigger of migration 4.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg

from watchword_server.store.records import Cursor

CHANNEL: Final = "watchword_revocations"
NAME: Final = "watchword listening"
"""What the connection is called in pg_stat_activity."""
INTERVAL: Final = 1.0
"""Seconds between looks: how long a change can go unseen where notifications are lost, as behind a pooler that hands
connections about."""
PATIENCE: Final = 5.0
"""Seconds for the listening connection to come about or to answer, before it counts as broken."""

_HEAD: Final = "SELECT epoch || ' ' || position FROM revocation_head"
_log = logging.getLogger("watchword_server")


class Watch:
    """Calls ``changed`` at once, whenever the head has moved, and whenever contact was lost and regained."""

    def __init__(self, dsn: str, head: Callable[[], Awaitable[Cursor]], changed: Callable[[], None]) -> None:
        """``head`` is asked, by way of the pool, while there is no listening connection."""
        self._dsn = dsn
        self._head = head
        self._changed = changed
        self._seen: str | None = None
        self._broken = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled; connect again as often as the connection breaks."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever keeps it from listening, it looks on and tries again
                _log.info("not listening for revocations", extra={"error": type(error).__name__})
            try:
                head = await self._head()
                self._found(f"{head.epoch} {head.position}")
            except Exception:  # noqa: BLE001 - the same
                self._seen = None
            await asyncio.sleep(INTERVAL)

    async def _listen(self) -> None:
        self._broken.clear()
        connection: Any = await asyncpg.connect(self._dsn, timeout=PATIENCE, command_timeout=PATIENCE)
        try:
            connection.add_termination_listener(lambda _: self._broken.set())
            await connection.execute(f"SELECT set_config('application_name', '{NAME}', false)")
            await connection.add_listener(CHANNEL, self._told)
            # What was committed before LISTEN was, was not told.
            self._seen = None
            while not self._broken.is_set():
                self._found(await connection.fetchval(_HEAD))
                await self._until_broken(INTERVAL)
        finally:
            connection.terminate()

    async def _until_broken(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._broken.wait()
        except TimeoutError:
            return

    def _told(self, _connection: object, _pid: int, _channel: str, head: str) -> None:
        self._found(head)

    def _found(self, head: str) -> None:
        if head != self._seen:
            self._seen = head
            self._changed()
