"""One feed for all workers of a host: a worker's end of the socket they share, and the choice of who serves it.

Proves nothing and believes nothing: batches and answers come as the feed signed them, and are checked as ever. A worker
that gets nothing from the socket asks the feed itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from io import BufferedReader
from pathlib import Path
from typing import Final, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from watchword.clock import system_clock
from watchword.transport import Request, Response, Stream, StreamingTransport, TransportError
from watchword.verify.nonces import HEADER
from watchword.verify.shared_leader import Leader
from watchword.verify.shared_words import Asked, Told, decode_told, encode, peer_uid

_Result = TypeVar("_Result")

_log: Final = logging.getLogger("watchword")
BYPASS_SECONDS: Final = 30.0
"""How long a worker asks the feed itself after the socket has failed it."""
DIAL_SECONDS: Final = 1.0
_LONGEST_LINE: Final = 65_536


class SharedUnavailable(TransportError):  # noqa: N818 - a state of the socket, not of the feed
    """The socket, or who serves it, does not answer."""


class _Gone(SharedUnavailable):
    """Who serves it has gone in the middle."""


class SharedFeed:
    """The feed at ``url`` by way of a Unix socket at ``path``. Whoever comes first serves it, for as long as it lives.

    ``transport`` and ``headers`` are what this worker asks the feed with, when it serves the others or itself.
    """

    def __init__(
        self, path: str, transport: StreamingTransport, *, url: str, headers: Callable[[], dict[str, str]]
    ) -> None:
        """Prepare it: touches nothing before it is first asked."""
        self._path = path
        self._transport = transport
        self._url = url
        self._headers = headers
        self._choosing = threading.Lock()
        self._leader: Leader | None = None
        self._lock: int | None = None
        self._bypass_until = float("-inf")
        _all.add(self)

    @property
    def leading(self) -> bool:
        """Whether this worker serves the socket."""
        return self._leader is not None

    def ask(self, cursor: str | None, nonce: str, *, gather: float, timeout: float, max_bytes: int) -> Response | None:
        """Ask the feed together with whoever else does within ``gather`` seconds.

        Returns: the answer, with the nonces it is for in a header; None when there is none to be had in this way, and
        the feed is to be asked directly.
        """
        asked = Asked(url=self._url, cursor=cursor, nonce=nonce, gather=gather, timeout=timeout)
        return self._unless_bypassed(lambda: self._answer(asked, timeout + gather + DIAL_SECONDS, max_bytes))

    def stream(self, cursor: str, *, timeout: float, idle: float, max_bytes: int) -> Stream | None:
        """The stream that all share, from about that cursor. Returns: None as `ask` does."""
        asked = Asked(url=self._url, cursor=cursor, timeout=timeout)
        return self._unless_bypassed(lambda: self._follow(asked, timeout + DIAL_SECONDS, idle, max_bytes))

    def avoid(self, why: str) -> None:
        """Ask the feed itself for a while."""
        _log.warning("shared revocation feed: %s; asking the feed itself for a while", why)
        self._bypass_until = system_clock.monotonic() + BYPASS_SECONDS

    def close(self) -> None:
        """Serve no longer; another worker will."""
        with self._choosing:
            leader, self._leader = self._leader, None
            lock, self._lock = self._lock, None
        if leader is not None:
            leader.close()
        if lock is not None:
            os.close(lock)

    def after_fork(self) -> None:
        """In the child: the socket and its lock are the parent's, and go with it."""
        self._choosing = threading.Lock()
        leader, self._leader = self._leader, None
        if leader is not None:
            leader.forget()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _unless_bypassed(self, work: Callable[[], _Result]) -> _Result | None:
        if system_clock.monotonic() < self._bypass_until:
            return None
        try:
            try:
                return work()
            except _Gone:  # whoever served is gone, and perhaps another serves by now, or this worker will
                return work()
        except SharedUnavailable as error:
            self.avoid(str(error))
            return None

    def _answer(self, asked: Asked, patience: float, max_bytes: int) -> Response:
        with contextlib.closing(self._dial(patience)) as sock, _local_errors():
            sock.sendall(encode(asked) + b"\n")
            with sock.makefile("rb") as answer:
                told = _read_told(answer.readline(_LONGEST_LINE))
                if not 0 <= told.size <= max_bytes:
                    raise SharedUnavailable("its answer is too long")
                body = answer.read(told.size)
                if len(body) != told.size:
                    raise _Gone("its answer was cut short")
        return Response(told.status, {**told.headers, HEADER: told.nonces}, body)

    def _follow(self, asked: Asked, patience: float, idle: float, max_bytes: int) -> Stream:
        sock = self._dial(patience)
        try:
            with _local_errors():
                sock.sendall(encode(asked) + b"\n")
                answer = sock.makefile("rb")
                told = _read_told(answer.readline(_LONGEST_LINE))
                sock.settimeout(idle)
            return _LocalStream(sock, answer, told, max_bytes)
        except BaseException:
            sock.close()
            raise

    def _dial(self, patience: float) -> socket.socket:
        """Connect to whoever serves; serve if nobody does."""
        until = system_clock.monotonic() + DIAL_SECONDS
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(patience)
                sock.connect(self._path)
                _check_peer(sock)
            except (FileNotFoundError, ConnectionRefusedError):
                sock.close()
                if not self._lead() and system_clock.monotonic() > until:
                    raise SharedUnavailable("nobody serves the socket") from None
                time.sleep(0.005)
            except SharedUnavailable:
                sock.close()
                raise
            except OSError as error:
                sock.close()
                raise SharedUnavailable(f"cannot connect: {type(error).__name__}") from None
            else:
                return sock

    def _lead(self) -> bool:
        """Serve the socket, unless another worker does or is about to."""
        with self._choosing:
            if self._leader is not None:
                return True
            try:
                _check_folder(Path(self._path).parent)
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                lock = os.open(f"{self._path}.lock", flags, 0o600)
            except OSError as error:
                raise SharedUnavailable(f"cannot be served here: {type(error).__name__}") from None
            try:
                # Held as long as this process lives, however it ends.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._leader = Leader(self._path, self._transport, url=self._url, headers=self._headers)
            except BlockingIOError:
                os.close(lock)
                return False
            except OSError as error:
                os.close(lock)
                raise SharedUnavailable(f"cannot be served here: {type(error).__name__}") from None
            self._lock = lock
            return True


