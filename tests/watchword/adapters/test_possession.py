"""Tokens bound to a key or certificate, at every adapter that speaks HTTP: RFC 9449 §7 and RFC 8705 §3."""

import asyncio

import pytest
from watchword import Dpop, DpopNonces, Key, OAuthError
from watchword.testing import FakeDpopKey

from .stages import HTTP, stage

URL = "http://api.test/profile"
NONCES = DpopNonces(bytes(32))
ALGS = "ES256 Ed25519 EdDSA PS256 RS256 ES384 ES512 PS384 RS384"


@pytest.fixture(params=HTTP)
def name(request):
    return request.param


@pytest.fixture
def key(issuer):
    return FakeDpopKey(clock=issuer.clock)


@pytest.fixture
def api(name, issuer):
    """Makes a context of the stage with options of the verifier."""

    def make(**verifier):
        return stage(name, issuer, verifier=verifier)

    return make


def bound(issuer, key, **claims):
    return issuer.token(cnf={"jkt": key.jkt}, **claims)


async def show(service, token, *proofs, path="/profile", method="GET", scheme="DPoP"):
    headers = [(b"dpop", proof.encode()) for proof in proofs]
    return await service.ask(path, f"{scheme} {token}", method=method, headers=headers)


@pytest.mark.rfc("9449 §7.1/1")
async def test_whoever_proves_possession_comes_in_once_a_proof(api, issuer, key):
    token = bound(issuer, key)
    async with api() as service:
        proof = key.proof("GET", URL, token)
        answer = await show(service, token, proof)
        assert (answer.status, answer.json) == (200, {"sub": "ada"})
        again = await show(service, token, proof)
        assert again.status == 401
        assert again.challenge == (
            f'DPoP error="invalid_dpop_proof", error_description="the DPoP proof was used before", algs="{ALGS}"'
        )
        assert (await show(service, token, key.proof("GET", URL, token), scheme="dpop")).status == 200
        assert (await show(service, token, key.proof("GET", URL + "?a=b", token))).status == 200


@pytest.mark.rfc("9449 §7.2")
async def test_a_bound_token_is_no_bearer_token(api, issuer, key):
    token = bound(issuer, key)
    async with api() as service:
        for proofs in ((), (key.proof("GET", URL, token),)):
            answer = await show(service, token, *proofs, scheme="Bearer")
            assert answer.status == 401
            assert answer.challenge.startswith('Bearer error="invalid_token", ')
            assert answer.challenge.endswith(f', DPoP algs="{ALGS}"')


@pytest.mark.rfc("9449 §7.1/1")
async def test_a_bearer_token_is_refused_in_the_scheme_of_bound_ones(api, issuer, key):
    token = issuer.token()
    async with api() as service:
        answer = await show(service, token, key.proof("GET", URL, token))
        assert answer.status == 401
        assert answer.challenge.startswith('DPoP error="invalid_token", ')


@pytest.mark.rfc("9449 §4.3/12")
@pytest.mark.rfc("9449 §4.3/13")
async def test_every_wrong_proof_is_refused_at_every_adapter(api, issuer, key):
    token, other = bound(issuer, key), FakeDpopKey(clock=issuer.clock)
    now = int(issuer.clock.now())
    table = {
        "no proof": [],
        "two proofs": [key.proof("GET", URL, token), key.proof("GET", URL, token)],
        "two in one header": [f"{key.proof('GET', URL, token)}, {key.proof('GET', URL, token)}"],
        "not a proof": ["x"],
        "the token itself": [token],
        "a megabyte": [1_000_000 * "a"],
        "another method": [key.proof("POST", URL, token)],
        "another scheme": [key.proof("GET", "https://api.test/profile", token)],
        "another host": [key.proof("GET", "http://evil.test/profile", token)],
        "another port": [key.proof("GET", "http://api.test:8080/profile", token)],
        "another path": [key.proof("GET", "http://api.test/reports", token)],
        "too old": [key.proof("GET", URL, token, iat=now - 71)],
        "of the future": [key.proof("GET", URL, token, iat=now + 11)],
        "for no token": [key.proof("GET", URL)],
        "for another token": [key.proof("GET", URL, bound(issuer, key))],
        "without jti": [key.proof("GET", URL, token, jti=None)],
        "of another key": [other.proof("GET", URL, token)],
    }
    async with api() as service:
        for what, proofs in table.items():
            answer = await show(service, token, *proofs)
            assert answer.status == 401, what
            code = "invalid_token" if what == "of another key" else "invalid_dpop_proof"
            assert answer.challenge.startswith(f'DPoP error="{code}", '), what
            assert token not in answer.challenge + str(answer.json)
        assert (await show(service, token, key.proof("GET", URL, token))).status == 200


