"""The HTTP/1.1 protocol of uvicorn with the limits it lacks: size and time of what is no body, requests sent ahead.

Does not limit bodies (web/body.py does) nor the number of connections. Knows no WebSocket and no path in front of all others.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from enum import Enum, auto
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from watchword_server.web.client_certificate import CONNECTION_CERTIFICATE
from watchword_server.web.http_exchange import HttpExchange
from watchword_server.web.patience import Patience

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

_MARKED: Final = re.compile(rb"[?#%]").search
"""What a target has that is more than a path as it stands."""


class Awaited(Enum):
    """For what of a client a connection waits, and not for ever."""

    NOTHING = auto()
    HEAD = auto()
    REST = auto()
    """Of a body that nobody reads: the request is answered."""
    REQUEST = auto()
    """Another one, which the client owes nobody."""


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
        self._between = False
        """Whether the last request is complete, and nothing of another one is here."""
        self._awaited = Awaited.NOTHING
        self._patience = Patience(self.loop, self._lose_patience)
        self._certificate: bytes | None = None
        self._asks_upgrade = False
        """Whether the head that was just read asks for another protocol, and is to be read again without that."""
        self._is_deaf = False
        """Whether what else comes on this connection is not read as HTTP any more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        # One that no configured authority signed ends the handshake, so what is here was proven and judged.
        self._certificate = None if tls is None else tls.getpeercert(binary_form=True)
        self._await(Awaited.HEAD, HEAD_DEADLINE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.drop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._overhead += len(data)
        self._between = False
        self._parse(data)
        if self._in_head and not self._between and self._awaited is not Awaited.HEAD:
            # From the first octet on; the next ones give no further time.
            self._await(Awaited.HEAD, HEAD_DEADLINE)
        if self._overhead > MAX_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    def _parse(self, data: bytes) -> None:
        """Read on. Who asks to upgrade is answered as if not (RFC 9110 §7.8), nothing being upgraded here.

        Of such a request the parser reads the head alone: its body, which a proxy knows as one, would be the next request,
        in the proxy's name. So it is told the same head again without ``Upgrade``.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
            except httptools.HttpParserUpgrade as reached:
                if self._asks_upgrade and not self.transport.is_closing():
                    self._asks_upgrade = False
                    data = self._head_without_upgrade() + data[reached.args[0] :]
                    continue
            return

    def _head_without_upgrade(self) -> bytes:
        fields = [b"%s: %s\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return b"".join((line, *fields, b"\r\n"))

    def on_message_begin(self) -> None:
        self._between = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer field (RFC 9110 §6.5.1: may be discarded); never merged into the headers
        if len(self.headers) >= MAX_HEADERS or len(name) + len(value) > MAX_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() != b"CONNECT":
                self._asks_upgrade = True
                return
            # What follows would be the tunnel's, and there is none.
            self._is_deaf = True
        self._in_head = False
        self._overhead = 0
        self._await_nothing()
        if len(self.pipeline) >= MAX_AHEAD:
            # uvicorn stops reading while requests wait, and reads on after each answer: that alone is no bound.
            self.transport.close()
        if self.transport.is_closing():
            return
        if self._certificate is not None:
            self.scope[CONNECTION_CERTIFICATE] = self._certificate  # type: ignore[typeddict-unknown-key]
        self._judge_head()
        earlier = self.cycle
        self.cycle = self._exchange()
        if earlier is None or earlier.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _judge_head(self) -> None:
        """What the request line says, for the application."""
        scope, url = self.scope, self.url
        scope["method"] = self.parser.get_method().decode("ascii")
        if (version := self.parser.get_http_version()) != "1.1":
            scope["http_version"] = version
        if url[:1] == b"/" and not _MARKED(url):
            scope["path"], scope["raw_path"], scope["query_string"] = url.decode("ascii"), url, b""
            return
        parsed = httptools.parse_url(url)
        scope["path"] = unquote(parsed.path.decode("ascii"))
        scope["raw_path"] = parsed.path
        scope["query_string"] = parsed.query or b""

    def _exchange(self) -> HttpExchange:
        return HttpExchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=self.scope["http_version"] != "1.0" and self.parser.should_keep_alive() and not self._is_deaf,
            on_response=self.on_response_complete,
        )

    def on_body(self, body: bytes) -> None:
        self._overhead = 0
        # Once a request was refused, what follows belongs to none: the cycle held is that of the request before.
        if self.cycle is not None and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._asks_upgrade:
            return
        self._in_head = self._between = True
        self._overhead = 0
        self._await_nothing()
        if self.cycle is not None and not self.transport.is_closing():
            super().on_message_complete()
            if self.cycle.response_complete:
                self._await(Awaited.REQUEST, self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._in_head:
            self._await(Awaited.REST, HEAD_DEADLINE)
        elif self._awaited is not Awaited.HEAD:
            self._await(Awaited.REQUEST, self.timeout_keep_alive)

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

    def _await(self, awaited: Awaited, seconds: float) -> None:
        self._awaited = awaited
        self._patience.start(seconds)

    def _await_nothing(self) -> None:
        self._awaited = Awaited.NOTHING
        self._patience.end()

    def _lose_patience(self) -> None:
        if self._awaited is Awaited.REQUEST:
            self.transport.close()
        else:
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        self._await_nothing()
        if self.transport is None or self.transport.is_closing():
            return
        # Only where an answer is due to this very request: else it would be taken for that to another one.
        if self._in_head and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
