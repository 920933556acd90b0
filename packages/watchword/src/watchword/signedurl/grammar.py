"""The canonical form of a signed URL, version 1: what is signed, and where the signature stands. PURE.

Knows no key and no time; docs/reference/signed-urls.md is the same in words, for those who implement it elsewhere.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote, unquote_plus, unquote_to_bytes, urlsplit

from watchword.signedurl.errors import UrlReason, UrlRejected

VERSION: Final = "1"
CONTEXT: Final = "watchword-url-1"
"""First line of what is signed: no signature made for another purpose or version is one of these."""
PARAMETER: Final = "ww"
"""The query parameter, and the path segment, that carries the signature."""
MAX_TARGET_LENGTH: Final = 8192
"""Characters of path and query together that are looked at at all."""
MAX_CAVEATS_LENGTH: Final = 2048
"""Characters of encoded caveats."""
MAX_KID_LENGTH: Final = 64

KEY_ID: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_KID_LENGTH}}}")
INSTANT: Final = re.compile(r"0|[1-9][0-9]{0,10}")
"""Seconds since the epoch, in one spelling only."""

_FIELD: Final = f"{PARAMETER}="
_ORIGIN: Final = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
# Visible ASCII but "#", which ends a URL, and the backslash, which some clients and servers take for a slash.
_TARGET: Final = re.compile(r"/[!\"$-\[\]-~]*")
# One segment below a prefix, spelled as every client and server leaves it: what is in no need of encoding and no
# separator of anything, and of percent-encodings the space and bytes beyond ASCII.
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%20|%[89A-F][0-9A-F])+")


class SignedTarget(NamedTuple):
    """A request's target taken apart."""

    path: str
    """Without the signature, if it stood in the path."""
    query: str | None
    """Without the signature, if it stood in the query; None where there is none."""
    claims: str
    """``version.kid.expires.caveats``, each unverified."""
    signature: str
    above: str | None
    """The path above the segment that carried the signature; None where it stood in the query."""
    trailing: bool
    """Whether parameters follow the signature."""


class Claims(NamedTuple):
    """The parts of ``claims``."""

    version: str
    kid: str
    expires: str
    caveats: str


def check_origin(origin: str) -> str:
    """Check an origin (RFC 6454 §6.2) to be signed: scheme, host in lower case, port unless it is the scheme's.

    Returns: the origin. Raises: ValueError for any other spelling, so that signer and verifier cannot differ.
    """
    found = _ORIGIN.fullmatch(origin)
    if found is None or found[3] == _DEFAULT_PORTS[found[1]]:
        raise ValueError("origin must be like https://media.example.com: lower case, no path, no default port")
    return origin


def same_host(origin: str, host: str) -> bool:
    """Whether a ``Host`` header names an origin; its default port may be given or left out (RFC 9110 §4.2.3)."""
    scheme, _, wanted = origin.partition("://")
    given = host.lower()
    return given == wanted or given == f"{wanted}:{_DEFAULT_PORTS[scheme]}"


def check_target(target: str) -> str:
    """Check a path with query before it is signed.

    Returns: the target. Raises: ValueError for what a client would send in another spelling than it was signed, or
    what could be read in two ways: fragments, backslashes, spaces, non-ASCII, dot segments, a signature already there.
    """
    path, _, query = target.partition("?")
    if len(target) > MAX_TARGET_LENGTH or not _TARGET.fullmatch(target):
        raise ValueError("a URL to be signed is a path with query in ASCII, percent-encoded, without fragment")
    # Encoded ones too, and behind encoded slashes: a file name out of someone's hands must not lead elsewhere.
    steps = [step.partition(";")[0] for step in unquote(path).replace("\\", "/").split("/")]
    if not {".", ".."}.isdisjoint(steps):
        raise ValueError("a path to be signed has no dot segments: clients would remove them, and servers follow them")
    if path.startswith("//"):
        raise ValueError("a path that begins with two slashes would be taken for a host")
    # Whoever takes the signature out of a path that is decoded by then would take out a step of another name.
    if any(step.lower().startswith(_FIELD) for step in steps) or PARAMETER in map(_name, query.split("&")):
        raise ValueError(f"the URL has a {PARAMETER} already")
    return target


def check_prefix(prefix: str) -> str:
    """Check a path prefix before it is signed: as `check_target`, without query, and of whole segments.

    Returns: the prefix. Raises: ValueError.
    """
    if "?" in prefix or not prefix.endswith("/"):
        raise ValueError("a prefix is a path that ends with a slash")
    return check_target(prefix)


def target_of(url: str, origin: str) -> str:
    """Path and query of a URL to be signed, which may be absolute if it is of this origin.

    Raises: ValueError for another origin, userinfo, or what `check_target` refuses.
    """
    if url.startswith("/"):
        return check_target(url)
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" != origin:
        raise ValueError("the URL is not of the origin that is signed for")
    return check_target(url[len(origin) :] or "/")


