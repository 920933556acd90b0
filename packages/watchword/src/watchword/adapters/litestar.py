"""Litestar: a plug-in whose guards let requests and WebSockets in, and show in OpenAPI.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, TypeAlias, Unpack, cast

from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.exceptions import (
    ClientException,
    HTTPException,
    NotAuthorizedException,
    PermissionDeniedException,
    ServiceUnavailableException,
    WebSocketException,
)
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins import InitPlugin

from watchword.adapters.asgi import KEY, Scope, accepted_subprotocol, presented_by
from watchword.adapters.bearer import Refused
from watchword.adapters.gate import AnyVerifier, Gate
from watchword.adapters.open_streams import until_revoked
from watchword.adapters.requirement import Asked, Requirement
from watchword.verify.staleness import WhenStale

__all__ = ["BearerAuth", "accepted_subprotocol", "until_revoked"]

Guard: TypeAlias = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]

_POLICY_VIOLATION: Final = 1008
_EXCEPTIONS: Final[dict[int, type[HTTPException]]] = {
    400: ClientException,
    401: NotAuthorizedException,
    403: PermissionDeniedException,
    503: ServiceUnavailableException,
}


class BearerAuth(InitPlugin):
    """Authentication by bearer token::

        auth = BearerAuth(verifier)

        @get("/reports", guards=[auth.require(scopes=["reports:read"])])
        async def reports(request: Request[None, AccessToken, State]) -> dict[str, str]:
            return {"for": request.auth.sub}

        app = Litestar([reports], plugins=[auth])

    Guards stand on handlers, controllers, routers or the whole application, and add up; for WebSockets, too (accept
    with `accepted_subprotocol`). What they refuse is Litestar's exception of that status, with its headers.
    """

    def __init__(
        self,
        verifier: AnyVerifier,
        *,
        realm: str | None = None,
        resource_metadata: str | None = None,
        scheme_name: str = "bearer",
        max_staleness: float | None = None,
        when_stale: WhenStale | None = None,
    ) -> None:
        """Make the plug-in.

        ``realm`` and ``resource_metadata`` (a URL, RFC 9728) go into challenges; ``scheme_name`` into OpenAPI, where a
        handler refers to it by ``security=[{"bearer": []}]``; the others to `Verifier.verify`.

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
        self.scheme_name = scheme_name

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """As Litestar asks for it: describe the scheme in OpenAPI."""
        if app_config.openapi_config is not None:
            scheme = SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
            components = app_config.openapi_config.components
            kept = components if isinstance(components, list) else [components]
            described = Components(security_schemes={self.scheme_name: scheme})
            app_config.openapi_config.components = [*kept, described]
        return app_config

    def require(self, **asked: Unpack[Asked]) -> Guard:
        """A guard; ``asked`` as in `Requirement`. The handler finds the token in ``request.auth``, ``sub`` in ``.user``."""
        return self._guard(self.gate.announce(Requirement(**asked)))

    def optional(self, **asked: Unpack[Asked]) -> Guard:
        """As `require`, but open to requests without credentials: ``request.auth`` is None then."""
        return self._guard(self.gate.announce(Requirement(**asked, optional=True)))

    def _guard(self, requirement: Requirement) -> Guard:
        async def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
            scope = cast("Scope", connection.scope)
            try:
                admitted = await self.gate.admit(presented_by(scope), requirement, scope.get(KEY))
            except Refused as refused:
                _raise(scope, refused)
            scope[KEY] = admitted
            scope["auth"] = admitted.token
            scope["user"] = None if admitted.token is None else admitted.token.sub

        return guard


def _raise(scope: Scope, refused: Refused) -> NoReturn:
    if scope["type"] == "websocket":  # closed before it is accepted, which the client sees as 403
        raise WebSocketException(detail=refused.detail, code=_POLICY_VIOLATION) from refused
    raise _EXCEPTIONS[refused.status](detail=refused.detail, headers=refused.headers) from refused
