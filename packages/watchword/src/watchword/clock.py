"""The one place where time enters.

Holds no arithmetic on tokens: pure rules take ``now`` as an argument.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Protocol, TypeAlias

EpochSeconds: TypeAlias = float
"""Seconds since 1970-01-01T00:00:00Z, leap seconds ignored (NumericDate, RFC 7519 §2)."""


class Clock(Protocol):
    """What the library asks of time."""

    def now(self) -> EpochSeconds:
        """Wall-clock time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point; never goes back. Counts the time a machine sleeps, where it can tell."""
        ...


class _SystemClock:
    __slots__ = ()

    now = staticmethod(time.time)  # noqa: TID251 - here it enters
    # On Linux the plain monotonic clock stands still while the machine sleeps, and what is old would look fresh.
    monotonic = staticmethod(
        partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
    )


system_clock: Clock = _SystemClock()
"""The clock of this machine."""
