"""The one way out to the network: a small port, and its implementation on the standard library.

Knows nothing of tokens, follows no redirect, obeys no proxy setting, keeps no cookie.
"""

from __future__ import annotations

import http.client
import io
import os
import re
import select
import socket
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from watchword.clock import system_clock

_URL_CHARACTERS: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_CHUNK: Final = 65_536
_IDLE_SECONDS: Final = 30.0
_MAX_IDLE: Final = 8


class TransportError(Exception):
    """No answer that could be used: unreachable, too slow, too large, cut short, or not allowed to be asked.

    The message names origin and path of the URL, never its query, and no header.
    """


@dataclass(frozen=True, slots=True)
class Request:
    """One question.

    ``timeout`` is the total, in seconds, from connecting to the last byte; ``max_bytes`` bounds the body, before
    decompression and after it.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout: float = 5.0
    max_bytes: int = 1_048_576


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, whatever its status. Names of ``headers`` are in lower case; of repeated ones the last is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """The port: blocking, safe to call from several threads."""

    def fetch(self, request: Request) -> Response:
        """Ask once and return the answer, redirects included as they are.

        Raises: TransportError; never another exception.
        """
        ...


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


class _UnusableError(Exception):
    """An answer that breaks a limit of ours; the message is fit for a log."""


class _Idle(NamedTuple):
    """A connection waiting for its next question."""

    sock: socket.socket
    since: float
    pid: int


class _Deadline:
    """What is left of the total time of one exchange."""

    __slots__ = ("_ends",)

    def __init__(self, seconds: float) -> None:
        self._ends = system_clock.monotonic() + seconds

    def left(self) -> float:
        left = self._ends - system_clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Reader(io.RawIOBase):
    """Reads from a socket under a deadline: one slow byte after another does not win more time."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)


class _Stream:
    """As much of a socket as http.client asks for. Closing it closes nothing: the connection decides."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline))

    def close(self) -> None:
        """Nothing: see the class."""


class HttpTransport:
    """HTTP/1.1 over the standard library. Keeps a few idle connections, one an origin, for at most 30 s.

    Takes no lock, so that a fork at any moment leaves nothing locked: each step on ``_idle`` is atomic by itself.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, allow_http: bool = False) -> None:
        """Make a transport.

        ``tls`` defaults to the system's trust with host names checked; ``allow_http`` permits http to any host, which
        hands credentials and keys to whoever is on the way.
        """
        self._tls = tls
        self._allow_http = allow_http
        self._idle: dict[str, _Idle] = {}

    def fetch(self, request: Request) -> Response:
        """As `Transport.fetch`."""
        parts = check_url(request.url, allow_http=self._allow_http)
        where = f"{parts.scheme}://{parts.netloc}{parts.path}"
        try:
            return self._exchange(request, parts, _Deadline(request.timeout))
        except TimeoutError:
            raise TransportError(f"{where} timed out") from None
        except (OSError, _UnusableError) as error:
            raise TransportError(f"{where} failed: {error}") from error
        except Exception as error:  # noqa: BLE001 - the promise of the port: whatever a peer sends, one type of error
            # Without the message or the chain: http.client quotes in them the header it refuses to send.
            raise TransportError(f"{where} failed: {type(error).__name__}") from None

    def close(self) -> None:
        """Close idle connections. The transport may be used again."""
        while self._idle:
            self._idle.popitem()[1].sock.close()

    def _exchange(self, request: Request, parts: SplitResult, deadline: _Deadline) -> Response:
        origin = f"{parts.scheme}://{parts.netloc}"
        if request.method == "GET" and (sock := self._reuse(origin)) is not None:
            try:
                return self._ask(origin, sock, request, parts, deadline)
            except ConnectionError:  # the peer hung up while the connection was idle: ask again on a new one
                pass
        return self._ask(origin, self._connect(parts, deadline), request, parts, deadline)

    def _ask(
        self, origin: str, sock: socket.socket, request: Request, parts: SplitResult, deadline: _Deadline
    ) -> Response:
        keep = False
        try:
            response, keep = _ask(sock, request, parts, deadline)
        finally:
            if not keep:
                sock.close()
        if len(self._idle) >= _MAX_IDLE:
            self.close()
        replaced = self._idle.pop(origin, None)
        if keep:
            self._idle[origin] = _Idle(sock, system_clock.monotonic(), os.getpid())
        if replaced is not None:
            replaced.sock.close()
        return response

    def _reuse(self, origin: str) -> socket.socket | None:
        idle = self._idle.pop(origin, None)
        if idle is None:
            return None
        # After a fork the connection is the parent's: two processes would read each other's answers. Readable while
        # nothing was asked means closed, or bytes that belong to no question of ours.
        fresh = idle.pid == os.getpid() and system_clock.monotonic() - idle.since < _IDLE_SECONDS
        if fresh and not select.select([idle.sock], [], [], 0)[0]:
            return idle.sock
        idle.sock.close()
        return None

    def _connect(self, parts: SplitResult, deadline: _Deadline) -> socket.socket:
        host = parts.hostname or ""
        plain = parts.scheme == "http"
        failure: OSError = OSError("host name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, parts.port or (80 if plain else 443), type=socket.SOCK_STREAM
        ):
            if plain and not self._allow_http and not is_loopback(str(address[0])):
                failure = OSError("localhost is not on this machine")
                continue
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(deadline.left())
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not plain:
                    sock.settimeout(deadline.left())
                    sock = self._context().wrap_socket(sock, server_hostname=host)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _ask(sock: socket.socket, request: Request, parts: SplitResult, deadline: _Deadline) -> tuple[Response, bool]:
    """One exchange on one connection. Returns: the response, and whether the connection can be used again."""
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.sock = _Stream(sock, deadline)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc, "Accept-Encoding": "gzip", "User-Agent": "watchword", **request.headers}
    connection.request(request.method, target, body=request.body, headers=headers)
    answer = connection.getresponse()
    body = _body(answer, request.max_bytes)
    names = {name.lower(): value for name, value in answer.getheaders()}
    if names.get("content-encoding", "identity").lower() != "identity":
        body = _decompress(names["content-encoding"], body, request.max_bytes)
    return Response(answer.status, MappingProxyType(names), body), not answer.will_close


def _body(answer: http.client.HTTPResponse, limit: int) -> bytes:
    if answer.length is not None and answer.length > limit:
        raise _UnusableError(f"answer is longer than {limit} bytes")
    body = bytearray()
    while chunk := answer.read(min(_CHUNK, limit + 1 - len(body))):
        body += chunk
        if len(body) > limit:
            raise _UnusableError(f"answer is longer than {limit} bytes")
    if answer.length:
        raise _UnusableError("answer was cut short")
    return bytes(body)


def _decompress(coding: str, body: bytes, limit: int) -> bytes:
    """Undo gzip, at most ``limit`` bytes of it: a small answer must not unfold into a huge one."""
    if coding.lower() not in {"gzip", "x-gzip"}:
        raise _UnusableError("answer is in an encoding that was not asked for")
    inflater = zlib.decompressobj(wbits=31)
    plain = inflater.decompress(body, limit)
    if not inflater.eof or inflater.unused_data:
        raise _UnusableError(f"answer is not one gzip member of at most {limit} bytes")
    return plain
