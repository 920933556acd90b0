"""What the outbox asks of whoever carries a kind of delivery, and what became of an attempt.

Carries nothing; each protocol brings a courier of its own, and deliveries.py says which kind goes to which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from watchword_server.store.delivery_records import Delivery


@dataclass(frozen=True, slots=True)
class Delivered:
    """It arrived, or nobody wants it any more."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """It did not arrive and may later. ``after``: the peer's own wish in seconds, taken when it is longer than ours."""

    reason: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Paused:
    """It may not be sent now, by somebody's wish; nothing failed. Looked at again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Never:
    """It will never arrive: the peer said so, or may not be asked. It becomes a dead letter at once."""

    reason: str


Outcome: TypeAlias = Delivered | NotYet | Paused | Never


class Courier(Protocol):
    """Carries one kind of delivery."""

    async def carry(self, delivery: Delivery) -> Outcome:
        """Try once. Must be safe to repeat: a delivery whose answer was lost comes again (at least once).

        Its own limits of time and size hold; whatever it raises counts as `NotYet` without its text. A reason is shown to
        operators: it holds no secret.
        """
        ...
