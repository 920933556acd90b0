"""The one error of this package, and the closed list of its reasons.

Holds no text of a token or key: a message says which rule was broken, never what was presented.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused; stable names, fit for metrics and logs."""

    TOO_LONG = "too_long"
    """The input is longer than the limit; nothing of it was decoded."""
    MALFORMED = "malformed"
    """Not three base64url segments in compact form (RFC 7515 §7.1)."""
    BAD_BASE64URL = "bad_base64url"
    """Padding, foreign characters, or bits left over that are not zero."""
    BAD_JSON = "bad_json"
    """Not a JSON object in UTF-8, or a number that cannot be kept exactly."""
    DUPLICATE_MEMBER = "duplicate_member"
    """A JSON object names the same member twice."""
    TOO_DEEP = "too_deep"
    """JSON nested beyond the limit."""
    BAD_HEADER = "bad_header"
    """A header parameter is missing or of the wrong type."""
    UNSUPPORTED_ALGORITHM = "unsupported_algorithm"
    """The header names an algorithm outside the closed table, ``none`` included."""
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    """The algorithm is known, but the caller did not allow it."""
    CRITICAL_HEADER = "critical_header"
    """``crit`` is present: malformed, or it names an extension (none is understood here)."""
    EMBEDDED_KEY = "embedded_key"
    """The header carries or points to a key of its own (``jwk``, ``jku``, ``x5c``, ``x5u``)."""
    UNKNOWN_KEY = "unknown_key"
    """No key answers to this ``kid`` and algorithm, or more than one would."""
    BAD_KEY = "bad_key"
    """A JWK is malformed, weak, inconsistent, or not meant for signatures."""
    KEY_MISMATCH = "key_mismatch"
    """The key is not one for this algorithm or this operation."""
    BAD_KEY_SET = "bad_key_set"
    """A JWK Set is malformed, too large, ambiguous, or mixes secrets with public keys."""
    BAD_SIGNATURE = "bad_signature"
    """The signature does not verify."""


class JoseError(Exception):
    """A token, key, key set or JSON text was refused.

    ``reason`` is a member of `Reason` (a string); ``str(error)`` is a sentence for a log.
    Neither holds any part of what was presented.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def __repr__(self) -> str:
        return f"JoseError({str(self.reason)!r}, {self.message!r})"

    def __reduce__(self) -> tuple[type[JoseError], tuple[str, str]]:
        return (type(self), (self.reason, self.message))
