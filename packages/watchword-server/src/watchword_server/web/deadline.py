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

    __slots__ = ("_cancelling", "_handle", "_seconds", "_task", "expired")

    _handle: asyncio.TimerHandle
    _task: asyncio.Task[object]

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.expired = False
        """Whether time was up before the block was left."""

    def __enter__(self) -> Self:
        """Start the time. Raises RuntimeError outside of a task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._expire)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the time; a cancellation that it made becomes TimeoutError."""
        self._handle.cancel()
        if not self.expired:
            return
        # More than before the block: somebody else wants the task cancelled too, and that must not be swallowed.
        mine = self._task.uncancel() <= self._cancelling
        if mine and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def _expire(self) -> None:
        self.expired = True
        self._task.cancel()
