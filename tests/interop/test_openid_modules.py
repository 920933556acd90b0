"""Modules of the conformance suite's plans for OpenID Connect that test_conformance.py does not hold: clients that register
themselves without PKCE as the suite's do, keys that change, logout, each test named after its module.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from certification_plan import BYE, PERSON, Peer
from joserfc import jwk
from page_story import Page
from relying_party import RelyingParty
from secure import ADA, Secure
from story import PASSWORD

SUITE = "https://suite.example.test/test/a/watchword"
BY_KEY = {"token_endpoint_auth_method": "private_key_jwt"}


@pytest.fixture(scope="module")
def peer(trust) -> Iterator[Peer]:
    serving = Peer(trust)
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture(scope="module")
def server(trust, tmp_path_factory) -> Iterator[Secure]:
    home = tmp_path_factory.mktemp("modules") / "home"
    home.mkdir()
    own = {"dynamic": "open", "pkce_exempt": "true"}
    running = Secure(
        home, trust, WATCHWORD_THROTTLE__REGISTRATIONS="10000", WATCHWORD_TOKENS__ACCESS_LIFETIME="300", WATCHWORD_PAGES__LOGOS="all",
        WATCHWORD_TOKENS__ACR="password",
        **{f"WATCHWORD_SELF_REGISTRATION__{name.upper()}": value for name, value in own.items()},
    )  # fmt: skip
    running.account = running.register()
    with httpx.Client(base_url=running.url, verify=running.trust, timeout=60) as http:
        token = http.post("/auth/login", json={"identifier": ADA, "password": PASSWORD}).json()["access_token"]
        answer = http.put("/auth/profile", json=PERSON, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
    yield running
    running.stop()


@pytest.fixture
async def ada(server):
    async with server.client() as http:
        yield server.person(http)


def new_key(kid: str | None = None) -> Any:
    """RS256, as the suite's clients have; without a kid most of the time."""
    return jwk.RSAKey.generate_key(2048, {"alg": "RS256", "use": "sig"} | ({"kid": kid} if kid else {}))


def asked_for(key: Any = None, **metadata: Any) -> dict[str, Any]:
    """What the suite registers."""
    given: dict[str, Any] = {
        "client_name": "OIDF Conformance Test a1b2", "grant_types": ["authorization_code"], "response_types": ["code"],
        "redirect_uris": [f"{SUITE}/callback"], "contacts": ["certification@oidf.org"],
    }  # fmt: skip
    if key is not None:
        given |= BY_KEY | {"jwks": {"keys": [key.as_dict(private=False)]}}
    return {name: value for name, value in (given | metadata).items() if value is not None}


def registered(server: Secure, key: Any = None, **metadata: Any) -> RelyingParty:
    rp = RelyingParty(server, {}, key)
    answer = rp.http.post(rp.op["registration_endpoint"], json=asked_for(key, **metadata))
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json"), answer.text
    told = answer.json()
    assert {"client_id", "registration_client_uri", "registration_access_token"} <= told.keys()
    assert "client_secret" not in told or "client_secret_expires_at" in told
    rp.client = told | {"pkce_exempt": True}
    return rp


def configuration(rp: RelyingParty, method: str = "GET") -> httpx.Response:
    bearer = {"Authorization": f"Bearer {rp.client['registration_access_token']}"}
    return rp.http.request(method, rp.client["registration_client_uri"], headers=bearer)


# Basic


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
async def test_oidcc_server(server, ada, method):
    rp = registered(server, new_key() if method == "private_key_jwt" else None, token_endpoint_auth_method=method)
    answer, claims = await rp.signs_in(ada)
    assert claims["sub"] == rp.userinfo(answer["access_token"]).json()["sub"]
    assert configuration(rp, "DELETE").status_code == 204


