"""What a signed URL is bound to beyond its target and expiry: read, written, and held against a request. PURE.

Verifies no signature and looks up no cut-off: ``signed_url`` does.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from watchword.clock import EpochSeconds
from watchword.jose import base64url, strict_json
from watchword.jose.errors import JoseError
from watchword.signedurl.errors import UrlReason, UrlRejected
from watchword.signedurl.grammar import MAX_CAVEATS_LENGTH

_MAX_INSTANT: Final = 99_999_999_999
_MAX_LENGTH: Final = 2**63 - 1
_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Instant: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=_MAX_INSTANT)]
_Names: TypeAlias = Annotated[tuple[_Text, ...], msgspec.Meta(max_length=32)]
_Method: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{1,16}\Z")]

Query: TypeAlias = Literal["all", "none"] | _Names
"""Which parameters are bound: every one, those named, or none."""
Network: TypeAlias = IPv4Network | IPv6Network


class UrlRequest(msgspec.Struct, frozen=True, gc=False):
    """A request as far as a signed URL is concerned. What an adapter cannot tell is None."""

    method: str
    target: str
    """Path and query exactly as the client sent them (RFC 9112 §3.2.1), nothing decoded."""
    host: str | None = None
    """The ``Host`` header; None where a proxy in front has compared it."""
    client: str | None = None
    """The address of the client, not of a proxy."""
    content_type: str | None = None
    content_length: int | None = None
    account: str | None = None
    """``sub`` of who presents the URL, where that is known by other credentials."""


class Caveats(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What a URL is bound to. A caveat that is not known here refuses the URL."""

    method: _Method | None = None
    """The only method; without it GET and HEAD."""
    prefix: _Text | None = None
    """Instead of the path: everything below."""
    query: Query = "all"
    sub: _Text | None = None
    """The account. It dies with the account's cut-offs."""
    sid: _Text | None = None
    """The session. It dies with it."""
    rev: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    """The head of the revocation log when the session was looked at."""
    client_id: _Text | None = None
    tenant: _Text | None = None
    jti: _Text | None = None
    """A name of its own, by which it can be cut off, or spent."""
    once: bool = False
    iat: _Instant | None = None
    nbf: _Instant | None = None
    net: Annotated[tuple[_Text, ...], msgspec.Meta(max_length=8)] = ()
    """Networks of clients, such as ``192.0.2.0/24``."""
    type: _Text | None = None
    """The media type of an upload, in lower case."""
    length: tuple[int, int] | None = None
    """The least and the greatest length of an upload, in bytes."""

    @property
    def bound(self) -> bool:
        """Whether something can end it before it expires."""
        return self.sub is not None or self.sid is not None or self.jti is not None


NO_CAVEATS: Final = Caveats()
_decode: Final = msgspec.json.Decoder(Caveats).decode
_encode: Final = msgspec.json.Encoder(order="deterministic").encode
# What a media type is made of (RFC 9110 §8.3.1), without parameters.
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")


def encode(caveats: Caveats) -> str:
    """Caveats as they stand in a URL: base64url of JSON without those that are not set; nothing for none.

    Raises: ValueError if they are too long, or a signer has put in what a verifier would refuse.
    """
    if caveats == NO_CAVEATS:
        return ""
    text = base64url.encode(_encode(caveats))
    if len(text) > MAX_CAVEATS_LENGTH:
        raise ValueError("the caveats of a signed URL are too long")
    try:
        decode(text)
    except UrlRejected:
        raise ValueError("the caveats of a signed URL are not such as a verifier reads") from None
    return text


@lru_cache(maxsize=1024)
def decode(text: str) -> Caveats:
    """Read caveats, still unverified. Raises: UrlRejected ``malformed``, for unknown and doubled ones too.

    Remembers the last ones read: a player asks for hundreds of segments with the same.
    """
    if not text:
        return NO_CAVEATS
    try:
        raw = base64url.decode(text)
        strict_json.decode_object(raw, max_depth=2, max_bytes=MAX_CAVEATS_LENGTH)
        caveats = _decode(raw)
    except (JoseError, msgspec.MsgspecError):
        raise UrlRejected(UrlReason.MALFORMED) from None
    if caveats.once and caveats.jti is None:
        raise UrlRejected(UrlReason.MALFORMED)
    return caveats


def networks(given: Collection[str]) -> tuple[str, ...]:
    """Client networks in their one spelling. Raises: ValueError, for networks with bits of a host set too."""
    return tuple(str(ip_network(text)) for text in given)


def media_type(given: str) -> str:
    """A media type to be bound, in lower case. Raises: ValueError for parameters or what is none."""
    if _MEDIA_TYPE.fullmatch(given.lower()) is None:
        raise ValueError("content_type is a media type without parameters, such as image/png")
    return given.lower()


def lengths(given: int | tuple[int, int]) -> tuple[int, int]:
    """Bounds of an upload's length; one number is the greatest. Raises: ValueError."""
    least, most = (0, given) if isinstance(given, int) else given
    if not 0 <= least <= most <= _MAX_LENGTH:
        raise ValueError("content_length must be a greatest length, or a least and a greatest one")
    return least, most


def check_request(caveats: Caveats, request: UrlRequest) -> None:
    """Hold a request against what does not enter into the signature by itself.

    Raises: UrlRejected ``client``, ``content`` or ``account``; also where the request does not tell.
    """
    if caveats.net and not _within(caveats.net, request.client):
        raise UrlRejected(UrlReason.CLIENT)
    if caveats.type is not None:
        # Parameters of a media type are not bound; that there is one type, and which, is.
        given = (request.content_type or "").partition(";")[0].strip(" \t").lower()
        if given != caveats.type or "," in (request.content_type or ""):
            raise UrlRejected(UrlReason.CONTENT)
    if caveats.length is not None:
        least, most = caveats.length
        if request.content_length is None or not least <= request.content_length <= most:
            raise UrlRejected(UrlReason.CONTENT)
    if request.account is not None and caveats.sub is not None and request.account != caveats.sub:
        raise UrlRejected(UrlReason.ACCOUNT)


def check_lifetime(caveats: Caveats, expires: EpochSeconds, longest: float) -> None:
    """A cut-off is kept as long as what it could kill may live, so nothing that is bound may live longer.

    Raises: UrlRejected ``lifetime``.
    """
    if caveats.bound and (caveats.iat is None or expires - caveats.iat > longest):
        raise UrlRejected(UrlReason.LIFETIME)


def _within(given: tuple[str, ...], client: str | None) -> bool:
    try:
        address = ip_address(client or "")
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in ip_network(text) for text in given)
    except ValueError:
        return False
