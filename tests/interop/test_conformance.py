"""What the certification profiles of OpenID Connect ask of a server (basic, config, dynamic, form post, RP-initiated and
back-channel logout), with static clients of a configuration file. That discovery is true: test_discovery_is_true.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from certification_plan import BACK, BYE, ES256, PERSON, PS256, QUERY_BACK, Peer, static_clients, toml
from joserfc import jwk, jwt
from relying_party import RelyingParty, b64
from secure import ADA, Secure, passes
from story import PASSWORD


@pytest.fixture(scope="module")
def peer(trust) -> Iterator[Peer]:
    serving = Peer(trust)
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture(scope="module")
def server(trust, peer, tmp_path_factory) -> Iterator[Secure]:
    home = tmp_path_factory.mktemp("conformance") / "home"
    home.mkdir()
    tables = [
        "\n".join(["[[clients]]", *(f"{name} = {toml(value)}" for name, value in one.items())])
        for one in static_clients(peer)
    ]
    (home / "watchword.toml").write_text("\n\n".join(tables))  # fmt: skip
    running = Secure(home, trust, WATCHWORD_SELF_REGISTRATION__DYNAMIC="open", WATCHWORD_TOKENS__ACCESS_LIFETIME="300")
    running.account = running.register()
    with httpx.Client(base_url=running.url, verify=running.trust, timeout=30) as http:
        token = http.post("/auth/login", json={"identifier": ADA, "password": PASSWORD}).json()["access_token"]
        answer = http.put("/auth/profile", json=PERSON, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
    yield running
    running.stop()


@pytest.fixture
def relying(server, peer):
    """relying("basic"): one of the static clients."""
    known = {one["client_id"]: one for one in static_clients(peer)}
    return lambda client_id: RelyingParty(server, known.get(client_id, {}), {"one": ES256, "two": PS256}.get(client_id))


@pytest.fixture
async def ada(server):
    async with server.client() as http:
        yield server.person(http)


# The basic profile ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client_id", ["basic", "posting", "secret-jwt", "one", "two", "told"])
async def test_code_flow_and_the_three_ways_to_userinfo(relying, ada, server, client_id):
    rp = relying(client_id)
    answer, claims = await rp.signs_in(ada, scope="openid email")
    assert claims["sub"] == server.account
    token = answer["access_token"]
    endpoint = rp.op["userinfo_endpoint"]
    by_header = rp.http.post(endpoint, headers={"Authorization": f"Bearer {token}"})
    assert (
        rp.userinfo(token).json() == by_header.json() == {"sub": server.account, "email": ADA, "email_verified": False}
    )
    by_form = rp.http.post(endpoint, data={"access_token": token})
    in_query = rp.http.get(endpoint, params={"access_token": token})
    assert in_query.json()["error"] == "invalid_request", "RFC 9700 §4.3.2: never in the query"
    assert (by_form.status_code, by_form.json()) == (200, by_header.json())


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("profile", {*PERSON} - {"address", "phone_number"} | {"updated_at"}),
        ("email", {"email", "email_verified"}),
        ("address", {"address"}),
        ("phone", {"phone_number", "phone_number_verified"}),
    ],
)
async def test_scopes_ask_for_their_claims(relying, ada, scope, claims):
    rp = relying("basic")
    answer, _ = await rp.signs_in(ada, scope=f"openid {scope}")
    told = rp.userinfo(answer["access_token"]).json()
    assert set(told) - {"sub", "phone_number_verified"} == claims - {"phone_number_verified"}
    assert all(told[name] == value for name, value in PERSON.items() if name in claims)


async def test_a_claim_is_asked_for_by_name(relying, ada):
    rp = relying("basic")
    answer, _ = await rp.signs_in(ada, claims=json.dumps({"userinfo": {"name": {"essential": True}}}))
    assert rp.userinfo(answer["access_token"]).json()["name"] == PERSON["name"]


@pytest.mark.parametrize(
    "more",
    [
        {"display": "page"}, {"display": "popup"}, {"ui_locales": "se"}, {"claims_locales": "se"}, {"acr_values": "1 2"},
        {"login_hint": "bob"}, {"extra": "foobar"}, {"nonce": "n" * 900}, {"state": "s" * 1000},
    ],
    ids=lambda more: "-".join(more),
)  # fmt: skip
async def test_what_need_not_be_obeyed_breaks_nothing(relying, ada, more):
    rp = relying("basic")
    parameters = rp.request(**more)
    await ada.goes_to(rp.address(parameters))
    assert ada.sees("identifier")
    ada.fill(identifier=ADA)
    await ada.logs_in()
    if ada.left is None:
        await ada.press("allow")
    told = dict(parse_qsl(urlsplit(ada.left).query))
    assert (told["state"], "code" in told) == (parameters["state"], True)


async def test_prompt_and_max_age(relying, ada, server):
    rp = relying("basic")
    refused = await rp.asks(ada, prompt="none")
    assert refused.parameters["error"] == "login_required"
    first, claims = await rp.signs_in(ada, max_age="10000")
    assert claims["auth_time"] <= time.time()
    _, silent = await rp.signs_in(ada, prompt="none", id_token_hint=first["id_token"])
    assert silent["sub"] == claims["sub"]
    _, again = await rp.signs_in(ada, prompt="none", max_age="10000")
    assert again["auth_time"] == claims["auth_time"]
    deadline = time.time() + 60
    while int(time.time()) <= claims["auth_time"] + 1:
        assert time.time() < deadline
        await ada.goes_to(f"{server.url}/healthz")
    await ada.goes_to(rp.address(rp.request(max_age="1")))
    assert ada.sees("password", "sign-in"), "signed on for longer than that"
    _, anew = await rp.signs_in(ada, prompt="login")
    assert anew["auth_time"] > claims["auth_time"]
    tampered = f"{first['id_token'][:-6]}AAAAAA"
    hinted = await rp.asks(ada, prompt="none", id_token_hint=tampered)
    assert hinted.parameters["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"nonce": None}, "invalid_request"),
        ({"request_uri": "https://app.example.test/request.jwt"}, "request_uri_not_supported"),
        ({"scope": "nonsense"}, "invalid_scope"),
    ],
)
async def test_faults_are_told_to_the_client(relying, ada, changes, error):
    rp = relying("basic")
    told = (await rp.asks(ada, **changes)).parameters
    assert told["error"] == error
    assert "code" not in told


@pytest.mark.parametrize(
    "uri", ["https://evil.example.test/callback", f"{BACK}/more", f"{BACK}?more=1", f"{QUERY_BACK}&x=1", None]
)
async def test_an_unknown_redirect_uri_leads_nowhere(relying, ada, uri):
    rp = relying("basic")
    await ada.goes_to(rp.address(rp.request(redirect_uri=uri)))
    assert (ada.left, ada.answer.status_code) == (None, 400)


async def test_a_redirect_uri_keeps_its_query(relying, ada):
    rp = relying("basic")
    told = await rp.asks(ada, redirect_uri=QUERY_BACK)
    assert told.parameters["kept"] == "1"
    assert rp.exchange(told, redirect_uri=QUERY_BACK).status_code == 200
    other = await rp.asks(ada, redirect_uri=QUERY_BACK)
    assert rp.exchange(other).json()["error"] == "invalid_grant", "redeemed for another redirect URI"


async def test_a_code_used_twice_takes_back_what_it_gave(relying, ada):
    rp = relying("basic")
    told = await rp.asks(ada)
    token = rp.exchange(told).json()["access_token"]
    assert rp.userinfo(token).status_code == 200
    assert rp.exchange(told).json()["error"] == "invalid_grant"
    assert rp.userinfo(token).status_code == 401


async def test_clients_with_keys_of_their_own_are_not_taken_for_one_another(relying, ada):
    one, two = relying("one"), relying("two")
    told = await one.asks(ada)
    two.client = two.client | {"client_id": "one"}
    assert two.exchange(told).json()["error"] == "invalid_client"
    two.client = two.client | {"client_id": "two"}
    assert two.exchange(told).json()["error"] == "invalid_grant"
    assert one.exchange(told).status_code == 200


async def test_refresh_keeps_who_it_was(relying, ada):
    rp = relying("one")
    first, claims = await rp.signs_in(ada)
    again = rp.post("token_endpoint", grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    told = rp.verified(again["id_token"])
    assert [told[name] for name in ("sub", "aud", "auth_time")] == [
        claims[name] for name in ("sub", "aud", "auth_time")
    ]


async def test_a_signed_request_counts_and_an_unsigned_one_does_not(relying, ada):
    rp = relying("one")
    parameters = rp.request(state="inside")
    whole = parameters | {"iss": rp.client_id, "aud": rp.op["issuer"], "exp": int(time.time()) + 60}
    signed = jwt.encode({"alg": "ES256", "kid": "one", "typ": "oauth-authz-req+jwt"}, whole, ES256)
    outside = {"client_id": rp.client_id, "response_type": "code", "scope": "openid", "request": signed}
    back = await passes(ada, rp.address(outside))
    assert dict(parse_qsl(urlsplit(back).query))["state"] == "inside"
    head = b64(json.dumps({"alg": "none"}).encode())
    unsigned = f"{head}.{b64(json.dumps(whole).encode())}."
    await ada.goes_to(rp.address(outside | {"redirect_uri": BACK, "request": unsigned}))
    refused = ada.answer.text if ada.left is None else ada.left
    assert "invalid_request_object" in refused


async def test_form_post(relying, ada):
    rp = relying("basic")
    told = await rp.asks(ada, response_mode="form_post")
    assert ada.posted is not None
    assert rp.exchange(told).status_code == 200
    failed = await rp.asks(ada, response_mode="form_post", scope="nonsense")
    assert (ada.posted is not None, failed.parameters["error"]) == (True, "invalid_scope")


# Dynamic clients -----------------------------------------------------------------------------------------------------


def registered(server: Secure, key: Any = None, **metadata: Any) -> RelyingParty:
    rp = RelyingParty(server, {"redirect_uris": [BACK]}, key)
    answer = rp.http.post(
        rp.op["registration_endpoint"], json={"redirect_uris": [BACK], "client_name": "By itself"} | metadata
    )
    assert answer.status_code == 201, answer.text
    rp.client = answer.json()
    return rp


async def test_a_client_registers_reads_changes_and_deletes_itself(server, ada):
    rp = registered(server, client_name="First name")
    await rp.signs_in(ada)
    bearer = {"Authorization": f"Bearer {rp.client['registration_access_token']}"}
    uri = rp.client["registration_client_uri"]
    shown = rp.http.get(uri, headers=bearer)
    assert shown.json()["client_name"] == "First name"
    changed = rp.http.put(
        uri, headers=bearer, json={"client_id": rp.client_id, "redirect_uris": [BACK], "client_name": "Second"}
    )
    assert changed.json()["client_name"] == "Second"
    assert rp.http.delete(uri, headers=bearer).status_code == 204
    assert rp.http.get(uri, headers=bearer).status_code == 401
    await ada.goes_to(rp.address(rp.request()))
    assert (ada.left, ada.answer.status_code) == (None, 400)


@pytest.mark.parametrize("kind", ["jwks", "jwks_uri"])
async def test_a_registered_client_changes_its_keys(server, peer, ada, kind):
    path = "/keys.json"
    peer.documents[path] = {"keys": [ES256.as_dict(private=False)]}
    by_value = {"jwks": peer.documents[path]}
    rp = registered(
        server, ES256, token_endpoint_auth_method="private_key_jwt", id_token_signed_response_alg="ES256",
        **(by_value if kind == "jwks" else {"jwks_uri": f"{peer.url}{path}"}),
    )  # fmt: skip
    await rp.signs_in(ada)
    if kind == "jwks_uri":
        rp.key = jwk.ECKey.generate_key("P-256", {"kid": "rolled", "alg": "ES256", "use": "sig"})
        peer.documents[path] = {"keys": [rp.key.as_dict(private=False)]}
        assert (await rp.signs_in(ada))[0]["id_token"]


async def test_subjects_of_a_sector(server, peer, ada):
    first, second = "https://a.example.test/back", "https://b.example.test/back"
    peer.documents["/sector.json"] = [first, second, BACK]
    pairwise = {"subject_type": "pairwise", "sector_identifier_uri": f"{peer.url}/sector.json"}
    one, two = registered(server, **pairwise), registered(server, **pairwise)
    subjects = [(await rp.signs_in(ada))[1]["sub"] for rp in (one, two)]
    assert subjects[0] == subjects[1] != server.account
    peer.documents["/sector.json"] = ["https://elsewhere.example.test/"]
    with pytest.raises(AssertionError, match="invalid_client_metadata"):
        registered(server, **pairwise)


# Logout --------------------------------------------------------------------------------------------------------------


def leaving(rp: RelyingParty, **query: str) -> str:
    return f"{rp.op['end_session_endpoint']}?{httpx.QueryParams(query)}"


async def is_signed_in(rp: RelyingParty, person: Any) -> bool:
    return "code" in (await rp.asks(person, prompt="none")).parameters


async def test_logout_with_a_hint_leads_back_with_the_state(relying, ada):
    rp = relying("basic")
    answer, _ = await rp.signs_in(ada)
    await ada.goes_to(leaving(rp, id_token_hint=answer["id_token"], post_logout_redirect_uri=BYE, state="s-1"))
    assert ada.left == f"{BYE}?state=s-1"
    assert not await is_signed_in(rp, ada)
    answer, _ = await rp.signs_in(ada)
    await ada.goes_to(leaving(rp, id_token_hint=answer["id_token"], post_logout_redirect_uri=BYE))
    assert ada.left == BYE


async def test_logout_without_a_hint_asks_and_stays(relying, ada):
    rp = relying("basic")
    await rp.signs_in(ada)
    await ada.goes_to(leaving(rp))
    assert ada.sees("sign-out")
    assert await is_signed_in(rp, ada)
    await ada.goes_to(leaving(rp))
    await ada.press("sign-out")
    assert ada.left is None
    assert not await is_signed_in(rp, ada)


@pytest.mark.parametrize("uri", [f"{BYE}/more", f"{BYE}?x=1", "https://evil.example.test/"])
async def test_logout_never_leads_to_an_unknown_address(relying, ada, uri):
    rp = relying("basic")
    answer, _ = await rp.signs_in(ada)
    for more in ({"id_token_hint": answer["id_token"]}, {"client_id": "basic"}, {}):
        await ada.goes_to(leaving(rp, post_logout_redirect_uri=uri, **more))
        assert ada.left is None


async def test_logout_with_a_hint_of_somebody_elses_making_is_not_done_unasked(relying, ada):
    rp = relying("basic")
    answer, _ = await rp.signs_in(ada)
    head, body, _ = answer["id_token"].split(".")
    await ada.goes_to(leaving(rp, id_token_hint=f"{head}.{body}.AAAA", post_logout_redirect_uri=BYE))
    assert ada.left is None
    assert await is_signed_in(rp, ada)


@pytest.mark.parametrize("scope", ["openid", "openid offline_access"])
async def test_the_back_channel_tells_of_the_session(relying, ada, peer, scope):
    rp = relying("told")
    answer, claims = await rp.signs_in(ada, scope=scope, prompt="consent" if "offline" in scope else None)
    before = len(peer.told)
    await ada.goes_to(leaving(rp, id_token_hint=answer["id_token"]))
    deadline = time.monotonic() + 30
    while len(peer.told) == before:
        assert time.monotonic() < deadline, "no logout token came"
        time.sleep(0.02)
    told = rp.verified(peer.told[-1], typ="logout+jwt")
    assert (told["aud"], told["sid"], told["sub"]) == ("told", claims["sid"], claims["sub"])
    assert told["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert told["exp"] - told["iat"] <= 120
    assert "nonce" not in told
    assert told["jti"]
    # §2.7: what was given for times without a browser goes on.
    goes_on = "offline_access" in scope
    assert rp.userinfo(answer["access_token"]).status_code == (200 if goes_on else 401)
    again = rp.post("token_endpoint", grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert again.status_code == (200 if goes_on else 400), again.text
    if goes_on:
        assert rp.verified(again.json()["id_token"])["sid"] == claims["sid"]
