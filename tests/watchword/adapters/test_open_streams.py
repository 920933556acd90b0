"""Streams and WebSockets that end with their token."""

import asyncio
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from fastapi import FastAPI, Security, WebSocket
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from watchword import AccessToken, Revocations, Verifier
from watchword.adapters.fastapi import BearerAuth
from watchword.adapters.starlette import BearerBackend, until_revoked, websocket_until_revoked

SOON = 60


@pytest.fixture
def verifier(issuer):
    return issuer.verifier()


async def test_items_flow_until_the_token_is_cut_off_and_the_source_is_closed(issuer, verifier):
    closed = []

    async def events():
        try:
            for number in range(3):
                yield number
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    token = verifier.verify_now(issuer.token())
    seen = []
    async with asyncio.timeout(SOON):
        async for item in until_revoked(token, verifier, events()):
            seen.append(item)
            if item == 2:
                asyncio.get_running_loop().call_soon(issuer.cut_off, "session", token.sid)
    assert seen == [0, 1, 2]
    assert closed == [True]


async def test_a_source_that_ends_ends_the_stream(issuer, verifier):
    async def events():
        yield 1

    token = verifier.verify_now(issuer.token())
    assert [item async for item in until_revoked(token, verifier, events())] == [1]
    assert issuer.view._listeners == ()


async def test_an_item_that_came_while_the_token_ended_is_not_handed_out(issuer, verifier):
    token = verifier.verify_now(issuer.token())

    async def events():
        yield 1
        issuer.cut_off("account", "ada")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield 2

    assert [item async for item in until_revoked(token, verifier, events())] == [1]


async def test_a_client_that_leaves_ends_the_watch(issuer, verifier):
    async def events():
        while True:
            yield 1

    stream = until_revoked(verifier.verify_now(issuer.token()), verifier, events())
    assert await anext(stream) == 1
    assert len(issuer.view._listeners) == 1
    await stream.aclose()
    assert issuer.view._listeners == ()


async def test_an_error_of_the_source_passes(issuer, verifier):
    async def events():
        yield 1
        raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own"):
        async for _ in until_revoked(verifier.verify_now(issuer.token()), verifier, events()):
            pass


class Wire:
    """A client of an ASGI app that stays: sends what it is told to, keeps what comes."""

    def __init__(self, app, kind, raw):
        self.sent = []
        self._inbox = asyncio.Queue()
        scope = {
            "type": kind,
            "path": "/",
            "raw_path": b"/",
            "root_path": "",
            "method": "GET",
            "scheme": "http",
            "query_string": b"",
            "headers": [(b"authorization", b"Bearer " + raw.encode())],
            "subprotocols": [],
            "http_version": "1.1",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
        }
        self.task = asyncio.create_task(app(scope, self._inbox.get, self._send))

    async def _send(self, message):
        self.sent.append(message)

    def say(self, message):
        self._inbox.put_nowait(message)

    async def got(self, holds):
        async with asyncio.timeout(SOON):
            while not holds(self.sent):
                await asyncio.sleep(0)


async def test_server_sent_events_end_with_the_token(issuer, verifier, client):
    backend = BearerBackend(verifier)

    @backend.require()
    async def stream(request):
        async def events():
            yield "data: hello\n\n"
            await asyncio.Event().wait()

        return StreamingResponse(until_revoked(request.user.token, verifier, events()), media_type="text/event-stream")

    wire = Wire(Starlette(routes=[Route("/", stream)], middleware=[backend.middleware()]), "http", issuer.token())
    wire.say({"type": "http.request", "body": b""})
    await wire.got(lambda sent: any(message.get("body") for message in sent))
    issuer.cut_off("account", "ada")
    async with asyncio.timeout(SOON):
        await wire.task
    assert wire.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_websocket_is_closed_with_1008_when_its_token_is_cut_off(issuer, verifier):
    app, auth, cleaned = FastAPI(), BearerAuth(verifier), []

    @app.websocket("/")
    async def chat(websocket: WebSocket, token: Annotated[AccessToken, Security(auth)]):
        await websocket.accept()
        async with websocket_until_revoked(websocket, token, verifier):
            try:
                async for text in websocket.iter_text():
                    await websocket.send_text(text)
            finally:
                cleaned.append(True)

    wire = Wire(app, "websocket", issuer.token())
    wire.say({"type": "websocket.connect"})
    wire.say({"type": "websocket.receive", "text": "hello"})
    await wire.got(lambda sent: any(message.get("text") == "hello" for message in sent))
    issuer.cut_off("session", "session-ada")
    async with asyncio.timeout(SOON):
        await wire.task
    assert wire.sent[-1] == {"type": "websocket.close", "code": 1008, "reason": "the access token is revoked"}
    assert cleaned == [True]


@asynccontextmanager
async def stale(issuer, **settings):
    verifier = Verifier(
        issuer.issuer,
        issuer.audience,
        transport=issuer.transport,
        clock=issuer.clock,
        revocations=Revocations(push=False, **settings),
    )
    async with verifier:
        raw = issuer.token()
        assert await verifier.verify(raw)
        issuer.transport.down = True
        issuer.clock.advance(10)
        yield verifier, raw


async def test_a_fastapi_route_may_ask_for_a_fresher_view_than_others(issuer, client):
    async with stale(issuer) as (verifier, raw):
        app, auth = FastAPI(), BearerAuth(verifier)
        verifier.timeout = 0.05

        @app.get("/plain")
        async def plain(token: Annotated[AccessToken, Security(auth)]):
            return token.sub

        @app.get("/strict")
        async def strict(token: Annotated[AccessToken, Security(auth.within(5))]):
            return token.sub

        @app.get("/accepting")
        async def accepting(token: Annotated[AccessToken, Security(auth.within(5, "accept"))]):
            return token.sub

        assert verifier._feed._bound == 5, "announced before the first request"
        assert auth.within(5) is auth.within(5)
        assert (await client(app).get("/plain", f"Bearer {raw}")).status == 200
        answer = await client(app).get("/strict", f"Bearer {raw}")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert (await client(app).get("/accepting", f"Bearer {raw}")).status == 200
        app.dependency_overrides[auth.within(5)] = lambda: verifier.verify_now(raw)
        assert (await client(app).get("/strict")).status == 200


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_starlette_route_may_ask_for_a_fresher_view_than_others(issuer, client, kind):
    async with stale(issuer) as (verifier, raw):
        backend = BearerBackend(verifier)
        verifier.timeout = 0.05

        async def endpoint(request):
            return JSONResponse(request.user.token.sub)

        def sync_endpoint(request):
            return JSONResponse(request.user.token.sub)

        chosen = endpoint if kind == "async" else sync_endpoint
        app = Starlette(
            routes=[
                Route("/plain", backend.require()(chosen)),
                Route("/strict", backend.require(max_staleness=5)(chosen)),
                Route("/accepting", backend.require(max_staleness=5, when_stale="accept")(chosen)),
            ],
            middleware=[backend.middleware()],
        )
        statuses = [
            (await client(app).get(path, f"Bearer {raw}")).status for path in ("/plain", "/strict", "/accepting")
        ]
        assert statuses == [200, 503, 200]
        assert (await client(app).get("/strict")).status == 401


def test_a_bound_that_the_verifier_cannot_keep_is_refused_when_the_guard_is_made(issuer):
    verifier = Verifier(issuer.issuer, issuer.audience, keys=issuer.keys)
    with pytest.raises(ValueError, match="revocations="):
        BearerAuth(verifier, max_staleness=5)
    with pytest.raises(ValueError, match="revocations="):
        BearerBackend(verifier).require(max_staleness=5)
