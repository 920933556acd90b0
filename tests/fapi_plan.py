"""The static clients of the conformance suite's plans for FAPI 2.0, their variants, and what the suite looks for in a refusal."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import httpx
from fapi_party import FapiParty, Variant, new_key
from relying_party import Told

BACK = "https://suite.example.test/test/a/watchword/callback"
BACK2 = f"{BACK}?dummy1=lorem&dummy2=ipsum"
KEYS = {1: new_key(), 2: new_key("PS256")}
PLAIN = Variant()
SIGNED = Variant(signed=True)
JARM = Variant(signed=True, jarm=True)
ALL = [
    Variant(authentication, binding, openid=openid)
    for authentication in ("private_key_jwt", "mtls")
    for binding in ("dpop", "mtls")
    for openid in (True, False)
] + [SIGNED, JARM, Variant(jarm=True), Variant("mtls", "mtls", signed=True, jarm=True)]
CREDENTIALS = [Variant(), Variant("private_key_jwt", "mtls"), Variant("mtls", "dpop"), Variant("mtls", "mtls")]
REFUSED_REQUEST = {"invalid_request", "invalid_request_object"}


def client_id(variant: Variant, number: int) -> str:
    return f"{'-'.join(part for part in (variant.authentication, variant.binding, 'signed' * variant.signed) if part)}-{number}"


def static_client(variant: Variant, number: int) -> dict[str, object]:
    """One client of the configuration file."""
    client: dict[str, object] = {
        "client_id": client_id(variant, number), "redirect_uris": [BACK2 if number == 2 else BACK], "profile": "fapi2",
        "grant_types": ["authorization_code", "refresh_token"], "scope": "openid profile email address phone accounts",
        "id_token_signed_response_alg": "ES256", "authorization_signed_response_alg": "ES256",
        "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [KEYS[number].as_dict(private=False)]},
    }  # fmt: skip
    if variant.authentication == "mtls":
        client |= {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": f"suite-{number}"}
    if variant.binding == "mtls":
        client["tls_client_certificate_bound_access_tokens"] = True
    if variant.signed:
        client |= {"require_signed_request_object": True, "request_object_signing_alg": KEYS[number].alg}
    return client


def error_of(answer: httpx.Response, *codes: str, status: set[int] | None = None) -> None:
    """An error of RFC 6749 §5.2, of one of these codes and with nothing that its characters exclude."""
    assert answer.headers["content-type"].partition(";")[0] == "application/json"
    body = answer.json()
    assert body["error"] in codes, body
    assert answer.status_code in (status or ({400, 401} if body["error"] == "invalid_client" else {400}))
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*", body.get("error_description", "")), "RFC 6749 §5.2"


def shows_error(person, *codes: str) -> None:
    """A page that says what is wrong, or the client is told so."""
    if person.left is None:
        assert person.answer.status_code == 400
        assert any(code in person.answer.text for code in codes)
    else:
        assert dict(parse_qsl(urlsplit(person.left).query))["error"] in codes


def told_of(client: FapiParty, parameters, told):
    return Told(told, parameters.get("state", ""), parameters.get("nonce"), client.verifier)
