"""Cross-origin resource sharing: credentials for an exact list of origins, open answers for public documents.

Grants reading only; whether a call may change state is cross_site.py's business.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from watchword_server.web.answering import answer_of

METHODS = "GET, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = "authorization, content-type, dpop"
EXPOSED = "retry-after, www-authenticate, x-request-id, dpop-nonce"
PREFLIGHT_SECONDS = 600
_EXPOSED = (b"access-control-expose-headers", EXPOSED.encode())
_Grant = tuple[tuple[bytes, bytes], ...]


class Cors:
    """ASGI middleware. ``origins``: exact origins that may call with credentials; ``*`` among them grants nothing.

    ``public``: paths anyone may read without credentials (an entry that ends in ``/`` stands for all below it), such as
    discovery, keys and the token endpoint.
    """

    def __init__(self, app: ASGIApp, *, origins: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins) - {b"*", b"null"}
        paths = tuple(public)
        self._public = frozenset(paths)
        self._vary: _Grant = ((b"vary", b"Origin"),) if self._origins else ()
        self._to_all: _Grant = ((b"access-control-allow-origin", b"*"), *self._vary)
        self._public_below = tuple(path for path in paths if path.endswith("/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = preflight = None
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value if origin is None else b""
            elif name == b"access-control-request-method":
                preflight = value
        grant = self._grant(scope["path"], origin)
        if origin is not None and preflight is not None and scope["method"] == "OPTIONS":
            await _answer_preflight(send, grant)
            return
        if grant:
            answer, send = answer_of(scope, send)
            answer.shape(lambda headers: headers.extend((*grant, _EXPOSED)))
        await self._app(scope, receive, send)

    def _grant(self, path: str, origin: bytes | None) -> _Grant:
        if origin is not None and origin in self._origins:
            return (
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-credentials", b"true"),
                (b"vary", b"Origin"),
            )
        if path in self._public or path.startswith(self._public_below):
            return self._to_all
        return self._vary


async def _answer_preflight(send: Send, grant: _Grant) -> None:
    """204 with what is granted; an origin that is granted nothing gets an answer that tells the browser so."""
    headers = [(b"cache-control", b"no-store"), *grant]
    if any(name == b"access-control-allow-origin" for name, _ in grant):
        headers += [
            (b"access-control-allow-methods", METHODS.encode()),
            (b"access-control-allow-headers", REQUEST_HEADERS.encode()),
            (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
        ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
