"""Status lists of other issuers' tokens (draft-ietf-oauth-status-list): read, bounded, and looked into.

PURE: the caller fetches the list. For tokens of Watchword the revocation feed is the better road: it has a bound.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from watchword.clock import EpochSeconds
from watchword.jose import base64url
from watchword.jose.errors import JoseError
from watchword.jose.jwk import Key, KeySet
from watchword.verify.errors import RejectionReason
from watchword.verify.jwt import JwtRejected, check_jwt
from watchword.verify.policy import DEFAULT_ALGORITHMS

MEDIA_TYPE: Final = "application/statuslist+jwt"
STATUS_LIST_TYPE: Final = "statuslist+jwt"
MAX_LIST_LENGTH: Final = 1_048_576
"""Characters of a signed list."""
MAX_LIST_BYTES: Final = 4_194_304
"""Bytes of a list once it is unfolded: 2^25 tokens of one bit each."""
VALID: Final = 0
INVALID: Final = 1
SUSPENDED: Final = 2


class StatusReference(NamedTuple):
    """Where a token's status is: in which list, and at which place."""

    uri: str
    idx: int


def status_reference(claims: Mapping[str, Any]) -> StatusReference | None:
    """What the `status` claim of a verified token says (§6.2); None for a token without one.

    Raises: JwtRejected for one that is not understood: a token whose status cannot be known is not to be accepted.
    """
    if "status" not in claims:
        return None
    match claims["status"]:
        case {"status_list": {"idx": int(index), "uri": str(uri)}} if index >= 0 and not isinstance(index, bool):
            return StatusReference(uri, index)
    raise JwtRejected(RejectionReason.BAD_CLAIM, "status is not understood")


class StatusList:
    """A verified list. ``good_until``: when it may be used no more; ``ttl``: seconds after which to ask for a newer one."""

    __slots__ = ("_bits", "_list", "good_until", "ttl", "uri")

    def __init__(
        self, uri: str, bits: int, unfolded: bytes, *, good_until: EpochSeconds | None, ttl: float | None
    ) -> None:
        self.uri: str = uri
        self.good_until: EpochSeconds | None = good_until
        self.ttl: float | None = ttl
        self._bits = bits
        self._list = unfolded

    def __len__(self) -> int:
        return len(self._list) * 8 // self._bits

    def status(self, index: int) -> int:
        """The status at a place: `VALID`, `INVALID`, `SUSPENDED`, or what the issuer means by another number (§7).

        Raises: JwtRejected for a place that is not in the list (§8.3: such a token is not to be accepted).
        """
        if not 0 <= index < len(self):
            raise JwtRejected(RejectionReason.BAD_CLAIM, "status list has no such place")
        # §4.1: the first token is in the least significant bits of the first byte.
        byte, place = divmod(index * self._bits, 8)
        return (self._list[byte] >> place) & ((1 << self._bits) - 1)

    def __repr__(self) -> str:
        return f"StatusList(uri={self.uri!r}, {len(self)} places)"


def check_status_list(
    raw: str,
    keys: KeySet | Key,
    *,
    uri: str,
    now: EpochSeconds,
    issuer: str | None = None,
    algorithms: Collection[str] = DEFAULT_ALGORITHMS,
    leeway: float = 60.0,
    max_bytes: int = MAX_LIST_BYTES,
) -> StatusList:
    """Check a signed status list (§5.1, §8.3): of the type ``statuslist+jwt``, made for the ``uri`` it was fetched from, not
    expired, and of at most ``max_bytes`` once unfolded.

    Returns: the list.
    Raises: JwtRejected; never another exception, whatever ``raw`` is.
    """
    claims = check_jwt(
        raw,
        keys,
        algorithms=algorithms,
        now=now,
        typ=(STATUS_LIST_TYPE,),
        issuer=issuer,
        # §8.3: `sub` MUST be the URI that the token names, so that no list passes for another.
        subject=uri,
        required=("sub", "iat", "status_list"),
        leeway=leeway,
        max_length=MAX_LIST_LENGTH,
    ).claims
    match claims["status_list"]:
        case {"bits": (1 | 2 | 4 | 8) as bits, "lst": str(folded)} if not isinstance(bits, bool):
            unfolded = _unfolded(folded, max_bytes)
        case _:
            raise JwtRejected(RejectionReason.BAD_CLAIM, "status_list is not understood")
    ttl = claims.get("ttl")
    if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int | float) or ttl <= 0):
        raise JwtRejected(RejectionReason.BAD_CLAIM, "ttl is not a positive number")
    exp = claims.get("exp")
    return StatusList(uri, int(bits), unfolded, good_until=exp, ttl=ttl)


def _unfolded(folded: str, max_bytes: int) -> bytes:
    """Undo zlib, at most so many bytes of it: a small list must not unfold into a huge one (§12.3)."""
    try:
        packed = base64url.decode(folded)
        inflater = zlib.decompressobj()
        unfolded = inflater.decompress(packed, max_bytes + 1)
    except (JoseError, zlib.error):
        raise JwtRejected(RejectionReason.BAD_CLAIM, "status list is not compressed by zlib") from None
    if len(unfolded) > max_bytes:
        raise JwtRejected(RejectionReason.TOO_LONG, "status list is too long")
    if not inflater.eof or inflater.unused_data:
        raise JwtRejected(RejectionReason.BAD_CLAIM, "status list is cut short, or more than one")
    return unfolded
