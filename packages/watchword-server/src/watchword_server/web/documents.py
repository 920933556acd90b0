"""Public documents that clients keep for a while and ask about again.

Holds no document.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response


def document_response(request: Request, body: bytes, etag: str, *, max_age: int) -> Response:
    """The JSON document, or 304 for who has it (RFC 9110 §13.1.2). ``max_age`` in seconds; ``etag`` with its quotes."""
    headers = {"Cache-Control": f"public, max-age={max_age}", "ETag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
