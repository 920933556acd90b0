"""`/healthz` (the process runs), `/readyz` (it can serve), `/metrics` (what it counted).

Tells strangers nothing but yes or no; metrics need their token.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from watchword.oauth.challenge import challenge

from watchword_server.store.port import StoreUnavailable
from watchword_server.web.metrics import Metrics, exposition_response
from watchword_server.web.problem import ProblemError

_NO_STORE = {"Cache-Control": "no-store"}


class Health:
    """The endpoints. Without a metrics token `/metrics` is served only where ``open_metrics`` (development) says so."""

    def __init__(
        self, ping: Callable[[], Awaitable[None]], metrics: Metrics, *, token: str | None, open_metrics: bool
    ) -> None:
        self._ping = ping
        self._metrics = metrics
        self._token = token.encode() if token is not None else None
        self._open = open_metrics
        self.draining = False

    def routes(self) -> list[Route]:
        """Where they are mounted."""
        return [
            Route("/healthz", self.alive, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]

    async def alive(self, _request: Request) -> Response:
        """200 as long as the process answers at all."""
        return PlainTextResponse("ok\n", headers=_NO_STORE)

    async def ready(self, _request: Request) -> Response:
        """200 when the store can be read and written; 503 when not, or while draining."""
        if self.draining:
            return PlainTextResponse("draining\n", status_code=503, headers=_NO_STORE)
        try:
            await self._ping()
        except StoreUnavailable:
            return PlainTextResponse("store unavailable\n", status_code=503, headers=_NO_STORE)
        return PlainTextResponse("ready\n", headers=_NO_STORE)

    async def metrics(self, request: Request) -> Response:
        """The Prometheus exposition; 404 when neither a token is set nor metrics are open, 401 without the token."""
        if self._token is None:
            if not self._open:
                raise ProblemError(404, "not_found", "There is nothing here.")
            return exposition_response(self._metrics)
        presented = request.headers.getlist("authorization")
        expected = b"Bearer " + self._token
        if len(presented) != 1 or not hmac.compare_digest(presented[0].encode("utf-8", "replace"), expected):
            raise ProblemError(
                401,
                "metrics_unauthorized",
                "Reading metrics needs the bearer token of the setting metrics.token.",
                headers={"WWW-Authenticate": challenge()},
            )
        return exposition_response(self._metrics)
