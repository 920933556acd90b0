"""When an attempt that failed is repeated, and when a delivery is given up.

PURE: time and chance are given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from watchword_server.outbox.courier import NotYet

_MOST_DOUBLINGS: Final = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """``first``: seconds after the first failure; doubled with each, up to ``longest``. ``give_up_after``: seconds since it
    was enqueued from which a failure is the last.
    """

    first: float = 5.0
    longest: float = 3600.0
    give_up_after: float = 3 * 86400.0

    def wait(self, failed: NotYet, *, attempts: int, age: float, fraction: float) -> float | None:
        """Seconds until the next attempt; None when there is none.

        ``attempts`` made, this one included; ``age`` of the delivery in seconds; ``fraction`` is chance in [0, 1), which
        spreads the wait over its upper half: what failed together does not come back together.
        """
        if age >= self.give_up_after:
            return None
        doubled = self.first * (1 << min(max(attempts - 1, 0), _MOST_DOUBLINGS))
        own = min(self.longest, doubled) * (0.5 + fraction / 2)
        # A peer that wishes for a week is asked again within the longest wait all the same.
        return max(own, min(failed.after, self.longest))
