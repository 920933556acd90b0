"""The target of a request as a proof names it (``htu``): a URL brought into one spelling (RFC 3986 §6.2).

Resolves nothing and fetches nothing; what may be fetched is said in ``transport``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MAX_TARGET_LENGTH: Final = 4096
"""Characters of a URL that is looked at at all."""

# One authority without user information, printable ASCII throughout; query and fragment are cut off before.
_URL: Final = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~%!$&'()*+,;=-]{1,253})(?::([0-9]{0,5}))?(/.*)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
# pchar and "/" (RFC 3986 §3.3); a backslash, a space or a quote is none of them.
_PATH: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SHORT: Final = 256
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def normalised_target(url: str) -> str | None:
    """A URL of http or https without query and fragment, in the one spelling that equal targets share.

    RFC 9449 §4.3: servers SHOULD employ syntax-based normalization (RFC 3986 §6.2.2: case, percent-encoding, dot
    segments) and scheme-based normalization (§6.2.3: default port, empty path).

    Returns: the URL; None if it is no such URL, holds user information or anything outside ASCII, or is longer than
    `MAX_TARGET_LENGTH`. Does not raise, whatever the text is.
    """
    if len(url) > MAX_TARGET_LENGTH:
        return None
    base = url.partition("#")[0].partition("?")[0]
    return _known(base) if len(base) <= _SHORT else _normalised(base)


def _normalised(base: str) -> str | None:
    found = _URL.fullmatch(base)
    if found is None:
        return None
    scheme, host, port, path = found[1].lower(), _unescaped(found[2]).lower(), found[3], found[4] or "/"
    if "%" in host or not _PATH.fullmatch(path):
        return None
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    if not 0 < number < 65536:
        return None
    authority = host if number == _DEFAULT_PORTS[scheme] else f"{host}:{number}"
    return f"{scheme}://{authority}{_without_dots(_unescaped(path))}"


# Routes come again and again, and each twice: from the request and from its proof. Bounded in number and size.
_known = lru_cache(maxsize=1024)(_normalised)


def _unescaped(text: str) -> str:
    """RFC 3986 §6.2.2.2: escapes of unreserved characters are decoded; §6.2.2.1: those that stay are in capitals."""
    return _ESCAPE.sub(_unescape, text) if "%" in text else text


def _unescape(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()


def _without_dots(path: str) -> str:
    """RFC 3986 §5.2.4, for a path that begins with a slash."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
