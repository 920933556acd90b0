"""Reads that are shared by those who wait for them together, and never by one who came after they had begun.

Knows nothing of what is read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from watchword_server.store.port import StoreUnavailable

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Coalesced(Generic[K, T]):
    """One read a key at a time, and at most ``at_once`` in all.

    Whoever asks while a read of that key is under way waits for the next one, together with all others who do: what it
    began before the question can prove nothing to whom asks how things stand now.

    ``apart``: seconds from the beginning of one read to that of the next, in which those gather who come one by one; so
    the number of reads has a bound that does not depend on the number of questions. The first after a rest begins at once.
    """

    def __init__(self, read: Callable[[K], Awaitable[T]], *, at_once: int = 1, apart: float = 0.0) -> None:
        self._read = read
        self._places = asyncio.Semaphore(at_once)
        self._apart = apart
        self._begun = float("-inf")
        self._hurried = asyncio.Event()
        self._waiting: dict[K, list[asyncio.Future[T]]] = {}
        self._under_way: dict[K, asyncio.Task[None]] = {}

    async def ask(self, key: K) -> T:
        """What a read says that begins after this call. Raises what that read raises."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(answer)
        if key not in self._under_way:
            self._under_way[key] = asyncio.create_task(self._work(key))
        return await answer

    def hurry(self) -> None:
        """There is news: the next read begins without a pause."""
        self._hurried.set()

    async def close(self) -> None:
        """Give up what is under way; those who wait are told that the store is not to be had."""
        tasks = tuple(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, key: K) -> None:
        together: list[asyncio.Future[T]] = []
        try:
            while key in self._waiting:
                async with self._places:
                    await self._pause()
                    together = [answer for answer in self._waiting.pop(key) if not answer.done()]
                    if together:
                        await self._answer(key, together)
        finally:
            # No wait since the last look at those who wait, so nobody is left behind; when cancelled, all are told.
            del self._under_way[key]
            for answer in (*together, *self._waiting.pop(key, ())):
                if not answer.done():
                    answer.set_exception(StoreUnavailable("the server is stopping"))

    async def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._begun + self._apart - loop.time()
        if left > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._hurried.wait()
        self._hurried.clear()
        self._begun = loop.time()

    async def _answer(self, key: K, together: list[asyncio.Future[T]]) -> None:
        try:
            value = await self._read(key)
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked
            for answer in together:
                if not answer.done():
                    answer.set_exception(error)
            return
        for answer in together:
            if not answer.done():
                answer.set_result(value)
