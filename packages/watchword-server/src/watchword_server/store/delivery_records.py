"""What is to be delivered to others, and what the revocation log has told that nobody has translated yet.

Holds no rules and no SQL: delivery_port.py says what may be done with these.
"""

from __future__ import annotations

from typing import Literal

from watchword.clock import EpochSeconds

from watchword_server.store.records import Axis, Record

DeliveryState = Literal["waiting", "held", "dead"]
"""``waiting``: due at some time, or under way. ``held``: fetched by the destination itself. ``dead``: given up."""


class NewDelivery(Record, frozen=True, kw_only=True):
    """A delivery to enqueue."""

    kind: str
    """``backchannel_logout``, ``ssf_push`` and the like: which courier takes it."""
    destination: str
    """Names who gets it, for limits and for figures: a stream, a client. Never a secret."""
    payload: bytes
    dedupe: str
    """Unique among the deliveries on record of one kind and destination: a second one is dropped."""
    held: bool = False

    def __repr__(self) -> str:
        """Without the payload: it may be a signed token."""
        return f"NewDelivery(kind={self.kind!r}, destination={self.destination!r}, dedupe={self.dedupe!r})"


class Delivery(Record, frozen=True, kw_only=True):
    """A delivery on record."""

    id: int
    kind: str
    destination: str
    payload: bytes
    dedupe: str
    created_at: EpochSeconds
    due_at: EpochSeconds
    """When it is due; while it is under way, until when its worker has it to itself."""
    attempts: int
    """Begun ones, the running one included."""
    lease: str | None
    state: DeliveryState
    last_error: str

    def __repr__(self) -> str:
        """Without the payload: it may be a signed token."""
        return f"Delivery(id={self.id}, kind={self.kind!r}, destination={self.destination!r}, state={self.state!r})"


class OutboxFigures(Record, frozen=True, kw_only=True):
    """How full the outbox is."""

    waiting: int
    held: int
    dead: int
    oldest_waiting: float
    """Seconds since the oldest waiting delivery was enqueued; 0 when none waits."""


class News(Record, frozen=True, kw_only=True):
    """One entry of the revocation log, as it was written, that was not translated into deliveries yet."""

    position: int
    axis: Axis
    value: str
    spares: str | None
    cause: str
    account_id: str | None
    """Whose session it ended, on the axis session; None where that is not on record."""
    at: EpochSeconds
    ends_sessions: bool
    """Whether sessions end with it; False when only access tokens do and the next refresh brings new ones."""
