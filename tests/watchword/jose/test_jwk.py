"""A key is checked when it is read; one that is weak, inconsistent or meant for something else is refused."""

from __future__ import annotations

import pickle
from types import MappingProxyType

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from watchword.jose import Key, Signer, verify
from watchword.jose.algorithms import ALGORITHMS
from watchword.jose.primitives import CURVE_ORDERS


def int_to_b64(b64, number: int, size: int | None = None) -> str:
    return b64(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_key_survives_being_written_and_read(name: str, keys) -> None:
    key = keys[name]
    again = Key.from_jwk(key.private_jwk())
    assert again.private_jwk() == key.private_jwk()
    assert again.thumbprint() == key.thumbprint()
    assert (again.kid, again.kty, again.use) == (key.kid, key.kty, key.use)
    assert again.is_private
    token = Signer(again, algorithm=name).sign(b"payload")
    assert verify(token, key, algorithms={name}).payload == b"payload"


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if not name.startswith("HS")])
def test_a_public_key_verifies_and_shows_nothing_private(name: str, keys) -> None:
    public = keys[name].public()
    assert not public.is_private
    assert not public.signers
    assert not set(public.public_jwk()) & {"d", "p", "q", "dp", "dq", "qi", "k"}
    assert public.public_jwk() == keys[name].public_jwk()
    assert public.thumbprint() == keys[name].thumbprint()


def test_a_public_key_has_no_private_form_and_a_secret_no_public_one(keys, refused) -> None:
    with refused("key_mismatch"):
        keys["ES256"].public().private_jwk()
    with refused("key_mismatch"):
        Signer(keys["ES256"].public())
    with refused("key_mismatch"):
        keys["HS256"].public_jwk()
    with refused("key_mismatch"):
        keys["HS256"].public()


@pytest.mark.rfc("7638 §3")
def test_a_generated_key_is_named_by_its_thumbprint_or_as_told() -> None:
    key = Key.generate("ES256")
    assert key.kid == key.thumbprint()
    assert len(key.kid) == 43
    assert Key.generate("ES256", "mine").kid == "mine"
    assert key.public_jwk()["use"] == "sig"
    assert key.public_jwk()["alg"] == "ES256"


def test_a_thumbprint_depends_on_the_public_key_alone(keys) -> None:
    jwk = keys["ES256"].public_jwk()
    bare = {name: jwk[name] for name in ("kty", "crv", "x", "y")}
    assert Key.from_jwk(bare).thumbprint() == keys["ES256"].thumbprint()
    assert Key.from_jwk(jwk | {"kid": "other", "x5t": "abc"}).thumbprint() == keys["ES256"].thumbprint()


def test_a_generated_secret_is_as_long_as_the_hash(b64) -> None:
    for name, size in (("HS256", 32), ("HS384", 48), ("HS512", 64)):
        first, second = Key.generate(name), Key.generate(name)
        assert len(first.private_jwk()["k"]) == len(b64(bytes(size)))
        assert first.private_jwk()["k"] != second.private_jwk()["k"]


def test_a_key_without_alg_serves_every_algorithm_of_its_type_and_size(keys) -> None:
    def served(name: str) -> set[str]:
        jwk = {member: value for member, value in keys[name].private_jwk().items() if member != "alg"}
        return set(Key.from_jwk(jwk).verifiers)

    assert served("RS256") == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    assert served("ES384") == {"ES384"}
    assert served("EdDSA") == {"EdDSA", "Ed25519"}
    assert served("HS256") == {"HS256"}
    assert served("HS384") == {"HS256", "HS384"}
    assert served("HS512") == {"HS256", "HS384", "HS512"}


@pytest.mark.rfc("8725 §3.1")
def test_a_declared_alg_is_the_only_one_served(keys) -> None:
    for name, key in keys.items():
        assert set(key.verifiers) == ({"EdDSA", "Ed25519"} if name in ("EdDSA", "Ed25519") else {name})
        assert key.algorithm == name


