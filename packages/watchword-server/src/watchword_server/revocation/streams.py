"""What waits to be sent to the readers of one node's stream, each with a bound.

Sends nothing: endpoints/feed does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import StrEnum
from typing import Final

MOST_WAITING: Final = 256
"""Events a reader may be behind; they are the same objects for all readers."""
MOST_BYTES: Final = 4 << 20
"""And bytes."""
AT_ONCE: Final = 64 << 10
"""Bytes after which no further event is joined to what is sent."""


class Ending(StrEnum):
    """Why a stream is over."""

    GONE = "gone"
    """The reader went away."""
    SLOW = "slow"
    """The reader was too far behind, and must ask for a page."""
    LOST = "lost"
    """Its cursor is not of this log, or too old to go on from: it must ask for a page."""
    EXPIRED = "expired"
    """What it was let in with ran out or was revoked: it must come back with something newer."""
    DRAINING = "draining"
    """The server stops."""


class Stream:
    """One reader. Lives on one event loop."""

    __slots__ = ("_bytes", "_events", "_most", "_woken", "ending", "tenant")

    def __init__(self, *, most: int = MOST_WAITING, tenant: str | None = None) -> None:
        self._events: deque[bytes] = deque()
        self._bytes = 0
        self._most = most
        self._woken: asyncio.Future[None] | None = None
        self.ending: Ending | None = None
        self.tenant = tenant
        """Whose verifier it is; None for one that is shown everything."""

    def put(self, event: bytes) -> None:
        """Have it sent. A reader that is too far behind loses all that waits, and is told to resync."""
        if self.ending is not None:
            return
        self._events.append(event)
        self._bytes += len(event)
        if len(self._events) > self._most or self._bytes > MOST_BYTES:
            self.end(Ending.SLOW)
        self._wake()

    def end(self, ending: Ending) -> None:
        """Nothing more is sent but, where the server stops, what waits already. The first reason counts."""
        if self.ending is None:
            self.ending = ending
            if ending is not Ending.DRAINING:
                self._events.clear()
                self._bytes = 0
            self._wake()

    async def take(self, patience: float) -> bytes:
        """What waits, or a good part of it; empty after ``patience`` seconds without any, or when the stream is over."""
        if not self._events and self.ending is None:
            loop = asyncio.get_running_loop()
            self._woken = loop.create_future()
            timer = loop.call_later(patience, self._wake)
            try:
                await self._woken
            finally:
                timer.cancel()
                self._woken = None
        taken: list[bytes] = []
        size = 0
        while self._events and size < AT_ONCE:
            taken.append(self._events.popleft())
            size += len(taken[-1])
        self._bytes -= size
        return b"".join(taken)

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
