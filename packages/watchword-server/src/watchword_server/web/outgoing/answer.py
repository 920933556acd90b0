"""Reading an HTTP/1.1 answer under limits: bytes of headers, bytes of body, no encoding, one message.

Opens no connection and knows no time; requests.py bounds how long all of it may take.
"""

from __future__ import annotations

from asyncio import StreamReader
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import httptools

MAX_HEADER_BYTES: Final = 32_768
"""Bytes of status line and headers, those of informational answers included."""
_CHUNK: Final = 65_536


class OutgoingFailed(Exception):  # noqa: N818 - what happened to a question; the code did not fail
    """No answer that could be used: unreachable, not trusted, too slow, too large, cut short. Asking later may help.

    The message names scheme, host and port, never path or query, and nothing the peer has sent.
    """


class Unusable(Exception):  # noqa: N818 - of this package alone; becomes OutgoingFailed
    """An answer that breaks a limit; the message is fit for a log."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whatever its status: redirects are told, not followed.

    Names of ``headers`` are in lower case; values of a repeated one are joined by a comma (RFC 9110 §5.2).
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def retry_after(self) -> float:
        """Seconds after which the peer wants to be asked again (RFC 9110 §10.2.3); 0.0 when it named none, or a date."""
        told = self.headers.get("retry-after", "")
        return float(told) if told.isascii() and told.isdigit() and len(told) < 8 else 0.0


class _Reading:
    """What httptools tells of one answer. Every count is held against its limit before anything is kept."""

    def __init__(self, max_bytes: int) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.headers_done = False
        self.complete = False
        self.body = bytearray()
        self._max_bytes = max_bytes
        self._informational = False
        self._header_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADER_BYTES:
            raise Unusable(f"headers are longer than {MAX_HEADER_BYTES} bytes")
        key = name.decode("ascii", "replace").lower()
        text = value.decode("latin-1").strip()
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        # 1xx answers come before the one that counts (RFC 9110 §15.2).
        self._informational = self.parser.get_status_code() < 200
        if self._informational:
            self.headers.clear()
            return
        self.headers_done = True
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise Unusable("answer is in an encoding that was not asked for")
        length = self.headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self._max_bytes:
            raise Unusable(f"answer is longer than {self._max_bytes} bytes")

    def on_body(self, body: bytes) -> None:
        if len(self.body) + len(body) > self._max_bytes:
            raise Unusable(f"answer is longer than {self._max_bytes} bytes")
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = not self._informational

    @property
    def ends_with_connection(self) -> bool:
        """Whether nothing but the end of the connection ends the body (RFC 9112 §6.3)."""
        return self.headers_done and not {"content-length", "transfer-encoding"} & self.headers.keys()


async def read_answer(reader: StreamReader, *, max_bytes: int) -> Answer:
    """Read one answer and no byte beyond what was received with its end.

    Raises: Unusable; OSError and TimeoutError of the connection.
    """
    reading = _Reading(max_bytes)
    before_body = 0
    framing = 0
    while not reading.complete:
        chunk = await reader.read(_CHUNK)
        if not chunk:
            if reading.ends_with_connection:
                break
            raise Unusable("answer was cut short")
        if not reading.headers_done:
            # Held before parsing: a header without end would else be gathered by the parser.
            before_body += len(chunk)
        held = len(reading.body)
        _feed(reading, chunk)
        if not reading.headers_done and before_body > MAX_HEADER_BYTES:
            raise Unusable(f"headers are longer than {MAX_HEADER_BYTES} bytes")
        # Chunks of one byte, extensions of chunks and trailers cost us more than they carry.
        framing += len(chunk) - (len(reading.body) - held)
        if framing > 2 * MAX_HEADER_BYTES + 8 * max_bytes:
            raise Unusable("answer is mostly framing")
    return Answer(reading.parser.get_status_code(), MappingProxyType(reading.headers), bytes(reading.body))


def _feed(reading: _Reading, chunk: bytes) -> None:
    try:
        reading.parser.feed_data(chunk)
    except httptools.HttpParserUpgrade:
        raise Unusable("answer changes the protocol") from None
    except httptools.HttpParserError as error:
        # What a callback raised arrives as the context of the parser's own error.
        if isinstance(cause := error.__context__, Unusable):
            raise cause from None
        if not reading.complete:
            raise Unusable("answer is not HTTP/1.1") from None
