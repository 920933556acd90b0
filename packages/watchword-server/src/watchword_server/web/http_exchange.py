"""One request and its answer on a connection of uvicorn: an answer that is whole at once goes out in one piece.

Decides nothing of limits and of connections; http_protocol.py does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_FRAMING: Final = frozenset({b"connection", b"transfer-encoding"})
"""Of which uvicorn has to know what they say."""
_OF_FEW_VALUES: Final = frozenset(
    {
        b"access-control-allow-origin",
        b"access-control-expose-headers",
        b"cache-control",
        b"content-security-policy",
        b"content-type",
        b"cross-origin-opener-policy",
        b"permissions-policy",
        b"pragma",
        b"referrer-policy",
        b"strict-transport-security",
        b"vary",
        b"x-content-type-options",
        b"x-frame-options",
    }
)
"""Worth remembering as a line. None of them carries a secret."""


class HttpExchange(RequestResponseCycle):
    """uvicorn's cycle, with a short way for the answers that are whole at once and say their length."""

    _head: bytes | None = None
    """Of an answer of known length: kept back for a moment, since its body follows at once."""
    _length = 0

    async def send(self, message: ASGISendEvent) -> None:
        """Take one message of the answer, as ASGI has them.

        Raises RuntimeError for what is no header, and for messages out of order.
        """
        head = self._head
        if head is None:
            if self.response_started or not self._begins(message):
                await super().send(message)
            return
        self._head = None
        if message["type"] == "http.response.body" and not message.get("more_body") and not self.flow.write_paused:
            body = message.get("body", b"")
            if len(body) == self._length and not self.disconnected:
                self.transport.write(head + body)
                self._end()
                return
        if not self.disconnected:
            self.transport.write(head)
        await super().send(message)

    def _begins(self, message: ASGISendEvent) -> bool:
        """Make the head of an answer, if it is one of the ordinary kind."""
        if message["type"] != "http.response.start" or self.disconnected or not self.keep_alive:
            return False
        if self.scope["method"] == "HEAD":
            return False
        lines, length = [STATUS_LINE[message["status"]]], -1
        for header in (*self.default_headers, *message.get("headers", ())):
            name, value = header
            if name in _OF_FEW_VALUES:
                lines.append(_known_line(name, value))
                continue
            name = name.lower()
            if name in _FRAMING:
                return False
            if name == b"content-length":
                length = int(value)
            lines.append(_line(name, value))
        if length < 0:
            return False
        lines.append(b"\r\n")
        self._head, self._length = b"".join(lines), length
        self.response_started, self.chunked_encoding, self.expected_content_length = True, False, length
        self.waiting_for_100_continue = False
        return True

    def _end(self) -> None:
        self.expected_content_length = 0
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            # Asked for by a server that stops, after this head was made.
            self.transport.close()
        self.on_response()


def _line(name: bytes, value: bytes) -> bytes:
    # RFC 9110 §5.5: a line break within a value would end the header, and begin one of a stranger's choice.
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise RuntimeError("not a header of HTTP")
    return b"%s: %s\r\n" % (name, value)


_known_line = lru_cache(maxsize=256)(_line)