def test_the_algorithm_of_a_key_is_known_where_only_one_is_possible(keys) -> None:
    def bare(name: str) -> Key:
        return Key.from_jwk({m: v for m, v in keys[name].private_jwk().items() if m != "alg"})

    assert bare("ES512").algorithm == "ES512"
    assert bare("Ed25519").algorithm == "EdDSA"
    assert bare("RS256").algorithm is None
    assert bare("HS256").algorithm == "HS256"
    assert bare("HS512").algorithm is None


@pytest.mark.rfc("7517 §4.2")
@pytest.mark.parametrize("use", ["enc", "", "SIG", "sig "])
def test_a_key_for_another_use_is_refused(use: str, keys, refused) -> None:
    with refused("bad_key"):
        Key.from_jwk(keys["ES256"].public_jwk() | {"use": use})


@pytest.mark.rfc("7517 §4.3")
@pytest.mark.parametrize(
    "key_ops",
    [["encrypt"], ["wrapKey", "deriveBits"], [], ["verify", "verify"], "verify", {"verify": 1}, [1], None, ["Verify"]],
)
def test_key_ops_without_a_signature_operation_or_malformed_are_refused(key_ops: object, keys, refused) -> None:
    with refused("bad_key"):
        Key.from_jwk(keys["ES256"].private_jwk() | {"key_ops": key_ops})


@pytest.mark.rfc("7517 §4.3")
def test_key_ops_are_honoured(keys, refused) -> None:
    jwk = keys["ES256"].private_jwk()
    signing, verifying = Key.from_jwk(jwk | {"key_ops": ["sign"]}), Key.from_jwk(jwk | {"key_ops": ["verify"]})
    token = Signer(signing).sign(b"{}")
    with refused("key_mismatch"):
        verify(token, signing, algorithms={"ES256"})
    with refused("key_mismatch"):
        Signer(verifying)
    assert verify(token, verifying, algorithms={"ES256"}).payload == b"{}"
    assert verify(token, signing.public(), algorithms={"ES256"}).payload == b"{}"
    assert signing.public_jwk()["key_ops"] == ["verify"]
    assert signing.private_jwk()["key_ops"] == ["sign"]
    with refused("bad_key"):
        Key.from_jwk(keys["ES256"].public_jwk() | {"key_ops": ["sign"]})


@pytest.mark.rfc("7517 §4.4")
@pytest.mark.parametrize(
    ("name", "alg"),
    [
        ("ES256", "ES384"),
        ("ES256", "RS256"),
        ("ES256", "HS256"),
        ("ES256", "ES521"),
        ("ES256", "none"),
        ("ES256", ""),
        ("ES256", "ECDH-ES"),
        ("ES256", "ES256K"),
        ("ES384", "ES256"),
        ("EdDSA", "ES256"),
        ("EdDSA", "Ed448"),
        ("RS256", "RSA-OAEP"),
        ("RS256", "RSA1_5"),
        ("RS256", "HS256"),
        ("HS256", "A256GCM"),
        ("HS256", "HS384"),
        ("HS384", "HS512"),
        ("HS256", "ES256"),
    ],
)
def test_an_alg_that_does_not_fit_the_key_is_refused(name: str, alg: str, keys, refused) -> None:
    with refused("bad_key"):
        Key.from_jwk(keys[name].private_jwk() | {"alg": alg})


@pytest.mark.parametrize("member", ["kty", "kid", "alg", "use", "crv", "x", "y", "d"])
@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], {}, ["P-256"], b"P-256"])
def test_a_member_of_the_wrong_type_is_refused(member: str, value: object, keys, refused) -> None:
    with refused("bad_key"):
        Key.from_jwk(keys["ES256"].private_jwk() | {member: value})


