"""Whatever is presented, a parser gives a value or JoseError, never another exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from watchword.jose import JoseError, Key, KeySet, Signer, base64url, parse, strict_json, verify
from watchword.jose.algorithms import ALGORITHMS
from watchword.jose.errors import Reason
from watchword.jose.jws import verify_with_embedded_key

REASONS = set(Reason)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
)
segments = st.binary(max_size=60).map(base64url.encode) | st.text(max_size=20)


def guarded(work: Any, *args: Any, **named: Any) -> Any:
    try:
        return work(*args, **named)
    except JoseError as error:
        refusal = error
    assert refusal.reason in REASONS
    assert str(refusal)
    return None


@given(st.text() | st.binary())
@example("\ud800")
@example(b"\xff")
def test_base64url(text: str | bytes) -> None:
    data = guarded(base64url.decode, text)
    assert data is None or isinstance(data, bytes)


@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
@example(b"{" * 100_000)
@example(b'{"a":' * 15_000)
@example(b'"' + b"\\" * 60_000)
@example(b'{"' + b"\\u0000" * 9000)
def test_strict_json(raw: bytes) -> None:
    value = guarded(strict_json.decode_object, raw)
    assert value is None or isinstance(value, dict)


@given(st.text() | st.lists(segments, max_size=5).map(".".join))
def test_a_token(text: str) -> None:
    parsed = guarded(parse, text)
    if parsed is not None:
        assert parsed.algorithm in ALGORITHMS
        rebuilt = parsed.signing_input + b"." + base64url.encode_bytes(parsed.signature)
        assert rebuilt.decode() == text


header_names = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "x5u", "x5t", "enc", "zip"])
header_values = anything | st.sampled_from([*ALGORITHMS, "none", [], ["exp"]])


@given(header=st.dictionaries(header_names, header_values, max_size=5), signature=st.binary(max_size=140))
@settings(deadline=None)
def test_a_token_of_any_header(header: dict[str, Any], signature: bytes, keys: dict[str, Key]) -> None:
    try:
        raw = json.dumps(header).encode()
    except ValueError:
        return
    token = f"{base64url.encode(raw)}.e30.{base64url.encode(signature)}"
    for key in keys.values():
        assert guarded(verify, token, key, algorithms=ALGORITHMS.keys()) is None
    assert guarded(verify, token, KeySet([keys["ES256"]]), algorithms=ALGORITHMS.keys()) is None
    assert guarded(verify_with_embedded_key, token, algorithms=ALGORITHMS.keys()) is None


jwk_names = st.sampled_from(
    ["kty", "crv", "x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi", "oth", "k", "kid", "alg", "use", "key_ops"]
)
jwk_values = (
    anything
    | st.sampled_from(["EC", "OKP", "RSA", "oct", "P-256", "P-521", "Ed25519", "sig", "enc", "AQAB", *ALGORITHMS])
    | st.binary(max_size=140).map(base64url.encode)
)


@given(st.dictionaries(jwk_names, jwk_values, max_size=9) | anything)
@settings(deadline=None)
def test_a_key(jwk: Any) -> None:
    key = guarded(Key.from_jwk, jwk)
    if key is not None:
        assert key.verifiers or key.signers


@pytest.mark.parametrize("name", ["ES256", "ES512", "EdDSA", "RS256", "HS256"])
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_true_key_with_some_members_changed(name: str, data: st.DataObject, keys: dict[str, Key]) -> None:
    jwk = keys[name].private_jwk() if name in ("ES256", "ES512", "EdDSA", "HS256") else keys[name].public_jwk()
    changes = data.draw(st.dictionaries(jwk_names, jwk_values, min_size=1, max_size=3))
    for gone in data.draw(st.lists(st.sampled_from(sorted(jwk)), max_size=2)):
        jwk.pop(gone, None)
    key = guarded(Key.from_jwk, jwk | changes)
    if key is not None and key.signers:
        algorithm = min(key.signers)
        token = Signer(key, algorithm=algorithm).sign(b"{}")
        if key.verifiers:
            assert verify(token, key, algorithms={algorithm}).payload == b"{}"


@given(st.binary(max_size=200) | st.lists(st.dictionaries(jwk_names, jwk_values, max_size=5), max_size=4))
@settings(deadline=None)
def test_a_key_set(content: Any) -> None:
    if not isinstance(content, bytes):
        try:
            content = json.dumps({"keys": content}).encode()
        except ValueError:
            return
    for allow in (False, True):
        found = guarded(KeySet.from_json, content, allow_secret=allow)
        assert found is None or isinstance(found, KeySet)


@given(signature=st.binary(max_size=300), message=st.binary(max_size=40))
@settings(deadline=None)
def test_a_verifier_raises_nothing_whatever_the_signature(
    signature: bytes, message: bytes, keys: dict[str, Key]
) -> None:
    for key in keys.values():
        for check in key.verifiers.values():
            assert check(signature, message) is False
