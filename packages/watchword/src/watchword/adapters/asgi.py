"""Plain ASGI: a middleware before an application, whatever it is made with.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias, Unpack

from watchword.adapters.bearer import SUBPROTOCOL, Refused, offered_token
from watchword.adapters.client_certificate import thumbprint_in
from watchword.adapters.gate import Admitted, AnyVerifier, Gate, Presented, body_of, headers_of
from watchword.adapters.open_streams import until_revoked
from watchword.adapters.requirement import Asked, Requirement
from watchword.verify.access_token import AccessToken
from watchword.verify.watch import TokenEnded, Watch

__all__ = ["BearerMiddleware", "accepted_subprotocol", "presented_by", "token_of", "until_revoked"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

KEY: Final = "watchword.token"
"""Where the scope holds how a request was let in."""
_POLICY_VIOLATION: Final = 1008
_LAST_OF_WEBSOCKETS: Final = frozenset({"websocket.close", "websocket.http.response.start"})


class BearerMiddleware:
    """An application behind bearer tokens: ``app = BearerMiddleware(app, verifier, scopes=["reports:read"])``.

    Every request and every WebSocket needs a token, unless ``optional``; the application finds it by `token_of`. May be
    nested: what an outer one let in, an inner one asks for more.
    """

    def __init__(
        self,
        app: Application,
        verifier: AnyVerifier,
        *,
        realm: str | None = None,
        resource_metadata: str | None = None,
        optional: bool = False,
        ends_with_token: bool = False,
        **asked: Unpack[Asked],
    ) -> None:
        """Guard ``app``. ``asked`` as in `Requirement`.

        ``realm`` and ``resource_metadata`` (a URL, RFC 9728) go into challenges. ``ends_with_token``: what is still
        going on in a token's name, a stream or WebSocket, is cancelled the moment it ends (asks for a `Verifier`).

        Raises: TypeError or ValueError for what cannot be asked.
        """
        self.app = app
        self.gate: Gate = Gate(verifier, realm=realm, resource_metadata=resource_metadata, waits=False)
        self._requirement = self.gate.announce(Requirement(**asked, optional=optional))
        if ends_with_token and not hasattr(verifier, "watch"):
            raise TypeError("ends_with_token asks for a Verifier, which can watch over tokens")
        self._ends_with_token = ends_with_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI asks for it. What is neither HTTP nor WebSocket passes."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        try:
            admitted = await self.gate.admit(presented_by(scope), self._requirement, scope.get(KEY))
        except Refused as refused:
            await _refuse(scope, receive, send, refused)
            return
        scope = {**scope, KEY: admitted}
        if admitted.token is None or not self._ends_with_token:
            await self.app(scope, receive, send)
        else:
            await self._until_revoked(admitted.token, scope, receive, send)

    async def _until_revoked(self, token: AccessToken, scope: Scope, receive: Receive, send: Send) -> None:
        with self.gate.verifier.watch(token) as watch:  # type: ignore[attr-defined]
            answer = _Answer(send, watch)
            try:
                await watch.run(_called(self.app, scope, receive, answer.send))
            except TokenEnded as over:
                if scope["type"] == "websocket":
                    if not answer.is_closed:
                        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": str(over)})
                elif not answer.is_begun:
                    await _refuse(scope, receive, send, self.gate.over(token, over))
                # Else it is left without its end, which tells the client that it is not whole.


class _Answer:
    """What an application has said so far. It says nothing more once its token has ended, cancelled or not."""

    def __init__(self, send: Send, watch: Watch) -> None:
        self._send = send
        self._watch = watch
        self.is_begun: bool = False
        self.is_closed: bool = False
        """Whether a WebSocket was closed, or is being refused, by the application itself."""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self._watch.ended is not None:
            raise TokenEnded(self._watch.ended)
        self.is_begun = True
        self.is_closed = self.is_closed or message["type"] in _LAST_OF_WEBSOCKETS
        await self._send(message)


async def _called(app: Application, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


def token_of(scope: Scope) -> AccessToken:
    """The token of a request that `BearerMiddleware` let in. Raises: LookupError if there is none."""
    return Admitted.token_in(scope.get(KEY))


def presented_by(scope: Scope) -> Presented:
    """What a request presents."""
    authorization, protocols, dpop = [], [], []
    host = ""
    for name, value in scope["headers"]:
        match name.lower():
            case b"authorization":
                authorization.append(value.decode("latin-1"))
            case b"dpop":
                dpop.append(value.decode("latin-1"))
            case b"sec-websocket-protocol" if scope["type"] == "websocket":
                protocols.append(value.decode("latin-1"))
            case b"host":
                host = value.decode("latin-1")
    certificate = thumbprint_in(scope) if scope.get("extensions") else None
    if not dpop:
        return Presented(authorization, protocols, certificate=certificate)
    path = (scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")).decode("latin-1")
    url = f"{_scheme(scope)}://{host}{path}"
    return Presented(authorization, protocols, dpop, scope.get("method", "GET"), url, certificate)


def accepted_subprotocol(scope: Scope) -> str | None:
    """What to accept a WebSocket with: ``bearer`` if the token came that way, else None."""
    return None if offered_token(presented_by(scope).protocols) is None else SUBPROTOCOL


def _scheme(scope: Scope) -> str:
    scheme: str = scope.get("scheme", "http")
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: Refused) -> None:
    """Answer with status and challenge; a WebSocket before it is accepted, likewise where the server can."""
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        kind = "websocket.http.response"
        if kind not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refused.detail})
            return
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers_of(refused)]
    await send({"type": f"{kind}.start", "status": refused.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body_of(refused)})
