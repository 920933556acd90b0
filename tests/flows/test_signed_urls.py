"""Links signed by the server for applications without a key: who may, for where, and how anyone verifies them."""

from __future__ import annotations

import pytest
from story import bearer
from watchword.jose import KeySet
from watchword.signedurl import SignedUrls, UrlRejected, UrlRequest
from watchword.verify.revocation import RevocationView
from watchword_server.store.records import Origin

ORIGIN = "https://media.example.com"
ORIGINS = f'["{ORIGIN}", "http://localhost:8001"]'


@pytest.fixture
async def signing(open_server):
    roles = '{"user": {"scopes": ["urls:sign"]}, "admin": {"scopes": ["watchword:admin"]}}'
    async with open_server(WATCHWORD_SIGNED_URLS__ORIGINS=ORIGINS, WATCHWORD_ROLES=roles) as server:
        yield server


@pytest.fixture
async def caller(signing):
    """Someone who may have links signed; also the person they are for."""
    async with signing.browser() as client:
        await signing.register(client)
        tokens = await signing.login(client)
        client.headers.update(bearer(tokens))
        client.token = tokens["access_token"]
        yield client


class Published:
    """The keys as anyone may fetch them."""

    def __init__(self, server):
        self.server = server

    def current(self):
        return KeySet.from_json(self.server.services.keys.signed_url_jwks.body)


def edge(server, **options):
    return SignedUrls(Published(server), origin=ORIGIN, clock=server.clock, **options)


def request(url, method="GET", **members):
    return UrlRequest(method, url.removeprefix(ORIGIN), **members)


async def asked(client, url=f"{ORIGIN}/films/1.mp4", expires_in=600, **more):
    return await client.post("/signed-urls", json={"url": url, "expires_in": expires_in, **more})


async def test_a_link_signed_here_is_verified_by_whoever_has_the_published_keys(signing, caller):
    answer = await asked(caller)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expires_at"] == int(signing.clock.now()) + 600
    url = answer.json()["url"]
    async with signing.browser() as anyone:
        keys = KeySet.from_json((await anyone.get("/signed-urls/keys")).content)
        tokens = KeySet.from_json((await anyone.get("/jwks.json")).content)
        told = (await anyone.get("/.well-known/oauth-authorization-server")).json()
    assert told["watchword_signed_urls_keys_uri"] == f"{told['issuer']}/signed-urls/keys"
    assert told["watchword_signed_urls_uri"] == f"{told['issuer']}/signed-urls"
    assert SignedUrls(keys, origin=ORIGIN, clock=signing.clock).verify(request(url)).path == "/films/1.mp4"
    assert not {key.kid for key in keys} & {key.kid for key in tokens}
    assert all(not key.is_private and key.curve == "Ed25519" for key in keys)


async def test_every_binding_can_be_asked_for(signing, caller):
    answer = await asked(
        caller, f"{ORIGIN}/inbox/7?x=1", method="PUT", content_type="image/png", content_length=10,
        clients=["192.0.2.0/24"], query=["x"],
    )  # fmt: skip
    upload = request(answer.json()["url"], "PUT", content_type="image/png", content_length=10, client="192.0.2.1")
    assert edge(signing).verify(upload).caveats.query == ("x",)
    stream = (await asked(caller, f"{ORIGIN}/films/1/index.m3u8", prefix="/films/1/")).json()["url"]
    assert edge(signing).verify(request(stream.replace("index.m3u8", "7.m4s"))).path == "/films/1/7.m4s"
    once = (await asked(caller, once=True)).json()["url"]
    with pytest.raises(UrlRejected, match="spent"):
        edge(signing).verify(request(once))


