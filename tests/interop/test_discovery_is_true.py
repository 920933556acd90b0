"""Discovery lists nothing that does not work: each member of the document is put to use, by clients that registered
themselves for it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwe, jwk, jwt
from relying_party import ASSERTION, RelyingParty
from secure import ADA, Secure, passes
from story import PASSWORD

BACK, OUT = "https://app.example.test/callback", "https://app.example.test/out"
FEED = "feed-token-of-the-tests"
INTROSPECTION = "application/token-introspection+jwt"
ELSEWHERE = {
    "id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported", "scopes_supported",
    "introspection_signing_alg_values_supported", "dpop_signing_alg_values_supported", "ui_locales_supported",
    "request_object_signing_alg_values_supported", "prompt_values_supported", "response_modes_supported",
    "token_endpoint_auth_methods_supported", "introspection_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint_auth_signing_alg_values_supported", "revocation_endpoint_auth_signing_alg_values_supported",
    "userinfo_encryption_alg_values_supported", "userinfo_encryption_enc_values_supported",
    "id_token_encryption_alg_values_supported", "id_token_encryption_enc_values_supported",
    "request_object_encryption_alg_values_supported", "request_object_encryption_enc_values_supported",
    "grant_types_supported", "claims_supported", "authorization_signing_alg_values_supported",
}  # fmt: skip
"""Lists whose every value a test below of its own uses."""
HELD_BY = {
    "backchannel_logout_supported": "test_conformance", "backchannel_logout_session_supported": "test_conformance",
    "client_id_metadata_document_supported": "test_mcp", "claims_parameter_supported": "test_conformance",
    "subject_types_supported": "test_conformance", "request_parameter_supported": "test_conformance",
    "frontchannel_logout_session_supported": "test_a_frame_tells_of_a_logout",
    "frontchannel_logout_supported": "test_a_frame_tells_of_a_logout",
}  # fmt: skip
"""What other tests put to use."""
FIXED = {
    "response_types_supported": ["code"],
    "code_challenge_methods_supported": ["S256"],
    "claim_types_supported": ["normal"],
    "request_uri_parameter_supported": False,
    "require_pushed_authorization_requests": False,
    "require_signed_request_object": False,
    "authorization_response_iss_parameter_supported": True,
}
"""Whose value stands here; that it is so, each sign-in of these tests shows, or a refusal in test_conformance."""


@pytest.fixture(scope="module")
def server(start) -> Secure:
    running = start(
        [],
        WATCHWORD_SELF_REGISTRATION__DYNAMIC="open",
        WATCHWORD_TOKENS__ACCESS_LIFETIME="300",
        WATCHWORD_FEED__TOKEN=FEED,
        WATCHWORD_THROTTLE__REGISTRATIONS="10000",
        WATCHWORD_OAUTH__REQUEST_OBJECT_ENCRYPTION="ECDH-ES+A256KW,RSA-OAEP-256",
        WATCHWORD_ROLES=json.dumps({"user": {}, "admin": {"scopes": ["watchword:admin"]}}),
        WATCHWORD_SCOPES=json.dumps({"read": "Read your things"}),
    )
    running.account = running.register()
    return running


@pytest.fixture
async def ada(server):
    async with server.client() as http:
        yield server.person(http)


def key_for(algorithm: str) -> Any:
    options = {"kid": algorithm, "alg": algorithm, "use": "sig"}
    match algorithm[:2]:
        case "ES":
            return jwk.ECKey.generate_key({"256": "P-256", "384": "P-384", "512": "P-521"}[algorithm[2:]], options)
        case "Ed":
            return jwk.OKPKey.generate_key("Ed25519", options)
        case _:
            return jwk.RSAKey.generate_key(2048, options)


def registered(server: Secure, key: Any = None, **metadata: Any) -> RelyingParty:
    """A client that registered itself with this metadata, and with a key."""
    rp = RelyingParty(server, {"redirect_uris": [BACK]}, key)
    given = {"redirect_uris": [BACK], "id_token_signed_response_alg": "ES256"}
    if key is not None:
        given |= {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.as_dict(private=False)]}}
    answer = rp.http.post(rp.op["registration_endpoint"], json=given | metadata)
    assert answer.status_code == 201, answer.text
    rp.client = answer.json()
    return rp


MACHINE = {"grant_types": ["client_credentials"], "redirect_uris": []}


def machine(server: Secure, key: Any = None, **metadata: Any) -> RelyingParty:
    return registered(server, key, **MACHINE | metadata)


def test_every_member_is_put_to_use(server):
    endpoints = {name for name in server.metadata if name.endswith(("_endpoint", "_uri"))}
    assert set(server.metadata) == ELSEWHERE | set(HELD_BY) | set(FIXED) | endpoints | {"issuer"}
    assert endpoints == set(ENDPOINTS)
    assert {name: server.metadata[name] for name in FIXED} == FIXED
    assert server.metadata["issuer"] == server.url


# What each endpoint answers to somebody who brings nothing, or what it asks for; never 404.
ENDPOINTS: dict[str, Callable[[httpx.Client, str], httpx.Response]] = {
    "authorization_endpoint": lambda http, url: http.get(url),
    "token_endpoint": lambda http, url: http.post(url),
    "userinfo_endpoint": lambda http, url: http.get(url),
    "jwks_uri": lambda http, url: http.get(url),
    "introspection_endpoint": lambda http, url: http.post(url),
    "revocation_endpoint": lambda http, url: http.post(url),
    "registration_endpoint": lambda http, url: http.post(url, json={}),
    "pushed_authorization_request_endpoint": lambda http, url: http.post(url),
    "device_authorization_endpoint": lambda http, url: http.post(url),
    "end_session_endpoint": lambda http, url: http.get(url),
    "watchword_revocations_uri": lambda http, url: http.get(url, headers={"Authorization": f"Bearer {FEED}"}),
    "watchword_revocations_keys_uri": lambda http, url: http.get(url, headers={"Authorization": f"Bearer {FEED}"}),
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_endpoint_is_there_and_under_the_issuer(server, name):
    url = server.metadata[name]
    assert url.startswith(f"{server.url}/")
    with httpx.Client(verify=server.trust, timeout=30) as http:
        assert ENDPOINTS[name](http, url).status_code in {200, 400, 401}


async def test_scopes_grants_and_claims(server, ada):
    rp = registered(server, scope=" ".join(server.metadata["scopes_supported"]))
    answer, claims = await rp.signs_in(ada, scope=" ".join(server.metadata["scopes_supported"]))
    assert set(answer["scope"].split()) == set(server.metadata["scopes_supported"]) - {"watchword:admin"}
    told = rp.userinfo(answer["access_token"]).json() | claims
    assert {"sub", "email", "email_verified"} <= set(told)
    assert set(rp.userinfo(answer["access_token"]).json()) <= set(server.metadata["claims_supported"])
    with httpx.Client(base_url=server.url, verify=server.trust, timeout=30) as http:
        own = http.post("/auth/login", json={"identifier": ADA, "password": PASSWORD}).json()["access_token"]
        plain = set(server.metadata["claims_supported"]) - {"sub", "updated_at", "email", "email_verified"}
        special = {
            "address": {"country": "UK"}, "phone_number": "+44 1", "birthdate": "1815", "zoneinfo": "Europe/London",
            "locale": "en", **dict.fromkeys(("profile", "picture", "website"), "https://ada.example.test/"),
        }  # fmt: skip
        profile = {name: special.get(name, "Ada") for name in plain - {"phone_number_verified"}}
        put = http.put("/auth/profile", json=profile, headers={"Authorization": f"Bearer {own}"})
        assert put.status_code == 200, put.text
    assert set(rp.userinfo(answer["access_token"]).json()) == set(server.metadata["claims_supported"])


@pytest.mark.parametrize("endpoint", ["token", "introspection", "revocation"])
def test_every_way_to_authenticate(server, endpoint):
    for method in server.metadata[f"{endpoint}_endpoint_auth_methods_supported"]:
        key = key_for("ES256") if method == "private_key_jwt" else None
        more = {} if method == "private_key_jwt" else {"token_endpoint_auth_method": method}
        rp = registered(server, key, **more)
        form = (
            {"grant_type": "authorization_code", "code": "x", "redirect_uri": BACK, "code_verifier": "v" * 43}
            if endpoint == "token"
            else {"token": "x"}
        )
        answer = rp.post(f"{endpoint}_endpoint", **form)
        assert (answer.status_code, answer.text[:24]) in {
            (200, '{"active":false}'), (200, ""), (400, '{"error":"invalid_grant"')
        }, (method, answer.text)  # fmt: skip


@pytest.mark.parametrize("endpoint", ["token", "introspection", "revocation"])
def test_every_algorithm_of_assertions(server, endpoint):
    for algorithm in server.metadata[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]:
        if algorithm.startswith("HS"):
            rp = machine(
                server, token_endpoint_auth_method="client_secret_jwt", token_endpoint_auth_signing_alg=algorithm
            )
            key = jwk.OctKey.import_key(rp.client["client_secret"])
        else:
            key = key_for(algorithm)
            rp = machine(server, key, token_endpoint_auth_signing_alg=algorithm)
        now = int(time.time())
        claims = {
            "iss": rp.client_id,
            "sub": rp.client_id,
            "aud": server.url,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_hex(),
        }
        header = {"alg": algorithm} | ({} if algorithm.startswith("HS") else {"kid": algorithm})
        form = {
            "client_assertion": jwt.encode(header, claims, key, algorithms=[algorithm]),
            "client_assertion_type": ASSERTION,
        }
        form |= {"grant_type": "client_credentials"} if endpoint == "token" else {"token": "x"}
        answer = rp.http.post(rp.op[f"{endpoint}_endpoint"], data=form)
        assert answer.status_code == 200, (algorithm, answer.text)


async def test_every_algorithm_of_id_tokens_and_userinfo(server, ada):
    both = set(server.metadata["id_token_signing_alg_values_supported"])
    assert both == set(server.metadata["userinfo_signing_alg_values_supported"])
    for algorithm in both:
        rp = registered(server, id_token_signed_response_alg=algorithm, userinfo_signed_response_alg=algorithm)
        answer, claims = await rp.signs_in(ada)
        told = rp.userinfo(answer["access_token"])
        assert told.headers["content-type"] == "application/jwt"
        signed = rp.verified(told.text)
        assert (signed["sub"], signed["aud"]) == (claims["sub"], rp.client_id)


def encryption_key(algorithm: str) -> Any:
    options = {"kid": "enc", "use": "enc", "alg": algorithm}
    return jwk.RSAKey.generate_key(2048, options) if "RSA" in algorithm else jwk.ECKey.generate_key("P-256", options)


async def test_every_encryption_of_id_tokens(server, ada):
    for algorithm in server.metadata["id_token_encryption_alg_values_supported"]:
        key = encryption_key(algorithm)
        for encoding in server.metadata["id_token_encryption_enc_values_supported"]:
            rp = registered(
                server, id_token_encrypted_response_alg=algorithm, id_token_encrypted_response_enc=encoding,
                jwks={"keys": [key.as_dict(private=False)]},
            )  # fmt: skip
            told = await rp.asks(ada)
            answer = rp.exchange(told).json()
            opened = jwe.decrypt_compact(answer["id_token"], key, algorithms=[algorithm, encoding])
            assert (opened.headers()["enc"], opened.headers()["cty"]) == (encoding, "JWT")
            assert rp.id_token(answer | {"id_token": opened.plaintext.decode()}, told)["sub"] == server.account


async def test_every_encryption_of_request_objects(server, ada):
    signer = key_for("ES256")
    for algorithm in server.metadata["request_object_encryption_alg_values_supported"]:
        for encoding in server.metadata["request_object_encryption_enc_values_supported"]:
            rp = registered(
                server, signer, request_object_encryption_alg=algorithm, request_object_encryption_enc=encoding
            )
            inside = rp.request(state=algorithm) | {
                "iss": rp.client_id,
                "aud": server.url,
                "exp": int(time.time()) + 60,
            }
            signed = jwt.encode({"alg": "ES256", "kid": "ES256"}, inside, signer, algorithms=["ES256"])
            known = rp.http.get(rp.op["jwks_uri"]).json()["keys"]
            to = next(key for key in known if (key["use"], key["alg"]) == ("enc", algorithm))
            header = {"alg": algorithm, "enc": encoding, "kid": to["kid"], "cty": "JWT"}
            sealed = jwe.encrypt_compact(header, signed, jwk.import_key(to), algorithms=[algorithm, encoding])
            query = {"client_id": rp.client_id, "response_type": "code", "scope": "openid", "request": sealed}
            back = await passes(ada, rp.address(query))
            assert dict(parse_qsl(urlsplit(back).query))["state"] == algorithm


async def test_every_encryption_of_userinfo(server, ada):
    for algorithm in server.metadata["userinfo_encryption_alg_values_supported"]:
        key = encryption_key(algorithm)
        for encoding in server.metadata["userinfo_encryption_enc_values_supported"]:
            rp = registered(
                server, userinfo_encrypted_response_alg=algorithm, userinfo_encrypted_response_enc=encoding,
                jwks={"keys": [key.as_dict(private=False)]},
            )  # fmt: skip
            answer, claims = await rp.signs_in(ada)
            sealed = rp.userinfo(answer["access_token"])
            assert sealed.status_code == 200, (algorithm, sealed.text)
            opened = jwe.decrypt_compact(sealed.text, key, algorithms=[algorithm, encoding])
            assert opened.headers()["enc"] == encoding
            body = opened.plaintext.decode()
            told = rp.verified(body) if body.count(".") == 2 and not body.startswith("{") else json.loads(body)
            assert told["sub"] == claims["sub"]


async def test_every_algorithm_of_introspection(server, ada):
    for algorithm in server.metadata["introspection_signing_alg_values_supported"]:
        rp = registered(server, introspection_signed_response_alg=algorithm)
        answer, _ = await rp.signs_in(ada)
        headers, form = rp.authentication()
        told = rp.http.post(
            rp.op["introspection_endpoint"], data=form | {"token": answer["access_token"]}, headers=headers | {"Accept": INTROSPECTION}
        )  # fmt: skip
        rp.client["id_token_signed_response_alg"] = algorithm
        assert rp.verified(told.text, typ="token-introspection+jwt")["token_introspection"]["active"] is True


def test_every_algorithm_of_proofs(server):
    rp = machine(server)
    for algorithm in server.metadata["dpop_signing_alg_values_supported"]:
        key = key_for(algorithm)
        public = {
            name: value for name, value in key.as_dict(private=False).items() if name not in {"kid", "use", "alg"}
        }
        header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": public}
        claims = {"jti": secrets.token_hex(), "htm": "POST", "htu": rp.op["token_endpoint"], "iat": int(time.time())}
        proof = jwt.encode(header, claims, key, algorithms=[algorithm])
        headers, form = rp.authentication()
        answer = rp.http.post(
            rp.op["token_endpoint"], data=form | {"grant_type": "client_credentials"}, headers=headers | {"DPoP": proof}
        )
        assert (answer.status_code, answer.json().get("token_type")) == (200, "DPoP"), (algorithm, answer.text)


def test_every_grant(server):
    for grant in server.metadata["grant_types_supported"]:
        more = {"redirect_uris": []} if grant == "client_credentials" else {}
        rp = registered(server, grant_types=list({grant, "authorization_code"} if not more else {grant}), **more)
        error = rp.post("token_endpoint", grant_type=grant).json().get("error")
        # Exchange is for clients whom the installation, not the client itself, lets exchange.
        allowed = {None, "invalid_request", "unauthorized_client" if "token-exchange" in grant else None}
        assert error in allowed, (grant, error)


async def test_every_algorithm_of_request_objects(server, ada):
    for algorithm in server.metadata["request_object_signing_alg_values_supported"]:
        key = key_for(algorithm)
        rp = registered(server, key, request_object_signing_alg=algorithm)
        inside = rp.request(state=algorithm) | {"iss": rp.client_id, "aud": server.url, "exp": int(time.time()) + 60}
        signed = jwt.encode({"alg": algorithm, "kid": algorithm}, inside, key, algorithms=[algorithm])
        query = {"client_id": rp.client_id, "response_type": "code", "scope": "openid", "request": signed}
        back = await passes(ada, rp.address(query))
        assert dict(parse_qsl(urlsplit(back).query))["state"] == algorithm


async def test_every_response_mode_prompt_and_language(server, ada):
    rp = registered(server)
    for mode in server.metadata["response_modes_supported"]:
        assert (await rp.asks(ada, response_mode=mode)).code
    shows = {"login": "password", "consent": "allow", "select_account": "other", "create": "register"}
    assert set(server.metadata["prompt_values_supported"]) == {*shows, "none"}
    for prompt, element in shows.items():
        await ada.goes_to(rp.address(rp.request(prompt=prompt)))
        assert ada.sees(element), (prompt, ada.page.ids)
    assert (await rp.asks(ada, prompt="none")).code
    for language in server.metadata["ui_locales_supported"]:
        await ada.goes_to(rp.address(rp.request(prompt="login", ui_locales=language)))
        assert f'lang="{language}"' in ada.answer.text


async def test_every_algorithm_of_signed_responses(server, ada):
    for algorithm in server.metadata["authorization_signing_alg_values_supported"]:
        rp = registered(server, authorization_signed_response_alg=algorithm)
        assert (await rp.asks(ada, response_mode="jwt")).code


async def test_a_pushed_request(server, ada):
    rp = registered(server)
    parameters = rp.request(state="pushed")
    pushed = rp.post("pushed_authorization_request_endpoint", **parameters).json()
    back = await passes(ada, rp.address({"client_id": rp.client_id, "request_uri": pushed["request_uri"]}))
    assert dict(parse_qsl(urlsplit(back).query))["state"] == "pushed"


async def test_a_frame_tells_of_a_logout(server, ada):
    rp = registered(server, frontchannel_logout_uri=OUT, frontchannel_logout_session_required=True)
    answer, claims = await rp.signs_in(ada)
    await ada.goes_to(f"{rp.op['end_session_endpoint']}?{httpx.QueryParams({'id_token_hint': answer['id_token']})}")
    assert f"{OUT}?iss=" in ada.answer.text
    assert f"sid={claims['sid']}" in ada.answer.text


def test_plain_pkce_is_refused_as_listed(server):
    rp = registered(server)
    verifier = secrets.token_urlsafe(48)
    for method in ("plain", "S512", None):
        more = {"code_challenge": verifier, "code_challenge_method": method}
        answer = rp.http.get(rp.address(rp.request(**more)))
        assert "invalid_request" in answer.headers.get("location", answer.text)
