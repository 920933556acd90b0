"""A time limit on what the running task does next, at a fraction of the price of ``asyncio.timeout``.

Holds no limit: how long something may take is for whoever enters it.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Deadline:
    """Context manager as ``asyncio.timeout(seconds)``: what is under way is cancelled, and TimeoutError leaves the block.

    A cancellation from elsewhere passes through as it is. Entered once, and left in the task that entered it; it cannot
    be moved, and needs no await of its own: every request enters two.
    """

    __slots__ = ("_cancelling", "_queue", "_seconds", "_task", "ends", "expired")

    _queue: _Queue
    _task: asyncio.Task[object]

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.ends = 0.0
        """When time is up, by the clock of the loop."""
        self.expired = False
        """Whether time was up before the block was left."""

    def __enter__(self) -> Self:
        """Start the time. Raises RuntimeError outside of a task."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a deadline is for a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._queue = queue = _queue_of(loop, self._seconds)
        self.ends = loop.time() + self._seconds
        queue.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the time; a cancellation that it made becomes TimeoutError."""
        self._queue.waiting.pop(self, None)
        if not self.expired:
            return
        # More than before the block: somebody else wants the task cancelled too, and that must not be swallowed.
        mine = self._task.uncancel() <= self._cancelling
        if mine and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def expire(self) -> None:
        """End the block. For the queue."""
        self.expired = True
        self._task.cancel()


class _Queue:
    """Deadlines of one length on one loop, which end in the order they began: one timer does for all."""

    __slots__ = ("_armed", "loop", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: dict[Deadline, None] = {}
        self._armed = False

    def add(self, deadline: Deadline) -> None:
        self.waiting[deadline] = None
        if not self._armed:
            self._arm(deadline.ends)

    def _arm(self, when: float) -> None:
        self._armed = True
        self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._armed = False
        now = self.loop.time()
        while self.waiting:
            first = next(iter(self.waiting))
            if first.ends > now:
                self._arm(first.ends)
                return
            del self.waiting[first]
            first.expire()


_queues: dict[float, _Queue] = {}
"""By length in seconds, of which the settings give a few."""


def _queue_of(loop: asyncio.AbstractEventLoop, seconds: float) -> _Queue:
    queue = _queues.get(seconds)
    if queue is None or queue.loop is not loop:
        queue = _queues[seconds] = _Queue(loop)
    return queue
