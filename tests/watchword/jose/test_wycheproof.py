"""Project Wycheproof's JSON Web Signature, Key and Crypto vectors, all of them but those named here.

The counts are asserted, so that the test cannot shrink unseen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from watchword.jose import JoseError, Key, KeySet, verify
from watchword.jose.algorithms import ALGORITHMS

MISLABELLED = {
    346: "the key is for PS256, the token PS384",
    347: "the key names ES521, which does not exist",
    350: "the key is for PS256, the token PS384",
    351: "the key names ES521, which does not exist",
    367: "called invalid, but it is the token of 357, which is valid",
    370: "called invalid, but it is the token of 357, which is valid",
    372: "called valid, but its header holds a question mark",
    373: "called valid, but its payload holds a question mark",
}
# The private key of 349 has one operation of this name where two were meant; its public key is sound.
MISWRITTEN = ["sign, verify"]


def load(jwk: dict[str, Any]) -> KeySet | Key | None:
    """The key or key set of a group; None if it is refused."""
    try:
        if "keys" in jwk:
            return KeySet.from_json(json.dumps(jwk).encode(), allow_secret=True)
        return Key.from_jwk(jwk)
    except JoseError:
        return None


def outcome(keys: KeySet | Key | None, token: str) -> str:
    if keys is None:
        return "invalid"
    try:
        verify(token, keys, algorithms=ALGORITHMS.keys())
    except JoseError:
        return "invalid"
    return "valid"


def cases(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], KeySet | Key | None, dict[str, Any]]]:
    """Each test with each key of its group: the public one, and the private one too."""
    for group in document["testGroups"]:
        for side in ("public", "private"):
            if side in group and group[side].get("key_ops") != MISWRITTEN:
                keys = load(group[side])
                for case in group["tests"]:
                    yield group[side], keys, case


def run(document: dict[str, Any], left_out: dict[int, str]) -> Counter[str]:
    """Judge every signature vector; count tests, judgements by expected result, and what was passed over."""
    seen: Counter[str] = Counter()
    wrong = []
    numbers = set()
    for _, keys, case in cases(document):
        if case["tcId"] in left_out:
            continue
        if "jwe" in case:
            seen["encrypted"] += 1
            continue
        if not isinstance(case["jws"], str):
            # The general JSON serialization: this library reads the compact one only, and the vector wants it refused.
            assert case["result"] == "invalid"
            seen["general JSON"] += 1
        numbers.add(case["tcId"])
        seen[case["result"]] += 1
        if outcome(keys, case["jws"]) != case["result"]:
            wrong.append((case["tcId"], case["comment"]))
    assert wrong == []
    seen["tests"] = len(numbers)
    return seen


def test_every_signature_vector_is_judged_rightly(vectors) -> None:
    document = vectors("wycheproof/json_web_signature_test.json")
    assert document["numberOfTests"] == 401
    assert run(document, MISLABELLED) == {"tests": 393, "valid": 71, "invalid": 678}


def test_every_key_vector_is_judged_rightly(vectors) -> None:
    document = vectors("wycheproof/json_web_key_test.json")
    assert document["numberOfTests"] == 26
    assert run(document, {}) == {"tests": 26, "valid": 6, "invalid": 31}


def test_every_signature_among_the_crypto_vectors_is_judged_rightly(vectors) -> None:
    document = vectors("wycheproof/json_web_crypto_test.json")
    assert document["numberOfTests"] == 83
    assert run(document, {}) == {"tests": 49, "valid": 6, "invalid": 72, "encrypted": 34, "general JSON": 1}


@pytest.mark.parametrize("number", sorted(MISLABELLED))
def test_a_vector_left_out_is_mislabelled_for_the_reason_given(number: int, vectors) -> None:
    document = vectors("wycheproof/json_web_signature_test.json")
    found = [(jwk, keys, case) for jwk, keys, case in cases(document) if case["tcId"] == number]
    assert found
    for jwk, keys, case in found:
        assert outcome(keys, case["jws"]) != case["result"]
        if number in (367, 370):
            [same] = [other for group in document["testGroups"] for other in group["tests"] if other["tcId"] == 357]
            assert case["jws"] == same["jws"]
            assert same["result"] == "valid"
        elif number in (372, 373):
            assert "?" in case["jws"]
        else:
            assert jwk["alg"] in ("PS256", "ES521")
