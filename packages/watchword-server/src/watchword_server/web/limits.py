"""Limits on method, URL, headers and length of the body, and on how long an answer may take.

What is in a body is judged in body.py; here only its length, for readers that do not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watchword_server.web.answering import answer_of
from watchword_server.web.deadline import Deadline
from watchword_server.web.problem import ProblemError, problem_response

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SINGLE = frozenset({b"authorization", b"content-type", b"content-length", b"host", b"dpop"})
"""Headers that may come once at most: with two, whoever reads the first and whoever reads the last disagree."""

_CONTENT_LENGTH = b"content-length"
_TRANSFER_ENCODING = b"transfer-encoding"


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Bytes, counts and seconds."""

    max_url: int = 8192
    max_headers: int = 64
    max_header_bytes: int = 16_384
    max_body_bytes: int = 65_536
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
        refused, chunked = self._judge(scope)
        if refused is not None:
            await refused.response()(scope, receive, send)
            return
        if chunked:
            receive = self._counting(receive)
        if scope["path"] in self._untimed:
            await self._app(scope, receive, send)
            return
        answer, send = answer_of(scope, send)
        deadline = Deadline(self._limits.timeout)
        try:
            with deadline:
                await self._app(scope, receive, send)
        except TimeoutError:
            if answer.status or not deadline.expired:
                raise
            detail = "The request took too long and was given up."
            late = problem_response(503, "request_timeout", detail, headers={"retry-after": "1"})
            await late(scope, receive, send)

    def _counting(self, receive: Receive) -> Receive:
        """A body whose length is not announced is cut off when it grows too long, for readers that do not count."""
        left = self._limits.max_body_bytes

        async def counting() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise ProblemError(413, "body_too_large", "The body is too long.", headers={"connection": "close"})
            return message

        return counting

    def _judge(self, scope: Scope) -> tuple[ProblemError | None, bool]:
        """Why the request is refused, if it is; and whether its body comes in chunks."""
        limits = self._limits
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if scope["method"] not in _METHODS:
            return ProblemError(501, "unknown_method", "The method is not supported."), False
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > limits.max_url:
            return ProblemError(414, "url_too_long", f"The URL is longer than {limits.max_url} bytes."), False
        size, single, announced, chunked = 0, [], b"0", False
        for name, value in headers:
            size += len(name) + len(value)
            if name in _SINGLE:
                single.append(name)
                if name == _CONTENT_LENGTH:
                    announced = value
            elif name == _TRANSFER_ENCODING:
                chunked = True
        if len(headers) > limits.max_headers or size > limits.max_header_bytes:
            return ProblemError(431, "headers_too_large", "The request has too many or too large headers."), chunked
        if len(announced) > 15 or (announced.isdigit() and int(announced) > limits.max_body_bytes):
            detail = f"The body is longer than {limits.max_body_bytes} bytes."
            return ProblemError(413, "body_too_large", detail, headers={"connection": "close"}), chunked
        if len(single) != len(set(single)):
            detail = "A header is given more than once that may be only once."
            return ProblemError(400, "duplicate_header", detail), chunked
        return None, chunked
