"""An application that is built on its first request.

FastAPI with its models costs some 20 MiB and a fifth of a second; a server whose administration API is never called
does not pay for it.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send


class LazyApplication:
    """Calls ``build`` once, in a thread, when the first request comes."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build = build
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            built = await run_in_threadpool(self._build)
            self._app = self._app or built
        await self._app(scope, receive, send)
