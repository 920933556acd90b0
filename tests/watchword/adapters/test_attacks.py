"""Attacks through the frameworks: guards that wear out, tokens in wrong places, requests that mix."""

import asyncio
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from msgspec.json import decode, encode
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from watchword import AccessToken
from watchword.adapters.fastapi import BearerAuth
from watchword.adapters.starlette import BearerBackend
from watchword.jose import Signer, parse


@pytest.fixture
def backend(issuer):
    return BearerBackend(issuer.verifier())


@pytest.fixture
def auth(issuer):
    return BearerAuth(issuer.verifier())


def starlette_app(backend, endpoint, **asked):
    return Starlette(routes=[Route("/", backend.require(**asked)(endpoint))], middleware=[backend.middleware()])


async def show(request):
    return JSONResponse({"sub": request.user.token.sub})


@pytest.mark.parametrize("asked", ["scopes", "roles"])
async def test_a_guard_made_of_an_iterator_still_guards_the_second_request(backend, client, issuer, asked):
    api = client(starlette_app(backend, show, **{asked: (name for name in ["admin"])}))
    for _ in range(3):
        assert (await api.get("/", f"Bearer {issuer.token()}")).status == 403


@pytest.mark.parametrize("asked", ["scopes", "roles"])
async def test_a_list_emptied_later_does_not_open_the_guard(backend, client, issuer, asked):
    names = ["admin"]
    api = client(starlette_app(backend, show, **{asked: names}))
    names.clear()
    assert (await api.get("/", f"Bearer {issuer.token()}")).status == 403


@pytest.mark.parametrize("scope", ['a", error="none', "a b", "", "ä", "a\r\nSet-Cookie: b=c"])
def test_a_scope_that_could_break_out_of_the_challenge_is_refused_when_made(backend, scope):
    with pytest.raises(ValueError, match="scope tokens"):
        backend.require(scopes=[scope])


@pytest.mark.parametrize("roles", [[["admin"]], [("admin", "editor")], [""], [None], []])
@pytest.mark.parametrize("guard", ["roles", "any_role"])
def test_a_guard_of_roles_that_are_no_texts_is_refused_when_made(auth, guard, roles):
    with pytest.raises(ValueError, match="at least one role"):
        getattr(auth, guard)(*roles)


@pytest.mark.parametrize("roles", ["admin", "administrator", {"admin": True}, [["admin"]], 1])
async def test_roles_of_another_type_than_a_list_of_texts_spoil_the_token(auth, client, issuer, roles):
    app = FastAPI()

    @app.get("/", dependencies=[Depends(auth.any_role("admin", "a"))])
    def admin():
        return {}

    api = client(app)
    token = issuer.token(permissions=["admin"], scope="admin")
    assert (await api.get("/", f"Bearer {token}")).status == 403, "neither permissions nor scopes are roles"
    members = decode(parse(issuer.token()).payload) | {"roles": roles}
    token = Signer(issuer.key, typ="at+jwt").sign(encode(members))
    assert (await api.get("/", f"Bearer {token}")).status == 401


@pytest.mark.rfc("6750 §5.3")
@pytest.mark.rfc("9700 §4.3.2")
async def test_a_token_in_query_form_or_cookie_is_none(auth, backend, client, issuer):
    app = FastAPI()

    @app.get("/")
    def profile(token: Annotated[AccessToken, Security(auth)]):
        return {"sub": token.sub}

    token = issuer.token()
    for api in (client(app), client(starlette_app(backend, show))):
        inner = api.app

        async def with_query(scope, receive, send, inner=inner):
            await inner(scope | {"query_string": f"access_token={token}".encode()}, receive, send)

        api.app = with_query
        headers = [(b"cookie", f"access_token={token}; Authorization=Bearer {token}".encode())]
        headers += [
            (b"x-authorization", f"Bearer {token}".encode()),
            (b"proxy-authorization", f"Bearer {token}".encode()),
        ]
        headers += [(b"x-forwarded-authorization", f"Bearer {token}".encode())]
        assert (await api.get("/", headers=headers)).status == 401


