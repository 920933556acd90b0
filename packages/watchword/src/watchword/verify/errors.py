"""Why a token is refused, and why a verifier cannot say.

Writes no answer: adapters turn these into status and challenge. No message holds any part of a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from watchword.jose.jwk import KeySet
from watchword.oauth.names import ErrorCode


class RejectionReason(StrEnum):
    """Why a token was rejected: a closed list of stable names, fit for the label of a metric."""

    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    """Not a compact JWS whose header and payload are JSON objects with each member once."""
    WRONG_TYPE = "wrong_type"
    """``typ`` does not say access token: an ID token, a logout token, a proof (RFC 9068 §4)."""
    ALGORITHM = "algorithm"
    CRITICAL_HEADER = "critical_header"
    EMBEDDED_KEY = "embedded_key"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    UNDECIPHERABLE = "undecipherable"
    """It is encrypted, and not to a key of this server, or it was altered."""
    MISSING_CLAIM = "missing_claim"
    BAD_CLAIM = "bad_claim"
    """A claim has the wrong type or an impossible value."""
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUED_IN_FUTURE = "issued_in_future"
    BOUND = "bound"
    """It is bound to a key or certificate (``cnf``) whose possession was not proven (RFC 9449 §7.2, RFC 8705 §3)."""
    NOT_BOUND = "not_bound"
    """It is bound to nothing, where only bound tokens are accepted."""
    DPOP_PROOF = "dpop_proof"
    """The DPoP proof is missing, wrong, or of another key than the token's (RFC 9449 §7.1)."""
    DPOP_NONCE = "dpop_nonce"
    """The DPoP proof needs a nonce of this server (RFC 9449 §9)."""
    REPLAYED = "replayed"
    """The DPoP proof was used before (RFC 9449 §11.1)."""
    REVOKED = "revoked"
    INACTIVE = "inactive"
    """The authorization server says that it is not active: unknown, expired, revoked, or not for this server."""
    SUBJECT = "subject"
    """Of an assertion: it is about someone else."""
    LIFETIME = "lifetime"
    """Of an assertion: it is good for longer than is accepted."""
    INSUFFICIENT_SCOPE = "insufficient_scope"
    INSUFFICIENT_ROLE = "insufficient_role"
    INSUFFICIENT_PERMISSION = "insufficient_permission"
    TENANT = "tenant"
    """It belongs to another tenant than those admitted here, or to none."""
    INSUFFICIENT_AUTHENTICATION = "insufficient_authentication"
    """The person's login was too weak or too long ago for what is asked (RFC 9470)."""


DESCRIPTIONS: Final[Mapping[RejectionReason, str]] = MappingProxyType(
    {
        RejectionReason.TOO_LONG: "the access token is too long",
        RejectionReason.MALFORMED: "the access token is malformed",
        RejectionReason.WRONG_TYPE: "the token is not an access token",
        RejectionReason.ALGORITHM: "the access token is signed with an algorithm that is not accepted",
        RejectionReason.CRITICAL_HEADER: "the access token asks for an extension that is not understood",
        RejectionReason.EMBEDDED_KEY: "the access token brings a key of its own",
        RejectionReason.UNKNOWN_KEY: "the access token is signed with an unknown key",
        RejectionReason.BAD_SIGNATURE: "the signature of the access token is wrong",
        RejectionReason.UNDECIPHERABLE: "the access token cannot be decrypted",
        RejectionReason.MISSING_CLAIM: "the access token lacks a required claim",
        RejectionReason.BAD_CLAIM: "the access token holds a claim of the wrong type",
        RejectionReason.ISSUER: "the access token is from another issuer",
        RejectionReason.AUDIENCE: "the access token is meant for another audience",
        RejectionReason.EXPIRED: "the access token has expired",
        RejectionReason.NOT_YET_VALID: "the access token is not valid yet",
        RejectionReason.ISSUED_IN_FUTURE: "the access token was issued in the future",
        RejectionReason.BOUND: "the access token is bound to a key whose possession was not proven",
        RejectionReason.NOT_BOUND: "the access token must be bound to a key or certificate of its client",
        RejectionReason.DPOP_PROOF: "a DPoP proof is missing, wrong, or of another key",
        RejectionReason.DPOP_NONCE: "the DPoP proof needs a nonce of this server",
        RejectionReason.REPLAYED: "the DPoP proof was used before",
        RejectionReason.REVOKED: "the access token was revoked",
        RejectionReason.INACTIVE: "the access token is not active",
        RejectionReason.SUBJECT: "the token is about someone else",
        RejectionReason.LIFETIME: "the token is good for too long",
        RejectionReason.INSUFFICIENT_SCOPE: "the access token lacks a scope that is required here",
        RejectionReason.INSUFFICIENT_ROLE: "the access token lacks a role that is required here",
        RejectionReason.INSUFFICIENT_PERMISSION: "the access token lacks a permission that is required here",
        RejectionReason.TENANT: "the access token belongs to another tenant",
        RejectionReason.INSUFFICIENT_AUTHENTICATION: "a stronger or more recent login is required here",
    }
)
"""What a client is told; the same text for every token rejected for the same reason."""