def message(method: str, origin: str, signed: str) -> bytes:
    """What is signed: four lines in ASCII, the last one the signed part of the target with its claims.

    Raises: UrlRejected ``malformed`` for anything outside ASCII.
    """
    try:
        return f"{CONTEXT}\n{method}\n{origin}\n{signed}".encode("ascii")
    except UnicodeEncodeError:
        raise UrlRejected(UrlReason.MALFORMED) from None


def signed_part(path: str, query: str | None, claims: str) -> str:
    """The signed part: a path (or prefix) and the bound query as they stand, and the claims where a signer puts them."""
    return f"{path}?{_FIELD}{claims}" if query is None else f"{path}?{query}&{_FIELD}{claims}"


def with_signature(path: str, query: str | None, claims: str, signature: str) -> str:
    """The target with its signature as the last parameter of the query."""
    return f"{signed_part(path, query, claims)}.{signature}"


def in_path(prefix: str, rest: str, claims: str, signature: str) -> str:
    """The target with its signature as the segment behind the prefix: relative links below it then carry it along."""
    return f"{prefix}{_FIELD}{claims}.{signature}/{rest}"


def take_apart(target: str) -> SignedTarget:
    """Find the signature in a request's target.

    Raises: UrlRejected ``too_long``, ``unsigned``, or ``malformed`` if there is more than one.
    Does not say whether anything of it is true.
    """
    if len(target) > MAX_TARGET_LENGTH:
        raise UrlRejected(UrlReason.TOO_LONG)
    path, mark, text = target.partition("?")
    parameters = text.split("&") if mark else []
    signed = [at for at, parameter in enumerate(parameters) if _name(parameter) == PARAMETER]
    # Looked for in every spelling: in two places, two readers of the request might each believe another one.
    steps = [at for at, step in enumerate(path.split("/")) if step.partition("=")[0].lower() == PARAMETER]
    if len(signed) + len(steps) != 1:
        raise UrlRejected(UrlReason.MALFORMED if signed or steps else UrlReason.UNSIGNED)
    if steps:
        segments = path.split("/")
        above = "/".join([*segments[: steps[0]], ""])
        carried = segments.pop(steps[0])
        path, query, trailing = "/".join(segments), (text if mark else None), False
    else:
        above = None
        carried = parameters.pop(signed[0])
        query, trailing = ("&".join(parameters) if parameters else None), signed[0] < len(parameters)
    if not carried.startswith(_FIELD):
        raise UrlRejected(UrlReason.MALFORMED)
    claims, dot, signature = carried[len(_FIELD) :].rpartition(".")
    if not dot:
        raise UrlRejected(UrlReason.MALFORMED)
    return SignedTarget(path, query, claims, signature, above, trailing)


def claims_of(claims: str) -> Claims:
    """Take claims apart. Raises: UrlRejected ``malformed``."""
    parts = claims.split(".")
    if len(parts) != 4 or parts[0] != VERSION or len(parts[3]) > MAX_CAVEATS_LENGTH:
        raise UrlRejected(UrlReason.MALFORMED)
    return Claims(*parts)


def expiry_of(text: str) -> int:
    """An instant in its one spelling. Raises: UrlRejected ``malformed``: signs, zeros in front, eleven digits and more."""
    if INSTANT.fullmatch(text) is None:
        raise UrlRejected(UrlReason.MALFORMED)
    return int(text)


def check_below(prefix: str, path: str) -> None:
    """Check that a path lies below a prefix, byte for byte, however a server or file system may read it.

    Raises: UrlRejected ``path`` for other prefixes, and for any segment that is empty, begins or ends with a dot, or
    has an encoding in it that stands for anything but a space or text beyond ASCII in well-formed UTF-8.
    """
    if not path.startswith(prefix):
        raise UrlRejected(UrlReason.PATH)
    for segment in path[len(prefix) :].split("/"):
        if _SEGMENT.fullmatch(segment) is None or segment[0] == "." or segment[-1] == ".":
            raise UrlRejected(UrlReason.PATH)
        if "%" in segment:
            try:
                unquote_to_bytes(segment).decode("utf-8")
            except UnicodeDecodeError:
                raise UrlRejected(UrlReason.PATH) from None


def listed(query: str | None, names: tuple[str, ...]) -> str | None:
    """The bound parameters of a request's query, as they stand and in their order.

    Returns: them, or None if there are none.
    Raises: UrlRejected ``query`` for a bound parameter under another spelling of its name, which an application would
    read and nobody signed; for a semicolon, which some take for an ampersand.
    """
    bound = []
    for parameter in query.split("&") if query is not None else ():
        name = parameter.partition("=")[0]
        if name in names:
            bound.append(parameter)
        elif _name(parameter) in names or ";" in parameter:
            raise UrlRejected(UrlReason.QUERY)
    return "&".join(bound) if bound else None


def _name(parameter: str) -> str:
    return unquote_plus(parameter.partition("=")[0])
