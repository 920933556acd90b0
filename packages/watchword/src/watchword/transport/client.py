"""HTTP/1.1 on the standard library: connections opened, kept for a while, never shared across a fork.

Holds no limit of an exchange (``wire``) or of a stream (``streaming``).
"""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from urllib.parse import SplitResult

from watchword.clock import system_clock
from watchword.transport.port import Request, Response, TransportError
from watchword.transport.streaming import HttpStream
from watchword.transport.url import check_url, is_loopback
from watchword.transport.wire import Deadline, UnusableError, ask, exchange

_IDLE_SECONDS: Final = 30.0
_MAX_IDLE: Final = 8


class _Idle(NamedTuple):
    """A connection waiting for its next question."""

    sock: socket.socket
    since: float
    pid: int


@contextmanager
def one_kind_of_error(where: str) -> Iterator[None]:
    """The promise of the port: whatever a peer sends, one type of error."""
    try:
        yield
    except TransportError:
        raise
    except TimeoutError:
        raise TransportError(f"{where} timed out") from None
    except (OSError, UnusableError) as error:
        raise TransportError(f"{where} failed: {error}") from error
    except Exception as error:  # noqa: BLE001 - see above
        # Without the message or the chain: http.client quotes in them the header it refuses to send.
        raise TransportError(f"{where} failed: {type(error).__name__}") from None


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
        with one_kind_of_error(_where(parts)):
            return self._exchange(request, parts, Deadline(request.timeout))

    def stream(self, request: Request, *, idle: float) -> HttpStream:
        """As `StreamingTransport.stream`, on a connection of its own. Asks for no compression: it would hold back."""
        parts = check_url(request.url, allow_http=self._allow_http)
        where = _where(parts)
        with one_kind_of_error(where):
            deadline = Deadline(request.timeout)
            sock = self._connect(parts, deadline)
            try:
                answer = ask(sock, request, parts, deadline, coding="identity")
                reading = one_kind_of_error(where)
                return HttpStream(sock, answer, deadline, max_line=request.max_bytes, idle=idle, errors=reading)
            except BaseException:
                sock.close()
                raise

    def close(self) -> None:
        """Close idle connections. The transport may be used again."""
        while self._idle:
            self._idle.popitem()[1].sock.close()

    def _exchange(self, request: Request, parts: SplitResult, deadline: Deadline) -> Response:
        origin = f"{parts.scheme}://{parts.netloc}"
        if request.method == "GET" and (sock := self._reuse(origin)) is not None:
            try:
                return self._ask(origin, sock, request, parts, deadline)
            except ConnectionError:  # the peer hung up while the connection was idle: ask again on a new one
                pass
        return self._ask(origin, self._connect(parts, deadline), request, parts, deadline)

    def _ask(
        self, origin: str, sock: socket.socket, request: Request, parts: SplitResult, deadline: Deadline
    ) -> Response:
        keep = False
        try:
            response, keep = exchange(sock, request, parts, deadline)
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
        if fresh and not _readable(idle.sock):
            return idle.sock
        idle.sock.close()
        return None

    def _connect(self, parts: SplitResult, deadline: Deadline) -> socket.socket:
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


def _where(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _readable(sock: socket.socket) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    waiting = select.poll()  # select() knows only the first 1024 descriptors of a process
    waiting.register(sock, select.POLLIN)
    return bool(waiting.poll(0))
