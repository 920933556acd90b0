"""Limits on what comes before the body: method, URL, headers; and on how long an answer may take.

Limits of bodies are in body.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watchword_server.web.problem import ProblemError, problem_response

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SINGLE = frozenset({b"authorization", b"content-type", b"content-length", b"host", b"dpop"})
"""Headers that may come once at most: with two, whoever reads the first and whoever reads the last disagree."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Bytes, counts and seconds."""

    max_url: int = 8192
    max_headers: int = 64
    max_header_bytes: int = 16_384
    timeout: float = 30.0


class Limits:
    """ASGI middleware. ``untimed``: paths whose answers may take any time (the long poll of the feed)."""

    def __init__(self, app: ASGIApp, *, limits: RequestLimits | None = None, untimed: Iterable[str] = ()) -> None:
        self._app = app
        self._limits = limits or RequestLimits()
        self._untimed = frozenset(untimed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if refused := self._refusal(scope):
            await refused.response()(scope, receive, send)
            return
        if scope["path"] in self._untimed:
            await self._app(scope, receive, send)
            return
        await self._timed(scope, receive, send)

    async def _timed(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(self._limits.timeout) as deadline:
                await self._app(scope, receive, noting)
        except TimeoutError:
            if started or not deadline.expired():
                raise
            detail = "The request took too long and was given up."
            late = problem_response(503, "request_timeout", detail, headers={"retry-after": "1"})
            await late(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemError | None:
        limits = self._limits
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if scope["method"] not in _METHODS:
            return ProblemError(501, "unknown_method", "The method is not supported.")
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > limits.max_url:
            return ProblemError(414, "url_too_long", f"The URL is longer than {limits.max_url} bytes.")
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > limits.max_headers or size > limits.max_header_bytes:
            return ProblemError(431, "headers_too_large", "The request has too many or too large headers.")
        single = [name for name, _ in headers if name in _SINGLE]
        if len(single) != len(set(single)):
            return ProblemError(400, "duplicate_header", "A header is given more than once that may be only once.")
        return None
