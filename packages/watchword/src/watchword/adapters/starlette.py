"""Starlette: an authentication backend, its error answer, and a guard for routes.

Holds no rules; everything is asked of ``bearer`` and the verifier.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar, Unpack, cast

from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, BaseUser
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from watchword.adapters.asgi import presented_by
from watchword.adapters.bearer import SUBPROTOCOL, Refused, offered_token
from watchword.adapters.gate import Admitted, AnyVerifier, Gate
from watchword.adapters.open_streams import WatchingVerifier, until_revoked
from watchword.adapters.requirement import PERHAPS_A_TOKEN, Asked, Requirement
from watchword.verify.access_token import AccessToken
from watchword.verify.staleness import WhenStale
from watchword.verify.watch import TokenEnded

__all__ = [
    "POLICY_VIOLATION",
    "BearerBackend",
    "CredentialsRefused",
    "TokenUser",
    "accepted_subprotocol",
    "credential_headers",
    "on_error",
    "refuse",
    "until_revoked",
    "websocket_until_revoked",
]

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
    """Authenticates requests and WebSockets by bearer token, bound ones included.

    Without credentials a request goes on as nobody; with bad ones it is answered at once, on public routes too, as
    Starlette does it. ``request.auth.scopes`` holds ``authenticated`` and the token's scopes, for Starlette's
    ``@requires``; `require` answers as RFC 6750 says, which ``@requires`` does not.
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
        """Make a backend.

        ``realm`` and ``resource_metadata`` (a URL, RFC 9728) go into challenges; ``max_staleness`` and ``when_stale``
        to `Verifier.verify`.
        """
        self.gate: Gate = Gate(
            verifier,
            realm=realm,
            resource_metadata=resource_metadata,
            max_staleness=max_staleness,
            when_stale=when_stale,
            waits=False,
        )

    def middleware(self) -> Middleware:
        """What to put into ``Starlette(middleware=[...])``: this backend with its error answer."""
        return Middleware(AuthenticationMiddleware, backend=self, on_error=on_error)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, TokenUser] | None:
        """As Starlette asks for it. Raises: CredentialsRefused."""
        try:
            token = (await self.gate.admit(presented_by(conn.scope), PERHAPS_A_TOKEN)).token
        except Refused as refused:
            raise CredentialsRefused(refused) from refused
        if token is None:
            return None
        return AuthCredentials(["authenticated", *sorted(token.scope)]), TokenUser(token)

    def require(self, **asked: Unpack[Asked]) -> Callable[[_Endpoint], _Endpoint]:
        """Guard an endpoint, sync or async, HTTP or WebSocket: it needs a token that has all of this; see `Requirement`.

        ``max_staleness`` and ``when_stale`` ask for more than the backend does; what the backend refuses never comes
        here. Answers 401 and 403 as RFC 6750 §3.1 and RFC 9470 §3 say. Needs the `middleware`.

        Raises: TypeError for one string; ValueError for a scope that no token can have, or a bound that cannot be kept.
        """
        requirement = self.gate.announce(Requirement(**asked))

        def check(conn: HTTPConnection) -> AccessToken:
            token = conn.user.token if isinstance(conn.user, TokenUser) else None
            try:
                self.gate.check(token, requirement)
            except Refused as refused:
                refuse(conn, refused)
            return cast("AccessToken", token)

        async def check_freshly(conn: HTTPConnection) -> None:
            before = Admitted(check(conn), self.gate.verifier)
            try:
                # Verified once more: to ask for the age alone would come after the look-up, and vouch for too much.
                await self.gate.admit(presented_by(conn.scope), requirement, before)
            except Refused as refused:
                refuse(conn, refused)

        def guard(endpoint: _Endpoint) -> _Endpoint:
            is_async = inspect.iscoroutinefunction(endpoint)

            @functools.wraps(endpoint)
            async def guarded_async(*args: Any, **kwargs: Any) -> Any:
                conn = _connection(args, kwargs)
                if requirement.asks_freshly:
                    await check_freshly(conn)
                else:
                    check(conn)
                if is_async:
                    return await endpoint(*args, **kwargs)
                return await run_in_threadpool(endpoint, *args, **kwargs)

            @functools.wraps(endpoint)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                check(_connection(args, kwargs))
                return endpoint(*args, **kwargs)

            return cast("_Endpoint", guarded_async if is_async or requirement.asks_freshly else guarded)

        return guard


@asynccontextmanager
async def websocket_until_revoked(
    websocket: WebSocket,
    token: AccessToken,
    verifier: WatchingVerifier,
    *,
    max_staleness: float | None = None,
    when_stale: WhenStale | None = None,
) -> AsyncIterator[None]:
    """What stands inside is cancelled, and the WebSocket closed with 1008, the moment the token ends::

        async with websocket_until_revoked(websocket, token, verifier):
            async for text in websocket.iter_text(): ...

    For an accepted WebSocket; with `until_revoked` for streams that are only sent. ``max_staleness`` and ``when_stale``
    as in `Verifier.verify`.
    """
    with verifier.watch(token, max_staleness=max_staleness, when_stale=when_stale) as watch:
        try:
            async with watch.scope():
                yield
        except TokenEnded as over:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):  # the client may have gone first
                await websocket.close(POLICY_VIOLATION, str(over))


def _connection(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HTTPConnection:
    return next(arg for arg in (*args, *kwargs.values()) if isinstance(arg, HTTPConnection))


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
