"""The metadata of a resource, served; and what a route may ask of a login, answered as RFC 9470 says."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from watchword import AccessToken
from watchword.adapters.asgi import BearerMiddleware
from watchword.adapters.fastapi import BearerAuth
from watchword.adapters.requirement import Requirement
from watchword.adapters.resource_metadata import ResourceMetadata, WsgiResourceMetadata
from watchword.adapters.starlette import BearerBackend
from watchword.adapters.wsgi import BearerMiddleware as WsgiBearerMiddleware
from watchword.oauth.protected_resource import resource_of

from .stages.callers import AsgiCaller, WsgiCaller

PATH = "/.well-known/oauth-protected-resource/mcp"


async def hello(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def wsgi_hello(_environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]


@pytest.mark.rfc("9728 §3.2/1")
@pytest.mark.rfc("9728 §5.1")
async def test_the_challenge_leads_to_the_document_and_it_is_for_everyone(issuer):
    resource = resource_of(issuer.verifier(), "http://api.test/mcp", scopes=["tools"])
    url = resource.metadata_url
    threaded = WsgiBearerMiddleware(wsgi_hello, issuer.sync_verifier(), resource_metadata=url)
    for service in (
        AsgiCaller(ResourceMetadata(BearerMiddleware(hello, issuer.verifier(), resource_metadata=url), resource)),
        WsgiCaller(WsgiResourceMetadata(threaded, resource)),
    ):
        refused = await service.ask("/mcp")
        assert refused.challenge == f'Bearer resource_metadata="{url}"'
        assert url == f"http://api.test{PATH}"
        answer = await service.ask(PATH)
        assert answer.status == 200
        assert answer.json["resource"] == "http://api.test/mcp"
        assert answer.json["authorization_servers"] == [issuer.issuer]
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "max-age" in answer.headers["cache-control"]
        assert (await service.ask(PATH, method="HEAD")).body == b""
        assert (await service.ask(PATH, method="OPTIONS")).status == 204
        assert (await service.ask(PATH, method="POST")).status == 405
        assert (await service.ask(PATH + "/x")).status == 401


def services(issuer, **asked):
    backend = BearerBackend(issuer.verifier())

    async def show(_request):
        return PlainTextResponse("hello")

    auth = BearerAuth(issuer.verifier())
    api = FastAPI()

    @api.get("/")
    def route(token: Annotated[AccessToken, Depends(auth.requires(**asked))]):
        return token.sub

    return (
        AsgiCaller(BearerMiddleware(hello, issuer.verifier(), **asked)),
        WsgiCaller(WsgiBearerMiddleware(wsgi_hello, issuer.sync_verifier(), **asked)),
        AsgiCaller(Starlette(routes=[Route("/", backend.require(**asked)(show))], middleware=[backend.middleware()])),
        AsgiCaller(api),
    )


@pytest.mark.rfc("9470 §3/1")
async def test_a_login_that_is_too_weak_or_too_old_is_told_what_would_do(issuer):
    now = int(issuer.clock.now())
    enough = {"acr": "gold", "auth_time": now - 10}
    said = 'Bearer error="insufficient_user_authentication", error_description="a stronger or more recent login is required here"'
    for service in services(issuer, acr_values=["gold", "platinum"], max_age=60):
        assert (await service.ask("/", f"Bearer {issuer.token(**enough)}")).status == 200
        for claims, wanted in (
            ({"acr": "silver"}, ', acr_values="gold platinum"'),
            ({"acr": None}, ', acr_values="gold platinum"'),
            ({"auth_time": now - 60}, ', max_age="60"'),
            ({"auth_time": None}, ', max_age="60"'),
            ({"acr": "silver", "auth_time": now - 99}, ', acr_values="gold platinum", max_age="60"'),
        ):
            answer = await service.ask("/", f"Bearer {issuer.token(**{**enough, **claims})}")
            assert (answer.status, answer.challenge) == (401, said + wanted)


async def test_permissions_and_tenants_are_asked_for(issuer):
    good = {"permissions": ["orders:read", "orders:refund"], "tenant": "acme"}
    for service in services(issuer, permissions=["orders:refund"], tenants=["acme", "umbrella"]):
        assert (await service.ask("/", f"Bearer {issuer.token(**good)}")).status == 200
        for claims in ({"permissions": ["orders:read"]}, {"permissions": None}, {"tenant": "evil"}, {"tenant": None}):
            answer = await service.ask("/", f"Bearer {issuer.token(**{**good, **claims})}")
            assert answer.status == 403
            assert answer.challenge.startswith('Bearer error="insufficient_scope"')


def test_what_cannot_be_asked_is_refused_when_the_route_is_made(issuer):
    for wrong in (
        {"permissions": "one"},
        {"tenants": "acme"},
        {"acr_values": "gold"},
        {"permissions": [""]},
        {"tenants": [None]},
        {"max_age": -1},
        {"max_age": float("nan")},
    ):
        with pytest.raises((TypeError, ValueError)):
            Requirement(**wrong)
    with pytest.raises(ValueError):
        BearerAuth(issuer.verifier()).requires()
