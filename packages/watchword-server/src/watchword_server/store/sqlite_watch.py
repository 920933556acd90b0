"""Learning that the revocation log has moved, on SQLite: from this process's own commits, and by looking for others'.

Reads no entry of the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from typing import Final

from watchword_server.store.port import StoreUnavailable

INTERVAL: Final = 0.05
"""Seconds between looks for what other processes committed; a look costs a few microseconds."""

_HEAD: Final = "SELECT epoch, position FROM revocation_head"
_VERSION: Final = "PRAGMA data_version"


class Watchers:
    """Who wants to be called when the head has moved. Used by the writing thread and any number of event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watching: dict[object, tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = {}
        self._seen: tuple[str, int] | None = None

    def committed(self, connection: sqlite3.Connection) -> None:
        """To be called after each commit of this process, before its callers are answered."""
        if self._watching:
            with contextlib.suppress(sqlite3.Error):
                self._look(connection)

    async def watch(self, reader: Callable[[], sqlite3.Connection], changed: Callable[[], None]) -> None:
        """Call ``changed`` at once, and whenever the head has moved, until cancelled."""
        token = object()
        with self._lock:
            self._watching[token] = (asyncio.get_running_loop(), changed)
        try:
            with contextlib.suppress(sqlite3.Error, StoreUnavailable):
                if not self._look(reader()):
                    changed()
            await self._look_for_others(reader)
        finally:
            with self._lock:
                del self._watching[token]

    async def _look_for_others(self, reader: Callable[[], sqlite3.Connection]) -> None:
        version: int | None = None
        while True:
            try:
                connection = reader()
                # Changes for this connection with every commit of any other one (SQLite, "PRAGMA data_version").
                now: int = connection.execute(_VERSION).fetchone()[0]
                if now != version:
                    self._look(connection)
                version = now
            except (sqlite3.Error, StoreUnavailable):
                version = None
            await asyncio.sleep(INTERVAL)

    def _look(self, connection: sqlite3.Connection) -> bool:
        """Tell all who watch when the head has moved since the last look. Returns: whether it had."""
        head: tuple[str, int] = connection.execute(_HEAD).fetchone()
        with self._lock:
            if head == self._seen:
                return False
            self._seen = head
            told = tuple(self._watching.values())
        for loop, changed in told:
            with contextlib.suppress(RuntimeError):  # its loop is closed: it watches no more
                loop.call_soon_threadsafe(changed)
        return True
