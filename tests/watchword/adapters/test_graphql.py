"""Strawberry GraphQL behind four servers: fields, WebSockets and subscriptions."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import strawberry
from flask import Flask
from starlette.applications import Starlette
from starlette.testclient import TestClient
from strawberry.asgi import GraphQL
from strawberry.flask.views import GraphQLView as FlaskView
from strawberry.schema.config import StrawberryConfig
from watchword import Revocations
from watchword.adapters.asgi import BearerMiddleware
from watchword.adapters.graphql import BearerAuth, token_of, until_revoked
from watchword.testing import FakeDpopKey

from .stages.aiohttp import SocketCaller
from .stages.callers import AsgiCaller, WsgiCaller
from .stages.django import configured

from django.core.handlers.wsgi import WSGIHandler  # isort: skip
from django.urls import path  # isort: skip
from aiohttp import web
from aiohttp.test_utils import TestServer
from strawberry.aiohttp.views import GraphQLView as AiohttpView
from strawberry.django.views import GraphQLView as DjangoView


def schema_of(auth, verifier):
    @strawberry.type
    class Query:
        @strawberry.field(permission_classes=[auth.require()])
        def me(self, info: strawberry.Info) -> str:
            return token_of(info).sub

        @strawberry.field(permission_classes=[auth.require(scopes=["reports:read"])])
        def reports(self, info: strawberry.Info) -> str:
            return token_of(info).sub

        @strawberry.field(permission_classes=[auth.optional()])
        def posts(self, info: strawberry.Info) -> str:
            try:
                return token_of(info).sub
            except LookupError:
                return "nobody"

        @strawberry.field
        def version(self) -> str:
            return "1"

    @strawberry.type
    class Subscription:
        @strawberry.subscription(permission_classes=[auth.require()])
        async def ticks(self, info: strawberry.Info) -> AsyncGenerator[str, None]:
            async def source() -> AsyncGenerator[str, None]:
                yield token_of(info).sub
                await asyncio.Event().wait()

            async for tick in until_revoked(token_of(info), verifier, source()):
                yield tick

    return strawberry.Schema(Query, subscription=Subscription, config=StrawberryConfig())


@asynccontextmanager
async def by_asgi(issuer, **options):
    verifier = issuer.verifier(**options)
    yield AsgiCaller(GraphQL(schema_of(BearerAuth(verifier), verifier)))


@asynccontextmanager
async def by_flask(issuer, **options):
    verifier = issuer.sync_verifier(**options)
    app = Flask(__name__)
    view = FlaskView.as_view("graphql", schema=schema_of(BearerAuth(verifier), verifier))
    app.add_url_rule("/", view_func=view)
    yield WsgiCaller(app)


@asynccontextmanager
async def by_django(issuer, **options):
    verifier = issuer.sync_verifier(**options)
    view = DjangoView.as_view(schema=schema_of(BearerAuth(verifier), verifier))
    with configured([path("", view)], verifier, {}):
        yield WsgiCaller(WSGIHandler())


@asynccontextmanager
async def by_aiohttp(issuer, **options):
    verifier = issuer.verifier(**options)
    app = web.Application()
    app.router.add_route("*", "/", AiohttpView(schema=schema_of(BearerAuth(verifier), verifier)))
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        yield SocketCaller(server.port)
    finally:
        await server.close()


@pytest.fixture(params=[by_asgi, by_flask, by_django, by_aiohttp])
def serve(request):
    return request.param


async def ask(service, fields, *authorization):
    query = f"/?query={{{'%20'.join(fields.split())}}}"
    if isinstance(service, AsgiCaller):
        inner = service.app

        async def with_query(scope, receive, send):
            await inner(scope | {"path": "/", "query_string": query[2:].encode()}, receive, send)

        service = AsgiCaller(with_query)
    if isinstance(service, WsgiCaller):
        app = service.app

        def with_query_string(environ, start_response):
            return app(environ | {"PATH_INFO": "/", "QUERY_STRING": query[2:]}, start_response)

        service = WsgiCaller(with_query_string)
    return await service.ask(query, *authorization, headers=[(b"accept", b"application/json")])


async def test_fields_know_whose_token_it_is(serve, issuer):
    async with serve(issuer) as service:
        token = issuer.token("grace", scope="reports:read")
        answer = await ask(service, "me reports posts version", f"bearer {token}")
        assert answer.json == {"data": {"me": "grace", "reports": "grace", "posts": "grace", "version": "1"}}
        assert (await ask(service, "posts version")).json == {"data": {"posts": "nobody", "version": "1"}}


async def test_a_field_refused_says_why_in_its_own_error(serve, issuer):
    revoked = issuer.token()
    issuer.revoke(revoked)
    table = [
        ("me", [], 401, "UNAUTHENTICATED", "an access token is required"),
        ("me", ["Bearer x"], 401, "UNAUTHENTICATED", "the access token is malformed"),
        ("posts", [f"Bearer {issuer.token(exp=1)}"], 401, "UNAUTHENTICATED", "the access token has expired"),
        ("me", [f"Bearer {revoked}"], 401, "UNAUTHENTICATED", "the access token was revoked"),
        ("me", ["Bearer a b"], 400, "BAD_REQUEST", "malformed bearer credentials"),
        (
            "reports",
            [f"Bearer {issuer.token()}"],
            403,
            "FORBIDDEN",
            "the access token lacks a scope that is required here",
        ),
    ]
    async with serve(issuer) as service:
        for field, values, status, code, said in table:
            answer = await ask(service, field, *values)
            (error,) = answer.json["errors"]
            assert error["message"] == said
            assert error["extensions"] == {"code": code, "status": status}
            assert answer.challenge.startswith("Bearer")
        answer = await ask(service, "reports", f"Bearer {issuer.token()}")
        assert answer.challenge.endswith('scope="reports:read"')


async def test_two_credentials_are_one_too_many(serve, issuer):
    good = f"Bearer {issuer.token()}"
    async with serve(issuer) as service:
        for values in ([good, good], [f"{good}, {good}"]):
            (error,) = (await ask(service, "me", *values)).json["errors"]
            assert error["extensions"]["status"] == 400


async def test_a_verifier_that_cannot_tell_says_so(serve, issuer):
    issuer.transport.down = True
    async with serve(issuer, revocations=Revocations(max_staleness=30), transport=issuer.transport) as service:
        answer = await ask(service, "me", f"Bearer {issuer.token()}")
        (error,) = answer.json["errors"]
        assert (error["extensions"]["code"], answer.retry_after) == ("SERVICE_UNAVAILABLE", "1")


async def test_behind_a_middleware_whole_requests_are_refused_by_status(issuer):
    verifier = issuer.verifier()
    app = BearerMiddleware(GraphQL(schema_of(BearerAuth(verifier), verifier)), verifier)
    service = AsgiCaller(app)
    assert (await ask(service, "version")).status == 401
    assert (await ask(service, "me", f"Bearer {issuer.token()}")).json == {"data": {"me": "ada"}}


def begin(socket, **params):
    socket.send_json({"type": "connection_init", "payload": params})
    assert socket.receive_json()["type"] == "connection_ack"
    socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": "subscription { ticks }"}})
    return socket.receive_json()


def client_of(verifier):
    app = Starlette()
    app.mount("/", GraphQL(schema_of(BearerAuth(verifier), verifier)))
    return TestClient(app)


@pytest.fixture
def client(issuer):
    with client_of(issuer.verifier()) as client:
        yield client


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_a_subscription_takes_its_token_from_the_first_message_and_ends_with_it(client, issuer, name):
    token = issuer.token("ada")
    with client.websocket_connect("/", subprotocols=["graphql-transport-ws"]) as socket:
        first = begin(socket, **{name: f"Bearer {token}"})
        assert first == {"id": "1", "type": "next", "payload": {"data": {"ticks": "ada"}}}
        issuer.revoke(token)
        assert socket.receive_json() == {"id": "1", "type": "complete"}


@pytest.mark.parametrize(
    "params",
    [{}, {"Authorization": "Bearer x"}, {"Authorization": 1}, {"Authorization": ["Bearer x"]}, {"Authorization": None}],
)
def test_a_subscription_without_a_good_token_is_an_error(client, params):
    with client.websocket_connect("/", subprotocols=["graphql-transport-ws"]) as socket:
        refused = begin(socket, **params)
        assert refused["type"] in {"error", "next"}
        assert '"UNAUTHENTICATED"' in json.dumps(refused)


def test_a_token_twice_in_the_first_message_is_refused(client, issuer):
    good = f"Bearer {issuer.token()}"
    with client.websocket_connect("/", subprotocols=["graphql-transport-ws"]) as socket:
        assert '"BAD_REQUEST"' in json.dumps(begin(socket, Authorization=good, authorization=good))
    with client.websocket_connect(
        "/", subprotocols=["graphql-transport-ws"], headers={"Authorization": good}
    ) as socket:
        assert '"BAD_REQUEST"' in json.dumps(begin(socket, Authorization=good))


def operate(socket, name, query):
    """One operation over an open connection. Returns: its first message but for its completion."""
    socket.send_json({"id": name, "type": "subscribe", "payload": {"query": query}})
    while (message := socket.receive_json())["type"] == "complete":
        pass
    return json.dumps(message)


@pytest.mark.parametrize("kind", ["verifier", "sync_verifier"])
@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_connection_kept_open_does_not_keep_a_dead_token_alive(issuer, kind, end):
    token = issuer.token("ada")
    with (
        client_of(getattr(issuer, kind)()) as client,
        client.websocket_connect("/", subprotocols=["graphql-transport-ws"]) as socket,
    ):
        socket.send_json({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        assert socket.receive_json()["type"] == "connection_ack"
        assert '"me": "ada"' in operate(socket, "1", "{ me }")
        if end == "revoked":
            issuer.revoke(token)
        else:
            issuer.clock.advance(3600)
        assert '"UNAUTHENTICATED"' in operate(socket, "2", "{ me }")


def test_a_proof_shown_when_a_connection_began_is_not_asked_for_again(issuer):
    key = FakeDpopKey(clock=issuer.clock)
    token = issuer.token("ada", cnf={"jkt": key.jkt})
    headers = key.headers("GET", "http://testserver/", token)
    with (
        client_of(issuer.verifier()) as client,
        client.websocket_connect("/", subprotocols=["graphql-transport-ws"], headers=headers) as socket,
    ):
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json()["type"] == "connection_ack"
        for name in ("1", "2"):
            assert '"me": "ada"' in operate(socket, name, "{ me }")
        issuer.revoke(token)
        assert '"UNAUTHENTICATED"' in operate(socket, "3", "{ me }")
