"""An answer that goes on: read line by line, each within a limit of length and time, ended from any thread.

Knows nothing of what the lines mean.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Final, Self

from watchword.transport.wire import Deadline, UnusableError, header_names

_CHUNK: Final = 65_536


class HttpStream:
    """As `watchword.transport.Stream`."""

    def __init__(
        self,
        sock: socket.socket,
        answer: http.client.HTTPResponse,
        deadline: Deadline,
        *,
        max_line: int,
        idle: float,
        errors: AbstractContextManager[None],
    ) -> None:
        """Take over a connection whose headers were read. ``errors`` makes one kind of error of all."""
        if answer.getheader("content-encoding", "identity").lower() != "identity":
            raise UnusableError("answer is in an encoding that was not asked for")
        self._sock = sock
        self._answer = answer
        self._deadline = deadline
        self._max_line = max_line
        self._idle = idle
        self._errors = errors
        self._ended = False
        self.status: int = answer.status
        self.headers: Mapping[str, str] = header_names(answer)

    def lines(self) -> Iterator[bytes]:
        """As `Stream.lines`; to be called once."""
        rest = bytearray()
        with self._errors:
            while True:
                # From one whole line to the next: bytes that trickle in win no more time.
                self._deadline.renew(self._idle)
                while b"\n" not in rest:
                    chunk = b"" if self._ended else self._answer.read1(_CHUNK)
                    if self._ended or not chunk:
                        return
                    rest += chunk
                    if b"\n" not in chunk and len(rest) > self._max_line:
                        raise UnusableError(f"line is longer than {self._max_line} bytes")
                *lines, last = bytes(rest).split(b"\n")
                rest = bytearray(last)
                for line in lines:
                    if len(line) > self._max_line:
                        raise UnusableError(f"line is longer than {self._max_line} bytes")
                    yield line.removesuffix(b"\r")

    def interrupt(self) -> None:
        """As `Stream.interrupt`."""
        self._ended = True
        # Below TLS, which would take its own state from under the thread that reads; and no close, after which the
        # number of the descriptor could already mean another connection.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """As `Stream.close`."""
        self._ended = True
        with contextlib.suppress(OSError):
            self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
