"""JWE: vectors, every limit, and the attacks that other libraries had to be told of."""

import base64
import json
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe as oracle
from joserfc.jwk import ECKey, OKPKey, RSAKey
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.errors import JoseError
from watchword.jose.jwe import ALGORITHMS, ENCODINGS, Decrypter, encrypt, is_jwe

VECTORS = Path(__file__).parents[2] / "vectors"
WYCHEPROOF = json.loads((VECTORS / "wycheproof" / "json_web_encryption_test.json").read_text())
EC = EncryptionKey.generate("ECDH-ES+A256KW", "ec")
DIRECT = EncryptionKey.generate("ECDH-ES", "direct", curve="X25519")
RSA = EncryptionKey.generate("RSA-OAEP-256", "rsa")
DECRYPTER = Decrypter([EC, DIRECT, RSA])


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def header_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))


def reason(token, decrypter=DECRYPTER, **options):
    with pytest.raises(JoseError) as caught:
        decrypter.decrypt(token, **options)
    return str(caught.value.reason)


def with_header(token, **changes):
    members = {name: value for name, value in {**header_of(token), **changes}.items() if value is not ...}
    return ".".join([b64(members), *token.split(".")[1:]])


@pytest.mark.rfc("7516 §5.2")
@pytest.mark.parametrize("key", [EC, DIRECT, RSA], ids=lambda key: key.kid)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("plaintext", [b"", b"x", b"a.b.c", bytes(9000)])
def test_what_was_encrypted_is_decrypted(key, encoding, plaintext):
    token = encrypt(plaintext, key.public(), encoding=encoding)
    assert is_jwe(token)
    found = DECRYPTER.decrypt(token)
    assert (found.plaintext, found.key, found.header["cty"]) == (plaintext, key, "JWT")
    assert found.header["enc"] == encoding


@pytest.mark.parametrize("alg", sorted(ALGORITHMS))
def test_each_algorithm_agrees_with_another_library_used_directly(alg):
    key = EncryptionKey.generate(alg, "k")
    native = (RSAKey if key.kty == "RSA" else ECKey).import_key(key.private_jwk())
    registry = oracle.JWERegistry(algorithms=[alg, "A256GCM"])
    assert oracle.decrypt_compact(encrypt(b"ours", key.public()), native, registry=registry).plaintext == b"ours"
    theirs = oracle.encrypt_compact({"alg": alg, "enc": "A256GCM", "kid": "k"}, b"theirs", native, registry=registry)
    assert Decrypter([key]).decrypt(theirs).plaintext == b"theirs"


def test_of_wycheproof_what_is_in_the_table_is_decrypted_and_everything_else_refused():
    seen = {"valid": 0, "refused by the table": 0, "invalid": 0}
    for group in WYCHEPROOF["testGroups"]:
        for test in group["tests"]:
            try:
                key = EncryptionKey.from_jwk({**group["private"], "use": "enc"})
                found = Decrypter([key]).decrypt(test["jwe"]).plaintext
            except JoseError:
                header = test["jwe"].split(".")[0]
                try:
                    said = json.loads(base64.urlsafe_b64decode(header + "=="))
                except ValueError:
                    said = {}
                tabled = said.get("alg") in ALGORITHMS and said.get("enc") in ENCODINGS and "zip" not in said
                assert test["result"] == "invalid" or not tabled, test["tcId"]
                seen["invalid" if test["result"] == "invalid" else "refused by the table"] += 1
            else:
                assert test["result"] == "valid", test["tcId"]
                assert found == bytes.fromhex(test["pt"])
                seen["valid"] += 1
    assert sum(seen.values()) == WYCHEPROOF["numberOfTests"] == 139
    assert seen["invalid"] == 74
    assert seen["valid"] == 7


@pytest.mark.rfc("7520 §5")
def test_no_example_of_the_cookbook_is_in_the_table_and_each_is_refused_by_name():
    files = sorted((VECTORS / "cookbook" / "jwe").glob("*.json"))
    assert len(files) == 13
    refused = 0
    for file in files:
        example = json.loads(file.read_text())
        token = example["output"].get("compact")
        if token is not None:
            assert reason(token) in {"unsupported_algorithm", "bad_header"}
            refused += 1
    assert refused == 9