@pytest.mark.rfc("9449 §9")
async def test_a_nonce_is_handed_out_and_then_asked_for(api, issuer, key):
    token = bound(issuer, key)
    async with api(dpop=Dpop(nonces=NONCES)) as service:
        answer = await show(service, token, key.proof("GET", URL, token))
        assert answer.status == 401
        assert answer.challenge.startswith('DPoP error="use_dpop_nonce", ')
        nonce = answer.headers["dpop-nonce"]
        assert (await show(service, token, key.proof("GET", URL, token, nonce=nonce))).status == 200
        issuer.clock.advance(120)
        late = await show(service, token, key.proof("GET", URL, token, nonce=nonce))
        assert (late.status, late.headers["dpop-nonce"] != nonce) == (401, True)


async def test_a_token_that_is_bad_itself_is_told_so_in_its_scheme(api, issuer, key):
    token = bound(issuer, key, exp=1)
    async with api() as service:
        answer = await show(service, token, key.proof("GET", URL, token))
        assert (answer.status, answer.challenge) == (
            401,
            f'DPoP error="invalid_token", error_description="the access token has expired", algs="{ALGS}"',
        )
        token = bound(issuer, key)
        answer = await show(service, token, key.proof("GET", "http://api.test/reports", token), path="/reports")
        assert answer.status == 403
        assert answer.challenge.startswith('DPoP error="insufficient_scope", ')


async def test_where_a_token_is_optional_a_bad_proof_is_not(api, issuer, key):
    token = bound(issuer, key)
    async with api() as service:
        for scheme in ("DPoP", "Bearer"):
            assert (await show(service, token, path="/posts", scheme=scheme)).status == 401
        for malformed in ("DPoP ", "DPoP a b", "DPoP a, DPoP b", "Bearer a, DPoP b", "Basic YTpi, DPoP abc"):
            assert (await service.ask("/posts", malformed)).status == 400


@pytest.mark.rfc("9449 §7.1/3")
async def test_the_challenge_offers_what_will_do(api, issuer):
    async with api(dpop=Dpop(algorithms=["ES256", "PS256"])) as service:
        assert (await service.ask("/profile")).challenge == 'Bearer, DPoP algs="ES256 PS256"'
    async with api(require_bound=True) as service:
        assert (await service.ask("/profile")).challenge == f'DPoP algs="{ALGS}"'
        answer = await service.ask("/profile", f"Bearer {issuer.token()}")
        assert answer.status == 401
        assert 'error="invalid_token"' in answer.challenge


@pytest.mark.rfc("9449 §11.1")
async def test_of_many_that_bring_one_proof_at_once_one_comes_in(api, issuer, key):
    token = bound(issuer, key)
    async with api() as service:
        proof = key.proof("GET", URL, token)
        answers = await asyncio.gather(*(show(service, token, proof) for _ in range(8)))
        assert sorted(answer.status for answer in answers) == [200, *[401] * 7]


