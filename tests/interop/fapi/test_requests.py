"""Modules of the conformance suite's plan for the FAPI 2.0 Security Profile, final, each test named after its own: discovery,
whole sign-ins, pushed requests and PKCE. What else the profile asks: tests/flows/test_fapi2.py.
"""

from __future__ import annotations

import json
import secrets
import time

import httpx
import pytest
from certification_plan import PERSON
from fapi_plan import ALL, BACK, JARM, PLAIN, REFUSED_REQUEST, SIGNED, error_of, shows_error, told_of

# Normal, well behaved client cases


def test_discovery_end_point_verification(server):
    told = server.metadata
    oauth = httpx.get(f"{server.url}/.well-known/oauth-authorization-server", verify=server.trust, timeout=30)
    assert (oauth.status_code, oauth.headers["content-type"]) == (200, "application/json")
    assert oauth.json()["issuer"] == told["issuer"] == server.url
    allowed = {"PS256", "ES256", "EdDSA"}
    for name in (
        "id_token_signing_alg_values_supported", "token_endpoint_auth_signing_alg_values_supported",
        "dpop_signing_alg_values_supported", "userinfo_signing_alg_values_supported",
        "request_object_signing_alg_values_supported", "authorization_signing_alg_values_supported",
    ):  # fmt: skip
        assert allowed & set(told[name]), name
    assert told["tls_client_certificate_bound_access_tokens"] is True
    assert {"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"} <= set(
        told["token_endpoint_auth_methods_supported"]
    )
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
    assert {"jwt"} <= set(told["response_modes_supported"])
    assert told["pushed_authorization_request_endpoint"].startswith("https://")


@pytest.mark.parametrize("variant", ALL, ids=str)
async def test_happy_flow(party, ada, variant):
    for number in (1, 2):
        client = party(variant, number)
        # The second client sends a longer state, and says in its request object what it is.
        state = secrets.token_hex(64 if number == 2 else 5)
        parameters = client.request(state=state)
        typed = client.signs_request(parameters, {"iat": int(time.time())}, {"typ": "oauth-authz-req+jwt"})
        pushed = client.push(parameters, request=typed if variant.signed and number == 2 else None)
        assert 5 < pushed.json()["expires_in"] < 600
        told = client.answered(await client.opens(ada, pushed), parameters)
        answer = client.exchange(told_of(client, parameters, told))
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        assert tokens["token_type"].lower() == ("dpop" if variant.binding == "dpop" else "bearer")
        assert min(len(told["code"]), len(tokens["access_token"]), len(tokens["refresh_token"])) >= 22
        assert ("id_token" in tokens) == variant.openid
        if variant.openid:
            claims = client.id_token(tokens, told_of(client, parameters, told))
            got = client.resource(tokens["access_token"])
            assert (got.status_code, got.json()["sub"], "date" in got.headers) == (200, claims["sub"], True)


@pytest.mark.parametrize("variant", [PLAIN, JARM], ids=str)
@pytest.mark.parametrize("button", ["cancel", "deny"])
async def test_user_rejects_authentication(server, party, variant, button):
    for number in (1, 2):
        client = party(variant, number)
        parameters = client.request(state=secrets.token_hex(64), prompt="consent")
        pushed = client.push(parameters).json()["request_uri"]
        async with server.client() as http:
            person = server.person(http)
            await person.goes_to(client.beginning(pushed))
            if button == "deny":
                await person.logs_in()
            await person.press(button)
        told = client.answered(person.left, parameters)
        assert told["error"] == "access_denied"
        assert told.keys() <= {"error", "error_description", "state", "iss"}


@pytest.mark.parametrize(
    "changes",
    [{"state": None}, {"nonce": None}, {"nonce": "n" * 64}, {"scope": "email openid"}, {"nonce": "n" * 384}, {"state": "s" * 1000}],
    ids=["without-state", "without-nonce", "with-64-char-nonce", "other-scope-order", "with-long-nonce", "with-long-state"],
)  # fmt: skip
@pytest.mark.parametrize("variant", [PLAIN, JARM], ids=str)
async def test_ensure_authorization_request_succeeds(party, ada, variant, changes):
    client = party(variant)
    told = await client.asks(ada, **changes)
    answer = client.exchange(told)
    assert answer.status_code == 200, answer.text
    client.id_token(answer.json(), told)