@pytest.mark.parametrize("value", [None, [], "kty", 1, b"{}", [("kty", "EC")]])
def test_what_is_no_object_is_no_key(value: object, refused) -> None:
    with refused("bad_key"):
        Key.from_jwk(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "member"),
    [
        *(("ES256", member) for member in ("kty", "crv", "x", "y")),
        *(("EdDSA", member) for member in ("kty", "crv", "x")),
        *(("RS256", member) for member in ("kty", "n", "e", "p", "q", "dp", "dq", "qi")),
        *(("HS256", member) for member in ("kty", "k")),
    ],
)
def test_a_missing_member_is_refused(name: str, member: str, keys, refused) -> None:
    jwk = keys[name].private_jwk()
    del jwk[member]
    with refused("bad_key"):
        Key.from_jwk(jwk)


@pytest.mark.parametrize(
    ("name", "member"), [("ES256", "x"), ("ES256", "y"), ("ES256", "d"), ("EdDSA", "x"), ("EdDSA", "d"), ("HS256", "k")]
)
def test_base64url_in_a_key_is_read_strictly(name: str, member: str, keys, refused) -> None:
    jwk = keys[name].private_jwk()
    for spoiled in (jwk[member] + "=", " " + jwk[member], jwk[member] + "\n", "+/" + jwk[member][2:], ""):
        with refused("bad_key"):
            Key.from_jwk(jwk | {member: spoiled})


@pytest.mark.parametrize("kid", ["", "x" * 513])
def test_a_kid_is_neither_empty_nor_long(kid: str, keys, refused) -> None:
    with refused("bad_key"):
        Key.from_jwk(keys["ES256"].public_jwk() | {"kid": kid})


def test_certificates_and_unknown_members_are_ignored(keys) -> None:
    extra = {"x5c": ["MII..."], "x5u": "https://evil.example/", "x5t": 7, "oth": "ignored", "ext": True, "nbf": 1}
    key = Key.from_jwk(keys["ES256"].public_jwk() | extra)
    assert key.public_jwk() == keys["ES256"].public_jwk()


def test_any_mapping_will_do(keys) -> None:
    assert Key.from_jwk(MappingProxyType(keys["ES256"].public_jwk())).kid == keys["ES256"].kid


# Elliptic curves


@pytest.mark.rfc("7518 §6.2.1.2")
def test_coordinates_are_of_full_size(b64, refused) -> None:
    short = next(
        point
        for key in iter(lambda: ec.generate_private_key(ec.SECP256R1()), None)
        if (point := key.public_key().public_numbers()).x < 2**248
    )
    whole = {"kty": "EC", "crv": "P-256", "x": int_to_b64(b64, short.x, 32), "y": int_to_b64(b64, short.y, 32)}
    Key.from_jwk(whole)
    with refused("bad_key"):
        Key.from_jwk(whole | {"x": int_to_b64(b64, short.x)})
    with refused("bad_key"):
        Key.from_jwk(whole | {"x": b64(b"\0" + short.x.to_bytes(32, "big"))})


def test_points_off_the_curve_are_refused(keys, b64, refused) -> None:
    """Invalid curve attacks, CVE-2015-7940 and their like."""
    jwk = keys["ES256"].public_jwk()
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    for x, y in ((0, 0), (1, 1), (prime, prime), (2**256 - 1, 2**256 - 1), (0, 1)):
        with refused("bad_key"):
            Key.from_jwk(jwk | {"x": int_to_b64(b64, x, 32), "y": int_to_b64(b64, y, 32)})
    with refused("bad_key"):
        Key.from_jwk(jwk | {"x": jwk["y"], "y": jwk["x"]})
    for crv in ("P-384", "P-521", "secp256k1", "P-256K", "p-256", "Ed25519", "", "P-224"):
        with refused("bad_key"):
            Key.from_jwk({m: v for m, v in jwk.items() if m != "alg"} | {"crv": crv})


