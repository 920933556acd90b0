"""Request objects: what counts is what the client signed, for this server, and nothing around it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.clock import EpochSeconds
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword_server.clients.request_object import SignedRequest, merged, read_request_object

NOW = EpochSeconds(1_800_000_000)
ISSUER = "https://login.example"
KEY = Key.generate("ES256", kid="one")
OTHER = Key.generate("ES256", kid="one")
KEYS = KeySet((KEY.public(),))
CLAIMS: dict[str, Any] = {
    "iss": "app",
    "aud": ISSUER,
    "exp": NOW + 300,
    "nbf": NOW,
    "client_id": "app",
    "response_type": "code",
    "redirect_uri": "https://app.example/callback",
}


def signed(claims: dict[str, Any], *, key: Key = KEY, typ: str = "oauth-authz-req+jwt") -> str:
    return Signer(key, typ=typ).sign(msgspec.json.encode(claims))


def read(
    raw: str, *, strict: bool = True, keys: KeySet = KEYS, algorithms: tuple[str, ...] = ("ES256",)
) -> SignedRequest:
    return read_request_object(
        raw, keys, client_id="app", audience=(ISSUER,), algorithms=algorithms, now=NOW, strict=strict
    )


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in CLAIMS.items() if name not in names}


@pytest.mark.rfc("9101 §4/1")
def test_its_claims_are_the_parameters_of_the_request() -> None:
    asked = CLAIMS | {"max_age": 60, "claims": {"id_token": {"acr": None}}, "resource": ["https://a.example", "urn:b"]}
    request = read(signed(asked))
    assert request.values == {
        "client_id": "app",
        "response_type": "code",
        "redirect_uri": "https://app.example/callback",
        "max_age": "60",
        "claims": '{"id_token":{"acr":null}}',
    }
    assert request.resource == ("https://a.example", "urn:b")


@pytest.mark.parametrize("typ", ["oauth-authz-req+jwt", "JWT", ""])
def test_both_the_new_and_the_old_type_are_read(typ: str) -> None:
    assert read(signed(CLAIMS, typ=typ)).values["client_id"] == "app"


@pytest.mark.rfc("9101 §10.8")
@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt"])
def test_a_jwt_for_another_purpose_is_no_request(typ: str) -> None:
    refusal(signed(CLAIMS, typ=typ))


def refusal(raw: str, **how: Any) -> OAuthError:
    with pytest.raises(OAuthError) as refused:
        read(raw, **how)
    assert refused.value.code is ErrorCode.INVALID_REQUEST_OBJECT
    return refused.value


@pytest.mark.rfc("9101 §10.8")
def test_a_client_assertion_is_no_request() -> None:
    refusal(signed(CLAIMS | {"sub": "app"}), strict=False)


@pytest.mark.rfc("9101 §4/2")
@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "other"},
        {"client_id": "other"},
        {"aud": "https://other.example"},
        {"aud": []},
        {"exp": NOW - 60},
        {"nbf": NOW + 60},
        {"exp": "soon"},
        {"request": "x"},
        {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
        {"scope": True},
        {"max_age": 1.5},
        {"resource": 7},
        {"resource": ["a", 7]},
        {f"p{n}": "x" for n in range(70)},
    ],
)
def test_a_request_that_is_not_this_clients_to_this_server_now_is_refused(changed: dict[str, Any]) -> None:
    refusal(signed(CLAIMS | changed), strict=False)


def test_null_is_a_parameter_left_out() -> None:
    assert "state" not in read(signed(CLAIMS | {"state": None})).values


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "nbf"])
def test_where_it_is_strict_it_has_to_say_from_whom_for_whom_and_until_when(name: str) -> None:
    refusal(signed(without(name)))
    assert read(signed(without(name)), strict=False).values["client_id"] == "app"


@pytest.mark.parametrize("changed", [{"exp": NOW + 3700}, {"nbf": NOW - 3700, "exp": NOW + 1}])
def test_where_it_is_strict_it_is_good_for_an_hour_at_most(changed: dict[str, Any]) -> None:
    refusal(signed(CLAIMS | changed))


@pytest.mark.rfc("9101 §6.2/1")
@pytest.mark.rfc("9101 §10.2")
@pytest.mark.rfc("9101 §4/3")
def test_nobody_else_can_sign_it() -> None:
    refusal(signed(CLAIMS, key=OTHER))
    header, payload, _ = signed(CLAIMS).split(".")
    refusal(f"{header}.{payload}.")
    refusal("eyJhbGciOiJub25lIn0." + payload + ".")
    refusal(signed(CLAIMS), algorithms=("PS256",))
    refusal(signed(CLAIMS), keys=KeySet(()))


@pytest.mark.rfc("9101 §6.3/1")
def test_only_what_was_signed_counts() -> None:
    request = read(signed(without("client_id")))
    outer = {"client_id": "app", "scope": "admin", "state": "forged", "redirect_uri": "https://evil.example/"}
    assert merged(outer, request) == {
        "client_id": "app",
        "response_type": "code",
        "redirect_uri": "https://app.example/callback",
    }


@pytest.mark.rfc("9101 §5/1")
@pytest.mark.parametrize("outer", [{"client_id": "other"}, {"client_id": "app", "response_type": "token"}])
def test_what_stands_beside_it_must_not_contradict(outer: dict[str, str]) -> None:
    with pytest.raises(OAuthError):
        merged(outer, read(signed(CLAIMS)))


@pytest.mark.rfc("9101 §6.1")
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_garbage_is_refused_by_name(raw: str) -> None:
    refusal(raw)


def test_a_request_object_that_is_too_long_is_refused() -> None:
    refusal(signed(CLAIMS | {"state": "x" * 20_000}))