async def test_test_claims_parameter_identity_claims(party, ada, server):
    supported = [
        name for name in server.metadata["claims_supported"] if name in {*PERSON, "sub", "email", "email_verified"}
    ]
    forms = [None, {"essential": True}, {"essential": False}, {"unknown": "x"}]
    asked = {name: forms[position % len(forms)] for position, name in enumerate(supported)}
    claims = json.dumps({"id_token": asked, "userinfo": asked, secrets.token_hex(5): {secrets.token_hex(5): None}})
    client = party(PLAIN)
    told = await client.asks(ada, claims=claims)
    tokens = client.exchange(told).json()
    known = client.id_token(tokens, told)
    said = client.resource(tokens["access_token"]).json()
    for where in (known, said):
        assert {name: where[name] for name in PERSON if name in supported} == {
            name: value for name, value in PERSON.items() if name in supported
        }


@pytest.mark.parametrize("scheme", ["dpop", "DPOP", "DpOp"])
async def test_access_token_type_header_case_sensitivity(party, ada, scheme):
    client = party(PLAIN)
    token = client.exchange(await client.asks(ada)).json()["access_token"]
    assert client.resource(token, scheme=scheme).status_code == 200


# Authorization requests


async def test_ensure_registered_redirect_uri(party):
    client = party(PLAIN)
    error_of(client.push(client.request(redirect_uri=f"{BACK}/random")), *REFUSED_REQUEST)
    error_of(client.push(client.request(redirect_uri=None)), *REFUSED_REQUEST)


@pytest.mark.parametrize("variant", [PLAIN, JARM], ids=str)
async def test_ensure_unsigned_authorization_request_without_using_par_fails(party, ada, variant):
    client = party(variant)
    parameters = client.request()
    await ada.goes_to(client.address(parameters))
    assert client.answered(ada.left, parameters)["error"] == "invalid_request"


@pytest.mark.parametrize("response_type", ["code id_token", "token"])
async def test_ensure_response_type_fails(party, response_type):
    client = party(PLAIN)
    error_of(client.push(client.request(response_type=response_type)), "unsupported_response_type", "invalid_request")


# Pushed requests


async def test_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds(party, ada):
    client = party(PLAIN)
    parameters = client.request()
    pushed = client.push(parameters)
    await ada.goes_to(client.beginning(pushed.json()["request_uri"]))
    assert ada.sees("sign-in")
    assert "code" in client.answered(await client.opens(ada, pushed), parameters)


@pytest.mark.parametrize("variant", [PLAIN, JARM], ids=str)
async def test_par_attempt_reuse_request_uri(party, ada, variant):
    client = party(variant)
    parameters = client.request()
    pushed = client.push(parameters)
    assert "code" in client.answered(await client.opens(ada, pushed), parameters)
    await ada.goes_to(client.beginning(pushed.json()["request_uri"]))
    shows_error(ada, "invalid_request_uri")


async def test_par_attempt_to_use_request_uri_for_different_client(party, ada):
    client, second = party(PLAIN), party(PLAIN, 2)
    name = client.push(client.request()).json()["request_uri"]
    await ada.goes_to(second.beginning(name))
    shows_error(ada, "invalid_request_uri", "invalid_request", "invalid_request_object")


@pytest.mark.parametrize("variant", [PLAIN, SIGNED], ids=str)
async def test_par_authorization_request_containing_request_uri_form_param(party, variant):
    client = party(variant)
    refused = client.push(client.request(), request_uri="https://suite.example.test/request")
    error_of(refused, "invalid_request", "invalid_request_object", "request_uri_not_supported")


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
async def test_par_attempt_invalid_http_method(party, method):
    client = party(PLAIN)
    answer = client.http.request(method, client.op["pushed_authorization_request_endpoint"])
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), "RFC 9126 §2.3"


async def test_par_without_duplicate_parameters(party, ada):
    for variant in (PLAIN, SIGNED):
        client = party(variant)
        parameters = client.request()
        none = {"response_type": None, "scope": None}
        assert "code" in client.answered(await client.opens(ada, client.push(parameters), outside=none), parameters)


# PKCE


@pytest.mark.parametrize(
    "changes", [{"code_challenge": None, "code_challenge_method": None}, {"code_challenge_method": "plain"}], ids=str
)
async def test_par_ensure_pkce_required(party, changes):
    client = party(PLAIN)
    error_of(client.push(client.request(**changes)), "invalid_request")


@pytest.mark.parametrize("verifier", [None, "w" * 64])
async def test_par_ensure_pkce_code_verifier_required(party, ada, verifier):
    client = party(PLAIN)
    told = await client.asks(ada)
    error_of(client.exchange(told, code_verifier=verifier), "invalid_grant", "invalid_request")
