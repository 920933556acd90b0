"""aiohttp: its middleware, views of classes, WebSockets."""

from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from watchword.adapters.aiohttp import SUBPROTOCOL, BearerAuth, token_of


@pytest.fixture
def auth(issuer):
    return BearerAuth(issuer.verifier())


@asynccontextmanager
async def served(app):
    async with TestClient(TestServer(app, host="127.0.0.1")) as client:
        yield client


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def show(request):
    return web.json_response({"sub": token_of(request).sub})


async def test_behind_the_middleware_everything_is_closed_but_what_is_marked(issuer, auth):
    @auth.open
    async def health(_request):
        return web.json_response({})

    @auth.optional()
    async def posts(request):
        with pytest.raises(LookupError):
            token_of(request)
        return web.json_response({})

    app = web.Application(middlewares=[auth.middleware])
    app.add_routes([web.get("/", show), web.get("/health", health), web.get("/posts", posts)])
    app.add_routes([web.get("/admin", auth.require(roles=["admin"])(show))])
    async with served(app) as client:
        for path in ("/", "/nothing", "/admin"):
            assert (await client.get(path)).status == 401
        assert (await client.get("/health")).status == 200
        assert (await client.get("/posts")).status == 200
        assert (await client.get("/nothing", headers=bearer(issuer.token()))).status == 404
        assert (await client.get("/admin", headers=bearer(issuer.token()))).status == 403
        assert await (await client.get("/", headers=bearer(issuer.token()))).json() == {"sub": "ada"}


async def test_methods_of_views_are_guarded(issuer, auth):
    class Show(web.View):
        @auth.require(scopes=["reports:read"])
        async def get(self):
            return await show(self.request)

    app = web.Application()
    app.router.add_view("/", Show)
    async with served(app) as client:
        assert (await client.get("/")).status == 401
        assert (await client.get("/", headers=bearer(issuer.token()))).status == 403
        good = bearer(issuer.token(scope="reports:read"))
        assert await (await client.get("/", headers=good)).json() == {"sub": "ada"}


async def test_websockets_come_in_by_header_or_subprotocol_and_are_refused_by_status(issuer, auth):
    @auth.require()
    async def socket(request):
        answer = web.WebSocketResponse(protocols=[SUBPROTOCOL])
        await answer.prepare(request)
        await answer.send_str(token_of(request).sub)
        await answer.close()
        return answer

    app = web.Application()
    app.router.add_get("/", socket)
    async with served(app) as client:
        async with client.ws_connect("/", headers=bearer(issuer.token())) as opened:
            assert await opened.receive_str() == "ada"
        async with client.ws_connect("/", protocols=[SUBPROTOCOL, issuer.token()]) as opened:
            assert (opened.protocol, await opened.receive_str()) == (SUBPROTOCOL, "ada")
        for options in ({}, {"protocols": [SUBPROTOCOL, "x"]}, {"headers": bearer("x")}):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect("/", **options)
            assert refused.value.status == 401
        assert (await client.get("/", headers={"Sec-WebSocket-Protocol": f"bearer, {issuer.token()}"})).status == 401
