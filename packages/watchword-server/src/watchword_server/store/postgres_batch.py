"""Calls that wait together, answered by one statement: the biggest lever there is on PostgreSQL.

Knows nothing of what a call means; postgres_sessions.py gives the statement. Never tries anything twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

LARGEST_BATCH: Final = 64
"""Calls in one statement; more would keep the first waiting for the last."""
LANES: Final = 2
"""Statements under way at once; what comes meanwhile gathers for the next."""


class Batches(Generic[T, R]):
    """Gathers calls by a key; of equal keys one goes into each batch, so that a statement never meets a row twice."""

    def __init__(self, run: Callable[[dict[str, T]], Awaitable[Mapping[str, R]]]) -> None:
        """`run` does all calls in one statement and returns the answers there are, by key."""
        self._run = run
        self._waiting: deque[tuple[str, T, asyncio.Future[R | None]]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._called = False

    async def submit(self, key: str, call: T) -> R | None:
        """The answer, from a statement begun after this call; None when there is none.

        Raises what the statement raised. Cancelling does not take the call back.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R | None] = loop.create_future()
        self._waiting.append((key, call, answer))
        if not self._called and len(self._under_way) < LANES:
            self._called = True
            loop.call_soon(self._start)
        return await answer

    async def drain(self) -> None:
        """Wait until everything submitted was answered."""
        while self._waiting or self._under_way:
            if self._under_way:
                await asyncio.wait(self._under_way)
            await asyncio.sleep(0)

    def _start(self) -> None:
        self._called = False
        while self._waiting and len(self._under_way) < LANES:
            task = asyncio.ensure_future(self._answer(self._take()))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._start()

    def _take(self) -> dict[str, tuple[T, asyncio.Future[R | None]]]:
        taken: dict[str, tuple[T, asyncio.Future[R | None]]] = {}
        left: list[tuple[str, T, asyncio.Future[R | None]]] = []
        while self._waiting and len(taken) < LARGEST_BATCH:
            key, call, answer = self._waiting.popleft()
            if key in taken:
                left.append((key, call, answer))
            else:
                taken[key] = (call, answer)
        self._waiting.extendleft(reversed(left))
        return taken

    async def _answer(self, taken: dict[str, tuple[T, asyncio.Future[R | None]]]) -> None:
        try:
            answers = await self._run({key: call for key, (call, _) in taken.items()})
        except BaseException as error:  # each caller must be told, also when the loop is being torn down
            for _, answer in taken.values():
                if not answer.done():
                    answer.set_exception(error) if isinstance(error, Exception) else answer.cancel()
            if not isinstance(error, Exception):
                raise
            return
        for key, (_, answer) in taken.items():
            if not answer.done():
                answer.set_result(answers.get(key))
