"""What the feed says: pages of cut-offs and batches pushed, read out of what was signed, whole or not at all.

Fetches nothing and keeps nothing: the caller brings the bytes, the keys, and the nonce it asked with.
"""

from __future__ import annotations

import hmac
import re
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from watchword.jose import jws
from watchword.jose.errors import JoseError, Reason
from watchword.jose.jwk import KeySet
from watchword.verify.policy import DEFAULT_ALGORITHMS
from watchword.verify.revocation import CutOff

MEDIA_TYPE: Final = "application/watchword-revocations+jwt"
TYP: Final = "revocations+jwt"
MAX_ANSWER_BYTES: Final = 4_194_304
"""Octets of one page, signed and encoded; a thousand entries of the longest names are fewer."""

_CURSOR: Final = re.compile(r"[\x21-\x7e]{1,512}")
_Tenant: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
_ALGORITHMS: Final = frozenset(DEFAULT_ALGORITHMS)


class FeedError(Exception):
    """The feed gave an answer that cannot be used. The message names the rule that was broken."""


class ForgedAnswer(FeedError):  # noqa: N818 - a finding about the answer
    """An answer that is not the feed's, or not to this question: unsigned, signed by another, replayed, reordered."""


class UnknownFeedKey(ForgedAnswer):
    """An answer signed with a key that newer keys of the feed may hold."""


class Batch(msgspec.Struct, frozen=True):
    """One page of the feed. ``snapshot``: it starts from the beginning, and is merged all the same. ``tenant``: the only
    one whose tokens it tells everything about; None: it tells everything.
    """

    cursor: str
    entries: tuple[CutOff, ...]
    more: bool
    snapshot: bool = False
    tenant: _Tenant | None = None


class PushedBatch(msgspec.Struct, frozen=True, rename={"since": "from"}):
    """What the feed pushed. ``since``: the cursor it follows upon; ``tenant`` as in `Batch`."""

    cursor: str
    entries: tuple[CutOff, ...]
    since: str | None
    tenant: _Tenant | None = None


class _Signed(msgspec.Struct, frozen=True, rename={"since": "from"}):
    """What every signed answer says of itself."""

    iss: str
    since: str | None
    nonce: str | None = None


_page: Final = msgspec.json.Decoder(Batch)
_pushed: Final = msgspec.json.Decoder(PushedBatch)
_signed: Final = msgspec.json.Decoder(_Signed)


def parse_batch(raw: bytes) -> Batch:
    """Read one page, whole or not at all: an axis or type not known here makes it unusable, never incomplete.

    Raises: FeedError; never another exception.
    Does not ask who wrote it: see `read_page`.
    """
    batch: Batch = _decode(_page, raw)
    _check_cursor(batch.cursor)
    return batch


def read_page(
    raw: bytes,
    keys: KeySet,
    *,
    issuer: str,
    nonce: str,
    cursor: str | None,
    distrusted: frozenset[str] = frozenset(),
) -> Batch:
    """Read a signed page that answers the question asked with ``nonce`` and ``cursor``.

    ``keys`` are the feed's; ``distrusted`` are thumbprints of keys that sign something else, access tokens above all.

    Raises: ForgedAnswer if it is not the feed's, or answers another question; FeedError if it cannot be read. Never
    another exception.
    """
    payload = _verified(raw, keys, distrusted)
    said: _Signed = _decode(_signed, payload)
    if said.iss != issuer:
        raise ForgedAnswer("answer is of another issuer")
    if said.nonce is None or not hmac.compare_digest(said.nonce.encode(), nonce.encode()):
        raise ForgedAnswer("answer is to another question")
    # The nonce proves when, not what was asked: a cursor moved on the way would have entries skipped.
    if said.since != cursor:
        raise ForgedAnswer("answer follows another cursor than was asked for")
    return parse_batch(payload)


def read_pushed(raw: bytes, keys: KeySet, *, issuer: str, distrusted: frozenset[str] = frozenset()) -> PushedBatch:
    """Read a signed batch that was pushed. It answers no question, and must renew nothing.

    Raises: as `read_page`.
    """
    payload = _verified(raw, keys, distrusted)
    said: _Signed = _decode(_signed, payload)
    if said.iss != issuer:
        raise ForgedAnswer("pushed batch is of another issuer")
    batch: PushedBatch = _decode(_pushed, payload)
    _check_cursor(batch.cursor)
    return batch


def _verified(raw: bytes, keys: KeySet, distrusted: frozenset[str]) -> bytes:
    try:
        parsed = jws.parse(raw.decode("ascii", "replace"), max_length=MAX_ANSWER_BYTES)
    except JoseError:
        raise ForgedAnswer("answer is not signed") from None
    # Before the signature: an access token or logout token of the same issuer is none, whatever it says.
    if parsed.header.get("typ") != TYP:
        raise ForgedAnswer("answer is signed as something else")
    try:
        verified = jws.verify_parsed(parsed, keys, algorithms=_ALGORITHMS)
    except JoseError as error:
        if error.reason is Reason.UNKNOWN_KEY:
            raise UnknownFeedKey("answer is signed with a key that is not the feed's") from None
        raise ForgedAnswer("signature of the answer is wrong") from None
    if verified.key.thumbprint() in distrusted:
        raise ForgedAnswer("answer is signed with a key of access tokens")
    return verified.payload


def _decode(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise FeedError("answer is not a page of cut-offs") from None


def _check_cursor(cursor: str) -> None:
    if not _CURSOR.fullmatch(cursor):
        raise FeedError("cursor is not printable text of at most 512 characters")
