"""How old the view of revocations is, and until when it may be relied upon.

Dates come from questions, never from answers: what was on its way says nothing of what happened since.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from watchword.clock import Clock


class Instant(NamedTuple):
    """One moment, read on two clocks."""

    monotonic: float
    wall: float


class Freshness:
    """Age of the view, as the older of two readings.

    The monotonic clock counts time, suspend included where the system can tell. A wall clock that jumped forward may
    be making up for time the other did not see (a paused virtual machine), and counts as age; one that went back
    counts for nothing.
    """

    __slots__ = ("_asked", "_clock", "max_staleness", "until", "until_wall")

    def __init__(self, clock: Clock, max_staleness: float) -> None:
        self._clock = clock
        self._asked: Instant | None = None
        self.max_staleness: float = max_staleness
        """Seconds after which the view must not be relied upon."""
        self.until: float = -math.inf
        """Reading of the monotonic clock before which the view is fresh for certain, if `until_wall` agrees."""
        self.until_wall: float = -math.inf

    def instant(self) -> Instant:
        """Now; to be read just before a question leaves."""
        return Instant(self._clock.monotonic(), self._clock.now())

    def confirm(self, asked: Instant) -> None:
        """Record that the view holds every cut-off that was made before ``asked``."""
        self._asked = asked
        self.until_wall = asked.wall + self.max_staleness
        self.until = asked.monotonic + self.max_staleness

    def doubt(self) -> None:
        """Have the next verification look closely, without changing the age: after a fork nobody polls yet."""
        self.until = -math.inf

    @property
    def known(self) -> bool:
        """Whether the view was ever complete."""
        return self._asked is not None

    def age(self) -> float:
        """Seconds since the view was known to be complete; infinite if it never was."""
        if self._asked is None:
            return math.inf
        now = self.instant()
        return max(0.0, now.monotonic - self._asked.monotonic, now.wall - self._asked.wall)

    def fresh(self, bound: float | None = None) -> bool:
        """Whether the view may be relied upon now, or by whoever allows another age than `max_staleness`."""
        if bound is not None:
            return self.age() < bound
        clock = self._clock
        if clock.monotonic() < self.until and clock.now() < self.until_wall:
            return True
        return self.age() < self.max_staleness
