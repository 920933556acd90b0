"""How often the feed is asked, how long a question may be held, how long to stay away after a failure.

Pure: no clock; ``chance`` is a number from 0 to 1, so that verifiers started together do not ask together.
"""

from __future__ import annotations

from typing import Final

LONGEST_HOLD: Final = 25.0
"""Seconds; the feed holds no question longer."""
SHORTEST_HOLD: Final = 0.25
SLOWEST_RENEWAL: Final = 15.0
"""Seconds between questions while cut-offs are pushed."""
LEAST_GAP: Final = 0.02
_SLOWEST_RETRY: Final = 10.0
_SLOWEST_RECONNECT: Final = 30.0
_FIRST_RECONNECT: Final = 1.0
_SPARE: Final = 0.8
"""Part of half the bound that is planned with; the rest is for what takes longer than before."""


def budget(bound: float, round_trip: float) -> float:
    """Seconds that may pass between a question and the next, so that with the round trip half the bound holds both."""
    return max(LEAST_GAP, _SPARE * bound / 2 - round_trip)


def renewal(bound: float, round_trip: float, chance: float) -> float:
    """Seconds until the next question when cut-offs are pushed meanwhile."""
    return min(SLOWEST_RENEWAL, budget(bound, round_trip)) * (0.7 + 0.3 * chance)


def hold(bound: float, round_trip: float) -> float:
    """Seconds to have a question held; 0 if the bound leaves no room for it."""
    longest = min(LONGEST_HOLD, budget(bound, round_trip))
    return longest if longest >= SHORTEST_HOLD else 0.0


def interval(poll_interval: float, bound: float, round_trip: float, chance: float) -> float:
    """Seconds until the next question when nothing is pushed or held."""
    return min(poll_interval, budget(bound, round_trip)) * (0.5 + 0.5 * chance)


def retry(poll_interval: float, bound: float, failures: int, chance: float) -> float:
    """Seconds to stay away after so many failures in a row: doubling, but within a quarter of the bound."""
    longest = min(_SLOWEST_RETRY, bound / 4)
    span: float = poll_interval * 2.0 ** min(failures - 1, 16)
    return max(LEAST_GAP, min(longest, span)) * (0.5 + 0.5 * chance)


def reconnect(failures: int, asked_to_wait: float, chance: float) -> float:
    """Seconds until a stream is opened again: spread over the whole span, for all readers lose a server at once."""
    span: float = min(_SLOWEST_RECONNECT, _FIRST_RECONNECT * 2.0 ** min(max(failures - 1, 0), 16))
    return asked_to_wait + span * chance
