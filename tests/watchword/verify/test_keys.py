"""Fetching keys: faults leave yesterday's keys in use, and nobody can make the issuer be asked often."""

import json

import pytest
from watchword import Key, KeySet, KeysUnavailable
from watchword.testing import FakeTransport, json_response
from watchword.transport import Response
from watchword.verify.keys import (
    COOL_DOWN_SECONDS,
    DEFAULT_REFRESH_SECONDS,
    MAX_REFRESH_SECONDS,
    MAX_STALE_SECONDS,
    MIN_REFRESH_SECONDS,
    RemoteKeys,
    refresh_seconds,
)

JWKS = "https://issuer.test/jwks"


def remote(issuer, clock, **options):
    keys = RemoteKeys(issuer.issuer, transport=issuer.transport, clock=clock, **options)
    keys.background.stop()  # these tests take the steps themselves
    return keys


@pytest.mark.rfc("9068 §4/1")
def test_keys_are_found_by_discovery_and_fetched(issuer, clock):
    keys = remote(issuer, clock)
    with pytest.raises(KeysUnavailable):
        keys.current()
    keys.step()
    assert [key.kid for key in keys.current()] == [issuer.key.kid]
    assert [request.url for request in issuer.transport.asked] == [
        "https://issuer.test/.well-known/openid-configuration",
        JWKS,
    ]


def test_a_known_address_spares_discovery(issuer, clock):
    keys = remote(issuer, clock, jwks_uri=JWKS)
    keys.step()
    keys.step()
    assert [request.url for request in issuer.transport.asked] == [JWKS, JWKS]


@pytest.mark.rfc("8414 §3")
def test_metadata_of_plain_oauth_is_found_as_well(issuer, clock):
    answers = issuer.transport.answers
    answers["https://issuer.test/.well-known/oauth-authorization-server"] = answers.pop(
        "https://issuer.test/.well-known/openid-configuration"
    )
    keys = remote(issuer, clock)
    keys.step()
    assert len(keys) == 1


@pytest.mark.rfc("8414 §3.3")
def test_keys_of_metadata_that_names_another_issuer_are_not_fetched(issuer, clock):
    issuer.transport.answers["https://issuer.test/.well-known/openid-configuration"] = lambda _: json_response(
        {"issuer": "https://evil.test", "jwks_uri": JWKS}
    )
    keys = remote(issuer, clock)
    keys.step()
    assert JWKS not in [request.url for request in issuer.transport.asked]
    with pytest.raises(KeysUnavailable):
        keys.current()


FAULTS = {
    "not found": json_response({}, status=404),
    "an error": json_response({}, status=500),
    "a redirect": json_response({}, status=302, headers={"location": "https://evil.test/jwks"}),
    "html": Response(200, {}, b"<html>"),
    "nothing": Response(200, {}, b""),
    "an array": Response(200, {}, b"[]"),
    "no keys member": Response(200, {}, b"{}"),
    "no keys": Response(200, {}, b'{"keys": []}'),
    "keys of a wrong type": Response(200, {}, b'{"keys": {"a": 1}}'),
    "unusable keys alone": json_response({"keys": [{"kty": "EC"}, {"kty": "new"}]}),
    "a secret": json_response({"keys": [{"kty": "oct", "k": "AAAA" * 20, "alg": "HS256", "kid": "s"}]}),
    "a private key": json_response({"keys": [Key.generate("ES256").private_jwk()]}),
    "too many keys": json_response({"keys": [{"kty": "EC"}] * 1000}),
    "keys twice": Response(200, {}, b'{"keys": [], "keys": []}'),
    "deep nesting": Response(200, {}, b"[" * 100_000),
    "binary": Response(200, {}, bytes(range(256))),
}


@pytest.mark.parametrize("answer", FAULTS.values(), ids=FAULTS.keys())
def test_a_faulty_answer_leaves_the_keys_at_hand_in_use(answer, issuer, clock):
    keys = remote(issuer, clock)
    keys.step()
    good = keys.current()
    issuer.transport.answers[JWKS] = lambda _: answer
    assert keys.step() == COOL_DOWN_SECONDS
    assert keys.error
    assert keys.current() is good
    del issuer.transport.answers[JWKS]
    issuer.transport.answers[JWKS] = lambda _: json_response(issuer.keys.public_jwks())
    keys.step()
    assert keys.error is None


@pytest.mark.parametrize("answer", FAULTS.values(), ids=FAULTS.keys())
def test_without_keys_at_hand_a_faulty_answer_gives_none(answer, issuer, clock):
    issuer.transport.answers[JWKS] = lambda _: answer
    keys = remote(issuer, clock)
    keys.step()
    with pytest.raises(KeysUnavailable):
        keys.current()


def test_keys_are_not_trusted_forever_when_the_issuer_cannot_be_asked(issuer, clock):
    keys = remote(issuer, clock)
    keys.step()
    issuer.transport.down = True
    clock.advance(MAX_STALE_SECONDS)
    keys.step()
    assert keys.current()
    clock.advance(1)
    with pytest.raises(KeysUnavailable):
        keys.current()


def test_a_key_set_that_moved_is_found_again_by_discovery(issuer, clock):
    keys = remote(issuer, clock)
    keys.step()
    answers = issuer.transport.answers
    answers["https://issuer.test/new"] = answers.pop(JWKS)
    answers["https://issuer.test/.well-known/openid-configuration"] = lambda _: json_response(
        {"issuer": issuer.issuer, "jwks_uri": "https://issuer.test/new"}
    )
    issuer.rotate()
    keys.step()
    keys.step()
    assert keys.current().knows(issuer.key.kid)


def test_removal_of_a_key_is_told_and_the_coming_of_one_is_not(issuer, clock):
    told = []
    keys = remote(issuer, clock, on_removal=lambda: told.append(len(keys)))
    keys.step()
    issuer.rotate()
    keys.step()
    keys.step()
    assert told == []
    issuer.keys = KeySet([issuer.key])
    keys.step()
    assert told == [1]


@pytest.mark.rfc("9111 §5.2.2.1")
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", DEFAULT_REFRESH_SECONDS),
        ("public", DEFAULT_REFRESH_SECONDS),
        ("max-age=900", 900),
        ("public, Max-Age=900, immutable", 900),
        ('max-age="900"', 900),
        ("max-age=0", MIN_REFRESH_SECONDS),
        ("max-age=1", MIN_REFRESH_SECONDS),
        ("max-age=999999999", MAX_REFRESH_SECONDS),
        ("max-age=" + "9" * 400, MAX_REFRESH_SECONDS),
        ("max-age=-5", DEFAULT_REFRESH_SECONDS),
        ("max-age=abc", DEFAULT_REFRESH_SECONDS),
        ("s-max-age=900", DEFAULT_REFRESH_SECONDS),
        ("no-store, max-age=900", MIN_REFRESH_SECONDS),
        ("no-cache", MIN_REFRESH_SECONDS),
    ],
)
def test_max_age_is_honoured_within_bounds(header, seconds):
    assert refresh_seconds(header) == seconds


def test_a_large_set_is_not_read_whole(issuer, clock):
    transport = FakeTransport({JWKS: lambda request: Response(200, {}, json.dumps({"keys": []}).encode())})
    keys = RemoteKeys(issuer.issuer, transport=transport, clock=clock, jwks_uri=JWKS)
    keys.background.stop()
    keys.step()
    assert transport.asked[0].max_bytes <= 2**20
