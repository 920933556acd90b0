"""aiohttp: decorators and a middleware for its server.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, TypeAlias, TypeVar, Unpack, cast

import msgspec
from aiohttp import web

from watchword.adapters.bearer import SUBPROTOCOL, Refused
from watchword.adapters.gate import Admitted, AnyVerifier, Gate, Presented
from watchword.adapters.open_streams import until_revoked
from watchword.adapters.requirement import ANY_TOKEN, Asked, Requirement
from watchword.verify.access_token import AccessToken
from watchword.verify.staleness import WhenStale

__all__ = ["SUBPROTOCOL", "BearerAuth", "token_of", "until_revoked"]

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Handler = TypeVar("_Handler", bound=Callable[..., Awaitable[web.StreamResponse]])

_KEY: Final = web.RequestKey("watchword_token", Admitted)
_OPEN: Final = "__watchword_open__"
_EXCEPTIONS: Final[dict[int, type[web.HTTPException]]] = {
    400: web.HTTPBadRequest,
    401: web.HTTPUnauthorized,
    403: web.HTTPForbidden,
    503: web.HTTPServiceUnavailable,
}


class BearerAuth:
    """Authentication by bearer token::

        auth = BearerAuth(verifier)

        @auth.require(scopes=["reports:read"])
        async def reports(request):
            return web.json_response({"for": token_of(request).sub})

    For WebSockets, too: ``web.WebSocketResponse(protocols=[SUBPROTOCOL])`` for tokens of browsers. What is refused is
    aiohttp's exception of that status, with its headers and ``detail`` as JSON.
    """

    def __init__(
        self,
        verifier: AnyVerifier,
        *,
        realm: str | None = None,
        resource_metadata: str | None = None,
        max_staleness: float | None = None,
        when_stale: WhenStale | None = None,
    ) -> None:
        """Make it. ``realm`` and ``resource_metadata`` (a URL, RFC 9728) go into challenges, the others to `Verifier.verify`.

        Raises: ValueError for a ``max_staleness`` that the verifier cannot keep.
        """
        self.gate: Gate = Gate(
            verifier,
            realm=realm,
            resource_metadata=resource_metadata,
            max_staleness=max_staleness,
            when_stale=when_stale,
            waits=False,
        )

    def require(self, **asked: Unpack[Asked]) -> Callable[[_Handler], _Handler]:
        """Guard a handler, or a method of a view. ``asked`` as in `Requirement`."""
        return self._guard(self.gate.announce(Requirement(**asked)))

    def optional(self, **asked: Unpack[Asked]) -> Callable[[_Handler], _Handler]:
        """As `require`, but open to requests without credentials: `token_of` raises LookupError then."""
        return self._guard(self.gate.announce(Requirement(**asked, optional=True)))

    def open(self, handler: _Handler) -> _Handler:
        """Mark a handler that anybody may call, behind the `middleware`."""
        setattr(handler, _OPEN, True)
        return handler

    @property
    def middleware(self) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
        """Every handler of ``web.Application(middlewares=[auth.middleware])`` needs a token, unless `open` or `optional`.

        Paths without a handler as well.
        """

        @web.middleware
        async def bearer_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not getattr(request.match_info.handler, _OPEN, False):
                await self._admit(request, ANY_TOKEN)
            return await handler(request)

        return bearer_middleware

    async def _admit(self, request: web.Request, requirement: Requirement) -> None:
        try:
            request[_KEY] = await self.gate.admit(presented_by(request), requirement, request.get(_KEY))
        except Refused as refused:
            _raise(refused)

    def _guard(self, requirement: Requirement) -> Callable[[_Handler], _Handler]:
        def guard(handler: _Handler) -> _Handler:
            @functools.wraps(handler)
            async def guarded(first: Any, *args: Any, **kwargs: Any) -> web.StreamResponse:
                # A method of a view has the view first, which has the request.
                request = first if isinstance(first, web.Request) else first.request
                await self._admit(request, requirement)
                return await handler(first, *args, **kwargs)

            setattr(guarded, _OPEN, requirement.optional)
            return cast("_Handler", guarded)

        return guard


def token_of(request: web.Request) -> AccessToken:
    """The token of a request that was let in. Raises: LookupError if there is none."""
    return Admitted.token_in(request.get(_KEY))


def presented_by(request: web.Request) -> Presented:
    """What a request presents."""
    headers = request.headers
    is_websocket = headers.get("Upgrade", "").lower() == "websocket"
    protocols = headers.getall("Sec-WebSocket-Protocol", ()) if is_websocket else ()
    dpop = headers.getall("DPoP", ())
    url = f"{request.scheme}://{request.host}{request.raw_path}" if dpop else ""
    return Presented(headers.getall("Authorization", ()), tuple(protocols), tuple(dpop), request.method, url)


def _raise(refused: Refused) -> NoReturn:
    text = msgspec.json.encode({"detail": refused.detail}).decode()
    raise _EXCEPTIONS[refused.status](headers=refused.headers, text=text, content_type="application/json") from refused
