"""A set offers the one key a token means, or none."""

from __future__ import annotations

import json

import pytest
from watchword.jose import Key, KeySet, Signer, verify
from watchword.jose.key_set import MAX_KEYS


def document(*jwks: object) -> bytes:
    return json.dumps({"keys": list(jwks)}).encode()


def test_a_set_survives_being_written_and_read(keys) -> None:
    whole = KeySet([key for key in keys.values() if not key.is_symmetric])
    again = KeySet.from_json(json.dumps(whole.public_jwks()).encode())
    assert [key.kid for key in again] == [key.kid for key in whole]
    assert len(again) == len(whole) == 11
    assert not any(key.is_private for key in again)


def test_kid_and_algorithm_lead_to_one_key(keys) -> None:
    first, second, third = keys["ES256"], Key.generate("ES256"), keys["EdDSA"]
    both = KeySet([first, second, third])
    assert both.choose(first.kid, "ES256") is first
    assert both.choose(second.kid, "ES256") is second
    assert both.choose(first.kid, "EdDSA") is None
    assert both.choose("unknown", "ES256") is None
    assert both.choose("", "ES256") is None
    assert both.choose(third.kid, "Ed25519") is third


@pytest.mark.rfc("7515 §4.1.4")
def test_without_kid_only_a_single_candidate_is_chosen(keys) -> None:
    first, second, third = keys["ES256"], Key.generate("ES256"), keys["EdDSA"]
    both = KeySet([first, second, third])
    assert both.choose(None, "ES256") is None
    assert both.choose(None, "EdDSA") is third
    assert KeySet([first]).choose(None, "ES256") is first
    assert KeySet([first, Key.from_jwk(first.public_jwk() | {"kid": "alias"})]).choose(None, "ES256") is first


def test_a_key_without_name_does_not_answer_to_one(keys) -> None:
    jwk = keys["ES256"].public_jwk()
    del jwk["kid"]
    nameless = KeySet([Key.from_jwk(jwk)])
    assert nameless.choose("any", "ES256") is None
    assert nameless.choose(None, "ES256") is not None
    assert not nameless.knows("any")


def test_an_unknown_kid_is_told_from_a_known_one_for_another_algorithm(keys, refused) -> None:
    both = KeySet([keys["ES256"], keys["RS256"]])
    token = Signer(keys["ES256"]).sign(b"{}")
    foreign = Signer(Key.generate("ES256")).sign(b"{}")
    renamed = Signer(Key.generate("ES256", kid=keys["RS256"].kid)).sign(b"{}")
    assert verify(token, both, algorithms={"ES256", "RS256"}).key is keys["ES256"]
    with refused("unknown_key"):
        verify(foreign, both, algorithms={"ES256", "RS256"})
    with refused("key_mismatch"):
        verify(renamed, both, algorithms={"ES256", "RS256"})


