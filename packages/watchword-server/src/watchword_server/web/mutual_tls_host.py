"""The host at which clients show their certificates (RFC 8705 §5): which of the two hosts a request was sent to.

Builds no URL from the Host header: it chooses between the two origins of the settings. Reads no certificate.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from watchword_server.web.problem import ProblemError

_ORIGIN: Final = "watchword.mutual_tls_origin"
PROBES: Final = ("/healthz", "/readyz")
"""Asked for under whatever name, by whoever watches over the process."""


class MutualTlsHost:
    """ASGI middleware that lets only the endpoints with an alias be reached at the host of mutual TLS.

    With ``port`` that host and that port belong together: what comes by one without the other went astray.
    """

    def __init__(self, app: ASGIApp, *, url: str, port: int | None, paths: Collection[str]) -> None:
        self._app = app
        self._url = url
        parts = urlsplit(url)
        names = {parts.netloc} | ({f"{parts.netloc}:443"} if parts.port is None else set())
        self._hosts = {name.encode("ascii") for name in names}
        self._port = port
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PROBES:
            self._settle(scope)
        await self._app(scope, receive, send)

    def _settle(self, scope: Scope) -> None:
        hosts = [value.lower() for name, value in scope["headers"] if name == b"host"]
        named = len(hosts) == 1 and hosts[0] in self._hosts
        server = scope.get("server")
        if self._port is not None and named != (server is not None and server[1] == self._port):
            # RFC 9110 §15.5.20: no answer is meant for a request that was sent to another host than it names.
            raise ProblemError(421, "misdirected_request", "This host is not served on this port.")
        if not named:
            return
        if scope["path"] not in self._paths:
            raise ProblemError(404, "not_found", "Only endpoints that take client certificates are at this host.")
        scope[_ORIGIN] = self._url


def mutual_tls_origin(scope: Scope) -> str | None:
    """The configured origin of mutual TLS when the request was sent there; None when it was sent to the issuer."""
    origin: str | None = scope.get(_ORIGIN)
    return origin
