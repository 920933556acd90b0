"""A SQLite file as a store: connections, the writing thread, reading on the caller's thread or aside.

Holds no verbs of the port; sqlite.py puts them together.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from watchword.clock import Clock, system_clock

from watchword_server.store import schema
from watchword_server.store.log import LEEWAY
from watchword_server.store.port import SchemaMismatch, StoreUnavailable
from watchword_server.store.sqlite_watch import Watchers
from watchword_server.store.sqlite_writer import Writer, unavailable

T = TypeVar("T")

OLDEST_SQLITE: Final = (3, 37, 0)
"""STRICT tables; RETURNING is older."""
BUSY_SECONDS: Final = 10.0
"""How long to wait for another process that writes, such as the command line's."""
READER_BUSY_SECONDS: Final = 1.0
"""The same for a reader, on an event loop's thread; it waits only while another process recovers the log."""
LARGEST_WAL: Final = 64 << 20
"""Bytes the write-ahead log is cut to after a checkpoint."""


class SqliteFile:
    """What all verbs stand on. One instance a process and file; used from any number of event loops."""

    def __init__(self, path: Path | str, *, clock: Clock = system_clock, leeway: float = LEEWAY) -> None:
        self._path = Path(path)
        self._now = clock.now
        self._leeway = leeway
        self._writer: Writer | None = None
        self._aside: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._watchers = Watchers()

    async def open(self, *, migrate: bool) -> None:
        """Connect; see the port."""
        if self._writer is not None:
            raise RuntimeError("the store is open already")
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise StoreUnavailable(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 is needed")
        await asyncio.to_thread(self._prepare, migrate)
        self._local = threading.local()
        self._aside = ThreadPoolExecutor(1, "watchword-sqlite-aside")
        self._writer = Writer(self._connect, committed=self._watchers.committed)

    async def close(self) -> None:
        """Finish what was accepted, then close; a second close does nothing."""
        writer, self._writer = self._writer, None
        aside, self._aside = self._aside, None
        if writer is not None:
            await writer.close()
        if aside is not None:
            await asyncio.to_thread(aside.shutdown)
        self._local = threading.local()
        while self._readers:
            self._readers.pop().close()

    def _prepare(self, migrate: bool) -> None:  # noqa: FBT001 - private
        try:
            if migrate:
                # Password hashes are in it: readable by the owner alone, and so the log and index files beside it.
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            elif not self._path.exists():
                raise schema.outdated("sqlite", schema.steps("sqlite"))
            connection = self._connect()
        except sqlite3.Error as error:
            raise unavailable(error) from error
        except OSError as error:
            raise StoreUnavailable(f"SQLite: {error.strerror}") from error
        try:
            _migrate(connection, self._now(), run=migrate)
        except sqlite3.Error as error:
            raise unavailable(error) from error
        finally:
            connection.close()

    def _connect(self, *, writing: bool = True) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS if writing else READER_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            if writing:
                # Pages freed by the sweep can be given back; takes effect in an empty file only.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                _write_ahead(connection)
                # FULL syncs the log at every commit: what was acknowledged survives a power cut.
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute(f"PRAGMA journal_size_limit = {LARGEST_WAL}")
            else:
                connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _write(self, run: Callable[[sqlite3.Connection], T], *, whole: bool = False) -> asyncio.Future[T]:
        if self._writer is None:
            raise StoreUnavailable("the store is not open")
        return self._writer.submit(run, whole=whole)

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            if self._writer is None:
                raise StoreUnavailable("the store is not open")
            connection = self._local.connection = self._connect(writing=False)
            self._readers.append(connection)
        return connection

    def _row(self, sql: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """One row, read in microseconds on the calling thread."""
        try:
            row: tuple[Any, ...] | None = self._reader().execute(sql, values).fetchone()
        except sqlite3.Error as error:
            raise unavailable(error) from error
        return row

    def _rows(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """A few rows, read on the calling thread."""
        try:
            return self._reader().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise unavailable(error) from error

    async def _beside(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """What may take long, read in one snapshot by a thread of its own so that no event loop waits."""
        if self._aside is None:
            raise StoreUnavailable("the store is not open")
        return await asyncio.get_running_loop().run_in_executor(self._aside, self._read_aside, read)

    def _read_aside(self, read: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._reader()
            connection.execute("BEGIN")
            try:
                return read(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise unavailable(error) from error


def _migrate(connection: sqlite3.Connection, now: float, *, run: bool) -> None:
    """Run pending steps in one transaction that nobody else can write beside."""
    if not run:
        if pending := schema.missing("sqlite", _done(connection)):
            raise schema.outdated("sqlite", pending)
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, "
            "checksum TEXT NOT NULL, applied_at REAL NOT NULL) STRICT"
        )
        for step in schema.missing("sqlite", _done(connection)):
            for statement in _statements(step.sql):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)", (step.version, step.name, step.checksum, now)
            )
    except (sqlite3.Error, SchemaMismatch):
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _done(connection: sqlite3.Connection) -> dict[int, str]:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'").fetchone()
    if found is None:
        return {}
    return dict(connection.execute("SELECT version, checksum FROM schema_migrations").fetchall())


def _statements(sql: str) -> list[str]:
    """The statements of a step; triggers hold semicolons of their own."""
    found, gathered = [], ""
    for line in sql.splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            found.append(gathered)
            gathered = ""
    return found


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log, which it stays with. SQLite waits for nobody here: where several processes
    open a new file at once it says that it is locked at once, whatever the timeout.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
