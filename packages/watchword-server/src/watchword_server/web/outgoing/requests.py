"""Asking a URL that a stranger named: resolved once, only addresses that are allowed, one answer within limits.

Follows no redirect, keeps no connection and no cookie, obeys no proxy setting, sends no credential of its own.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, TypeAlias

from watchword_server.web.outgoing.addresses import Address, AllowList, OutgoingRefused, Target, check_outgoing_url
from watchword_server.web.outgoing.answer import Answer, OutgoingFailed, Unusable, read_answer

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host name and a port to addresses, in the order to try them. Raises OSError."""

_MAX_ADDRESSES: Final = 4
"""Addresses tried: a name with a thousand of them must not make the server a scanner."""
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{0,8192}", re.ASCII)
_OWN: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for a whole exchange, from the name to the last byte; bytes of an answer's body."""

    timeout: float = 5.0
    max_bytes: int = 262_144


class OutgoingRequests:
    """Asks, each time on a connection of its own. Safe for any number of tasks of one event loop.

    ``allow`` is what may be asked beyond public addresses. ``http_on_loopback`` lets http pass to loopback addresses
    that `allow` lists; else https alone. ``tls`` is the trust. ``resolve`` replaces the system's resolver.
    """

    def __init__(
        self,
        *,
        allow: AllowList | None = None,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        http_on_loopback: bool = False,
        resolve: Resolve | None = None,
    ) -> None:
        self._allow = allow or AllowList()
        self._limits = limits or Limits()
        self._tls = tls
        self._http = http_on_loopback
        self._resolve = resolve or _system_resolver

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the limit is part of the question
        max_bytes: int | None = None,
    ) -> Answer:
        """Ask once by GET. ``timeout`` and ``max_bytes`` can be less than the limits of the settings, never more.

        Returns: the answer, whatever its status.
        Raises: OutgoingRefused, before a connection is made; OutgoingFailed.
        Does not follow redirects: a caller that accepts 200 alone has met them all.
        """
        return await self._ask("GET", url, dict(headers or {}), b"", timeout, max_bytes)

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        content_type: str,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        max_bytes: int | None = None,
    ) -> Answer:
        """Send once by POST. As `get`; what was sent may have arrived although OutgoingFailed was raised."""
        return await self._ask("POST", url, {**(headers or {}), "Content-Type": content_type}, body, timeout, max_bytes)

    def check(self, url: str) -> None:
        """Refuse what can be refused without asking anybody: form, scheme, an address that is not allowed.

        For URLs that are only registered now. Raises: OutgoingRefused.
        """
        target = check_outgoing_url(url, allow_http=self._http)
        try:
            address = ip_address(target.host)
        except ValueError:
            if target.scheme == "http" and target.host != "localhost":
                raise OutgoingRefused(f"{target.origin} is not https") from None
            return
        self._require(target, address)

    async def _ask(
        self,
        method: Literal["GET", "POST"],
        url: str,
        headers: dict[str, str],
        body: bytes,
        timeout: float | None,  # noqa: ASYNC109 - as above
        max_bytes: int | None,
    ) -> Answer:
        target = check_outgoing_url(url, allow_http=self._http)
        message = _message(method, target, headers, body)
        seconds = min(self._limits.timeout, timeout or self._limits.timeout)
        limit = self._limits.max_bytes if max_bytes is None else min(max_bytes, self._limits.max_bytes)
        try:
            # One deadline over all of it: a peer that sends a byte a second wins no time.
            async with asyncio.timeout(seconds):
                return await self._exchange(target, message, limit)
        except TimeoutError:
            raise OutgoingFailed(f"{target.origin} timed out") from None
        except Unusable as error:
            raise OutgoingFailed(f"{target.origin} failed: {error}") from None
        except ssl.SSLCertVerificationError as error:
            raise OutgoingFailed(f"{target.origin} is not trusted: {error.verify_message}") from None
        except (OSError, EOFError) as error:
            raise OutgoingFailed(f"{target.origin} failed: {type(error).__name__}") from None

    async def _exchange(self, target: Target, message: bytes, limit: int) -> Answer:
        reader, writer = await self._connect(target)
        try:
            writer.write(message)
            await writer.drain()
            return await read_answer(reader, max_bytes=limit)
        finally:
            # Without the peer's goodbye, which it could hold back.
            writer.transport.abort()

    async def _connect(self, target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to an address that was judged: the name is not looked up again, so it cannot lead elsewhere by then."""
        addresses = await self._addresses(target)
        tls = self._trust() if target.scheme == "https" else None
        failure: OSError = OSError("no address")
        tried = addresses[:_MAX_ADDRESSES]
        for address in tried:
            try:
                # An address that swallows everything leaves time for the next; the deadline over all stays.
                async with asyncio.timeout(self._limits.timeout / len(tried)):
                    return await asyncio.open_connection(
                        str(address), target.port, ssl=tls, server_hostname=target.host if tls else None
                    )
            except ssl.SSLCertVerificationError:
                raise
            except OSError as error:
                failure = error
        raise failure

    async def _addresses(self, target: Target) -> list[Address]:
        try:
            found: list[Address] = [ip_address(target.host)]
        except ValueError:
            found = [ip_address(address) for address in await self._resolve(target.host, target.port)]
        if not found:
            raise OSError("host name has no address")
        allowed = [address for address in found if self._allowed(target, address)]
        if not allowed:
            self._require(target, found[0])
        return allowed

    def _allowed(self, target: Target, address: Address) -> bool:
        if not self._allow.admits(target.host, address):
            return False
        return target.scheme == "https" or address.is_loopback

    def _require(self, target: Target, address: Address) -> None:
        if not self._allowed(target, address):
            # Not to which address: whoever named the URL may see this, and would learn what is inside.
            raise OutgoingRefused(f"{target.origin} leads to an address that is not allowed")

    def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls_trust(None)
        return self._tls


def tls_trust(ca_file: Path | None) -> ssl.SSLContext:
    """The system's trust, and beside it the authorities of a PEM file.

    Raises: OSError, ssl.SSLError for a file that cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def _message(method: str, target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    for name, value in headers.items():
        if _HEADER_NAME.fullmatch(name) is None or name.lower() in _OWN or _HEADER_VALUE.fullmatch(value) is None:
            raise ValueError(f"header {name[:64]!r} cannot be sent")
    lines = [f"{method} {target.path} HTTP/1.1", f"Host: {target.authority}"]
    lines += [f"{name}: {value}" for name, value in ({"User-Agent": "watchword"} | dict(headers)).items()]
    # No encoding is asked for, and none taken: there is no bomb that unfolds.
    lines += ["Accept-Encoding: identity", "Connection: close"]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def _system_resolver(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # An address with a zone (fe80::1%eth0) is link-local, and none that ip_address would judge rightly.
    return list(dict.fromkeys(str(entry[4][0]) for entry in found if "%" not in str(entry[4][0])))
