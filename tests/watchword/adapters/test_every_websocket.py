"""One table of handshakes for every adapter with WebSockets over ASGI: let in by header or subprotocol, else never accepted."""

from typing import Annotated, Any

import litestar
import pytest
from fastapi import FastAPI, Security, WebSocket
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from watchword import AccessToken, Revocations
from watchword.adapters import asgi, fastapi, starlette
from watchword.adapters import litestar as litestar_adapter

from .conftest import ABSENT, MALFORMED

SCOPES = ["reports:read"]


def by_asgi(verifier):
    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept", "subprotocol": asgi.accepted_subprotocol(scope)})
        await send({"type": "websocket.send", "text": asgi.token_of(scope).sub})
        await send({"type": "websocket.close"})

    return asgi.BearerMiddleware(app, verifier, scopes=SCOPES)


def by_starlette(verifier):
    backend = starlette.BearerBackend(verifier)

    @backend.require(scopes=SCOPES)
    async def socket(websocket):
        await websocket.accept(subprotocol=starlette.accepted_subprotocol(websocket))
        await websocket.send_text(websocket.user.token.sub)
        await websocket.close()

    return Starlette(routes=[WebSocketRoute("/", socket)], middleware=[backend.middleware()])


def by_fastapi(verifier):
    auth, app = fastapi.BearerAuth(verifier), FastAPI()

    @app.websocket("/")
    async def socket(websocket: WebSocket, token: Annotated[AccessToken, Security(auth, scopes=SCOPES)]):
        await websocket.accept(subprotocol=fastapi.accepted_subprotocol(websocket))
        await websocket.send_text(token.sub)
        await websocket.close()

    return app


def by_litestar(verifier):
    auth = litestar_adapter.BearerAuth(verifier)

    @litestar.websocket("/", guards=[auth.require(scopes=SCOPES)])
    async def show(socket: litestar.WebSocket[Any, Any, Any]) -> None:
        await socket.accept(subprotocols=litestar_adapter.accepted_subprotocol(socket.scope))
        await socket.send_text(socket.auth.sub)
        await socket.close()

    return litestar.Litestar([show], openapi_config=None)


@pytest.fixture(params=[by_asgi, by_starlette, by_fastapi, by_litestar])
def make(request, client):
    return lambda verifier: client(request.param(verifier))


def offered(*names):
    return [(b"sec-websocket-protocol", ", ".join(names).encode())]


async def refused(api, *values, **options):
    """Whether a handshake was refused before it was accepted, by status where the server can, else by closing."""
    answers = [await api.websocket("/", *values, denial=denial, **options) for denial in (True, False)]
    assert answers[1].type == "websocket.close"
    assert answers[0].type == "websocket.close" or answers[0].status in {400, 401, 403, 503}
    return all(answer.text is None for answer in answers)


async def test_a_good_token_comes_in_by_header_or_subprotocol(make, issuer):
    api, token = make(issuer.verifier()), issuer.token("grace", scope="reports:read")
    for scheme in ("Bearer", "bearer"):
        answer = await api.websocket("/", f"{scheme} {token}")
        assert (answer.type, answer.subprotocol, answer.text) == ("websocket.accept", None, "grace")
    for names in (("bearer", token), ("chat", "bearer", token), ("bearer", token, "chat")):
        answer = await api.websocket("/", headers=offered(*names))
        assert (answer.type, answer.subprotocol, answer.text) == ("websocket.accept", "bearer", "grace")


async def test_bad_tokens_are_never_accepted(make, issuer):
    good = {"scope": "reports:read"}
    revoked = issuer.token(**good)
    issuer.revoke(revoked)
    bad = [
        revoked,
        issuer.token(exp=1, **good),
        issuer.token(aud="billing", **good),
        issuer.token(),
        "x",
        "a" * 1_000_000,
    ]
    api = make(issuer.verifier())
    for token in bad:
        assert await refused(api, f"Bearer {token}")
        assert await refused(api, headers=offered("bearer", token))


async def test_missing_malformed_and_doubled_credentials_are_never_accepted(make, issuer):
    api, token = make(issuer.verifier()), issuer.token(scope="reports:read")
    for values in (*ABSENT.values(), *MALFORMED.values()):
        assert await refused(api, *values)
    for names in (("bearer",), ("bearer", ""), (token,), ("bearer", token, "bearer", token), ("bearer", "a b")):
        assert await refused(api, headers=offered(*names))
    assert await refused(api, f"Bearer {token}", headers=offered("bearer", token))


async def test_a_verifier_that_cannot_tell_accepts_nobody(make, issuer):
    issuer.transport.down = True
    verifier = issuer.verifier(revocations=Revocations(max_staleness=30), transport=issuer.transport)
    assert await refused(make(verifier), f"Bearer {issuer.token(scope='reports:read')}")
