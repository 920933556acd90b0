"""Status lists of others: the draft's own examples, and lists that mean harm."""

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.jose import base64url
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer
from watchword.verify.errors import RejectionReason
from watchword.verify.jwt import JwtRejected
from watchword.verify.status_list import check_status_list, status_reference

URI = "https://issuer.example/status-lists/0"
KEY = Key.generate("ES256")
NOW = 1_800_000_000.0


def folded(raw: bytes) -> str:
    return base64url.encode(zlib.compress(raw, 9))


def signed(*, typ="statuslist+jwt", key=KEY, **members):
    claims = {"sub": URI, "iat": int(NOW), "status_list": {"bits": 1, "lst": folded(b"\xb9\xa3")}} | members
    return Signer(key, algorithm="ES256", typ=typ).sign(
        json.dumps({name: value for name, value in claims.items() if value is not None}).encode()
    )


def check(raw, **members):
    return check_status_list(raw, KEY, **{"uri": URI, "now": NOW} | members)


def test_the_drafts_example_of_one_bit():
    """draft-ietf-oauth-status-list §4.1: sixteen tokens in two bytes."""
    read = check(signed(ttl=60, exp=int(NOW) + 120))
    assert [read.status(index) for index in range(16)] == [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    assert (len(read), read.ttl, read.good_until) == (16, 60, NOW + 120)


def test_the_drafts_example_of_two_bits():
    read = check(signed(status_list={"bits": 2, "lst": folded(b"\xc9\x44\xf9")}))
    assert [read.status(index) for index in range(12)] == [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]


def test_the_drafts_example_is_unfolded_as_it_was_folded():
    read = check(signed(status_list={"bits": 1, "lst": "eNrbuRgAAhcBXQ"}))
    assert read.status(0) == 1
    assert len(read) == 16


@pytest.mark.parametrize("index", [-1, 16, 10**9])
def test_a_place_beyond_the_list_is_no_valid_token(index):
    with pytest.raises(JwtRejected):
        check(signed()).status(index)


def test_a_bomb_is_not_unfolded():
    bomb = folded(bytes(50_000_000))
    assert len(bomb) < 100_000
    with pytest.raises(JwtRejected) as rejected:
        check(signed(status_list={"bits": 1, "lst": bomb}))
    assert rejected.value.reason is RejectionReason.TOO_LONG


@pytest.mark.parametrize(
    "members",
    [
        *({"sub": "https://issuer.example/status-lists/1"}, {"sub": None}, {"iat": None}, {"status_list": None}),
        *({"status_list": []}, {"status_list": {"bits": 3, "lst": folded(b"x")}}, {"status_list": {"bits": 1}}),
        *({"status_list": {"bits": True, "lst": folded(b"x")}}, {"status_list": {"bits": 1, "lst": 1}}),
        *({"status_list": {"bits": 1, "lst": "!!"}}, {"status_list": {"bits": 1, "lst": ""}}, {"exp": 1}),
        *({"status_list": {"bits": 1, "lst": base64url.encode(b"garbage")}}, {"ttl": 0}, {"ttl": "x"}, {"ttl": True}),
        {"status_list": {"bits": 1, "lst": base64url.encode(zlib.compress(b"a") + zlib.compress(b"b"))}},
        {"status_list": {"bits": 1, "lst": base64url.encode(zlib.compress(bytes(100))[:-3])}},
    ],
)
def test_a_list_that_is_wrong_is_refused(members):
    with pytest.raises(JwtRejected):
        check(signed(**members))


@pytest.mark.parametrize("typ", [None, "JWT", "at+jwt"])
def test_a_token_of_another_type_is_no_list(typ):
    with pytest.raises(JwtRejected):
        check(signed(typ=typ))


def test_a_list_of_another_issuer_or_key_is_refused():
    with pytest.raises(JwtRejected):
        check(signed(key=Key.generate("ES256")))
    with pytest.raises(JwtRejected):
        check(signed(iss="https://other.example"), issuer="https://issuer.example")


@given(st.text())
def test_text_is_a_list_or_refused(raw):
    with pytest.raises(JwtRejected):
        check_status_list(raw, KeySet(()), uri=URI, now=NOW)


def test_a_tokens_status_is_found_and_one_that_is_not_understood_is_no_absence():
    assert status_reference({}) is None
    assert status_reference({"status": {"status_list": {"idx": 3, "uri": URI}}}) == (URI, 3)
    for odd in (
        None,
        {},
        {"other": 1},
        {"status_list": {"idx": -1, "uri": URI}},
        {"status_list": {"idx": True, "uri": URI}},
    ):
        with pytest.raises(JwtRejected):
            status_reference({"status": odd})
