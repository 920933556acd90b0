"""Whether it is worth while to have questions held: a proxy may cut them off, a server may not know how.

Asks nothing itself.
"""

from __future__ import annotations

from typing import Final

_HOLD_AGAIN_SECONDS: Final = 300.0
_HELD_FAILURES: Final = 2


class Holds:
    """What came of held questions so far."""

    def __init__(self) -> None:
        self._failures = 0
        self._not_before = 0.0

    def allowed(self, now: float) -> bool:
        """Whether to try again."""
        return now >= self._not_before

    def ended(self, held: float, took: float, *, news: bool, now: float) -> bool:
        """Learn of a question that was answered. Returns: whether the question was held, so that the next may follow at once."""
        if not held:
            return False
        if news or took >= held / 2:
            self._failures = 0
            return True
        self.failed(now)  # it answered at once, with nothing
        return False

    def failed(self, now: float) -> None:
        """Learn of a question that was not answered, or not held."""
        self._failures += 1
        if self._failures >= _HELD_FAILURES:
            self._failures = 0
            self._not_before = now + _HOLD_AGAIN_SECONDS
