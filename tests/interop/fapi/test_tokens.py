"""Modules of the conformance suite's plan for the FAPI 2.0 Security Profile, final, each test named after its own: what the token
endpoint refuses, client assertions, TLS, refresh tokens.
"""

from __future__ import annotations

import ssl
import time
import warnings
from urllib.parse import urlsplit

import pytest
from fapi_party import Variant, new_key
from fapi_plan import ALL, CREDENTIALS, PLAIN, error_of

# The token endpoint


@pytest.mark.parametrize("variant", CREDENTIALS, ids=str)
async def test_ensure_client_id_in_token_endpoint(party, ada, variant):
    client, second = party(variant), party(variant, 2)
    told = await client.asks(ada)
    # The second client's name, and the first one's key or certificate.
    form = {"client_id": second.client_id}
    if variant.authentication == "private_key_jwt":
        form |= client.asserting(iss=second.client_id, sub=second.client_id)
    error_of(client.exchange(told, **form), "invalid_client", "invalid_grant")


@pytest.mark.parametrize("variant", CREDENTIALS, ids=str)
async def test_ensure_holder_of_key_required(party, ada, variant):
    client = party(variant)
    told = await client.asks(ada)
    if variant.binding == "mtls":
        client.certified = client.http
        codes = {"invalid_client", "invalid_request", "invalid_grant"}
        if variant.authentication == "mtls":
            codes -= {"invalid_grant"}
        error_of(client.exchange(told), *codes)
    else:
        error_of(client.exchange(told, {}), "invalid_request", "invalid_grant", "invalid_dpop_proof")


FORWARD = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"


def test_ensure_holder_of_key_required_tls(server):
    """§5.2.2: TLS 1.2 or later, and in 1.2 the ciphers that BCP 195 recommends alone."""

    def agreed(version: ssl.TLSVersion, ciphers: str) -> str | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = context.maximum_version = version
        context.set_ciphers(ciphers)
        url = urlsplit(server.url)
        try:
            with ssl.create_connection((url.hostname, url.port), timeout=30) as sock, context.wrap_socket(sock) as tls:
                return tls.cipher()[0]
        except ssl.SSLError:
            return None

    assert agreed(ssl.TLSVersion.TLSv1_2, FORWARD)
    assert agreed(ssl.TLSVersion.TLSv1_3, FORWARD)
    assert agreed(ssl.TLSVersion.TLSv1_2, f"ALL:COMPLEMENTOFALL:!{FORWARD.replace(':', ':!')}:@SECLEVEL=0") is None
    assert agreed(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0") is None


@pytest.mark.parametrize("variant", CREDENTIALS, ids=str)
async def test_ensure_authorization_code_is_bound_to_client(party, ada, variant):
    client, second = party(variant), party(variant, 2)
    told = await client.asks(ada)
    error_of(second.exchange(told), "invalid_grant")


@pytest.mark.parametrize("variant", [PLAIN, Variant("mtls", "mtls")], ids=str)
async def test_attempt_reuse_authorization_code_after_one_second(party, ada, variant):
    client = party(variant)
    told = await client.asks(ada)
    token = client.exchange(told).json()["access_token"]
    assert client.resource(token).status_code == 200
    error_of(client.exchange(told), "invalid_grant")
    assert 400 <= client.resource(token).status_code < 500


# Client assertions


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "RS256"}, {"exp": -300}, {"aud": "https://other.example.test/"}, {"sub": None}, {"iat": 61, "nbf": 61, "exp": 120},
        {"aud": ["ISSUER"]}, {"aud": "PAR"}, {"aud": "TOKEN"}, {"aud": ["ISSUER", "PAR", "TOKEN"]},
    ],
    ids=[
        "signed-with-RS256", "with-exp-5-minutes-in-past", "with-wrong-aud", "with-no-sub", "with-iat-nbf-over-60-seconds-in-the-future",
        "array-as-audience", "par-endpoint-as-audience", "token-endpoint-as-audience", "par-endpoint-as-array-audience",
    ],
)  # fmt: skip
async def test_ensure_client_assertion_fails(party, ada, changes):
    client = party(PLAIN, 2)
    named = {
        "ISSUER": client.op["issuer"],
        "PAR": client.op["pushed_authorization_request_endpoint"],
        "TOKEN": client.op["token_endpoint"],
    }

    def moved(value):
        if isinstance(value, list):
            return [named[one] for one in value]
        return int(time.time()) + value if isinstance(value, int) else named.get(value, value)

    def asserted() -> dict[str, str]:
        return client.asserting(**{name: moved(value) for name, value in changes.items()})

    error_of(client.push(client.request(), **asserted()), "invalid_client", "invalid_request")
    told = await client.asks(ada)
    error_of(client.exchange(told, **asserted()), "invalid_client", "invalid_request")


async def test_ensure_client_assertion_in_token_endpoint(party, ada):
    client = party(PLAIN)
    told = await client.asks(ada)
    none = {"client_id": client.client_id, "client_assertion": None, "client_assertion_type": None}
    error_of(client.exchange(told, **none), "invalid_client", "invalid_request")


async def test_ensure_jwt_client_assertion_with_iat_nbf_8_seconds_in_the_future_is_accepted(party):
    client, soon = party(PLAIN), int(time.time()) + 8
    assert client.push(client.request(), **client.asserting(iat=soon, nbf=soon)).status_code == 201


# Refresh tokens


@pytest.mark.parametrize("variant", ALL, ids=str)
async def test_refresh_token(party, ada, variant):
    client, second = party(variant), party(variant, 2)
    first = client.exchange(await client.asks(ada)).json()
    # RFC 9449 §5: a refresh token of a client that authenticates is bound to the client, and any key of its own will do.
    client.dpop_key = new_key()
    answer = client.refreshes(first["refresh_token"], scope="openid" if variant.openid else "accounts")
    assert answer.status_code == 200, answer.text
    again = answer.json()
    assert again["access_token"] != first["access_token"]
    assert again["refresh_token"] == first["refresh_token"], "FAPI 2.0 §5.3.2.1: not rotated"
    assert answer.headers["cache-control"] == "no-store"
    if variant.openid:
        before, after = (client.verified(one["id_token"]) for one in (first, again))
        assert [before[name] for name in ("iss", "sub", "aud", "auth_time")] == [
            after[name] for name in ("iss", "sub", "aud", "auth_time")
        ]
        assert client.resource(again["access_token"]).status_code == 200
    bare, client.certified = client.certified, client.http
    if variant.binding == "mtls" or variant.authentication == "mtls":
        error_of(client.refreshes(again["refresh_token"]), "invalid_client", "invalid_request", "invalid_grant")
    client.certified = bare
    if variant.binding == "dpop":
        error_of(
            client.refreshes(again["refresh_token"], {}),
            "invalid_grant",
            "invalid_request",
            "invalid_client",
            "invalid_dpop_proof",
        )
    theirs = second.exchange(await second.asks(ada)).json()["refresh_token"]
    error_of(client.refreshes(theirs), "invalid_grant")
