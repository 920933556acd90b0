"""Modules of the conformance suite's plan for FAPI 2.0 Message Signing, final, each test named after its own: signed requests.

Signed answers (JARM): the variants of test_requests.py.
"""

from __future__ import annotations

import time

import pytest
from fapi_party import unsecured
from fapi_plan import JARM, KEYS, REFUSED_REQUEST, SIGNED, error_of, told_of
from joserfc import jwk, jwt


async def test_ensure_server_accepts_request_object_with_multiple_aud(party, ada):
    client = party(SIGNED)
    parameters = client.request()
    audiences = [client.op["issuer"], "https://other1.example.com", "invalid"]
    pushed = client.push(parameters, request=client.signs_request(parameters, {"aud": audiences}))
    assert "code" in client.answered(await client.opens(ada, pushed), parameters)


async def test_ensure_request_object_with_nbf_8_seconds_in_the_future_is_accepted(party, ada):
    client = party(SIGNED)
    parameters = client.request()
    soon = client.signs_request(parameters, {"nbf": int(time.time()) + 8})
    assert "code" in client.answered(await client.opens(ada, client.push(parameters, request=soon)), parameters)


# Possible failure cases


@pytest.mark.parametrize("name", ["nonce", "state"])
@pytest.mark.parametrize("variant", [SIGNED, JARM], ids=str)
async def test_ensure_different_inside_and_outside_request_object(party, ada, variant, name):
    client = party(variant)
    parameters = client.request()
    back = await client.opens(ada, client.push(parameters), outside={name: "of the outside"})
    told = told_of(client, parameters, client.answered(back, parameters))
    client.id_token(client.exchange(told).json(), told)


async def test_state_only_outside_request_object_not_used(party, ada):
    client = party(SIGNED)
    parameters = client.request(state=None)
    back = await client.opens(ada, client.push(parameters), outside={"state": "of the outside"})
    assert "state" not in client.answered(back, parameters)


# Request objects


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None}, {"nbf": None}, {"redirect_uri": None}, {"exp": -300}, {"aud": "https://other.example.test/"},
        {"exp": 70 * 60}, {"nbf": -70 * 60},
    ],
    ids=[
        "without-exp", "without-nbf", "without-redirect-uri", "expired", "with-bad-aud", "with-exp-over-60", "with-nbf-over-60",
    ],
)  # fmt: skip
async def test_ensure_request_object_fails(party, changes):
    client = party(SIGNED)
    now = int(time.time())
    moved = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}
    parameters = client.request()
    error_of(client.push(parameters, request=client.signs_request(parameters, moved)), *REFUSED_REQUEST)


@pytest.mark.parametrize(
    "how", ["RS256", "none", "invalid-signature", "key-of-another", "unsigned", "with-request-uri"]
)
async def test_ensure_request_object_signature_fails(party, how):
    client, other = party(SIGNED, 2), party(SIGNED)
    parameters = client.request()
    good = client.signs_request(parameters)
    match how:
        case "RS256":
            client.key = jwk.import_key(KEYS[2].as_dict(private=True) | {"alg": "RS256"})
            refused = client.push(
                parameters, request=client.signs_request(parameters), **party(SIGNED, 2).authentication()[1]
            )
        case "none":
            refused = client.push(parameters, request=unsecured(jwt.decode(good, KEYS[2], algorithms=["PS256"]).claims))
        case "invalid-signature":
            refused = client.push(parameters, request=good[:-20] + "A" * 20)
        case "key-of-another":
            own = {"client_id": client.client_id, "iss": client.client_id}
            refused = client.push(parameters, request=other.signs_request(parameters, own))
        case "unsigned":
            refused = client.call("pushed_authorization_request_endpoint", parameters)
        case _:
            inside = client.signs_request(parameters, {"request_uri": "urn:ietf:params:oauth:request_uri:1"})
            refused = client.push(parameters, request=inside)
    error_of(refused, *REFUSED_REQUEST)