def test_a_coordinate_beyond_the_prime_is_refused_though_it_means_the_same_point(b64, refused) -> None:
    """Two texts for one key would have two thumbprints."""
    prime = 2**521 - 1
    curve_b = 0x0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00
    y = pow(curve_b, (prime + 1) // 4, prime)  # the point with x = 0
    jwk = {"kty": "EC", "crv": "P-521", "x": int_to_b64(b64, 0, 66), "y": int_to_b64(b64, y, 66)}
    Key.from_jwk(jwk)
    with refused("bad_key"):
        Key.from_jwk(jwk | {"x": int_to_b64(b64, prime, 66)})


@pytest.mark.parametrize("name", ["ES256", "ES384", "ES512", "EdDSA"])
def test_a_private_part_that_belongs_to_another_public_key_is_refused(name: str, keys, other_keys, refused) -> None:
    with refused("bad_key"):
        Key.from_jwk(keys[name].private_jwk() | {"d": other_keys[name].private_jwk()["d"]})


def test_a_private_number_outside_its_range_is_refused(keys, b64, refused) -> None:
    jwk, order = keys["ES256"].private_jwk(), CURVE_ORDERS["P-256"]
    real = int.from_bytes(__import__("base64").urlsafe_b64decode(jwk["d"] + "="), "big")
    for number in (0, order, order + 1, 2**256 - 1, order - real):
        with refused("bad_key"):
            Key.from_jwk(jwk | {"d": int_to_b64(b64, number, 32)})


@pytest.mark.rfc("8037 §2")
def test_only_ed25519_of_the_okp_curves_is_known(keys, refused) -> None:
    for crv in ("X25519", "Ed448", "X448", "ed25519", "P-256"):
        with refused("bad_key"):
            Key.from_jwk(keys["EdDSA"].public_jwk() | {"crv": crv})


# RSA


@pytest.mark.rfc("7518 §3.3")
@pytest.mark.parametrize("bits", [1024, 2046])
def test_short_rsa_keys_are_refused(bits: int, b64, refused) -> None:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    with refused("bad_key"):
        Key.from_jwk({"kty": "RSA", "n": int_to_b64(b64, numbers.n), "e": "AQAB"})
    with refused("bad_key"):
        Key.generate("RS256", rsa_bits=bits)


def test_huge_rsa_keys_are_refused(b64, refused) -> None:
    """CVE-2023-6237 (OpenSSL) was of this family: the work of checking grows with the key, and the key may be a stranger's."""
    with refused("bad_key"):
        Key.from_jwk({"kty": "RSA", "n": int_to_b64(b64, 2**8192 + 1), "e": "AQAB"})
    with refused("bad_key"):
        Key.from_jwk({"kty": "RSA", "n": int_to_b64(b64, 2**16383 + 1), "e": "AQAB"})
    with refused("bad_key"):
        Key.generate("RS256", rsa_bits=16384)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 17, 65535, 65536, 65538, 2**32 + 1, 2**64 - 1, 2**2047 + 1])
def test_an_exponent_that_is_small_even_or_huge_is_refused(exponent: int, keys, b64, refused) -> None:
    with refused("bad_key"):
        Key.from_jwk(keys["RS256"].public_jwk() | {"e": int_to_b64(b64, exponent, None if exponent else 1)})


@pytest.mark.rfc("7518 §2")
def test_numbers_are_written_in_their_shortest_form(keys, b64, refused) -> None:
    jwk = keys["RS256"].public_jwk()
    with refused("bad_key"):
        Key.from_jwk(jwk | {"e": b64(b"\0\1\0\1")})
    modulus = __import__("base64").urlsafe_b64decode(jwk["n"] + "==")
    with refused("bad_key"):
        Key.from_jwk(jwk | {"n": b64(b"\0" + modulus)})


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi"])
def test_rsa_numbers_that_do_not_belong_together_are_refused(member: str, keys, other_keys, refused) -> None:
    with refused("bad_key"):
        Key.from_jwk(keys["RS256"].private_jwk() | {member: other_keys["RS256"].private_jwk()[member]})


