"""Which URLs and which addresses the server may ask at all: public ones, and those that the operator has listed.

Pure: resolves no name and connects to nothing. What a name leads to is judged by the caller, address by address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import urlsplit

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_LONGEST_URL: Final = 2048
_URL_CHARACTERS: Final = re.compile(rf"[\x21-\x7e]{{1,{_LONGEST_URL}}}")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)

_NEVER_PUBLIC: Final[tuple[Network, ...]] = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # the relays of 6to4
        "2001::/23",  # protocol assignments, among them Teredo, which holds an IPv4 address
        "2002::/16",  # 6to4: holds an IPv4 address
        "2001:db8::/32",
        "3fff::/20",
    )
)
"""Beyond what `ipaddress` knows: forms that lead elsewhere than they say, in every Python from 3.11 on."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""All of IPv6 that was given out (RFC 4291 §2.4): leaves out NAT64, mapped, site-local and everything unheard of."""


class OutgoingRefused(Exception):  # noqa: N818 - a decision about a URL, not a failure of the code
    """The server does not ask this URL: its form, its scheme or where it leads. Asking again would change nothing.

    The message names scheme, host and port alone.
    """


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in the parts that a request needs. ``host`` is in lower case, without brackets."""

    scheme: str
    host: str
    port: int
    authority: str
    """What the `Host` header says."""
    path: str
    """Path and query, as they are."""

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class AllowList:
    """What the operator allows beyond public addresses: networks, and host names to the letter."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, entries: Iterable[str]) -> AllowList:
        """From texts: ``10.1.0.0/16``, ``127.0.0.1``, ``receiver.internal``. Raises ValueError for a wildcard."""
        networks: list[Network] = []
        hosts: set[str] = set()
        for entry in entries:
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if not is_host_name(entry):
                    raise ValueError(f"{entry!r} is neither a network nor an exact host name in lower case") from None
                hosts.add(entry)
        return cls(tuple(networks), frozenset(hosts))

    def admits(self, host: str, address: Address) -> bool:
        """Whether a connection for that host may go to that address."""
        plain = _plain(address)
        if any(plain in network for network in self.networks if network.version == plain.version):
            return True
        # A listed name is trusted with private addresses, never with the metadata service of a cloud (link-local).
        if host in self.hosts:
            return not (plain.is_link_local or plain.is_multicast or plain.is_unspecified or plain.is_reserved)
        return is_public(plain)


def is_public(address: Address) -> bool:
    """Whether an address belongs to somebody on the Internet (IANA's special-purpose registries, RFC 6890)."""
    plain = _plain(address)
    if isinstance(plain, IPv6Address) and plain not in _GLOBAL_UNICAST:
        return False
    if any(plain in network for network in _NEVER_PUBLIC if network.version == plain.version):
        return False
    return plain.is_global and not plain.is_multicast


def is_host_name(host: str) -> bool:
    """Whether this is a name in lower case, and no number that some resolvers take for an address (0x7f.1, 2130706433)."""
    if len(host) > 253 or _HOST_NAME.fullmatch(host) is None:
        return False
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is None


def check_outgoing_url(url: str, *, allow_http: bool = False) -> Target:
    """Check the form of a URL that a stranger named: https, a name or a plain address, nothing hidden in it.

    ``allow_http`` lets http pass; the caller then asks loopback addresses alone.

    Returns: its parts.
    Raises: OutgoingRefused.
    Does not resolve the name; `AllowList.admits` judges what it leads to.
    """
    if _URL_CHARACTERS.fullmatch(url) is None or "\\" in url or "#" in url:
        raise OutgoingRefused("the URL is not plain ASCII of at most 2048 characters without fragment and backslash")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise OutgoingRefused("the URL is malformed") from None
    if "@" in parts.netloc:
        raise OutgoingRefused("the URL holds user information")
    if parts.scheme != "https" and not (allow_http and parts.scheme == "http"):
        raise OutgoingRefused("the URL is not https")
    if port == 0 or parts.netloc.endswith(":") or not _is_host(host, bracketed="[" in parts.netloc):
        raise OutgoingRefused("the URL names no host that is a name, or an address in its plain form")
    default = 443 if parts.scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port is None or port == default else f"{shown}:{port}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or default, authority, path)


def _is_host(host: str, *, bracketed: bool) -> bool:
    if bracketed:
        return "%" not in host and _address(host) is not None
    # An IPv4 address has exactly one form here; octal, hexadecimal and shortened ones are somebody's trick.
    return is_host_name(host) or isinstance(_address(host), IPv4Address)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _plain(address: Address) -> Address:
    """An IPv4 address that is written as an IPv6 one is judged as what it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
