"""What a resource server asks of an access token.

Holds settings only, checked once when made; ``check`` applies them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from watchword.jose.algorithms import ALGORITHMS, SYMMETRIC

DEFAULT_ALGORITHMS: Final = ("ES256", "Ed25519", "EdDSA", "RS256", "PS256", "ES384", "ES512", "RS384", "PS384")
"""Asymmetric ones only: whoever can verify with an HMAC key can also sign."""
DEFAULT_LEEWAY_SECONDS: Final = 10.0
"""How far clocks may be apart."""
MAX_LEEWAY_SECONDS: Final = 300.0
DEFAULT_MAX_LENGTH: Final = 16_384
"""Characters of a token that is looked at at all."""
ACCESS_TOKEN_TYPES: Final = ("at+jwt", "application/at+jwt")
"""RFC 9068 §4: any other value of ``typ`` MUST be rejected."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one resource server.

    ``issuer`` is compared exactly; ``audience`` is the name, or the names, this resource server answers to, one of
    which a token must be meant for. Neither has a default: without them a token for billing opens reporting.
    ``leeway`` is in seconds and is granted on ``exp``, ``nbf`` and ``iat`` alike. ``required_claims`` must be present
    and not null, beside those RFC 9068 §2.2 requires. ``typ`` is compared without regard to case.

    Raises: ValueError for an empty issuer or audience, an unknown algorithm, HMAC beside asymmetric algorithms (the
    door of algorithm confusion, RFC 8725 §2.1), a leeway outside 0 … 300 s.
    """

    issuer: str
    audience: str | Collection[str]
    algorithms: Collection[str] = DEFAULT_ALGORITHMS
    leeway: float = DEFAULT_LEEWAY_SECONDS
    typ: Collection[str] = ACCESS_TOKEN_TYPES
    required_claims: Collection[str] = ()
    max_length: int = DEFAULT_MAX_LENGTH

    audiences: frozenset[str] = field(init=False, default=frozenset(), repr=False, compare=False)
    """``audience`` as a set; derived."""

    def __post_init__(self) -> None:
        _require(isinstance(self.issuer, str) and self.issuer != "", "issuer must be a non-empty string")
        audiences = frozenset((self.audience,) if isinstance(self.audience, str) else self.audience)
        _require(
            bool(audiences) and all(isinstance(name, str) and name for name in audiences),
            "audience must name this resource server",
        )
        for name in ("algorithms", "typ", "required_claims"):
            _require(
                not isinstance(getattr(self, name), str), f"{name} must be a collection of strings, not one string"
            )
        algorithms = frozenset(self.algorithms)
        _require(bool(algorithms) and algorithms <= ALGORITHMS.keys(), "algorithms must be supported ones")
        _require(algorithms <= SYMMETRIC or not algorithms & SYMMETRIC, "HMAC may not stand beside other algorithms")
        _require(bool(self.typ), "typ must name a type")
        _require(0 <= self.leeway <= MAX_LEEWAY_SECONDS, f"leeway must be between 0 and {MAX_LEEWAY_SECONDS:.0f} s")
        _require(self.max_length > 0, "max_length must be positive")
        object.__setattr__(self, "audiences", audiences)
        object.__setattr__(self, "algorithms", algorithms)
        object.__setattr__(self, "typ", frozenset(name.lower() for name in self.typ))
        object.__setattr__(self, "required_claims", tuple(self.required_claims))


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - a condition is a bool
    if not condition:
        raise ValueError(message)