@pytest.mark.parametrize("host", [b"api.test/public?", b"api.test/public#", b"api.test\\public", b"x@api.test"])
async def test_cve_2026_48710_a_host_header_moves_no_route_out_of_its_guard(auth, client, host):
    app = FastAPI()

    @app.get("/public")
    def public():
        return {}

    @app.get("/admin")
    def admin(token: Annotated[AccessToken, Security(auth)]):
        return {"sub": token.sub}

    assert (await client(app).get("/admin", headers=[(b"host", host)])).status in {400, 401}


async def test_mounted_applications_and_included_routers_are_guarded_as_well(auth, backend, client, issuer):
    router = APIRouter(dependencies=[Security(auth, scopes=["outer"])])

    @router.get("/inner")
    def inner(token: Annotated[AccessToken, Security(auth, scopes=["inner"])]):
        return {"sub": token.sub}

    @router.get("/roles", dependencies=[Security(auth.roles("admin"), scopes=["more"])])
    def roles():
        return {}

    app = FastAPI()
    app.include_router(router, prefix="/api")
    api = client(app)
    expected = {"outer": 403, "inner": 403, "": 403, "outer inner": 200}
    for scope, status in expected.items():
        assert (await api.get("/api/inner", f"Bearer {issuer.token(scope=scope)}")).status == status
    for scope, status in {"outer": 403, "outer more": 200}.items():
        assert (await api.get("/api/roles", f"Bearer {issuer.token(scope=scope, roles=['admin'])}")).status == status
    assert (await api.get("/api/roles", f"Bearer {issuer.token(scope='outer more')}")).status == 403

    mounted = Starlette(routes=[Route("/", backend.require(scopes=["inner"])(show))])
    api = client(Starlette(routes=[Mount("/sub", mounted)], middleware=[backend.middleware()]))
    assert (await api.get("/sub/")).status == 401
    assert (await api.get("/sub/", f"Bearer {issuer.token()}")).status == 403
    assert (await api.get("/sub/", f"Bearer {issuer.token(scope='inner')}")).status == 200


async def test_a_guard_without_its_middleware_lets_nobody_in(backend, client, issuer):
    api = client(Starlette(routes=[Route("/", backend.require()(show))]))
    with pytest.raises(AssertionError):
        await api.get("/", f"Bearer {issuer.token()}")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST"])
async def test_other_methods_of_a_guarded_route_are_guarded(auth, backend, client, method):
    app = FastAPI()

    @app.api_route("/", methods=["GET", "HEAD", "OPTIONS", "POST"])
    def profile(token: Annotated[AccessToken, Security(auth)]):
        return {"sub": token.sub}

    route = Route("/", backend.require()(show), methods=["GET", "HEAD", "OPTIONS", "POST"])
    for inner in (app, Starlette(routes=[route], middleware=[backend.middleware()])):

        async def other(scope, receive, send, inner=inner):
            await inner(scope | {"method": method}, receive, send)

        assert (await client(other).get("/")).status == 401


async def test_requests_at_the_same_time_never_get_each_other_s_user(backend, client, issuer):
    async def slow(request):
        before = request.user.token.sub
        await asyncio.sleep(0)
        return JSONResponse({"before": before, "sub": request.user.token.sub})

    api = client(starlette_app(backend, slow))
    names = [f"user-{number}" for number in range(50)]
    answers = await asyncio.gather(*(api.get("/", f"Bearer {issuer.token(name)}") for name in names))
    assert [answer.json for answer in answers] == [{"before": name, "sub": name} for name in names]
    assert (await api.get("/")).status == 401


async def test_nothing_of_a_bad_token_is_in_the_answer(auth, client, issuer):
    app = FastAPI()

    @app.get("/")
    def profile(token: Annotated[AccessToken, Security(auth)]):
        return {"sub": token.sub}

    api = client(app)
    head, payload, signature = issuer.token("mallory").split(".")
    for bad in (f"{head}.{payload}.AAAA", issuer.token("mallory", typ="JWT"), issuer.token("mallory", aud="mallory")):
        answer = await api.get("/", f"Bearer {bad}")
        shown = f"{answer.headers} {answer.json}"
        assert answer.status == 401
        assert not any(part in shown for part in ("mallory", head, payload, signature))
