"""The one thread that writes to a SQLite file: acts that wait together share one durable commit.

Knows nothing of accounts or sessions: an act is a function of a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

from watchword_server.store.port import StoreUnavailable

T = TypeVar("T")

LARGEST_BATCH: Final = 512
"""Acts in one transaction; more would keep the first waiting for the last."""

_MEDIUM_FAILED: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
"""Primary result codes that speak of the file, not of the statement: the whole batch is given up."""


def unavailable(error: sqlite3.Error) -> StoreUnavailable:
    """What callers are told; SQLite's own words name no values."""
    return StoreUnavailable(f"SQLite: {error}")


class _Act(Generic[T]):
    __slots__ = ("future", "loop", "run", "whole")

    def __init__(self, run: Callable[[sqlite3.Connection], T], whole: bool, loop: asyncio.AbstractEventLoop) -> None:  # noqa: FBT001 - private
        self.run = run
        self.whole = whole
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()


_Outcome = tuple["_Act[Any]", Any, BaseException | None]


class Writer:
    """Group commit. Callers of one turn of an event loop are handed over together; the thread drains what has gathered
    meanwhile into one transaction, each act in a savepoint of its own, commits, and only then answers all of them.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        committed: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> None:
        """``committed`` is called by the thread after each commit, before the callers are answered; must not raise."""
        self._connect = connect
        self._committed = committed
        self._connection: sqlite3.Connection | None = None
        self._queue: SimpleQueue[list[_Act[Any]] | None] = SimpleQueue()
        self._gathering: dict[asyncio.AbstractEventLoop, list[_Act[Any]]] = {}
        self._closed = False
        self._handing_over = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="watchword-sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[sqlite3.Connection], T], *, whole: bool = False) -> asyncio.Future[T]:
        """Have ``run`` done in the next transaction. ``whole``: it is one statement, atomic without a savepoint.

        Returns a future, done once the transaction is durable. Cancelling it does not take the act back.
        Raises StoreUnavailable in the future when nothing was written.
        """
        loop = asyncio.get_running_loop()
        act = _Act(run, whole, loop)
        gathering = self._gathering.get(loop)
        if gathering is None:
            self._gathering[loop] = [act]
            loop.call_soon(self._hand_over, loop)
        else:
            gathering.append(act)
        return act.future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        acts = self._gathering.pop(loop)
        with self._handing_over:
            if not self._closed:
                self._queue.put(acts)
                return
        for act in acts:
            if not act.future.done():
                act.future.set_exception(StoreUnavailable("the store is closed"))

    async def close(self) -> None:
        """Write what was handed over, then stop."""
        loop = asyncio.get_running_loop()
        if loop in self._gathering:
            await asyncio.sleep(0)
        with self._handing_over:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        await loop.run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        closing = False
        while not closing:
            acts = self._queue.get()
            if acts is None:
                break
            batch = list(acts)
            while len(batch) < LARGEST_BATCH:
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
                if more is None:
                    closing = True
                    break
                batch += more
            _answer(self._commit(batch))
            del batch, acts
        self._disconnect()

    def _commit(self, batch: list[_Act[Any]]) -> list[_Outcome]:
        try:
            if self._connection is None:
                self._connection = self._connect()
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [_perform(act, connection) for act in batch]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up()
            return [(act, None, _because(error)) for act in batch]
        except Exception as error:  # noqa: BLE001 - the thread must outlive any fault in what it is given
            self._give_up()
            return [(act, None, error) for act in batch]
        self._committed(connection)
        return outcomes

    def _give_up(self) -> None:
        """Roll back and begin anew with another connection: after a fault of the medium nothing of the old is trusted."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _because(error: sqlite3.Error) -> StoreUnavailable:
    told = unavailable(error)
    told.__cause__ = error
    return told


def _perform(act: _Act[Any], connection: sqlite3.Connection) -> _Outcome:
    """Run one act; what it raises is its own, unless the file or the transaction is what failed."""
    try:
        if act.whole:
            return (act, act.run(connection), None)
        connection.execute("SAVEPOINT act")
        value = act.run(connection)
        connection.execute("RELEASE act")
    except Exception as error:
        code = getattr(error, "sqlite_errorcode", None)
        if not connection.in_transaction or (code is not None and code & 0xFF in _MEDIUM_FAILED):
            raise
        if not act.whole:
            connection.execute("ROLLBACK TO act")
            connection.execute("RELEASE act")
        return (act, None, error)
    return (act, value, None)


def _answer(outcomes: list[_Outcome]) -> None:
    """Wake the callers: one call a loop."""
    loops: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        loops.setdefault(outcome[0].loop, []).append(outcome)
    for loop, own in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, own)
        except RuntimeError:  # the loop was closed; nobody waits any more
            continue


def _resolve(outcomes: list[_Outcome]) -> None:
    for act, value, error in outcomes:
        if act.future.done():
            continue
        if error is not None:
            act.future.set_exception(error)
        else:
            act.future.set_result(value)
