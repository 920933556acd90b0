"""Starlette: request.user, @requires, the guard, WebSockets, and every malformed header."""

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from watchword.adapters.starlette import BearerBackend, accepted_subprotocol

from .conftest import ABSENT, BARE, MALFORMED


@pytest.fixture
def backend(issuer):
    return BearerBackend(issuer.verifier())


@pytest.fixture
def api(backend, client):
    async def who(request):
        user = request.user
        return JSONResponse({"user": user.identity, "name": user.display_name, "in": user.is_authenticated})

    @requires(["authenticated", "reports:read"])
    async def by_starlette(request):
        return JSONResponse({"scopes": request.auth.scopes, "roles": request.user.roles})

    @backend.require()
    async def profile(request):
        return JSONResponse({"sub": request.user.token.sub})

    @backend.require(scopes=["reports:read"])
    async def reports(request):
        return JSONResponse({"sub": request.user.token.sub})

    @backend.require(roles=["admin"])
    def admin(request):
        return JSONResponse({"sub": request.user.token.sub})

    @backend.require(scopes=["reports:read"])
    async def socket(websocket):
        await websocket.accept(subprotocol=accepted_subprotocol(websocket))
        await websocket.send_text(websocket.user.identity)
        await websocket.close()

    routes = [Route("/who", who), Route("/by-starlette", by_starlette), Route("/profile", profile)]
    routes += [Route("/reports", reports), Route("/admin", admin), WebSocketRoute("/socket", socket)]
    return client(Starlette(routes=routes, middleware=[backend.middleware()]))


async def test_nobody_and_somebody_are_told_apart(api, issuer):
    assert (await api.get("/who")).json == {"user": "", "name": "", "in": False}
    answer = await api.get("/who", f"Bearer {issuer.token('ada')}")
    assert answer.json == {"user": "ada", "name": "ada", "in": True}


async def test_starlette_s_own_requires_sees_the_scopes(api, issuer):
    token = issuer.token(scope="reports:read", roles=["user"])
    answer = await api.get("/by-starlette", f"Bearer {token}")
    assert answer.json == {"scopes": ["authenticated", "reports:read"], "roles": ["user"]}
    assert (await api.get("/by-starlette", f"Bearer {issuer.token()}")).status == 403
    assert (await api.get("/by-starlette")).status == 403


@pytest.mark.rfc("6750 §3.1/2")
@pytest.mark.parametrize("values", ABSENT.values(), ids=ABSENT.keys())
@pytest.mark.parametrize("path", ["/profile", "/reports", "/admin"])
async def test_without_credentials_the_challenge_is_bare(api, path, values):
    answer = await api.get(path, *values)
    assert (answer.status, answer.challenge) == (401, BARE)


@pytest.mark.rfc("6750 §3.1/1")
@pytest.mark.parametrize("values", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("path", ["/profile", "/who"])
async def test_malformed_credentials_are_an_invalid_request(api, path, values):
    answer = await api.get(path, *values)
    assert answer.status == 400
    assert answer.challenge.startswith('Bearer error="invalid_request"')


@pytest.mark.rfc("6750 §3.1/1")
@pytest.mark.parametrize("raw", ["x", "a.b.c", "a" * 1_000_000])
async def test_a_bad_token_is_an_invalid_token(api, raw):
    answer = await api.get("/profile", f"Bearer {raw}")
    assert answer.status == 401
    assert answer.challenge.startswith('Bearer error="invalid_token", error_description="')


async def test_expired_foreign_and_revoked_tokens_are_invalid(api, issuer):
    revoked, expired = issuer.token(), issuer.token(exp=1)
    assert (await api.get("/profile", f"Bearer {revoked}")).status == 200
    issuer.revoke(revoked)
    for token in (revoked, expired, issuer.token(aud="billing"), issuer.token(typ="JWT")):
        answer = await api.get("/profile", f"Bearer {token}")
        assert (answer.status, 'error="invalid_token"' in answer.challenge) == (401, True)


@pytest.mark.rfc("6750 §3.1/1")
async def test_too_little_scope_is_named_in_the_challenge(api, issuer):
    answer = await api.get("/reports", f"bearer {issuer.token(scope='profile')}")
    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.challenge
    assert 'scope="reports:read"' in answer.challenge
    assert (await api.get("/reports", f"bearer {issuer.token(scope='reports:read')}")).status == 200


async def test_roles_guard_a_plain_function_too(api, issuer):
    assert (await api.get("/admin", f"Bearer {issuer.token(roles=['user'])}")).status == 403
    assert (await api.get("/admin", f"Bearer {issuer.token(roles=['user', 'admin'])}")).json == {"sub": "ada"}


async def test_a_verifier_that_cannot_tell_answers_503(issuer, client):
    issuer.transport.down = True
    backend = BearerBackend(issuer.verifier(keys=None, transport=issuer.transport))
    api = client(Starlette(routes=[], middleware=[backend.middleware()]))
    answer = await api.get("/", f"Bearer {issuer.token()}")
    assert (answer.status, answer.headers["retry-after"], answer.challenge) == (503, "1", None)


async def test_metadata_of_the_resource_is_named_in_challenges(issuer, client):
    url = "https://api.test/.well-known/oauth-protected-resource"
    backend = BearerBackend(issuer.verifier(), resource_metadata=url)

    @backend.require()
    async def profile(request):
        return JSONResponse({})

    api = client(Starlette(routes=[Route("/", profile)], middleware=[backend.middleware()]))
    assert (await api.get("/")).challenge == f'Bearer resource_metadata="{url}"'
    assert f'resource_metadata="{url}"' in (await api.get("/", "Bearer x")).challenge


async def test_a_websocket_comes_in_by_header_or_by_subprotocol(api, issuer):
    token = issuer.token(scope="reports:read")
    by_header = await api.websocket("/socket", f"Bearer {token}")
    assert (by_header.type, by_header.subprotocol, by_header.text) == ("websocket.accept", None, "ada")
    offered = [(b"sec-websocket-protocol", f"bearer, {token}".encode())]
    by_protocol = await api.websocket("/socket", headers=offered)
    assert (by_protocol.type, by_protocol.subprotocol, by_protocol.text) == ("websocket.accept", "bearer", "ada")


async def test_a_subprotocol_is_no_credential_for_plain_http(api, issuer):
    offered = [(b"sec-websocket-protocol", f"bearer, {issuer.token()}".encode())]
    assert (await api.get("/profile", headers=offered)).status == 401


async def test_a_websocket_without_a_good_token_is_never_accepted(api, issuer):
    answer = await api.websocket("/socket")
    assert (answer.type, answer.status, answer.challenge) == ("websocket.http.response.start", 401, BARE)
    answer = await api.websocket("/socket", f"Bearer {issuer.token()}")
    assert (answer.status, 'error="insufficient_scope"' in answer.challenge) == (403, True)
    answer = await api.websocket("/socket", denial=False)
    assert (answer.type, answer.code) == ("websocket.close", 1008)
    for bad in (["Bearer x"], *MALFORMED.values()):
        assert (await api.websocket("/socket", *bad)).type == "websocket.close"


def test_one_string_is_not_a_list_of_scopes(backend):
    with pytest.raises(TypeError):
        backend.require(scopes="reports:read")
