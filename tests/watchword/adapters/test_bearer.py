"""Finding credentials, and saying what is wrong with them."""

import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import KeysUnavailable, RejectionReason, TokenRejected
from watchword.adapters.bearer import Bearer, Refused, offered_token

bearer = Bearer()


@pytest.mark.rfc("6750 §2.1")
@pytest.mark.parametrize(
    "value", ["Bearer abc.d_e-f.g~h", "bearer abc.d_e-f.g~h", "BEARER abc.d_e-f.g~h", " Bearer   abc.d_e-f.g~h "]
)
def test_the_scheme_is_compared_without_regard_to_case(value):
    assert bearer.credentials([value]) == "abc.d_e-f.g~h"


@pytest.mark.rfc("6750 §2.1")
def test_every_character_of_b64token_may_be_in_a_token():
    assert bearer.credentials(["Bearer AZaz09-._~+/=="]) == "AZaz09-._~+/=="


@pytest.mark.parametrize(
    ("values", "token"),
    [
        ([], None),
        (["chat"], None),
        (["bearer, abc"], "abc"),
        (["bearer,abc,chat"], "abc"),
        (["chat, bearer, abc"], "abc"),
        (["bearer", "abc"], "abc"),
        (["bearer"], ""),
        (["chat, bearer"], ""),
        (["bearer, abc, bearer, def"], ""),
        (["bearer, abc", "bearer, def"], ""),
        (["bearer, bearer"], ""),
        (["Bearer, abc"], None),
    ],
)
def test_a_websocket_may_offer_its_token_after_the_subprotocol_bearer(values, token):
    assert offered_token(values) == token


@pytest.mark.rfc("6750 §2")
def test_one_way_of_sending_a_token_is_enough():
    assert bearer.credentials([], ["bearer, abc"]) == "abc"
    for authorization in (["Bearer abc"], ["Basic YTpi"]):
        with pytest.raises(Refused) as caught:
            bearer.credentials(authorization, ["bearer, abc"])
        assert caught.value.status == 400


def test_a_subprotocol_without_token_is_malformed():
    with pytest.raises(Refused) as caught:
        bearer.credentials([], ["bearer"])
    assert caught.value.status == 400


@pytest.mark.rfc("6750 §3.1/1")
@pytest.mark.parametrize(
    ("error", "status", "challenge"),
    [
        (
            TokenRejected(RejectionReason.EXPIRED),
            401,
            'Bearer error="invalid_token", error_description="the access token has expired"',
        ),
        (
            TokenRejected(RejectionReason.INSUFFICIENT_SCOPE, "more is needed", scope=("a", "b")),
            403,
            'Bearer error="insufficient_scope", error_description="more is needed", scope="a b"',
        ),
        (
            TokenRejected(RejectionReason.INSUFFICIENT_ROLE),
            403,
            'Bearer error="insufficient_scope", error_description="the access token lacks a role that is required here"',
        ),
    ],
)
def test_what_is_wrong_with_a_token_is_said_in_the_words_of_the_rfc(error, status, challenge):
    refused = bearer.refused(error)
    assert (refused.status, refused.headers) == (status, {"WWW-Authenticate": challenge})


@pytest.mark.parametrize("reason", RejectionReason)
def test_every_reason_has_an_answer(reason):
    assert bearer.refused(TokenRejected(reason)).status in {401, 403}


def test_a_verifier_at_fault_is_not_the_client_s_fault():
    refused = bearer.refused(KeysUnavailable("no keys", retry_after=7))
    assert (refused.status, refused.headers) == (503, {"Retry-After": "7"})


@pytest.mark.rfc("9728 §5.1")
def test_metadata_and_realm_stand_in_every_challenge():
    settings = Bearer(realm="api", resource_metadata="https://api.example/.well-known/oauth-protected-resource")
    members = 'resource_metadata="https://api.example/.well-known/oauth-protected-resource"'
    assert settings.missing().headers["WWW-Authenticate"] == f'Bearer realm="api", {members}'
    assert members in settings.refused(TokenRejected(RejectionReason.EXPIRED)).headers["WWW-Authenticate"]


@pytest.mark.parametrize("value", ["a\r\nb", "ä"])
def test_settings_that_cannot_stand_in_a_header_are_refused_when_made(value):
    with pytest.raises(ValueError, match="ASCII"):
        Bearer(realm=value)
    with pytest.raises(ValueError, match="ASCII"):
        Bearer(resource_metadata=value)


def test_commas_of_other_schemes_are_theirs():
    assert bearer.credentials(['Digest username="a", realm="b", response="bearer"']) is None


def test_a_refusal_crosses_processes():
    again = pickle.loads(pickle.dumps(bearer.missing()))
    assert (again.status, again.detail, again.headers) == (401, "an access token is required", bearer.missing().headers)


@given(st.lists(st.text(max_size=60) | st.text(max_size=30).map("Bearer ".__add__), max_size=3), st.lists(st.text()))
def test_headers_give_a_token_nothing_or_a_refusal(authorization, protocols):
    raw = None
    with contextlib.suppress(Refused):
        raw = bearer.credentials(authorization, protocols)
    assert raw is None or (raw.isascii() and " " not in raw and "," not in raw)