def test_rsa_keys_of_more_than_two_primes_are_refused(keys, refused) -> None:
    with refused("bad_key"):
        Key.from_jwk(keys["RS256"].private_jwk() | {"oth": [{"r": "AQ", "d": "AQ", "t": "AQ"}]})


# Secrets


@pytest.mark.rfc("7518 §3.2")
@pytest.mark.parametrize(("alg", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash_at_least(alg: str, size: int, b64, refused) -> None:
    """CVE-2025-45768 (PyJWT, disputed): a library that takes any length lets people sign with passwords."""
    assert Key.from_secret(b"\x01" * size, alg).algorithm == alg
    for short in (0, 1, size - 1):
        with refused("bad_key"):
            Key.from_secret(b"\x01" * short, alg)
        with refused("bad_key"):
            Key.from_jwk({"kty": "oct", "alg": alg, "k": b64(b"\x01" * short)})


def test_a_secret_is_not_endless(refused) -> None:
    Key.from_secret(b"\x01" * 1024, "HS256")
    with refused("bad_key"):
        Key.from_secret(b"\x01" * 1025, "HS256")


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA", "none", "HS1", ""])
def test_a_secret_is_for_hmac_alone(alg: str, refused) -> None:
    with refused("bad_key"):
        Key.from_secret(b"\x01" * 64, alg)


@pytest.mark.parametrize(
    "secret",
    [
        b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE",
        b"-----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEA",
        b"\n  -----BEGIN CERTIFICATE-----\nMIIBCgKCAQEA",
        b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAAB3NzaC1yc2E",
        b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ",
        b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN",
        b"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY",
        b"sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t",
        b'{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}',
        b'\xef\xbb\xbf{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1g"}]}',
        b"\0-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE",
    ],
)
def test_the_text_of_a_public_key_is_no_secret(secret: bytes, refused) -> None:
    """CVE-2022-29217 (PyJWT), CVE-2024-33663 (python-jose): an OpenSSH key or PEM taken as an HMAC secret."""
    with refused("bad_key"):
        Key.from_secret(secret, "HS256")


@pytest.mark.parametrize("alg", ["ES256", "ES512", "Ed25519", "RS256"])
def test_a_public_key_in_binary_is_no_secret_either(alg: str, keys, refused) -> None:
    # What the mend of CVE-2024-33663 left open: DER is neither PEM nor OpenSSH.
    native = keys[alg]._material.public
    der = native.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with refused("bad_key"):
        Key.from_secret(der, "HS256")
    assert Key.from_secret(b"\x30" + bytes(range(63)), "HS256")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_an_empty_secret_is_no_key(alg: str, refused) -> None:
    # CVE-2026-45363 and its kin: a setting that was never set, and everyone can sign.
    with refused("bad_key"):
        Key.from_secret(b"", alg)
    with refused("bad_key"):
        Key.from_jwk({"kty": "oct", "k": "", "alg": alg})


# The object


def test_a_key_cannot_be_changed(keys) -> None:
    key = keys["ES256"]
    with pytest.raises(AttributeError):
        key.kid = "other"
    with pytest.raises(AttributeError):
        key.anything = 1
    with pytest.raises(AttributeError):
        del key.kid
    with pytest.raises(TypeError):
        key.verifiers["none"] = lambda *_: True
    with pytest.raises(TypeError):
        key.signers["none"] = lambda *_: b""
    written = key.public_jwk()
    written["x"] = "spoiled"
    assert key.public_jwk()["x"] != "spoiled"


def test_a_key_shows_no_secret_and_is_not_pickled(keys) -> None:
    for key in keys.values():
        secrets = [value for name, value in key.private_jwk().items() if name in ("d", "k", "p", "q")]
        shown = f"{key!r} {key!s} {[key]} {key._material!r} {vars(type(key))!r}"
        assert not any(secret in shown for secret in secrets)
        assert "BEGIN" not in shown
        with pytest.raises(TypeError):
            pickle.dumps(key)
