"""FastAPI: fifteen lines of an application, its OpenAPI, overrides in tests, and every malformed header."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Security, WebSocket
from watchword import AccessToken, Verifier
from watchword.adapters.fastapi import BearerAuth, accepted_subprotocol

from .conftest import ABSENT, BARE, MALFORMED


@pytest.fixture
def auth(issuer):
    return BearerAuth(issuer.verifier())


@pytest.fixture
def app(auth):
    app = FastAPI()

    @app.get("/public")
    def public(token: Annotated[AccessToken | None, Security(auth.optional)]):
        return {"sub": token and token.sub}

    @app.get("/profile")
    async def profile(token: Annotated[AccessToken, Security(auth)]):
        return {"sub": token.sub}

    @app.get("/reports")
    def reports(token: Annotated[AccessToken, Security(auth, scopes=["reports:read"])]):
        return {"sub": token.sub}

    @app.get("/admin", dependencies=[Depends(auth.roles("admin"))])
    def admin():
        return {"ok": True}

    @app.get("/staff")
    def staff(token: Annotated[AccessToken, Depends(auth.any_role("admin", "editor"))]):
        return {"roles": token.roles}

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, token: Annotated[AccessToken, Security(auth, scopes=["reports:read"])]):
        await websocket.accept(subprotocol=accepted_subprotocol(websocket))
        await websocket.send_text(token.sub)
        await websocket.close()

    return app


@pytest.fixture
def api(app, client):
    return client(app)


async def test_an_application_in_fifteen_lines(issuer, client):
    verifier = Verifier("https://issuer.test", audience="api", transport=issuer.transport, clock=issuer.clock)
    auth = BearerAuth(verifier)
    app = FastAPI()

    @app.get("/reports")
    def reports(token: Annotated[AccessToken, Security(auth, scopes=["reports:read"])]):
        return {"for": token.sub}

    api = client(app)
    assert (await api.get("/reports", f"Bearer {issuer.token('ada', scope='reports:read')}")).json == {"for": "ada"}
    assert (await api.get("/reports")).status == 401
    await verifier.aclose()


async def test_a_good_token_opens_what_it_is_for(api, issuer):
    token = issuer.token("ada", scope="reports:read", roles=["admin"])
    for path in ("/public", "/profile", "/reports"):
        assert (await api.get(path, f"Bearer {token}")).json == {"sub": "ada"}
    assert (await api.get("/admin", f"Bearer {token}")).json == {"ok": True}
    assert (await api.get("/staff", f"Bearer {token}")).json == {"roles": ["admin"]}


@pytest.mark.rfc("6750 §3.1/2")
@pytest.mark.parametrize("values", ABSENT.values(), ids=ABSENT.keys())
async def test_without_credentials_the_challenge_is_bare(api, values):
    for path in ("/profile", "/reports", "/admin", "/staff"):
        answer = await api.get(path, *values)
        assert (answer.status, answer.challenge) == (401, BARE)
    assert (await api.get("/public", *values)).json == {"sub": None}


@pytest.mark.rfc("6750 §3.1/1")
@pytest.mark.parametrize("values", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_credentials_are_an_invalid_request(api, values):
    for path in ("/profile", "/reports", "/public", "/admin"):
        answer = await api.get(path, *values)
        assert answer.status == 400
        assert answer.challenge.startswith('Bearer error="invalid_request"')


@pytest.mark.rfc("6750 §3.1/1")
@pytest.mark.parametrize("raw", ["x", "a.b.c", "a" * 1_000_000])
async def test_a_bad_token_is_an_invalid_token_on_open_routes_too(api, raw):
    for path in ("/profile", "/public", "/admin"):
        answer = await api.get(path, f"Bearer {raw}")
        assert answer.status == 401
        assert answer.challenge.startswith('Bearer error="invalid_token", error_description="')


@pytest.mark.rfc("6750 §3.1/1")
async def test_too_little_scope_or_role_is_403(api, issuer):
    answer = await api.get("/reports", f"Bearer {issuer.token(scope='profile')}")
    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.challenge
    assert 'scope="reports:read"' in answer.challenge
    for path in ("/admin", "/staff"):
        answer = await api.get(path, f"Bearer {issuer.token(roles=['user'])}")
        assert (answer.status, 'error="insufficient_scope"' in answer.challenge) == (403, True)
    assert (await api.get("/staff", f"Bearer {issuer.token(roles=['editor'])}")).status == 200


async def test_scopes_named_on_the_way_to_a_route_add_up(issuer, client, auth):
    def subscriber(token: Annotated[AccessToken, Security(auth, scopes=["videos"])]):
        return token

    app = FastAPI()

    @app.get("/")
    def videos(token: Annotated[AccessToken, Security(subscriber, scopes=["hd"])]):
        return token.sub

    api = client(app)
    assert (await api.get("/", f"Bearer {issuer.token(scope='videos')}")).status == 403
    assert (await api.get("/", f"Bearer {issuer.token(scope='hd')}")).status == 403
    assert (await api.get("/", f"Bearer {issuer.token(scope='hd videos')}")).status == 200


async def test_a_revoked_token_is_refused_at_the_next_request(api, issuer):
    token = issuer.token()
    assert (await api.get("/profile", f"Bearer {token}")).status == 200
    issuer.revoke(token)
    assert (await api.get("/profile", f"Bearer {token}")).status == 401


def test_openapi_shows_the_scheme_and_the_scopes(app):
    document = app.openapi()
    scheme = document["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    assert document["paths"]["/reports"]["get"]["security"] == [{"bearer": ["reports:read"]}]
    assert document["paths"]["/admin"]["get"]["security"] == [{"bearer": []}]
    parameters = [operation.get("parameters") for path in document["paths"].values() for operation in path.values()]
    assert parameters == [None] * 5


async def test_a_test_can_put_its_own_token_in_place(app, api, auth, issuer):
    token = await issuer.verifier().verify(issuer.token("grace", roles=["editor"]))
    app.dependency_overrides[auth] = lambda: token
    assert (await api.get("/profile")).json == {"sub": "grace"}
    assert (await api.get("/reports")).json == {"sub": "grace"}
    assert (await api.get("/staff")).json == {"roles": ["editor"]}
    assert (await api.get("/admin")).status == 403, "roles are looked at all the same"


async def test_a_websocket_comes_in_by_header_or_by_subprotocol(api, issuer):
    token = issuer.token(scope="reports:read")
    by_header = await api.websocket("/socket", f"Bearer {token}")
    assert (by_header.type, by_header.subprotocol, by_header.text) == ("websocket.accept", None, "ada")
    offered = [(b"sec-websocket-protocol", f"bearer, {token}".encode())]
    by_protocol = await api.websocket("/socket", headers=offered)
    assert (by_protocol.type, by_protocol.subprotocol, by_protocol.text) == ("websocket.accept", "bearer", "ada")


async def test_a_websocket_without_a_good_token_is_never_accepted(api, issuer):
    answer = await api.websocket("/socket")
    assert (answer.type, answer.status, answer.challenge) == ("websocket.http.response.start", 401, BARE)
    answer = await api.websocket("/socket", f"Bearer {issuer.token()}")
    assert (answer.status, 'scope="reports:read"' in answer.challenge) == (403, True)
    answer = await api.websocket("/socket", denial=False)
    assert (answer.type, answer.code) == ("websocket.close", 1008)
    for bad in MALFORMED.values():
        assert (await api.websocket("/socket", *bad)).status == 400


async def test_a_verifier_that_cannot_tell_answers_503(issuer, client):
    issuer.transport.down = True
    auth = BearerAuth(issuer.verifier(keys=None, transport=issuer.transport))
    app = FastAPI()

    @app.get("/")
    def profile(token: Annotated[AccessToken, Security(auth)]):
        return token.sub

    answer = await client(app).get("/", f"Bearer {issuer.token()}")
    assert (answer.status, answer.headers["retry-after"], answer.challenge) == (503, "1", None)


@pytest.mark.parametrize("guard", ["roles", "any_role"])
def test_a_guard_without_roles_is_refused_when_made(auth, guard):
    with pytest.raises(ValueError, match="at least one role"):
        getattr(auth, guard)()
