"""One exchange over one socket: under a deadline, within limits, undone from its encoding.

Opens and keeps no connection; ``client`` does.
"""

from __future__ import annotations

import http.client
import io
import socket
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult

from watchword.clock import system_clock
from watchword.transport.port import Request, Response

_CHUNK: Final = 65_536


class UnusableError(Exception):
    """An answer that breaks a limit of ours; the message is fit for a log."""


class Deadline:
    """What is left of the total time of one exchange, or of the wait for the next line."""

    __slots__ = ("_ends",)

    def __init__(self, seconds: float) -> None:
        self._ends = system_clock.monotonic() + seconds

    def left(self) -> float:
        left = self._ends - system_clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def renew(self, seconds: float) -> None:
        self._ends = system_clock.monotonic() + seconds


class _Reader(io.RawIOBase):
    """Reads from a socket under a deadline: one slow byte after another does not win more time."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)


class _Stream:
    """As much of a socket as http.client asks for. Closing it closes nothing: the connection decides."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline))

    def close(self) -> None:
        """Nothing: see the class."""


def ask(
    sock: socket.socket, request: Request, parts: SplitResult, deadline: Deadline, *, coding: str = "gzip"
) -> http.client.HTTPResponse:
    """Send a request and read the headers of the answer."""
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.sock = _Stream(sock, deadline)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc, "Accept-Encoding": coding, "User-Agent": "watchword", **request.headers}
    connection.request(request.method, target, body=request.body, headers=headers)
    return connection.getresponse()


def header_names(answer: http.client.HTTPResponse) -> Mapping[str, str]:
    """The headers of an answer as `Response` has them."""
    return MappingProxyType({name.lower(): value for name, value in answer.getheaders()})


def exchange(sock: socket.socket, request: Request, parts: SplitResult, deadline: Deadline) -> tuple[Response, bool]:
    """One whole exchange. Returns: the response, and whether the connection can be used again."""
    answer = ask(sock, request, parts, deadline)
    body = _body(answer, request.max_bytes)
    names = header_names(answer)
    if names.get("content-encoding", "identity").lower() != "identity":
        body = _decompress(names["content-encoding"], body, request.max_bytes)
    return Response(answer.status, names, body), not answer.will_close


def _body(answer: http.client.HTTPResponse, limit: int) -> bytes:
    if answer.length is not None and answer.length > limit:
        raise UnusableError(f"answer is longer than {limit} bytes")
    body = bytearray()
    while chunk := answer.read(min(_CHUNK, limit + 1 - len(body))):
        body += chunk
        if len(body) > limit:
            raise UnusableError(f"answer is longer than {limit} bytes")
    if answer.length:
        raise UnusableError("answer was cut short")
    return bytes(body)


def _decompress(coding: str, body: bytes, limit: int) -> bytes:
    """Undo gzip, at most ``limit`` bytes of it: a small answer must not unfold into a huge one."""
    if coding.lower() not in {"gzip", "x-gzip"}:
        raise UnusableError("answer is in an encoding that was not asked for")
    inflater = zlib.decompressobj(wbits=31)
    plain = inflater.decompress(body, limit)
    if not inflater.eof or inflater.unused_data:
        raise UnusableError(f"answer is not one gzip member of at most {limit} bytes")
    return plain
