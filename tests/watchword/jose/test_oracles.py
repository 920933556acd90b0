"""PyJWT and joserfc agree with us about good tokens, and accept nothing more than we can explain."""

from __future__ import annotations

import json

import joserfc.errors
import joserfc.jwk
import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from watchword.jose import JoseError, Key, Signer, verify
from watchword.jose.algorithms import ALGORITHMS

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

KNOWN_TO_PYJWT = [name for name in ALGORITHMS if name != "Ed25519"]


def verifying(key: Key) -> dict[str, object]:
    return key.private_jwk() if key.is_symmetric else key.public_jwk()


def by_joserfc(token: str, key: Key, name: str) -> bytes | None:
    imported = joserfc.jwk.import_key(verifying(key))
    registry = joserfc_jws.JWSRegistry(algorithms=[name], strict_check_header=False)
    try:
        return joserfc_jws.deserialize_compact(token, imported, registry=registry).payload
    except (joserfc.errors.JoseError, ValueError, TypeError):
        return None


def by_pyjwt(token: str, key: Key, name: str) -> bytes | None:
    try:
        return jwt.PyJWS().decode(token, jwt.PyJWK(verifying(key), name), algorithms=[name])
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


def by_us(token: str, key: Key, name: str) -> bytes | None:
    try:
        return verify(token, key, algorithms={name}).payload
    except JoseError:
        return None


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("payload", [b"", b"{}", "é😀".encode(), bytes(range(256))])
def test_joserfc_reads_what_we_write_and_we_read_what_it_writes(name: str, payload: bytes, keys) -> None:
    key = keys[name]
    assert by_joserfc(Signer(key).sign(payload), key, name) == payload
    theirs = joserfc_jws.serialize_compact(
        {"alg": name, "kid": key.kid}, payload, joserfc.jwk.import_key(key.private_jwk()), algorithms=[name]
    )
    assert by_us(theirs, key, name) == payload


@pytest.mark.parametrize("name", KNOWN_TO_PYJWT)
@pytest.mark.parametrize("payload", [b"{}", "é😀".encode(), bytes(range(256))])
def test_pyjwt_reads_what_we_write_and_we_read_what_it_writes(name: str, payload: bytes, keys) -> None:
    key = keys[name]
    assert by_pyjwt(Signer(key).sign(payload), key, name) == payload
    theirs = jwt.PyJWS().encode(payload, jwt.PyJWK(key.private_jwk(), name), algorithm=name, headers={"kid": key.kid})
    assert by_us(theirs, key, name) == payload


@pytest.mark.parametrize("name", ["ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"])
def test_keys_made_by_joserfc_are_read_and_named_alike(name: str) -> None:
    row = ALGORITHMS[name]
    size = {"RSA": 2048, "EC": row.curve, "OKP": row.curve}[row.kty]
    theirs = joserfc.jwk.generate_key(row.kty, size, {"alg": name})
    ours = Key.from_jwk(theirs.as_dict(private=True))
    assert ours.thumbprint() == theirs.thumbprint()
    assert ours.public().thumbprint() == theirs.thumbprint()
    again = joserfc.jwk.import_key(ours.private_jwk())
    assert again.thumbprint() == theirs.thumbprint()


ALPHABET = "ABab01-_+/=. \n{}é"


@st.composite
def spoiled(draw: st.DrawFn, token: str) -> str:
    """A token changed in a few places: a character replaced, put in, taken out; segments swapped or doubled."""
    text = list(token)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text) - 1))
        act = draw(st.sampled_from(["replace", "insert", "delete", "truncate", "double"]))
        if act == "replace":
            text[place] = draw(st.sampled_from(ALPHABET))
        elif act == "insert":
            text.insert(place, draw(st.sampled_from(ALPHABET)))
        elif act == "delete" and len(text) > 1:
            del text[place]
        elif act == "truncate":
            text = text[: place + 1]
        elif act == "double":
            text = text[:place] + text
    return "".join(text)


@pytest.mark.parametrize("name", ["HS256", "ES256", "EdDSA", "RS256"])
@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_no_changed_token_passes_here_that_both_others_refuse(name: str, data: st.DataObject, keys) -> None:
    """And what passes here is the original text: the others may be laxer, never we."""
    key = keys[name]
    token = Signer(key).sign(b'{"sub":"alice"}')
    changed = data.draw(spoiled(token))
    if by_us(changed, key, name) is not None:
        assert changed == token
        assert by_joserfc(changed, key, name) is not None
        assert by_pyjwt(changed, key, name) is not None


headers = st.fixed_dictionaries(
    {"alg": st.sampled_from(["HS256", "HS384", "none", "ES256", "", None, 1])},
    optional={
        "kid": st.sampled_from(["k", "other", 1, None, ""]),
        "typ": st.sampled_from(["JWT", "", 1, None]),
        "crit": st.sampled_from([[], ["exp"], ["b64"], "exp", None]),
        "b64": st.sampled_from([True, False, None]),
        "jwk": st.sampled_from([{}, {"kty": "oct", "k": "AA"}, "x", None]),
        "jku": st.sampled_from(["https://evil.example/", 1]),
        "x5c": st.sampled_from([[], ["MII"], "x"]),
        "extra": st.sampled_from([1, [1], {"a": 1}, None]),
    },
)


@given(header=headers)
@settings(max_examples=300, deadline=None)
def test_a_truly_signed_header_passes_here_only_if_both_others_take_it(header: dict, keys, b64) -> None:
    key = Key.from_jwk(keys["HS256"].private_jwk() | {"kid": "k"})
    signing_input = f"{b64(json.dumps(header).encode())}.{b64(b'{}')}"
    token = f"{signing_input}.{b64(key.signers['HS256'](signing_input.encode()))}"
    if by_us(token, key, "HS256") is not None:
        assert by_joserfc(token, key, "HS256") == b"{}"
        assert by_pyjwt(token, key, "HS256") == b"{}"
