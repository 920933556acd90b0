"""What the library asks of a network: requests, responses, streams, and one error.

Speaks no protocol itself; ``client`` does, and users may bring another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable


class TransportError(Exception):
    """No answer that could be used: unreachable, too slow, too large, cut short, or not allowed to be asked.

    The message names origin and path of the URL, never its query, and no header.
    """


@dataclass(frozen=True, slots=True)
class Request:
    """One question.

    ``timeout`` is the total, in seconds, from connecting to the last byte; ``max_bytes`` bounds the body, before
    decompression and after it. Of a stream they bound the time to the headers, and the length of a line.
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


class Stream(Protocol):
    """An answer that goes on, read line by line by one thread. Status and headers are as those of `Response`."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...

    def lines(self) -> Iterator[bytes]:
        """The lines as they come, without their ends. Ends when the peer ends the answer.

        Raises: TransportError, also for a line that is too long, or too long in coming.
        """
        ...

    def interrupt(self) -> None:
        """End the reading at once, from any thread. Does not give back what the stream holds: that is for `close`."""
        ...

    def close(self) -> None:
        """Give back the connection; to be called by the thread that reads, or by a child of a fork."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> None: ...


@runtime_checkable
class StreamingTransport(Transport, Protocol):
    """A transport that can also hold an answer open. One that cannot serves all the same: feeds are then polled."""

    def stream(self, request: Request, *, idle: float) -> Stream:
        """Ask once and return as soon as the headers are there.

        ``idle`` is how long, in seconds, the peer may take from one whole line to the next.

        Raises: TransportError; never another exception.
        """
        ...
