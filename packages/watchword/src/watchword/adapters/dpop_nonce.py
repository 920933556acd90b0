"""New nonces with every answer, so that clients need not be refused first (RFC 9449 §8.2, §9).

Checks nothing: the verifier does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from watchword.clock import Clock
from watchword.verify.possession import PossessionRules

_Scope: TypeAlias = MutableMapping[str, Any]
_Application: TypeAlias = Callable[[_Scope, Any, Any], Awaitable[None]]


class _Verifier:
    possession: PossessionRules
    clock: Clock


class DpopNonceMiddleware:
    """ASGI middleware: answers to requests that bring a DPoP proof carry the nonce of now.

    Without it a client learns of a new nonce by being refused once a period. ``verifier`` is the one with
    ``dpop=Dpop(nonces=...)``.
    """

    def __init__(self, app: _Application, verifier: Any) -> None:
        """Raises: ValueError for a verifier without nonces."""
        if verifier.possession.dpop.nonces is None:
            raise ValueError("the verifier gives out no nonces: dpop=Dpop(nonces=DpopNonces(...))")
        self.app = app
        self._verifier: _Verifier = verifier

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        """As ASGI asks for it."""
        if scope["type"] != "http" or not any(name.lower() == b"dpop" for name, _ in scope["headers"]):
            await self.app(scope, receive, send)
            return

        async def with_nonce(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers") or ())
                nonce = self._verifier.possession.nonce(None, self._verifier.clock.now())
                if nonce is not None and not any(name.lower() == b"dpop-nonce" for name, _ in headers):
                    message = {**message, "headers": [*headers, (b"dpop-nonce", nonce.encode())]}
            await send(message)

        await self.app(scope, receive, with_nonce)
