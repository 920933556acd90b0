"""Litestar: guards that add up, WebSockets, OpenAPI."""

from typing import Any

import pytest
from litestar import Controller, Litestar, WebSocket, get, websocket
from litestar.connection import Request
from watchword.adapters.litestar import BearerAuth, accepted_subprotocol

from .conftest import MALFORMED
from .stages.callers import AsgiCaller


@pytest.fixture
def auth(issuer):
    return BearerAuth(issuer.verifier())


def bearer(token):
    return f"Bearer {token}"


async def test_guards_of_application_controller_and_handler_add_up(issuer, auth):
    class Reports(Controller):
        path = "/reports"
        guards = (auth.require(scopes=["reports:read"]),)

        @get("/", guards=[auth.require(roles=["admin"])])
        async def show(self, request: Request[Any, Any, Any]) -> dict[str, str]:
            return {"sub": request.auth.sub, "user": request.user}

    service = AsgiCaller(Litestar([Reports], guards=[auth.require(tenants=["acme"])], openapi_config=None))
    claims = {"scope": "reports:read", "roles": ["admin"], "tenant": "acme"}
    good = await service.ask("/reports", bearer(issuer.token(**claims)))
    assert good.json == {"sub": "ada", "user": "ada"}
    for name in claims:
        lacking = {other: value for other, value in claims.items() if other != name}
        assert (await service.ask("/reports", bearer(issuer.token(**lacking)))).status == 403


async def test_a_websocket_comes_in_by_header_or_subprotocol_and_not_otherwise(issuer, auth, client):
    @websocket("/", guards=[auth.require()])
    async def show(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept(subprotocols=accepted_subprotocol(socket.scope))
        await socket.send_text(socket.auth.sub)
        await socket.close()

    api = client(Litestar([show], openapi_config=None))
    answer = await api.websocket("/", bearer(issuer.token()))
    assert (answer.type, answer.text) == ("websocket.accept", "ada")
    token = issuer.token().encode()
    answer = await api.websocket("/", headers=[(b"sec-websocket-protocol", b"bearer, " + token)])
    assert (answer.type, answer.subprotocol, answer.text) == ("websocket.accept", "bearer", "ada")
    for bad in ([], ["Bearer x"], *MALFORMED.values()):
        answer = await api.websocket("/", *bad)
        assert (answer.type, answer.code) == ("websocket.close", 1008)


def test_the_scheme_is_described_in_openapi(auth):
    @get("/", guards=[auth.require()], security=[{"bearer": []}])
    async def show() -> None: ...

    described = Litestar([show], plugins=[auth]).openapi_schema.to_schema()
    scheme = described["components"]["securitySchemes"]["bearer"]
    assert scheme == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert described["paths"]["/"]["get"]["security"] == [{"bearer": []}]
