"""How a verifier fares, as one frozen value.

Measures nothing itself: ``engine`` fills it in.
"""

from __future__ import annotations

from dataclasses import dataclass


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
