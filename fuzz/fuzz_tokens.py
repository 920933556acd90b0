"""Fuzz what comes beside or around a token: DPoP proofs, JWEs, targets, certificates, answers of introspection.

Each is accepted or refused by its own error; never another exception; and only what was made here is accepted.
"""

from __future__ import annotations

import json

from mutation import main
from watchword.jose.certificate import certificate_der, read_certificate
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.errors import JoseError
from watchword.jose.jwe import Decrypter, encrypt
from watchword.jose.strict_json import decode_object
from watchword.oauth.errors import OAuthError
from watchword.testing import FakeClock, FakeDpopKey
from watchword.verify.dpop import check_dpop_proof
from watchword.verify.errors import TokenRejected
from watchword.verify.introspection import read_answer
from watchword.verify.policy import Policy
from watchword.verify.target import normalised_target

NOW = 1_800_000_000
URL = "https://rs.example/reports"
KEYS = [EncryptionKey.generate(), EncryptionKey.generate("ECDH-ES", curve="X25519")]
DECRYPTER = Decrypter(KEYS)
POLICY = Policy("https://as.example", "api")
PROOFS = [FakeDpopKey(name, clock=FakeClock(NOW)).proof("GET", URL, "token") for name in ("ES256", "Ed25519")]
ANSWER = {"active": True, "sub": "ada", "aud": "api", "exp": NOW + 60, "scope": "a b", "cnf": {"jkt": "x"}}

SEEDS = [b"proof " + proof.encode() for proof in PROOFS]
SEEDS += [b"jwe " + encrypt(b"a.b.c", key).encode() for key in KEYS]
SEEDS += [b"answer " + json.dumps(ANSWER).encode(), b"target https://RS.example:443/a/./%7e?x#y"]
SEEDS += [b"certificate -----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", b"certificate :MAA=:"]
WORDS = [b".", b"..", b"=", b"%2e", b"%", b"/", b" ", b"\n", b"\x00", b"\xc3\xa9", b"e30", b"AAAA", b"@", b":", b"\\"]
WORDS += [b"proof ", b"jwe ", b"answer ", b"target ", b"certificate ", b"null", b"true", b"[", b"{", b'"zip":"DEF",']


def target(data: bytes) -> str:
    """The outcome is what was refused and why, or what was accepted."""
    kind, _, raw = data.partition(b" ")
    text = raw.decode("latin-1")
    match kind:
        case b"proof":
            return _proof(text)
        case b"jwe":
            return _jwe(text)
        case b"answer":
            return _answer(raw)
        case b"target":
            once = normalised_target(text)
            assert once is None or normalised_target(once) == once
            return f"target: {once is not None}"
        case b"certificate":
            try:
                return f"certificate: {len(read_certificate(certificate_der(text)).thumbprint)}"
            except JoseError as error:
                return f"certificate: {error.reason}"
    return "nothing"


def _proof(text: str) -> str:
    try:
        check_dpop_proof(text, method="GET", url=URL, now=NOW, access_token="token")
    except OAuthError as error:
        return f"proof: {error.description}"
    assert text.strip(" \t") in PROOFS
    return "proof: accepted"


def _jwe(text: str) -> str:
    try:
        found = DECRYPTER.decrypt(text)
    except JoseError as error:
        return f"jwe: {error.reason}"
    assert found.plaintext == b"a.b.c"
    return "jwe: accepted"


def _answer(raw: bytes) -> str:
    try:
        answer = decode_object(raw, max_depth=8)
    except JoseError as error:
        return f"answer: {error.reason}"
    try:
        return f"answer: {read_answer(answer, 'wo_x', POLICY, NOW).cnf is not None}"
    except TokenRejected as rejected:
        return f"answer: {rejected.reason}"


if __name__ == "__main__":
    main(target, SEEDS, WORDS)
