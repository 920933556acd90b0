"""Serving the metadata of a protected resource (RFC 9728 §3), for any framework: as a route, ASGI or WSGI application.

Holds no metadata: `ProtectedResource` does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from watchword.oauth.protected_resource import ProtectedResource

_MAX_AGE_SECONDS: Final = 3600


class ResourceMetadata:
    """ASGI middleware: answers the one path of the metadata, and passes everything else on.

    ``app = ResourceMetadata(app, resource)``; for WSGI `WsgiResourceMetadata`. Clients in browsers may read it from any
    origin: there is nothing in it to hide, and no credential is looked at.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], resource: ProtectedResource) -> None:
        self.app = app
        self.url: str = resource.metadata_url
        """For ``resource_metadata=`` of the adapter."""
        self._path = resource.metadata_path
        self._body = resource.document()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """As ASGI asks for it."""
        if scope["type"] != "http" or scope["path"] != self._path:
            await self.app(scope, receive, send)
            return
        status, headers, body = _answer(scope["method"], self._body)
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})


class WsgiResourceMetadata:
    """As `ResourceMetadata`, for WSGI."""

    def __init__(self, app: Callable[..., Iterable[bytes]], resource: ProtectedResource) -> None:
        self.app = app
        self.url: str = resource.metadata_url
        self._path = resource.metadata_path
        self._body = resource.document()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """As WSGI asks for it."""
        if environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") != self._path:
            return self.app(environ, start_response)
        status, headers, body = _answer(environ["REQUEST_METHOD"], self._body)
        start_response({200: "200 OK", 204: "204 No Content"}.get(status, "405 Method Not Allowed"), headers)
        return [body]


def _answer(method: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    cors = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Methods", "GET, HEAD")]
    if method == "OPTIONS":
        return 204, [*cors, ("Access-Control-Allow-Headers", "*"), ("Access-Control-Max-Age", "86400")], b""
    if method not in {"GET", "HEAD"}:
        return 405, [("Allow", "GET, HEAD, OPTIONS"), ("Content-Length", "0")], b""
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", f"public, max-age={_MAX_AGE_SECONDS}"),
        *cors,
    ]
    return 200, headers, b"" if method == "HEAD" else body
