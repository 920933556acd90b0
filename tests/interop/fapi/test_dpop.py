"""Modules of the conformance suite's plan for the FAPI 2.0 Security Profile, final, each test named after its own: DPoP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx
import pytest
from fapi_party import FapiParty, new_key, public, unsecured
from fapi_plan import KEYS, PLAIN, SIGNED, error_of, static_client, told_of
from joserfc import jwk
from relying_party import b64


@pytest.mark.parametrize(
    "changes",
    [lambda now: {"nbf": now, "exp": now + 300}, lambda now: {"iat": now - 10}, lambda now: {"iat": now + 10}],
    ids=["check-dpop-proof-nbf-exp", "iat-10-seconds-before", "iat-10-seconds-after"],
)  # fmt: skip
async def test_ensure_dpop_proof_succeeds(party, ada, changes):
    client = party(PLAIN)
    told = await client.asks(ada)
    answer = client.exchange(told, client.proved("token_endpoint", **changes(int(time.time()))))
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    proof = client.proof("GET", client.op["userinfo_endpoint"], token, **changes(int(time.time())))
    assert client.resource(token, {"DPoP": proof}).status_code == 200


def thumbprint(key) -> str:
    return jwk.import_key(public(key)).thumbprint()


@pytest.mark.parametrize("variant", [PLAIN, SIGNED], ids=str)
async def test_ensure_mismatched_dpop_jkt_fails(party, variant):
    client = party(variant)
    parameters = client.request(dpop_jkt=thumbprint(new_key()))
    refused = client.push(parameters, headers=client.proved("pushed_authorization_request_endpoint"))
    error_of(refused, "invalid_request", "invalid_dpop_proof")


@pytest.mark.parametrize("by", ["jkt", "proof"])
async def test_ensure_token_endpoint_fails_with_mismatched_dpop_proof_jkt(party, ada, by):
    client = party(PLAIN)
    parameters = client.request(dpop_jkt=thumbprint(new_key()) if by == "jkt" else None)
    headers = client.proved("pushed_authorization_request_endpoint") if by == "proof" else {}
    told = client.answered(await client.opens(ada, client.push(parameters, headers=headers)), parameters)
    client.dpop_key = new_key()
    refused = client.exchange(told_of(client, parameters, told))
    error_of(refused, "invalid_request", "invalid_grant", "invalid_dpop_proof")


@pytest.mark.parametrize("by", ["jkt", "proof", "both"])
async def test_ensure_dpop_auth_code_binding_success(party, ada, by):
    client = party(PLAIN)
    parameters = client.request(dpop_jkt=None if by == "proof" else thumbprint(client.dpop_key))
    headers = {} if by == "jkt" else client.proved("pushed_authorization_request_endpoint")
    told = client.answered(await client.opens(ada, client.push(parameters, headers=headers)), parameters)
    assert client.exchange(told_of(client, parameters, told)).status_code == 200


async def test_dpop_negative_tests(party, ada):
    client = party(PLAIN)
    url, own = client.op["userinfo_endpoint"], client.dpop_key
    token = client.exchange(await client.asks(ada)).json()["access_token"]

    def status(header: dict[str, str] | list[str], scheme: str = "DPoP") -> int:
        given = [("Authorization", f"{scheme} {token}")]
        given += [("DPoP", one) for one in header] if isinstance(header, list) else list(header.items())
        return client.http.get(url, headers=given).status_code

    def proof(**changes) -> str:
        return client.proof("GET", url, token, **changes)

    for name, value in {
        "upper case": {"DPOP": proof()}, "a query": [proof(htu=f"{url}?a=b#c")], "more claims": [proof(header={"foo": "a"}, bar=1)],
        "upper case host": [proof(htu=url.replace("https://localhost", "HTTPS://LOCALHOST"))], "as it should be": [proof()],
    }.items():  # fmt: skip
        assert status(value) == 200, name
    now, once = int(time.time()), proof(jti="of my own")
    head, body, signature = proof().split(".")
    other = b64(json.dumps({"typ": "dpop+jwt", "jwk": public(own)}).encode())
    none = unsecured({"jti": "x", "htm": "GET", "htu": url, "iat": now}, typ="dpop+jwt", jwk=public(own))
    weak = new_key("RS256")
    wrong = {
        "two": [proof(), proof()], "not a JWT": [proof()[:-40] + "%%%"], "no typ": [proof(header={"typ": None})],
        "no alg": [f"{other}.{body}.{signature}"], "no jwk": [proof(header={"jwk": None})], "no jti": [proof(jti=None)],
        "no htm": [proof(htm=None)], "no htu": [proof(htu=None)], "no iat": [proof(iat=None)], "no ath": [proof(ath=None)],
        "another typ": [proof(header={"typ": "JWT"})], "RS256": [proof(key=weak)], "none": [none],
        "a bad signature": [f"{head}.{body}.{'A' * len(signature)}"], "a private key": [proof(header={"jwk": own.as_dict(private=True)})],
        "PUT": [proof(htm="PUT")], "elsewhere": [proof(htu="https://www.example.com/")], "an hour ahead": [proof(iat=now + 3600)],
        "an hour ago": [proof(iat=now - 3600)], "another ath": [proof(ath=b64(b"x" * 32))], "another key": [proof(key=new_key())],
        "nothing": {},
    }  # fmt: skip
    for name, value in wrong.items():
        assert status(value) in {400, 401}, name
    assert status({}, "Bearer") in {400, 401}
    assert (status([once]), status([once])) == (200, 401), "RFC 9449 §11.1: used once"
    assert status([proof()]) == 200


# A server that gives nonces (RFC 9449 §8), for which the suite comes again


@pytest.fixture(scope="module")
def nonces(serving):
    return serving(WATCHWORD_OAUTH__DPOP_NONCE="true")


def comes_again(client: FapiParty, call: Callable[[], httpx.Response]) -> httpx.Response:
    """What it answers with the nonce that it gave with its refusal."""
    client.nonce = None
    refused = call()
    assert refused.status_code in {400, 401}
    said = refused.headers.get("www-authenticate", "") + refused.text
    assert "use_dpop_nonce" in said
    client.nonce = refused.headers["dpop-nonce"]
    return call()


async def test_a_client_that_is_given_nonces_comes_again_with_what_it_had(nonces, certificates):
    client = FapiParty(nonces, static_client(PLAIN, 1), KEYS[1], PLAIN, certificates[1][1])
    parameters = client.request()
    endpoint = "pushed_authorization_request_endpoint"
    pushed = comes_again(client, lambda: client.push(parameters, headers=client.proved(endpoint)))
    assert pushed.status_code == 201, pushed.text
    async with nonces.client() as http:
        told = client.answered(await client.opens(nonces.person(http), pushed), parameters)
    code = told_of(client, parameters, told)
    answer = comes_again(client, lambda: client.exchange(code))
    assert answer.status_code == 200, "the code is good yet"
    tokens = answer.json()
    assert comes_again(client, lambda: client.refreshes(tokens["refresh_token"])).status_code == 200
    assert comes_again(client, lambda: client.resource(tokens["access_token"])).status_code == 200
