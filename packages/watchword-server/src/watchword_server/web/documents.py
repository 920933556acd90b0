"""Answers in JSON that cost no more than they must, and public documents that clients keep and ask about again.

Holds no document.
"""

from __future__ import annotations

from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response

_JSON = (b"content-type", b"application/json")


class EncodedJson(Response):
    """200 with JSON that is encoded already, and headers as the wire has them: Starlette would make both anew each time."""

    def __init__(self, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [*headers, (b"content-length", b"%d" % len(body)), _JSON]


def document_response(request: Request, body: bytes, etag: str, *, max_age: int) -> Response:
    """The JSON document, or 304 for who has it (RFC 9110 §13.1.2). ``max_age`` in seconds; ``etag`` with its quotes."""
    headers = _headers(etag, max_age)
    if (b"if-none-match", etag.encode()) in request.scope["headers"]:
        return Response(status_code=304, headers={name.decode(): value.decode() for name, value in headers})
    return EncodedJson(body, headers)


@lru_cache(maxsize=64)
def _headers(etag: str, max_age: int) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"cache-control", f"public, max-age={max_age}".encode()), (b"etag", etag.encode()))
