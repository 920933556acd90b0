"""How long a connection is waited for: one timer that is moved by writing down a number.

Knows neither what is waited for nor what happens then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Patience:
    """A timer for what mostly happens in time: to start, move and end it costs no timer of the loop.

    The loop's own timer is left to run, and looks at the number when it rings.
    """

    __slots__ = ("_act", "_due", "_loop", "_rings_at", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
        """``act`` is called once for each time that is up."""
        self._loop = loop
        self._act = act
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def start(self, seconds: float) -> None:
        """Wait so long from now, whatever was waited for before."""
        self._due = due = self._loop.time() + seconds
        if self._timer is not None:
            if self._rings_at <= due:
                return
            self._timer.cancel()
        self._arm(due)

    def end(self) -> None:
        """What was waited for is there."""
        self._due = None

    def drop(self) -> None:
        """Never act again unless started again, and let go of the loop."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, due: float) -> None:
        self._rings_at = due
        self._timer = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        due = self._due
        if due is None:
            return
        if self._loop.time() < due:
            self._arm(due)
            return
        self._due = None
        self._act()
