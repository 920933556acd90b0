"""Redirect URIs: which may be registered, and which of them an authorization request may name. Pure.

Redirects nobody; the authorization endpoint does, and only to what passed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from watchword_server.clients.metadata import ApplicationType

MAX_LENGTH: Final = 2048
MAX_REDIRECT_URIS: Final = 64

_PLAIN: Final = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+", re.ASCII)
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)
_NEVER: Final = frozenset(
    {"javascript", "data", "vbscript", "file", "blob", "about", "view-source", "ws", "wss", "ftp", "mailto", "intent"}
)
"""Schemes by which a redirect would run a script or leave the browser's rules."""


def redirect_uri_fault(uri: str, application_type: ApplicationType) -> str | None:
    """What keeps a URI from being registered as a redirect URI (RFC 9700 §4.1.3, RFC 8252 §7); None when it may be.

    https for everyone; http on a loopback address or localhost, and a private-use scheme with a dot in it, for native
    applications.
    """
    fault = _form_fault(uri)
    if fault is not None:
        return fault
    parts = urlsplit(uri)
    if parts.scheme == "https":
        return None if parts.hostname else "names no host"
    if parts.scheme == "http":
        if not _is_loopback(parts):
            return "is http on a host other than a loopback address or localhost"
        # RFC 9700 §2.6: http MUST NOT be allowed except for native clients that use loopback redirection.
        return None if application_type == "native" else "is http, which a client that says it is web may not use"
    if application_type != "native":
        return "is not https; only native applications may use another scheme"
    # RFC 8252 §7.1: a private-use URI scheme MUST be based on a domain name, expressed in reverse order.
    if "." not in parts.scheme:
        return "has a scheme that is not a reversed domain name such as com.example.app"
    return None


def _form_fault(uri: str) -> str | None:
    if not uri or len(uri) > MAX_LENGTH:
        return f"is empty or longer than {MAX_LENGTH} characters"
    # RFC 6749 §3.1.2: the redirection endpoint URI MUST be an absolute URI and MUST NOT include a fragment component.
    if "#" in uri:
        return "has a fragment"
    if _PLAIN.fullmatch(uri) is None or _ESCAPE.search(uri):
        return "holds characters that a URI does not have; a name in other letters is written as xn--…"
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return "is not a URI"
    scheme, colon, _ = uri.partition(":")
    if not colon or _SCHEME.fullmatch(scheme) is None or scheme in _NEVER:
        return "has no scheme in lower case that a client may be called by"
    if "@" in parts.netloc or port == 0 or parts.netloc.endswith(":"):
        return "holds user information or an impossible port"
    if parts.netloc != parts.netloc.lower():
        return "has its host in capital letters"
    if "*" in parts.netloc or any(step in {".", ".."} for step in parts.path.split("/")):
        return "holds a wildcard host or a dot segment"
    return None


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def redirect_uri_allowed(uri: str, registered: Iterable[str], application_type: ApplicationType) -> bool:
    """Whether an authorization request may name this URI: exactly one that is registered, character by character
    (RFC 9700 §2.1). A native application may add any port to a loopback address it registered (RFC 8252 §7.3).
    """
    candidates = tuple(registered)
    if uri in candidates:
        return True
    if application_type != "native" or redirect_uri_fault(uri, application_type) is not None:
        return False
    bare = _without_loopback_port(uri)
    return bare is not None and any(bare == _without_loopback_port(candidate) for candidate in candidates)


def _without_loopback_port(uri: str) -> str | None:
    """An http URI on a loopback address without its port; None for any other. Not for localhost, which is a name and
    may be taken by another listener (RFC 8252 §8.3).
    """
    match = re.fullmatch(r"http://(127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?((?:[/?].*)?)", uri, re.ASCII)
    return f"http://{match[1]}{match[2]}" if match else None
