"""Which URLs may be fetched at all.

Resolves no names: that a name leads where it says is looked at when connecting.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from watchword.transport.port import TransportError

_URL_CHARACTERS: Final = re.compile(r"[\x21-\x7e]{1,4096}")


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine: ``localhost`` or a loopback address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str, *, allow_http: bool = False) -> SplitResult:
    """Check that a URL may be fetched: https, or http on this machine, or http anywhere if allowed.

    Returns: its parts.
    Raises: TransportError for other schemes, user information, a fragment, a bad port, anything but printable ASCII.
    """
    try:
        parts = urlsplit(url)
        good = _URL_CHARACTERS.fullmatch(url) is not None and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise TransportError("URL is malformed")
    if "@" in parts.netloc or "#" in url or "\\" in url:
        raise TransportError("URL holds user information, a fragment or a backslash")
    if parts.scheme != "https" and not (parts.scheme == "http" and (allow_http or is_loopback(parts.hostname or ""))):
        raise TransportError("URL is neither https nor http on this machine")
    return parts
