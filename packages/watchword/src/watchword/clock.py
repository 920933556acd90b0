"""The one place where time enters.

Holds no arithmetic on tokens: pure rules take ``now`` as an argument.
"""

from __future__ import annotations

import time
from typing import Protocol, TypeAlias

EpochSeconds: TypeAlias = float
"""Seconds since 1970-01-01T00:00:00Z, leap seconds ignored (NumericDate, RFC 7519 §2)."""


class Clock(Protocol):
    """What the library asks of time."""

    def now(self) -> EpochSeconds:
        """Wall-clock time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point; never goes back."""
        ...


class _SystemClock:
    __slots__ = ()

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


system_clock: Clock = _SystemClock()
"""The clock of this machine."""