@pytest.mark.parametrize("name", ["CVE-2024-28102", "CVE-2024-33664", "CVE-2024-28176", "CVE-2026-39373"])
def test_a_bomb_is_not_inflated(name):
    """jwcrypto, python-jose and jose inflated what a stranger had compressed to their public key."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = compressor.compress(bytes(10_000_000)) + compressor.flush()
    native = ECKey.import_key(EC.private_jwk())
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": "ec", "zip": "DEF"}
    token = oracle.encrypt_compact(header, bytes(10_000_000), native, algorithms=["ECDH-ES+A256KW", "A256GCM", "DEF"])
    assert len(bomb) < 16_000 > len(token) - 1000
    assert reason(token, max_length=100_000) == "bad_header"


@pytest.mark.parametrize("name", ["CVE-2022-36083", "CVE-2023-6681", "CVE-2023-50967", "CVE-2023-49290"])
def test_a_billion_hashes_are_not_computed(name):
    header = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_647, "p2s": b64(bytes(16))}
    began = time.process_time()
    assert reason(".".join([b64(header), b64(bytes(24)), b64(bytes(12)), "", b64(bytes(16))])) == "bad_header"
    del header["p2c"], header["p2s"]
    assert reason(".".join([b64(header), "", b64(bytes(12)), "", b64(bytes(16))])) == "unsupported_algorithm"
    assert time.process_time() - began < 1


@pytest.mark.rfc("7516 §4.1.13")
@pytest.mark.parametrize("crit", [["exp"], [], "alg", ["alg"], None])
def test_an_extension_that_is_not_understood_is_refused(crit):
    """CVE-2025-59420: Authlib passed over crit."""
    assert reason(with_header(encrypt(b"x", EC), crit=crit)) == "critical_header"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"alg": "none"}, "unsupported_algorithm"),
        ({"alg": "dir"}, "unsupported_algorithm"),
        ({"alg": "RSA1_5"}, "unsupported_algorithm"),
        ({"alg": "RSA-OAEP"}, "unsupported_algorithm"),
        ({"alg": "A256KW"}, "unsupported_algorithm"),
        ({"alg": "A256GCMKW"}, "unsupported_algorithm"),
        ({"alg": "ECDH-ES+A128KW"}, "unsupported_algorithm"),
        ({"alg": "ecdh-es"}, "unsupported_algorithm"),
        ({"enc": "A128CBC-HS256"}, "unsupported_algorithm"),
        ({"enc": ...}, "bad_header"),
        ({"alg": ...}, "bad_header"),
        ({"alg": 1}, "bad_header"),
        ({"alg": ["ECDH-ES"]}, "bad_header"),
        ({"kid": "nobody"}, "unknown_key"),
        ({"kid": 7}, "bad_header"),
        ({"kid": 300 * "k"}, "bad_header"),
        ({"kid": "rsa"}, "unknown_key"),
        ({"alg": "ECDH-ES"}, "unknown_key"),
        ({"jwk": EC.public_jwk()}, "bad_header"),
        ({"jku": "https://evil.example"}, "bad_header"),
        ({"x5c": []}, "bad_header"),
        ({"tag": "AA"}, "bad_header"),
        ({"epk": ...}, "malformed"),
        ({"epk": "x"}, "malformed"),
        ({"epk": {}}, "malformed"),
        ({"epk": DIRECT.public_jwk()}, "malformed"),
        ({"epk": {**EC.members, "d": "AA"}}, "malformed"),
        ({"epk": {**EC.members, "crv": "P-384"}}, "malformed"),
        ({"epk": {**EC.members, "y": EC.members["x"]}}, "bad_signature"),
        ({"epk": {**EC.members, "x": b64(bytes(32)), "y": b64(bytes(32))}}, "bad_signature"),
        ({"epk": dict(EC.members)}, "bad_signature"),
        ({"cty": 5}, "bad_header"),
        ({"apu": 300 * "a"}, "bad_header"),
        ({"typ": "at+jwt"}, "bad_signature"),
        ({"pad": 2000 * "x"}, "too_long"),
    ],
)
def test_a_header_of_a_strangers_choice_is_refused(change, why):
    assert reason(with_header(encrypt(b"x", EC), **change)) == why


def test_a_point_off_the_curve_is_refused():
    """CVE-2017-16007: each such point would have told something of the private key."""
    for x, y in ((1, 1), (2**256 - 1, 5), (0, 0)):
        epk = {"kty": "EC", "crv": "P-256", "x": b64(x.to_bytes(32)), "y": b64(y.to_bytes(32))}
        assert reason(with_header(encrypt(b"x", EC), epk=epk)) == "bad_signature"
    epk = {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))}
    assert reason(with_header(encrypt(b"x", DIRECT), epk=epk)) == "bad_signature"


@pytest.mark.rfc("7516 §11.5")
@pytest.mark.parametrize("key", [EC, DIRECT, RSA], ids=lambda key: key.kid)
def test_every_alteration_is_refused_and_those_behind_the_header_alike(key):
    segments = encrypt(b"hello world", key).split(".")
    for index in range(1, 5):
        raw = bytearray(base64.urlsafe_b64decode(segments[index] + "=="))
        if raw:
            raw[0] ^= 1
            altered = [*segments[:index], b64(bytes(raw)), *segments[index + 1 :]]
            assert reason(".".join(altered)) == "bad_signature"
            shorter = [*segments[:index], b64(bytes(raw[1:])), *segments[index + 1 :]]
            assert reason(".".join(shorter)) in {"malformed", "bad_signature"}
    for size in (0, 1, 4, 8, 12, 15, 17):
        tag = b64(base64.urlsafe_b64decode(segments[4] + "==")[:size] + bytes(max(0, size - 16)))
        assert reason(".".join([*segments[:4], tag])) == "malformed"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", "malformed"),
        ("....", "bad_json"),
        ("a.b.c", "malformed"),
        (".....", "malformed"),
        ("ä....", "malformed"),
        (17_000 * "a", "too_long"),
        ("=....", "bad_base64url"),
        (b64([]) + "....", "bad_json"),
        (b64(b'{"alg":"ECDH-ES","alg":"dir"}') + "....", "duplicate_member"),
        (b64(b'{"a":' + 30 * b"[" + 30 * b"]" + b"}") + "....", "too_deep"),
        (b64(5000 * b" ") + "....", "too_long"),
    ],
)
def test_what_is_no_jwe_is_refused(token, why):
    assert reason(token) == why


def test_a_token_without_kid_is_not_tried_with_every_key():
    other = EncryptionKey.generate("ECDH-ES+A256KW", "other")
    nameless = EncryptionKey.from_jwk({name: value for name, value in EC.public_jwk().items() if name != "kid"})
    token = encrypt(b"x", nameless)
    assert Decrypter([EC]).decrypt(token).plaintext == b"x"
    assert reason(token, Decrypter([EC, other])) == "unknown_key"


def test_keys_are_checked_and_keep_their_secrets():
    for jwk in (
        {"kty": "oct", "k": b64(bytes(32))},
        {**EC.private_jwk(), "use": "sig"},
        {**EC.private_jwk(), "alg": "RSA-OAEP-256"},
        {**EC.private_jwk(), "alg": "ES256"},
        {**EC.private_jwk(), "y": EC.members["x"]},
        {**EC.private_jwk(), "kid": ""},
        {**EC.private_jwk(), "alg": 7},
        {**DIRECT.private_jwk(), "x": b64(bytes(31))},
        {**DIRECT.private_jwk(), "d": b64(bytes(32))},
        {**DIRECT.private_jwk(), "crv": "Ed25519"},
        {"kty": "OKP", "crv": "X25519"},
        {"kty": "RSA", "n": b64(bytes([255]) * 128), "e": "AQAB"},
        [],
    ):
        with pytest.raises(JoseError):
            EncryptionKey.from_jwk(jwk)
    for key in (EC, DIRECT, RSA):
        assert EncryptionKey.from_jwk(key.private_jwk()).is_private
        assert not key.public().is_private
        assert "d" not in key.public_jwk()
        assert key.private_jwk()["d"] not in repr(key) + repr(Decrypter([key]))
        with pytest.raises(JoseError):
            key.public().private_jwk()
        with pytest.raises(AttributeError):
            key.kid = "x"
        with pytest.raises(TypeError):
            key.__reduce__()
    assert OKPKey.import_key(DIRECT.public_jwk()).thumbprint()


def test_settings_that_cannot_be_are_refused():
    for keys, options in (
        ([], {}),
        ([EC.public()], {}),
        ([EC, EC], {}),
        ([EC], {"algorithms": ["dir"]}),
        ([EC], {"encodings": ["A128CBC-HS256"]}),
        ([EC], {"algorithms": []}),
    ):
        with pytest.raises(ValueError):
            Decrypter(keys, **options)
    narrow = Decrypter([EC], algorithms=["ECDH-ES+A256KW"], encodings=["A256GCM"])
    assert reason(encrypt(b"x", EC, encoding="A128GCM"), narrow) == "algorithm_not_allowed"
    for options in ({"algorithm": "dir"}, {"algorithm": "RSA-OAEP-256"}, {"encoding": "x"}, {"header": {"zip": "DEF"}}):
        with pytest.raises(JoseError):
            encrypt(b"x", EC, **options)
    with pytest.raises(JoseError):
        EncryptionKey.generate("dir")
    with pytest.raises(JoseError):
        EncryptionKey.generate("ECDH-ES", curve="P-999")


@given(
    st.text(max_size=80) | st.lists(st.binary(max_size=40), min_size=5, max_size=5).map(lambda p: ".".join(map(b64, p)))
)
def test_whatever_comes_is_refused_in_one_way(token):
    assert reason(token)