# All else is invalid_token (RFC 6750 §3.1).
_CODES: Final[Mapping[RejectionReason, ErrorCode]] = MappingProxyType(
    {
        RejectionReason.INSUFFICIENT_SCOPE: ErrorCode.INSUFFICIENT_SCOPE,
        RejectionReason.INSUFFICIENT_ROLE: ErrorCode.INSUFFICIENT_SCOPE,
        RejectionReason.INSUFFICIENT_PERMISSION: ErrorCode.INSUFFICIENT_SCOPE,
        RejectionReason.TENANT: ErrorCode.INSUFFICIENT_SCOPE,
        RejectionReason.INSUFFICIENT_AUTHENTICATION: ErrorCode.INSUFFICIENT_USER_AUTHENTICATION,
        RejectionReason.DPOP_PROOF: ErrorCode.INVALID_DPOP_PROOF,
        RejectionReason.REPLAYED: ErrorCode.INVALID_DPOP_PROOF,
        RejectionReason.DPOP_NONCE: ErrorCode.USE_DPOP_NONCE,
    }
)


class TokenRejected(Exception):  # noqa: N818 - a finding about the token, not a failure of the code
    """A token was looked at and is not good here.

    ``reason`` is for metrics, ``description`` for the client, ``scope`` names the scopes that were required (only with
    ``insufficient_scope``), ``acr_values`` and ``max_age`` (seconds) the login that was required (RFC 9470 §3).
    """

    def __init__(
        self,
        reason: RejectionReason,
        description: str | None = None,
        *,
        scope: tuple[str, ...] = (),
        acr_values: tuple[str, ...] = (),
        max_age: int | None = None,
    ) -> None:
        self.reason: RejectionReason = RejectionReason(reason)
        self.description: str = DESCRIPTIONS[self.reason] if description is None else description
        self.scope = scope
        self.acr_values = acr_values
        self.max_age = max_age
        self.dpop_nonce: str | None = None
        """The nonce for the client's next proof, for the header ``DPoP-Nonce`` (RFC 9449 §9)."""
        super().__init__(self.reason.value, self.description)

    def __str__(self) -> str:
        return self.description

    @property
    def error(self) -> ErrorCode:
        """What to answer: ``invalid_token`` or ``insufficient_scope`` (RFC 6750 §3.1), ``invalid_dpop_proof`` or
        ``use_dpop_nonce`` (RFC 9449 §7.1), ``insufficient_user_authentication`` (RFC 9470 §3).
        """
        return _CODES.get(self.reason, ErrorCode.INVALID_TOKEN)


class UnknownKey(TokenRejected):
    """A rejection that newer keys might undo, with the keys that were tried."""

    def __init__(self, keys: KeySet) -> None:
        super().__init__(RejectionReason.UNKNOWN_KEY)
        self.keys = keys

    def __reduce__(self) -> tuple[type[TokenRejected], tuple[RejectionReason, str]]:
        # Keys do not travel, and an error that cannot be sent breaks the pool of processes it is raised in.
        return (TokenRejected, (self.reason, self.description))


class VerifierUnavailable(Exception):  # noqa: N818 - a state of the verifier, which callers answer with 503
    """The verifier cannot tell good from bad just now; the token may be either.

    To be answered 503 with ``Retry-After``, never 401: the client's token is not at fault.
    """

    retry_after: int
    """Seconds after which asking again is sensible."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class KeysUnavailable(VerifierUnavailable):
    """No key of the issuer is at hand: never fetched, or last fetched too long ago."""


class RevocationViewStale(VerifierUnavailable):
    """The view of revocations is older than ``max_staleness``, or full, and the policy is to refuse."""

    bound: float | None = None
    """The ``max_staleness`` of the call, in seconds; None if it was the verifier's."""
