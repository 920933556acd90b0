"""How a verifier fares, as one frozen value.

Measures nothing itself: ``vitals`` fills it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["push", "long-poll", "poll"]
"""How cut-offs come: sent as they are made, by questions that are held, or by plain questions."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a verifier fares; fit for a readiness probe and for metrics. Ages are in seconds, infinite if never."""

    ready: bool
    """Whether a good token would be accepted now."""
    keys: int
    keys_age: float
    keys_error: str | None
    revocations: int | None
    """Live cut-offs; None if revocations are not followed."""
    revocations_age: float | None
    revocations_full: bool
    revocations_error: str | None
    accepted_while_stale: int
    """Tokens accepted without a fresh view, by a policy of ``accept``."""
    cached_tokens: int
    revocations_bytes: int | None = None
    """Memory the view takes, roughly."""
    mode: Mode | None = None
    lease_left: float | None = None
    """Seconds until the view is older than the verifier's ``max_staleness``; 0 if it is."""
    refused_while_stale: int = 0
    introspected: int = 0
    """Tokens an introspector was to be asked about, because the view was stale."""
    renewals: int = 0
    """Answers that renewed the lease."""
    forged_answers: int = 0
    """Answers that were not the feed's, or not to the question asked: they changed nothing."""
    pushed_batches: int = 0
    push_error: str | None = None
