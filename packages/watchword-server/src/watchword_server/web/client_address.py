"""Who is calling, when proxies stand between: the client's address and scheme, believed from trusted proxies only.

Reads one forwarding header, the one the operator's proxy is known to write: believing whichever is there would let a
client forge the one that the proxy passes on untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

from starlette.types import ASGIApp, Receive, Scope, Send

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
ForwardedHeader = Literal["x-forwarded-for", "forwarded"]

_FORWARDING = frozenset(
    (
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-real-ip",
    )
)
_MOST_HOPS = 32
_LONGEST_HEADER = 4096


class ClientAddress:
    """ASGI middleware that puts the client's address in ``scope["client"]`` and its scheme in ``scope["scheme"]``.

    From a peer outside ``trusted`` all forwarding headers are taken away and the peer is the client. From a trusted one
    the header is walked from right to left past trusted proxies; the first other address is the client. Whatever does
    not parse ends the walk at the last hop that was believed.
    """

    def __init__(
        self, app: ASGIApp, *, trusted: Sequence[Network] = (), header: ForwardedHeader = "x-forwarded-for"
    ) -> None:
        self._app = app
        self._trusted = tuple(trusted)
        self._header = header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            self._apply(scope)
        await self._app(scope, receive, send)

    def _apply(self, scope: Scope) -> None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        forwarding = [item for item in headers if item[0] in _FORWARDING]
        peer = parse_address(scope["client"][0]) if scope.get("client") else None
        if peer is None:
            scope["client"] = None
        if forwarding:
            scope["headers"] = [item for item in headers if item[0] not in _FORWARDING]
        if peer is None or not forwarding or not self._trusts(peer):
            return
        hops = _hops(self._header, forwarding)
        client, scheme = peer, None
        for address, proto in reversed(hops):
            if address is None:
                break
            client, scheme = address, proto
            if not self._trusts(address):
                break
        if client != peer:
            scope["client"] = (str(client), 0)
        if self._header == "x-forwarded-for":
            scheme = _proto(forwarding)
        if scheme in {"http", "https"} and scope["type"] == "http":
            scope["scheme"] = scheme

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


_Hop = tuple[Address | None, str | None]


def _joined(name: bytes, headers: Sequence[tuple[bytes, bytes]]) -> str:
    return ",".join(value.decode("latin-1") for key, value in headers if key == name)


def _hops(header: ForwardedHeader, headers: Sequence[tuple[bytes, bytes]]) -> list[_Hop]:
    text = _joined(header.encode(), headers)
    if len(text) > _LONGEST_HEADER:
        text = text[-_LONGEST_HEADER:].partition(",")[2]
    parts = text.split(",")[-_MOST_HOPS:]
    if header == "x-forwarded-for":
        return [(parse_address(part), None) for part in parts]
    return [_forwarded(part) for part in parts]


def _forwarded(element: str) -> _Hop:
    """One element of ``Forwarded`` (RFC 7239 §4). An obfuscated or unknown node is no address (§6.2, §6.3)."""
    found: dict[str, str] = {}
    for pair in element.split(";"):
        name, equals, value = pair.strip().partition("=")
        name = name.lower()
        if not equals or name in found:
            return None, None
        found[name] = value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value
    return parse_address(found.get("for", "")), found.get("proto", "").lower() or None


def _proto(headers: Sequence[tuple[bytes, bytes]]) -> str:
    return _joined(b"x-forwarded-proto", headers).rpartition(",")[2].strip().lower()


_LONGEST_ADDRESS = 128
"""Characters: an IPv6 address with its zone, brackets and port, and white space around it."""


def parse_address(text: str) -> Address | None:
    """An address from ``192.0.2.1``, ``192.0.2.1:80``, ``2001:db8::1``, ``[2001:db8::1]:80``, ``fe80::1%eth0``.

    IPv4 mapped into IPv6 becomes IPv4; port and zone are dropped. None for anything else.
    """
    # Only what can be an address is worth remembering: a cache of long texts would be a gift to whoever sends them.
    return _parsed(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    text = text.strip()
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not (rest[0] == ":" and _is_port(rest[1:]))):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(port):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5


def client_address(scope: Scope) -> str | None:
    """The client's address as ``ClientAddress`` left it; None when the server does not know it (a socket file)."""
    client = scope.get("client")
    return client[0] if client else None


@lru_cache(maxsize=4096)
def throttle_network(address: str | None) -> str:
    """What failures are counted under: the address, or its /64 for IPv6, of which every household has one.

    A client without an address shares one count with all others of its kind.
    """
    parsed = parse_address(address or "")
    if parsed is None:
        return "unknown"
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(IPv6Network((int(parsed) >> 64 << 64, 64)))
