"""Fuzz keys and key sets: one is read, or refused by JoseError; what is read can be written, read again and used."""

from __future__ import annotations

import json

from mutation import main
from watchword.jose import JoseError, Key, KeySet, Signer, verify
from watchword.jose.strict_json import decode_object

KEYS = [Key.generate(name) for name in ("ES256", "ES384", "ES512", "EdDSA", "RS256", "HS256")]
SEEDS = [json.dumps(key.private_jwk()).encode() for key in KEYS if key.kty != "RSA"]
SEEDS += [json.dumps(key.public_jwk()).encode() for key in KEYS if not key.is_symmetric]
SEEDS += [json.dumps(KeySet(key for key in KEYS if not key.is_symmetric).public_jwks()).encode()]
SEEDS += [json.dumps({"keys": [KEYS[-1].private_jwk()]}).encode(), b'{"keys":[]}', b'{"keys":[{"kty":"EC"}]}']
WORDS = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"1", b'""', b'"AQAB"', b'"AQ"', b"=", b"\xff"),
    *(b'"kty":"oct",', b'"kty":"EC",', b'"kty":"RSA",', b'"kty":"OKP",', b'"crv":"P-384",', b'"crv":"Ed25519",'),
    *(b'"alg":"none",', b'"alg":"HS256",', b'"alg":"RS256",', b'"use":"enc",', b'"key_ops":["sign"],', b'"d":"AA",'),
    *(b'"kid":"x",', b'"k":"",', b'"oth":[],', b'"keys":[],', b"AAAA", b"____", b"AAAAAAAAAAAAAAAAAAAAAA"),
]


def target(data: bytes) -> str:
    """The outcome is the reason of the refusal, or the kind of what was read."""
    outcomes = []
    for allow_secret in (False, True):
        try:
            found = KeySet.from_json(data, allow_secret=allow_secret)
        except JoseError as error:
            outcomes.append(f"set: {error.reason}")
        else:
            assert allow_secret or not any(key.is_private for key in found)
            outcomes.append(f"set of {min(len(found), 3)}")
    try:
        key = Key.from_jwk(decode_object(data))
    except JoseError as error:
        return f"{outcomes[0]}; {outcomes[1]}; key: {error.reason}: {error.message}"
    written = key.private_jwk() if key.is_private else key.public_jwk()
    assert Key.from_jwk(written).thumbprint() == key.thumbprint()
    if key.signers and key.verifiers:
        name = min(key.signers)
        verify(Signer(key, algorithm=name).sign(b"{}"), key, algorithms={name})
    return f"key: {key.kty} {key.algorithm}, {'private' if key.is_private else 'public'}"


if __name__ == "__main__":
    main(target, SEEDS, WORDS)
