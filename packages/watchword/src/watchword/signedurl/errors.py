"""Why a signed URL is refused: a closed list of stable names.

Writes no answer: adapters turn every reason into 403. No message holds any part of the URL, which is a credential.
"""

from __future__ import annotations

from enum import StrEnum


class UrlReason(StrEnum):
    """Why a signed URL was refused; fit for the label of a metric."""

    UNSIGNED = "unsigned"
    """The URL carries no signature at all."""
    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    """Not of the grammar: a foreign version, characters outside ASCII, caveats that are no such thing."""
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    """Nobody signed this, or what was signed has been changed: path, query, expiry, method, host or caveats."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    LIFETIME = "lifetime"
    """It is good for longer than this verifier accepts."""
    METHOD = "method"
    HOST = "host"
    """The request was sent to another host than the URL was signed for."""
    PATH = "path"
    """Outside the signed prefix, or with a step in it that some server might read as leaving it."""
    QUERY = "query"
    """A parameter that is bound is given once more, in another spelling, or where none belongs."""
    CLIENT = "client"
    """From another address than the URL was signed for."""
    CONTENT = "content"
    """An upload of another type or length than the URL was signed for."""
    ACCOUNT = "account"
    """Presented in the name of another account."""
    REVOKED = "revoked"
    UNREVOCABLE = "unrevocable"
    """It is bound to a session or account, and this verifier cannot learn of their end."""
    SPENT = "spent"
    """Good once, and used before; or good once, where nobody counts."""


class UrlRejected(Exception):  # noqa: N818 - an outcome, as TokenRejected
    """A request whose URL is not good here. ``reason`` is a `UrlReason`."""

    def __init__(self, reason: UrlReason) -> None:
        super().__init__(f"the signed URL is refused: {reason.value}")
        self.reason = reason

    def __repr__(self) -> str:
        return f"UrlRejected({self.reason.value!r})"