async def test_oidcc_ensure_post_request_succeeds(server, ada):
    rp = registered(server)
    parameters = rp.request()
    elsewhere = {"Origin": "https://suite.example.test", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = await ada.http.post(rp.op["authorization_endpoint"], data=parameters, headers=elsewhere)
    await ada._follow(answer)
    if ada.left is None and ada.sees("sign-in"):
        await ada.logs_in()
    await ada.press("allow")
    assert {"code", "state", "iss"} == ada.told.keys()


async def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(server, ada):
    """Of clients that do without PKCE a nonce is required; others need none."""
    rp = registered(server)
    await ada.goes_to(rp.address(rp.request(nonce=None)))
    assert ada.sees("error", "continue"), "a client that nobody looked at is told by way of the person"
    assert dict(httpx.URL(ada.page.links["continue"]).params)["error"] == "invalid_request"
    rp.client["pkce_exempt"] = False
    _, claims = await rp.signs_in(ada, nonce=None)
    assert "nonce" not in claims


SCOPES = {
    "profile": {*PERSON} - {"address", "phone_number"} | {"updated_at"}, "email": {"email", "email_verified"},
    "address": {"address"}, "phone": {"phone_number", "phone_number_verified"},
}  # fmt: skip


async def test_oidcc_scope_all(server, ada):
    rp = registered(server)
    answer, claims = await rp.signs_in(ada, scope="openid address email phone profile")
    told = rp.userinfo(answer["access_token"]).json()
    assert set().union(*SCOPES.values()) | {"sub"} == told.keys()
    assert {type(told[name]) for name in ("email_verified", "phone_number_verified")} == {bool}
    assert isinstance(told["updated_at"], int | float)
    assert not set().union(*SCOPES.values()) & claims.keys(), "told at /userinfo, not in the ID token"


async def test_oidcc_ensure_request_with_acr_values_succeeds(server, ada):
    [known] = server.metadata["acr_values_supported"]
    for asked, expected in ((known, known), (f"1 {known}", known), ("1 2", known)):
        _, claims = await registered(server).signs_in(ada, acr_values=asked)
        assert claims["acr"] == expected


async def test_oidcc_ensure_other_scope_order_succeeds(server, ada):
    answer, _ = await registered(server).signs_in(ada, scope="email openid")
    assert answer["id_token"]


async def test_oidcc_claims_essential(server, ada):
    rp = registered(server)
    answer, claims = await rp.signs_in(ada, claims=json.dumps({"userinfo": {"name": {"essential": True}}}))
    assert rp.userinfo(answer["access_token"]).json()["name"] == PERSON["name"]
    assert "name" not in claims


def test_what_makes_the_suite_skip_a_module_is_said_in_discovery(server):
    for name in ("id_token_signing_alg_values_supported", "request_object_signing_alg_values_supported"):
        assert "none" not in server.metadata[name], "oidcc-idtoken-unsigned, oidcc-unsigned-request-object-…"
    assert server.metadata["request_uri_parameter_supported"] is False, "oidcc-request-uri-unsigned-supported-…"


# Refresh


@pytest.mark.parametrize("key", [None, "of its own"])
async def test_oidcc_refresh_token(server, ada, key):
    both = {"grant_types": ["authorization_code", "refresh_token"]}
    one, two = (registered(server, None if key is None else new_key(), **both) for _ in range(2))
    first, claims = await one.signs_in(ada, scope="openid offline_access", prompt="consent")
    answer = one.post(
        "token_endpoint", grant_type="refresh_token", refresh_token=first["refresh_token"], scope="openid"
    )
    again = answer.json()
    assert again["access_token"] != first["access_token"]
    if "id_token" in again:
        anew = one.verified(again["id_token"])
        assert {name: anew[name] for name in ("iss", "sub", "aud", "auth_time")} == {
            name: claims[name] for name in ("iss", "sub", "aud", "auth_time")
        }
    theirs, _ = await two.signs_in(ada, scope="openid offline_access", prompt="consent")
    stolen = one.post("token_endpoint", grant_type="refresh_token", refresh_token=theirs["refresh_token"])
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")


async def test_oidcc_refresh_token_rp_key_rotation(server, peer, ada):
    path, old = "/rolling.json", new_key("old")
    peer.documents[path] = {"keys": [old.as_dict(private=False)]}
    given = {"grant_types": ["authorization_code", "refresh_token"], "jwks": None, "jwks_uri": f"{peer.url}{path}"}
    rp = registered(server, old, **given)
    first, _ = await rp.signs_in(ada, scope="openid offline_access", prompt="consent")
    rp.key = new_key("new")
    peer.documents[path] = {"keys": [rp.key.as_dict(private=False)]}
    answer = rp.post("token_endpoint", grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert answer.status_code == 200, answer.text


async def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(server, ada):
    rp = registered(server, new_key())
    told = await rp.asks(ada)
    assert rp.exchange(told).status_code == 200, "aud is the issuer"
    told = await rp.asks(ada)
    rp.op = rp.op | {"issuer": rp.op["token_endpoint"]}
    assert rp.exchange(told).status_code == 200, "aud is the token endpoint, as other modules of the suite have it"


# Registration


@pytest.mark.parametrize(("member", "shown"), [("policy_uri", "policy"), ("tos_uri", "tos")])
async def test_oidcc_registration_uri_is_shown_at_login(server, ada, member, shown):
    rp = registered(server, **{member: f"{SUITE}/{shown}.html"})
    assert rp.client[member] == f"{SUITE}/{shown}.html"
    await ada.goes_to(rp.address(rp.request()))
    assert ada.page.links[shown] == f"{SUITE}/{shown}.html"
    await ada.logs_in()
    assert ada.page.links[shown] == f"{SUITE}/{shown}.html", "and where it is decided"


async def test_oidcc_registration_logo_uri(server, ada):
    rp = registered(server, logo_uri="https://logo.example.test/logo.png")
    await ada.goes_to(rp.address(rp.request()))
    assert ada.sees("logo", "sign-in")
    assert "img-src 'self' https://logo.example.test;" in ada.answer.headers["content-security-policy"]
    assert 'src="https://logo.example.test/logo.png"' in ada.answer.text


@pytest.mark.parametrize("uri", [f"{SUITE}/callback#fragment", "javascript:alert(1)", "http://suite.example.test/"])
def test_oidcc_redirect_uri_regfrag(server, uri):
    answer = httpx.post(
        server.metadata["registration_endpoint"], json=asked_for(redirect_uris=[uri]), verify=server.trust, timeout=60
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")


def test_oidcc_3rd_party_init_login(server):
    rp = registered(server, initiate_login_uri=f"{SUITE}/start")
    shown = configuration(rp)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "application/json")
    assert rp.client["initiate_login_uri"] == shown.json()["initiate_login_uri"] == f"{SUITE}/start"


def test_oidcc_3rd_party_init_login_nonhttps(server):
    asked = asked_for(initiate_login_uri="http://suite.example.test/start")
    answer = httpx.post(server.metadata["registration_endpoint"], json=asked, verify=server.trust, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@pytest.mark.timeout(300)
def test_oidcc_server_rotate_keys(server):
    def kids() -> set[str]:
        keys = httpx.get(server.metadata["jwks_uri"], verify=server.trust, timeout=60).json()["keys"]
        assert len({key["kid"] for key in keys}) == len(keys)
        assert all({"kty", "alg", "use"} <= key.keys() and not {"d", "p", "k", "x5c"} & key.keys() for key in keys)
        return {key["kid"] for key in keys}

    registered(server)
    before = kids()
    rotating = [str(Path(sys.executable).parent / "watchword"), "keys", "rotate", "--algorithm", "RS256", "--at-once"]
    ran = subprocess.run(rotating, env=server.environ, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    deadline = time.monotonic() + 60
    while not (kids() - before and before & kids()):
        assert time.monotonic() < deadline, "a new key, and the old ones beside it"
        time.sleep(0.2)


# Logout


def leaving(rp: RelyingParty, **query: str) -> str:
    return f"{rp.op['end_session_endpoint']}?{httpx.QueryParams(query)}"


async def is_signed_in(rp: RelyingParty, person: Any) -> bool:
    return "code" in (await rp.asks(person, prompt="none")).parameters


async def test_oidcc_rp_initiated_logout(server, ada):
    rp = registered(server, post_logout_redirect_uris=[f"{SUITE}/post_logout_redirect"])
    answer, _ = await rp.signs_in(ada)
    there, state = f"{SUITE}/post_logout_redirect", "s" * 128
    await ada.goes_to(leaving(rp, id_token_hint=answer["id_token"], post_logout_redirect_uri=there, state=state))
    assert ada.left == f"{there}?state={state}"
    assert not await is_signed_in(rp, ada)


@pytest.mark.parametrize("query", [{}, {"state": "s" * 128}], ids=["no-params", "only-state"])
async def test_oidcc_rp_initiated_logout_without_hint(server, ada, query):
    rp = registered(server)
    await rp.signs_in(ada)
    await ada.goes_to(leaving(rp, **query))
    await ada.press("sign-out")
    assert (ada.left, ada.answer.status_code) == (None, 200)
    assert not await is_signed_in(rp, ada)


async def test_oidcc_rp_initiated_logout_bad_id_token_hint(server, ada):
    rp = registered(server, post_logout_redirect_uris=[BYE])
    answer, _ = await rp.signs_in(ada)
    head, body, signature = answer["id_token"].split(".")
    for hint in (f"{head}.{body}.{signature[:-8]}AAAAAAAA", f"{head}.{body}A.{signature}"):
        await ada.goes_to(leaving(rp, id_token_hint=hint, post_logout_redirect_uri=BYE, state="s"))
        assert ada.left is None
    assert await is_signed_in(rp, ada)


async def test_oidcc_frontchannel_rp_initiated_logout(server, ada):
    uri = f"{SUITE}/frontchannel_logout"
    rp = registered(
        server, frontchannel_logout_uri=uri, frontchannel_logout_session_required=True, post_logout_redirect_uris=[BYE]
    )
    answer, claims = await rp.signs_in(ada)
    await ada.goes_to(leaving(rp, id_token_hint=answer["id_token"], post_logout_redirect_uri=BYE, state="s-1"))
    page = Frames(ada.answer.text)
    [frame] = page.frames
    address, _, query = frame.partition("?")
    assert (address, dict(httpx.QueryParams(query))) == (uri, {"iss": server.url, "sid": claims["sid"]})
    assert page.links["continue"] == f"{BYE}?state=s-1"
    assert not await is_signed_in(rp, ada)


class Frames(Page):
    def __init__(self, text: str) -> None:
        self.frames: list[str] = []
        super().__init__(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        if tag == "iframe":
            self.frames.append(dict(attrs)["src"] or "")