async def test_behind_a_proxy_what_the_clients_call_it_counts(api, issuer, key):
    token = bound(issuer, key)
    async with api(dpop=Dpop(public_url="https://public.example/api/")) as service:
        there = key.proof("GET", "https://public.example/api/profile", token)
        assert (await show(service, token, there)).status == 200
        assert (await show(service, token, key.proof("GET", "https://public.example/profile", token))).status == 401
    async with api(dpop=Dpop(public_url="https://public.example")) as service:
        assert (await show(service, token, key.proof("GET", "https://public.example/profile", token))).status == 200
        assert (await show(service, token, key.proof("GET", URL, token))).status == 401


@pytest.mark.rfc("8705 §3/1")
async def test_a_token_bound_to_a_certificate_is_nothing_without_it(api, issuer):
    token = issuer.token(cnf={"x5t#S256": "A" * 43})
    async with api() as service:
        for headers in ((), [(b"client-cert", b":AAAA:")], [(b"ssl-client-cert", b"AAAA")]):
            answer = await service.ask("/profile", f"Bearer {token}", headers=headers)
            assert answer.status == 401
            assert 'error="invalid_token"' in answer.challenge


def test_settings_that_cannot_be_are_refused():
    for options in (
        {"algorithms": ["HS256"]},
        {"algorithms": "ES256"},
        {"algorithms": []},
        {"max_age": 0},
        {"leeway": -1},
        {"public_url": "https://api.example/path?query"},
        {"public_url": "https://api.example/#"},
        {"public_url": "api.example"},
        {"public_url": "https://user@api.example"},
    ):
        with pytest.raises(ValueError):
            Dpop(**options)


def test_the_fake_key_makes_what_the_pure_check_takes():
    from watchword.verify.dpop import check_dpop_proof

    key = FakeDpopKey("Ed25519")
    now = key._clock.now()
    assert check_dpop_proof(key.proof("GET", URL, "t"), method="GET", url=URL, now=now, access_token="t").jkt == key.jkt
    assert isinstance(key.key, Key)
    with pytest.raises(OAuthError):
        check_dpop_proof(key.proof("GET", URL), method="GET", url=URL, now=now, access_token="t")


async def test_a_route_that_asks_for_a_fresher_view_does_not_take_its_own_proof_for_a_replay(issuer, key):
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from watchword import Revocations
    from watchword.adapters.starlette import BearerBackend

    from .stages.callers import AsgiCaller

    feed = Revocations(keys=issuer.feed_keys)
    verifier = issuer.verifier(revocations=feed, transport=issuer.transport)
    await verifier.start()
    backend = BearerBackend(verifier)

    async def hello(_request):
        return PlainTextResponse("hello")

    routes = [Route("/profile", backend.require(max_staleness=20)(hello))]
    service = AsgiCaller(Starlette(routes=routes, middleware=[backend.middleware()]))
    token = bound(issuer, key)
    proof = key.proof("GET", URL, token)
    assert (await show(service, token, proof)).status == 200
    assert (await show(service, token, proof)).status == 401
    await verifier.aclose()


@pytest.mark.rfc("9449 §7.1/1")
async def test_a_websocket_is_opened_by_a_proof_too(issuer, key, client):
    from watchword.adapters.asgi import BearerMiddleware

    async def app(_scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})

    service = client(BearerMiddleware(app, issuer.verifier()))
    token = bound(issuer, key)
    host = (b"host", b"api.test")
    proof = (b"dpop", key.proof("GET", "http://api.test/live", token).encode())
    assert (await service.websocket("/live", f"DPoP {token}", headers=[host, proof])).type == "websocket.accept"
    assert (await service.websocket("/live", f"DPoP {token}", headers=[host, proof])).status == 401
    assert (await service.websocket("/live", f"Bearer {token}", headers=[host])).status == 401
    offered = (b"sec-websocket-protocol", f"bearer, {token}".encode())
    assert (await service.websocket("/live", headers=[host, offered])).status == 401
