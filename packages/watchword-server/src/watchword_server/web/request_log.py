"""One line of the log a request, and the id that ties answer and lines together.

Never writes query strings, bodies or headers: secrets travel in all three.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send
from watchword.clock import Clock, system_clock

from watchword_server.web import correlation
from watchword_server.web.answering import answer_of
from watchword_server.web.client_address import client_address

_log = logging.getLogger("watchword_server.requests")
_HEADER = correlation.HEADER.encode()


class RequestLog:
    """ASGI middleware, the outermost but for ClientAddress. ``quiet``: paths not worth a line unless they fail."""

    def __init__(
        self, app: ASGIApp, *, enabled: bool = True, quiet: Iterable[str] = (), clock: Clock = system_clock
    ) -> None:
        self._app = app
        self._enabled = enabled
        self._quiet = frozenset(quiet)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        tag = (_HEADER, correlation.begin().encode())
        started = self._clock.monotonic()
        answer, send = answer_of(scope, send)
        answer.shape(lambda headers: headers.append(tag))
        try:
            await self._app(scope, receive, send)
        finally:
            status = answer.status
            worth_a_line = scope["path"] not in self._quiet or not 0 < status < 400
            if self._enabled and worth_a_line and _log.isEnabledFor(logging.INFO):
                milliseconds = round((self._clock.monotonic() - started) * 1000, 2)
                # Made by hand: Logger.info walks the stack to find its caller, at several times the price of the line.
                line = _log.makeRecord(
                    _log.name, logging.INFO, "", 0, "request", (), None,
                    extra={
                        "method": scope["method"],
                        "path": scope["path"],
                        "status": status,
                        "milliseconds": milliseconds,
                        "address": client_address(scope),
                    },
                )  # fmt: skip
                _log.handle(line)
