"""The HTTP/1.1 protocol of uvicorn with the limits it lacks: size and time of what is no body, requests sent ahead.

Does not limit bodies (web/body.py does) nor the number of connections (uvicorn's limit_concurrency does).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from watchword_server.web.client_certificate import CONNECTION_CERTIFICATE

MAX_HEAD_BYTES = 32 * 1024
"""Request line and header fields together, more is answered 431; also chunk extensions and trailers after the last octet
of a body, where the connection is closed.
"""
MAX_HEADERS = 100
HEAD_DEADLINE = 10.0
"""Seconds from the first byte of a request (or from connecting) until its head must be complete; and from the answer
until the rest of a body that nobody waited for must be in.
"""
LAST_PATIENCE = 1.0
"""Seconds within which a client must take something of what waits for it, once the server stops."""
MAX_AHEAD = 8
"""Requests that one connection may send before the earlier ones are answered (RFC 9112 §9.3.2)."""


class GuardedHttpProtocol(HttpToolsProtocol):
    """Refuses heads that are too big or too slow, drops trailer fields, and closes on whoever sends without being read.

    Without it one connection may send fields for ever, of head or trailer (the parser keeps an unfinished one whole),
    hold a socket open with a byte a minute, append fields to a request that was already judged by its headers, or queue
    small requests faster than they are answered, each hundreds of times its size in memory.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._overhead = 0
        """Octets since the last one of a body, or since the last request was complete."""
        self._in_head = True
        self._deadline: asyncio.TimerHandle | None = None
        self._certificate: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        # One that no configured authority signed ends the handshake, so what is here was proven and judged.
        self._certificate = None if tls is None else tls.getpeercert(binary_form=True)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head and self._deadline is None:
            self._arm()
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > MAX_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer field (RFC 9110 §6.5.1: may be discarded); never merged into the headers
        if len(self.headers) >= MAX_HEADERS or len(name) + len(value) > MAX_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._overhead = 0
        self._disarm()
        if len(self.pipeline) >= MAX_AHEAD:
            # uvicorn stops reading while requests wait, and reads on after each answer: that alone is no bound.
            self.transport.close()
        if not self.transport.is_closing():
            if self._certificate is not None:
                self.scope[CONNECTION_CERTIFICATE] = self._certificate  # type: ignore[typeddict-unknown-key]
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._overhead = 0
        # Once a request was refused, what follows belongs to none: the cycle held is that of the request before.
        if self.cycle is not None and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._overhead = 0
        self._disarm()
        if self.cycle is not None and not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head and self.cycle.response_complete and self._deadline is None:
            self._arm()

    def shutdown(self) -> None:
        """Finish what was begun; but who reads nothing has no claim to be waited for."""
        super().shutdown()
        self.loop.call_later(LAST_PATIENCE, self._drop_unless_read, self.transport.get_write_buffer_size())

    def _drop_unless_read(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        # A closed connection of TLS waits for the peer's word that it is (close_notify), which idle clients do not give.
        over = self.transport.is_closing() and left == 0
        if over or 0 < before <= left:
            self.transport.abort()

    def _arm(self) -> None:
        self._deadline = self.loop.call_later(HEAD_DEADLINE, self._refuse, b"408 Request Timeout")

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        self._disarm()
        if self.transport is None or self.transport.is_closing():
            return
        # Only where an answer is due to this very request: else it would be taken for that to another one.
        if self._in_head and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