class SharedStreaming:
    """A transport that brings streams by way of the socket, and directly where that fails; fetches as the real one does."""

    def __init__(self, shared: SharedFeed, transport: StreamingTransport) -> None:
        self._shared = shared
        self._transport = transport

    def fetch(self, request: Request) -> Response:
        """As the transport."""
        return self._transport.fetch(request)

    def stream(self, request: Request, *, idle: float) -> Stream:
        """The shared stream, or one of its own."""
        cursor = parse_qs(urlsplit(request.url).query)["cursor"][-1]
        shared = self._shared.stream(cursor, timeout=request.timeout, idle=idle, max_bytes=request.max_bytes)
        return self._transport.stream(request, idle=idle) if shared is None else shared


class _LocalStream:
    """Lines out of the socket."""

    def __init__(self, sock: socket.socket, answer: BufferedReader, told: Told, max_bytes: int) -> None:
        self._sock = sock
        self._answer = answer
        self._told = told
        self._max_bytes = max_bytes

    @property
    def status(self) -> int:
        return self._told.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._told.headers

    def lines(self) -> Iterator[bytes]:
        with _local_errors():
            while line := self._answer.readline(self._max_bytes + 2):
                if not line.endswith(b"\n"):
                    if len(line) > self._max_bytes:
                        raise TransportError("shared feed: line is too long")
                    return
                yield line[:-1]

    def interrupt(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._answer.close()
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _check_folder(folder: Path) -> None:
    """Raise PermissionError for a folder in which others could put a socket in the place of ours."""
    found = folder.stat()
    others = stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    if found.st_uid not in {0, os.geteuid()} or (others and not found.st_mode & stat.S_ISVTX):
        raise PermissionError("others may write to the folder of the socket")


def _check_peer(sock: socket.socket) -> None:
    if peer_uid(sock) not in {None, os.geteuid()}:
        raise SharedUnavailable("another user serves the socket")


def _read_told(line: bytes) -> Told:
    if not line:
        raise _Gone("it gave no answer")
    try:
        told = decode_told(line)
    except msgspec.MsgspecError:
        raise SharedUnavailable("it gave no answer") from None
    if told.error is not None or told.status != HTTPStatus.OK:
        # Perhaps the feed minds only the one who asks for all.
        raise SharedUnavailable(told.error or f"the feed answered {told.status}")
    return told


@contextlib.contextmanager
def _local_errors() -> Iterator[None]:
    try:
        yield
    except ConnectionError:
        raise _Gone("it broke off") from None
    except OSError as error:
        raise SharedUnavailable(f"it broke off: {type(error).__name__}") from None


_all: weakref.WeakSet[SharedFeed] = weakref.WeakSet()


def _after_fork() -> None:
    for shared in list(_all):
        shared.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