async def test_a_link_for_a_person_dies_with_the_session(signing, caller):
    url = (await asked(caller, subject_token=caller.token)).json()["url"]
    view = RevocationView(clock=signing.clock)
    bound = edge(signing, cut_offs=view)
    sid = bound.verify(request(url)).sid
    assert (await caller.post("/auth/logout")).status_code == 204
    async with signing.browser() as reader:
        feed = {"Authorization": "Bearer feed-token-of-the-tests"}
        entries = (await reader.get("/revocations", headers=feed)).json()["entries"]
    ours = [entry for entry in entries if (entry["axis"], entry["value"]) == ("session", sid)]
    # Kept as long as a link may live, which is longer than an access token.
    assert ours[0]["expires_in"] >= 3600
    from watchword.verify.revocation import CutOff

    view.apply([CutOff(ours[0]["position"], "session", sid, ours[0]["expires_in"])])
    with pytest.raises(UrlRejected, match="revoked"):
        bound.verify(request(url))


async def test_who_has_no_good_token_or_no_scope_gets_none(signing, caller, open_server):
    async with signing.browser() as stranger:
        nobody = await asked(stranger)
        assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
        for wrong in ("Bearer nonsense", "Basic YTpi", "Bearer ", f"Bearer {caller.token}x", "Bearer " + "x" * 9000):
            stranger.headers["Authorization"] = wrong
            assert (await asked(stranger)).status_code in {401, 431}
    await caller.post("/auth/logout")
    assert (await asked(caller)).status_code == 401


async def test_a_token_without_the_scope_is_told_so(signing, caller):
    account = (await caller.get("/auth/me")).json()["account"]
    await signing.services.accounts.set_roles(account["id"], ("admin",), Origin(actor="test"))
    async with signing.browser() as client:
        client.headers.update(bearer(await signing.login(client)))
        refused = await asked(client)
    assert refused.status_code == 403
    assert 'scope="urls:sign"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://evil.example/a"},
        {"url": "https://media.example.com.evil.example/a"},
        {"url": "https://media.example.com@evil.example/a"},
        {"url": "/films/1.mp4"},
        {"url": f"{ORIGIN}/a/../b"},
        {"url": f"{ORIGIN}/a#b"},
        {"url": f"{ORIGIN}/a?ww=1"},
        {"url": f"{ORIGIN}/" + "x" * 9000},
        {"expires_in": 0},
        {"expires_in": -5},
        {"expires_in": 86_401},
        {"expires_in": 10**12},
        {"expires_in": "600"},
        {"prefix": "/films"},
        {"prefix": "/elsewhere/"},
        {"clients": ["here"]},
        {"content_type": "png"},
        {"method": "get"},
        {"query": ["a"] * 40},
        {"subject_token": "nonsense"},
        {"key": "mine"},
        {"once": True, "expires_in": 7200},
    ],
)
async def test_what_cannot_be_signed_is_a_problem_and_never_a_link(caller, wrong):
    answer = await asked(caller, **wrong)
    assert answer.status_code == 422, answer.text
    assert "ww=1." not in answer.text


async def test_a_large_body_is_refused_unread(caller):
    assert (await caller.post("/signed-urls", content=b"x" * 40_000)).status_code in {413, 415}


async def test_keys_rotate_and_links_live_on_until_a_key_is_distrusted(signing, caller):
    old = (await asked(caller)).json()["url"]
    ring, operator = signing.services.keys, Origin(actor="test")
    await ring.rotate("signed_url", operator, at_once=True)
    new = (await asked(caller)).json()["url"]
    kids = [edge(signing).verify(request(url)).kid for url in (old, new)]
    assert kids[0] != kids[1]
    await ring.distrust(kids[0], operator)
    with pytest.raises(UrlRejected, match="unknown_key"):
        edge(signing).verify(request(old))
    assert edge(signing).verify(request(new)).kid == kids[1]


async def test_a_server_that_signs_for_nobody_has_neither_endpoint_nor_key(server):
    async with server.browser() as client:
        assert (await asked(client)).status_code == 404
        assert (await client.get("/signed-urls/keys")).status_code == 404
        assert "signed_urls" not in (await client.get("/.well-known/oauth-authorization-server")).text
    assert "signed_url" not in {key.purpose for key in server.services.keys.keys}
