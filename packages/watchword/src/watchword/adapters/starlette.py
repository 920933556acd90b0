"""Starlette: an authentication backend, its error answer, and a guard for routes.

Holds no rules; everything is asked of ``bearer`` and the verifier.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, NoReturn, TypeVar, cast

from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, BaseUser
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from watchword.adapters.bearer import SUBPROTOCOL, AsyncVerifier, Bearer, Refused, offered_token
from watchword.oauth.scope import is_scope_token
from watchword.verify.access_token import AccessToken
from watchword.verify.check import check_privileges
from watchword.verify.errors import TokenRejected

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])

POLICY_VIOLATION = 1008
"""Close code of a WebSocket refused by a server that cannot answer the handshake with a status of its own."""


class TokenUser(BaseUser):
    """``request.user`` behind a good token."""

    def __init__(self, token: AccessToken) -> None:
        self.token = token
        """The verified access token."""

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        """``sub``: stable, and the only name a token has for its account."""
        return self.token.sub

    @property
    def display_name(self) -> str:
        """``sub`` too: access tokens hold no names of people."""
        return self.token.sub

    @property
    def roles(self) -> tuple[str, ...]:
        return self.token.roles


class CredentialsRefused(AuthenticationError):  # noqa: N818 - an answer, not a failure
    """Raised by the backend; carries the answer that `on_error` gives."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.detail)
        self.refused = refused


class BearerBackend(AuthenticationBackend):
    """Authenticates requests and WebSockets by bearer token.

    Without credentials a request goes on as nobody; with bad ones it is answered at once, on public routes too, as
    Starlette does it. ``request.auth.scopes`` holds ``authenticated`` and the token's scopes, for Starlette's
    ``@requires``; `require` answers as RFC 6750 says, which ``@requires`` does not.
    """

    def __init__(
        self, verifier: AsyncVerifier, *, realm: str | None = None, resource_metadata: str | None = None
    ) -> None:
        """Make a backend; ``realm`` and ``resource_metadata`` (a URL, RFC 9728) go into challenges."""
        self._verifier = verifier
        self._bearer = Bearer(realm=realm, resource_metadata=resource_metadata)

    def middleware(self) -> Middleware:
        """What to put into ``Starlette(middleware=[...])``: this backend with its error answer."""
        return Middleware(AuthenticationMiddleware, backend=self, on_error=on_error)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, TokenUser] | None:
        """As Starlette asks for it. Raises: CredentialsRefused."""
        try:
            raw = self._bearer.credentials(*credential_headers(conn))
            if raw is None:
                return None
            token = await self._bearer.authenticate(self._verifier, raw)
        except Refused as refused:
            raise CredentialsRefused(refused) from refused
        return AuthCredentials(["authenticated", *sorted(token.scope)]), TokenUser(token)

    def require(self, *, scopes: Collection[str] = (), roles: Collection[str] = ()) -> Callable[[_Endpoint], _Endpoint]:
        """Guard an endpoint, sync or async, HTTP or WebSocket: it needs a token with all these scopes and roles.

        Answers 401 and 403 as RFC 6750 §3.1 says. Needs the `middleware`.

        Raises: TypeError for one string; ValueError for a scope that no token can have.
        """
        if isinstance(scopes, str) or isinstance(roles, str):
            raise TypeError("scopes and roles are collections of names, not one string")
        # Copied: an iterator would be used up by the first request, and let every other one pass.
        scopes, roles = tuple(scopes), tuple(roles)
        if not all(map(is_scope_token, scopes)):
            raise ValueError("scopes must be scope tokens (RFC 6749 §3.3)")

        def check(*args: Any, **kwargs: Any) -> None:
            conn = next(arg for arg in (*args, *kwargs.values()) if isinstance(arg, HTTPConnection))
            if not isinstance(conn.user, TokenUser):
                refuse(conn, self._bearer.missing())
            try:
                check_privileges(conn.user.token, scopes, roles)
            except TokenRejected as error:
                refuse(conn, self._bearer.refused(error))

        def guard(endpoint: _Endpoint) -> _Endpoint:
            @functools.wraps(endpoint)
            async def guarded_async(*args: Any, **kwargs: Any) -> Any:
                check(*args, **kwargs)
                return await endpoint(*args, **kwargs)

            @functools.wraps(endpoint)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                check(*args, **kwargs)
                return endpoint(*args, **kwargs)

            return cast("_Endpoint", guarded_async if inspect.iscoroutinefunction(endpoint) else guarded)

        return guard


def on_error(_conn: HTTPConnection, error: AuthenticationError) -> Response:
    """The answer to bad credentials, for ``AuthenticationMiddleware(on_error=...)``."""
    if not isinstance(error, CredentialsRefused):
        return JSONResponse({"detail": "authentication failed"}, 401, {"WWW-Authenticate": "Bearer"})
    refused = error.refused
    return JSONResponse({"detail": refused.detail}, refused.status, refused.headers)


def credential_headers(conn: HTTPConnection) -> tuple[list[str], list[str]]:
    """The values of the headers that may hold credentials; the second list is empty for plain HTTP."""
    protocols = conn.headers.getlist("sec-websocket-protocol") if conn.scope["type"] == "websocket" else []
    return conn.headers.getlist("authorization"), protocols


def accepted_subprotocol(conn: HTTPConnection) -> str | None:
    """What to ``accept(subprotocol=...)`` with: ``bearer`` if the token came that way, else None."""
    return None if offered_token(credential_headers(conn)[1]) is None else SUBPROTOCOL


def refuse(conn: HTTPConnection, refused: Refused) -> NoReturn:
    """Answer a request with status and challenge, and a WebSocket before it is accepted likewise.

    Where the server cannot answer a handshake with a status of its own, it is closed with 1008, which the client sees
    as 403.
    """
    if conn.scope["type"] == "websocket" and "websocket.http.response" not in conn.scope.get("extensions", {}):
        raise WebSocketException(POLICY_VIOLATION, refused.detail) from refused
    raise HTTPException(refused.status, refused.detail, refused.headers) from refused
