"""Good once: the port that counts, and its four counters: memory, SQLite, PostgreSQL, Valkey.

Verifies nothing: `SignedUrls` asks last, when all else about a URL is good. Imports no driver but Python's own: the
connection to PostgreSQL or Valkey is the application's.
"""

from __future__ import annotations

import math
import os
import sqlite3
import threading
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final, Protocol

from watchword.clock import Clock, EpochSeconds, system_clock

_SWEEP_EVERY: Final = 256
"""Uses between two looks for what may be forgotten."""
_BUSY_SECONDS: Final = 5.0
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS watchword_spent (id TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS watchword_spent_until ON watchword_spent (until)",
)


_INSERT: Final = "INSERT INTO watchword_spent (id, until) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true"
_PREFIX: Final = "watchword:spent:"


class SingleUse(Protocol):
    """What has been used. One place for all processes that serve the same URLs."""

    def spend(self, name: str, until: EpochSeconds) -> bool:
        """Mark a name as used, to be remembered at least ``until``. Returns: True for exactly one caller, ever.

        Raises, whatever it likes, if it cannot tell; the URL is then refused, by 503.
        """
        ...


class AsyncSingleUse(Protocol):
    """As `SingleUse`, for `SignedUrls.verify_async`."""

    async def spend(self, name: str, until: EpochSeconds) -> bool: ...


class MemorySingleUse:
    """For one process and for tests: what restarts forgets."""

    def __init__(self, *, clock: Clock = system_clock, max_entries: int = 1_000_000) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._until: dict[str, EpochSeconds] = {}
        self._lock = threading.Lock()

    def spend(self, name: str, until: EpochSeconds) -> bool:
        """As `SingleUse.spend`. Raises: MemoryError when it is full of what must not be forgotten."""
        with self._lock:
            if name in self._until:
                return False
            if len(self._until) >= self._max_entries:
                now = self._clock.now()
                self._until = {known: end for known, end in self._until.items() if end > now}
                if len(self._until) >= self._max_entries:
                    raise MemoryError("too many signed URLs of single use are alive")
            self._until[name] = until
            return True


class SqliteSingleUse:
    """Counts in one SQLite file, for all processes of one machine. Durable before the caller is told."""

    def __init__(self, path: str | Path, *, clock: Clock = system_clock) -> None:
        """Open the file, making it and its table where there is none. Raises: sqlite3.Error."""
        self._path = str(path)
        self._clock = clock
        self._local = threading.local()
        self._uses = 0
        self._pid = os.getpid()
        self._parents: list[threading.local] = []
        connection = self._connection()
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in _SCHEMA:
            connection.execute(statement)

    def spend(self, name: str, until: EpochSeconds) -> bool:
        """As `SingleUse.spend`. Raises: sqlite3.Error."""
        connection = self._connection()
        self._uses += 1
        if self._uses % _SWEEP_EVERY == 1:
            connection.execute("DELETE FROM watchword_spent WHERE until < ?", (self._clock.now(),))
        # One statement, one commit: of many that race, the primary key lets one in.
        cursor = connection.execute(
            "INSERT INTO watchword_spent (id, until) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, until)
        )
        return cursor.rowcount == 1

    def close(self) -> None:
        """Close the connection of the calling thread."""
        connection = self._local.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # The parent's, which must neither be used nor closed here (https://sqlite.org/howtocorrupt.html, §2.6).
            self._parents.append(self._local)
            self._pid, self._local = os.getpid(), threading.local()
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            connection.execute("PRAGMA synchronous = FULL")
            self._local.connection = connection
        return connection


class PostgresConnection(Protocol):
    """What is asked of a connection; a pool or connection of asyncpg is one."""

    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def execute(self, query: str, *args: Any) -> Any: ...


class PostgresSingleUse:
    """Counts in PostgreSQL, for all processes that use one database. Durable before the caller is told."""

    def __init__(self, connection: PostgresConnection, *, clock: Clock = system_clock) -> None:
        """``connection``: best a pool of asyncpg (extra ``postgres``)."""
        self._connection = connection
        self._clock = clock
        self._uses = 0

    async def create(self) -> None:
        """Make its table where there is none; for those who keep no migrations of their own."""
        for statement in _SCHEMA:
            await self._connection.execute(statement.replace(" WITHOUT ROWID", "").replace("REAL", "double precision"))

    async def spend(self, name: str, until: EpochSeconds) -> bool:
        """As `AsyncSingleUse.spend`. Raises: what the driver raises."""
        self._uses += 1
        if self._uses % _SWEEP_EVERY == 1:
            await self._connection.execute("DELETE FROM watchword_spent WHERE until < $1", self._clock.now())
        # One statement: of many that race, the primary key lets one in, and the others wait for its commit.
        return await self._connection.fetchval(_INSERT, name, float(until)) is True


class ValkeyClient(Protocol):
    """What is asked of a client; those of redis-py and valkey-py are such, blocking or not."""

    def set(self, name: str, value: str, /, *, ex: int, nx: bool) -> Any: ...


class _Valkey:
    def __init__(self, client: ValkeyClient, *, prefix: str = _PREFIX, clock: Clock = system_clock) -> None:
        """``client``: a ``redis.Redis`` (extra ``valkey``). ``prefix``: of its keys."""
        self._client = client
        self._prefix = prefix
        self._clock = clock

    def _set(self, name: str, until: EpochSeconds) -> Any:
        # SET with NX is one act: the first sets it, and every other is told that it was there.
        left = max(1, math.ceil(until - self._clock.now()))
        return self._client.set(f"{self._prefix}{name}", "1", ex=left, nx=True)


class ValkeySingleUse(_Valkey):
    """Counts in Valkey or Redis by a blocking client. As durable as that is: see its settings of persistence, and use
    ``noeviction``.
    """

    def spend(self, name: str, until: EpochSeconds) -> bool:
        """As `SingleUse.spend`. Raises: what the client raises."""
        return self._set(name, until) is True


class AsyncValkeySingleUse(_Valkey):
    """As `ValkeySingleUse`, by a client of ``redis.asyncio``."""

    async def spend(self, name: str, until: EpochSeconds) -> bool:
        """As `AsyncSingleUse.spend`. Raises: what the client raises."""
        answer: Awaitable[Any] = self._set(name, until)
        return await answer is True