@pytest.mark.rfc("7517 §5")
def test_keys_that_cannot_be_used_are_skipped(keys) -> None:
    good = keys["ES256"].public_jwk()
    raw = document(
        {"kty": "unheard-of", "kid": "1"},
        {"kid": "2"},
        keys["RS256"].public_jwk() | {"use": "enc", "kid": "3"},
        keys["RS256"].public_jwk() | {"alg": "RSA-OAEP", "kid": "4"},
        {"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "5"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "6"},
        good,
        {},
    )
    assert [key.kid for key in KeySet.from_json(raw)] == [good["kid"]]


def test_private_keys_and_secrets_in_a_published_set_are_skipped(keys) -> None:
    raw = document(keys["ES256"].private_jwk(), keys["EdDSA"].public_jwk())
    assert [key.kid for key in KeySet.from_json(raw)] == [keys["EdDSA"].kid]
    assert len(KeySet.from_json(raw, allow_secret=True)) == 2
    secret = document(keys["HS256"].private_jwk())
    assert len(KeySet.from_json(secret)) == 0
    assert len(KeySet.from_json(secret, allow_secret=True)) == 1


def test_secrets_beside_public_keys_are_refused(keys, refused) -> None:
    mixed = [keys["HS256"], keys["ES256"]]
    with refused("bad_key_set"):
        KeySet(mixed)
    raw = document(*(key.private_jwk() for key in mixed))
    for allow in (False, True):
        with refused("bad_key_set"):
            KeySet.from_json(raw, allow_secret=allow)


@pytest.mark.rfc("7517 §4.5")
def test_two_keys_of_one_name_and_algorithm_are_refused(keys, refused) -> None:
    twin = Key.generate("ES256", kid=keys["ES256"].kid)
    with refused("bad_key_set"):
        KeySet([keys["ES256"], twin])


def test_one_name_for_keys_of_different_algorithms_is_no_ambiguity(keys) -> None:
    named = KeySet([Key.generate("ES256", kid="same"), Key.generate("EdDSA", kid="same")])
    assert named.choose("same", "ES256").kty == "EC"
    assert named.choose("same", "EdDSA").kty == "OKP"


def test_the_same_key_twice_is_no_ambiguity(keys) -> None:
    assert KeySet([keys["ES256"], keys["ES256"].public()]).choose(keys["ES256"].kid, "ES256") is keys["ES256"]


def test_a_broken_key_under_the_name_of_a_sound_one_spoils_the_set(keys, refused) -> None:
    good = keys["ES256"].public_jwk()
    with refused("bad_key_set"):
        KeySet.from_json(document(good, good | {"x": good["y"]}))
    without_alg = {m: v for m, v in good.items() if m != "alg"}
    with refused("bad_key_set"):
        KeySet.from_json(document(good, without_alg | {"x": 1}))
    # The same certificate published for two uses is common, and no ambiguity.
    assert len(KeySet.from_json(document(good, good | {"use": "enc"}))) == 1
    assert len(KeySet.from_json(document(good, good | {"alg": "ECDH-ES"}))) == 1
    assert len(KeySet.from_json(document(good, good | {"alg": ["ES256"]}))) == 1


@pytest.mark.rfc("7517 §5")
def test_keys_of_curves_not_known_here_are_ignored_even_without_names(keys) -> None:
    nameless = [{m: v for m, v in keys[name].public_jwk().items() if m != "kid"} for name in ("ES256", "Ed25519")]
    others = [
        {"kty": "EC", "crv": "secp256k1", "x": nameless[0]["x"], "y": nameless[0]["y"]},
        {"kty": "OKP", "crv": "X25519", "x": nameless[1]["x"]},
    ]
    found = KeySet.from_json(json.dumps({"keys": [*others, *nameless]}).encode())
    assert [key.kty for key in found] == ["EC", "OKP"]


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"keys":null}',
        b'{"keys":{}}',
        b'{"keys":"x"}',
        b'{"keys":[1]}',
        b'{"keys":[[]]}',
        b'{"keys":[{},null]}',
    ],
)
def test_what_is_no_array_of_objects_is_no_set(raw: bytes, refused) -> None:
    with refused("bad_key_set"):
        KeySet.from_json(raw)


def test_a_set_is_limited_in_keys_and_bytes(keys, refused) -> None:
    jwk = keys["ES256"].public_jwk()
    named = [jwk | {"kid": str(number)} for number in range(MAX_KEYS + 1)]
    assert len(KeySet.from_json(document(*named[:-1]))) == MAX_KEYS
    with refused("bad_key_set"):
        KeySet.from_json(document(*named))
    with refused("bad_key_set"):
        KeySet(Key.from_jwk(one) for one in named)
    with refused("too_long"):
        KeySet.from_json(b'{"keys":[]' + b" " * 600_000 + b"}")


def test_a_set_is_read_as_strictly_as_any_json(refused) -> None:
    with refused("duplicate_member"):
        KeySet.from_json(b'{"keys":[],"keys":[]}')
    with refused("bad_json"):
        KeySet.from_json(b"[]")
    with refused("too_deep"):
        KeySet.from_json(b'{"keys":' + b"[" * 5000)


def test_an_empty_set_accepts_nothing(keys, refused) -> None:
    with refused("unknown_key"):
        verify(Signer(keys["ES256"]).sign(b"{}"), KeySet(), algorithms={"ES256"})


def test_a_set_shows_no_secret(keys) -> None:
    assert keys["HS256"].private_jwk()["k"] not in repr(KeySet([keys["HS256"]]))
