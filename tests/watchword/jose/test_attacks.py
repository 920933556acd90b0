"""Attacks on JOSE libraries, each of which some library once let through."""

from __future__ import annotations

import json
from itertools import product

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hmac import HMAC
from watchword.jose import JoseError, Key, KeySet, Signer, parse, verify
from watchword.jose.algorithms import ALGORITHMS
from watchword.jose.jws import MAX_TOKEN_LENGTH
from watchword.jose.primitives import CURVE_ORDERS

EVERY = [*ALGORITHMS, "none", "None", "NONE"]


def mac(secret: bytes, message: bytes, digest: hashes.HashAlgorithm | None = None) -> bytes:
    context = HMAC(secret, digest or hashes.SHA256())
    context.update(message)
    return context.finalize()


# No signature at all


@pytest.mark.rfc("8725 §3.2")
@pytest.mark.parametrize("name", ["".join(letters) for letters in product(*((c, c.upper()) for c in "none"))])
def test_alg_none_is_refused_in_every_case(name: str, keys, b64, refused) -> None:
    """CVE-2015-9235 (jsonwebtoken), CVE-2020-28042, CVE-2022-23540: "none", and "nOnE" past a blacklist."""
    for signature in ("", b64(b"x"), b64(bytes(64))):
        token = f"{b64({'alg': name, 'typ': 'JWT'})}.{b64(b'{}')}.{signature}"
        for key in (*keys.values(), KeySet([keys["ES256"]]), KeySet()):
            with refused("unsupported_algorithm"):
                verify(token, key, algorithms=[*EVERY, name])


@pytest.mark.parametrize("name", ["none ", " none", "none\n", "none\x00", "no\u200bne", "ｎｏｎｅ", "null", "", "nоne"])
def test_alg_none_is_refused_in_other_spellings(name: str, keys, b64, refused) -> None:
    with refused("unsupported_algorithm"):
        verify(f"{b64({'alg': name})}.e30.", keys["ES256"], algorithms=[*EVERY, name])


@pytest.mark.parametrize("value", [None, 0, False, True, [], ["ES256"], {}, {"ES256": 1}, 1.5])
def test_alg_of_another_type_is_refused(value: object, keys, b64, refused) -> None:
    with refused("bad_header"):
        verify(f"{b64({'alg': value})}.e30.", keys["ES256"], algorithms=EVERY)


@pytest.mark.rfc("7515 §4.1.1")
def test_a_header_without_alg_is_refused(keys, b64, refused) -> None:
    for head in ({}, {"typ": "JWT"}, {"Alg": "ES256"}, {"ALG": "ES256"}, {"alg ": "ES256"}):
        with refused("bad_header"):
            verify(f"{b64(head)}.e30.", keys["ES256"], algorithms=EVERY)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_signature_cut_off_is_refused(name: str, keys, refused) -> None:
    """CVE-2021-32631 and others: no signature, or none that is checked."""
    head, payload, _ = Signer(keys[name]).sign(b"{}").split(".")
    with refused("bad_signature"):
        verify(f"{head}.{payload}.", keys[name], algorithms={name})
    for text in (f"{head}.{payload}", f"{head}.{payload}..", f"{head}", "", ".", "..", "...", f".{payload}."):
        with pytest.raises(JoseError):
            verify(text, keys[name], algorithms={name})


# A key used for another algorithm


def public_texts(key: Key) -> list[bytes]:
    """Every form in which a public key is published, any of which might serve as an HMAC secret."""
    native = key.public()._material.public
    texts = [json.dumps(key.public_jwk()).encode(), json.dumps(key.public_jwk(), separators=(",", ":")).encode()]
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
        texts.append(native.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo))
    texts.append(native.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH))
    texts.extend(text.strip() for text in list(texts))
    texts.append(b"")
    return texts


@pytest.mark.rfc("8725 §2.1")
@pytest.mark.parametrize("name", ["ES256", "ES384", "EdDSA", "RS256", "PS256"])
@pytest.mark.parametrize(
    ("hmac_name", "digest"), [("HS256", hashes.SHA256()), ("HS384", hashes.SHA384()), ("HS512", hashes.SHA512())]
)
def test_a_public_key_never_serves_as_a_secret(name, hmac_name, digest, keys, b64, refused) -> None:
    """CVE-2015-9235, CVE-2016-10555, CVE-2016-5431, CVE-2017-11424, CVE-2022-29217, CVE-2024-33663, CVE-2024-37568:
    a token made with HMAC under the published key."""
    key = keys[name].public()
    for kid in ({}, {"kid": key.kid}):
        signing_input = f"{b64({'alg': hmac_name, **kid})}.{b64(b'{}')}"
        for secret in public_texts(key):
            token = f"{signing_input}.{b64(mac(secret, signing_input.encode(), digest))}"
            for trusted in (key, KeySet([key])):
                with refused("key_mismatch", "unknown_key"):
                    verify(token, trusted, algorithms=ALGORITHMS.keys())


def test_a_public_key_without_alg_never_serves_as_a_secret_either(keys, b64, refused) -> None:
    for name in ("ES256", "EdDSA", "RS256"):
        jwk = {m: v for m, v in keys[name].public_jwk().items() if m not in ("alg", "use", "kid")}
        key = Key.from_jwk(jwk)
        signing_input = f"{b64({'alg': 'HS256'})}.{b64(b'{}')}"
        for secret in public_texts(key):
            with refused("key_mismatch"):
                verify(f"{signing_input}.{b64(mac(secret, signing_input.encode()))}", key, algorithms=EVERY)


def test_no_key_serves_an_algorithm_that_is_not_its_own(keys, forge, refused) -> None:
    """RS/PS, ES256/ES384, HS256/HS512 and every other mixture: a true signature under a false name."""
    same = {frozenset({"EdDSA", "Ed25519"})}
    for name, key in keys.items():
        for other in ALGORITHMS:
            if other != name and frozenset({name, other}) not in same:
                token = forge(key, {"alg": other}, algorithm=name)
                with refused("key_mismatch"):
                    verify(token, key, algorithms=ALGORITHMS.keys())


def test_a_pss_signature_is_no_pkcs1_signature_and_the_reverse(keys, b64, refused) -> None:
    jwk = {m: v for m, v in keys["RS256"].private_jwk().items() if m not in ("alg", "kid")}
    key = Key.from_jwk(jwk)
    for named, made in (("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS384"), ("PS384", "PS512")):
        signing_input = f"{b64({'alg': named})}.e30"
        signature = key.signers[made](signing_input.encode())
        with refused("bad_signature"):
            verify(f"{signing_input}.{b64(signature)}", key, algorithms=EVERY)


@pytest.mark.rfc("7518 §3.5")
def test_pss_salts_of_another_length_and_other_mask_hashes_are_refused(keys, b64, refused) -> None:
    key = keys["PS256"]
    native = key._material.private
    signing_input = f"{b64({'alg': 'PS256'})}.e30"
    sha256, sha1 = hashes.SHA256(), hashes.SHA1()
    for mask, length in ((sha256, 0), (sha256, 20), (sha256, 31), (sha256, 33), (sha256, 222), (sha1, 32)):
        signature = native.sign(signing_input.encode(), padding.PSS(mgf=padding.MGF1(mask), salt_length=length), sha256)
        with refused("bad_signature"):
            verify(f"{signing_input}.{b64(signature)}", key, algorithms={"PS256"})


def test_the_none_key_of_a_null_secret_does_not_exist(refused) -> None:
    """An empty or missing secret verifies what anyone can make."""
    for jwk in ({"kty": "oct", "k": ""}, {"kty": "oct"}, {"kty": "oct", "k": None}, {"kty": "none"}, {"kty": ""}):
        with refused("bad_key"):
            Key.from_jwk(jwk)
    with refused("bad_key"):
        Key.from_secret(b"", "HS256")


# A key that comes with the token


def embedded(key: Key) -> dict[str, dict[str, object]]:
    return {
        "jwk": {"jwk": key.public_jwk()},
        "jku": {"jku": "https://evil.example/jwks.json"},
        "x5u": {"x5u": "https://evil.example/chain.pem"},
        "x5c": {"x5c": ["MIIB"]},
        "empty x5c": {"x5c": []},
        "empty jwk": {"jwk": {}},
    }


@pytest.mark.rfc("8725 §3.10")
@pytest.mark.parametrize("name", ["ES256", "EdDSA", "RS256", "PS256"])
@pytest.mark.parametrize("how", ["jwk", "jku", "x5u", "x5c", "empty x5c", "empty jwk"])
def test_a_key_brought_by_the_token_is_not_used(name: str, how: str, keys, other_keys, forge, refused) -> None:
    """CVE-2018-0114 (node-jose), CVE-2026-27962 (Authlib): the attacker's own key in the header."""
    attacker = other_keys[name]
    for kid in ({}, {"kid": keys[name].kid}):
        token = forge(attacker, {"alg": name, **kid, **embedded(attacker)[how]})
        for trusted in (keys[name], KeySet([keys[name]])):
            with refused("embedded_key"):
                verify(token, trusted, algorithms={name})
    # Nor is it accepted beside a signature that is true: no one who trusts the key set has a use for it.
    with refused("embedded_key"):
        verify(forge(keys[name], {"alg": name, **embedded(keys[name])[how]}), keys[name], algorithms={name})


def test_a_secret_brought_by_the_token_is_not_used(keys, forge, refused) -> None:
    attacker = Key.generate("HS256")
    token = forge(attacker, {"alg": "HS256", "jwk": attacker.private_jwk()})
    for key in keys.values():
        with refused("embedded_key"):
            verify(token, key, algorithms=EVERY)


@pytest.mark.parametrize(
    "kid", ["../../../dev/null", "' OR 1=1 --", "/dev/null", "http://evil.example/", "x\x00y", "\n"]
)
def test_a_kid_is_only_ever_compared(kid: str, keys, forge, refused) -> None:
    """Path traversal and injection by kid: it names a key that is here, or none."""
    with refused("unknown_key"):
        verify(forge(keys["ES256"], {"alg": "ES256", "kid": kid}), KeySet([keys["ES256"]]), algorithms={"ES256"})


# Parameters of the wrong kind


@pytest.mark.parametrize("name", ["kid", "typ", "cty", "jku", "x5u", "x5t", "x5t#S256"])
@pytest.mark.parametrize("value", [None, 0, 1, True, 1.5, [], ["x"], {}, {"x": 1}])
def test_a_text_parameter_of_another_type_is_refused(name: str, value: object, keys, forge, refused) -> None:
    with refused("bad_header"):
        verify(forge(keys["ES256"], {"alg": "ES256", name: value}), keys["ES256"], algorithms={"ES256"})


@pytest.mark.parametrize("head", [{"jwk": None}, {"jwk": "x"}, {"jwk": []}, {"x5c": "x"}, {"x5c": [1]}, {"x5c": {}}])
def test_embedded_keys_of_another_type_are_refused(head: dict, keys, forge, refused) -> None:
    with refused("bad_header"):
        verify(forge(keys["ES256"], {"alg": "ES256", **head}), keys["ES256"], algorithms={"ES256"})


@pytest.mark.rfc("7515 §4.1.11")
@pytest.mark.parametrize(
    "crit",
    [["exp"], ["b64"], ["alg"], ["x", "y"], [], [""], None, "", "exp", {}, {"exp": 1}, [1], [None], [["exp"]], True, 0],
)
def test_crit_is_refused_whatever_it_holds(crit: object, keys, forge, refused) -> None:
    """CVE-2025-59420 (Authlib), CVE-2026-32597 (PyJWT): unknown critical parameters ignored."""
    head = {"alg": "ES256", "crit": crit, "exp": 1, "b64": True, "x": 1, "y": 1}
    with refused("critical_header"):
        verify(forge(keys["ES256"], head), keys["ES256"], algorithms={"ES256"})


@pytest.mark.rfc("7797 §6")
@pytest.mark.parametrize("value", [False, None, 0, 1, "true", "false", []])
def test_an_unencoded_payload_is_refused(value: object, keys, forge, refused) -> None:
    with refused("critical_header"):
        verify(forge(keys["ES256"], {"alg": "ES256", "b64": value}), keys["ES256"], algorithms={"ES256"})


@pytest.mark.parametrize(
    "head",
    [
        b'{"alg":"ES256","alg":"none"}',
        b'{"alg":"none","alg":"ES256"}',
        b'{"alg":"ES256","alg":"ES256"}',
        b'{"alg":"ES256","\\u0061lg":"none"}',
        b'{"alg":"ES256","kid":"a","kid":"b"}',
        b'{"alg":"ES256","x":{"a":1,"a":2}}',
    ],
)
@pytest.mark.rfc("7515 §4")
def test_a_header_parameter_named_twice_is_refused(head: bytes, keys, forge, refused) -> None:
    with refused("duplicate_member"):
        verify(forge(keys["ES256"], head), keys["ES256"], algorithms=EVERY)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"ES256"',
        b'{"alg":"ES256"',
        b'{"alg":"ES256"}{}',
        b'{"alg":"ES256"}\x00',
        b'\xef\xbb\xbf{"alg":"ES256"}',
        b"{'alg':'ES256'}",
        b'{"alg":"ES256",}',
        b'{"alg":"ES256","x":NaN}',
        b'{"alg":"ES256","x":1e999}',
        b'{"alg":"ES256","x":' + b"9" * 400 + b"}",
        b'{"alg":"ES256","x":"\xff"}',
        b'{"alg":"ES256","x":"\\ud800"}',
        '{"alg":"ES256"}'.encode("utf-16"),
    ],
)
def test_a_header_that_is_no_json_object_is_refused(head: bytes, keys, forge, refused) -> None:
    with refused("bad_json"):
        verify(forge(keys["ES256"], head), keys["ES256"], algorithms=EVERY)


@pytest.mark.rfc("7515 §5.2")
def test_white_space_inside_the_json_of_a_header_is_no_fault(keys, forge) -> None:
    token = forge(keys["ES256"], b' {\r\n "alg" :\t"ES256" } ')
    assert verify(token, keys["ES256"], algorithms={"ES256"}).header == {"alg": "ES256"}


# Sizes


def test_a_long_token_is_refused_before_anything_of_it_is_decoded(keys, refused) -> None:
    """CVE-2024-33664 (python-jose) and CVE-2024-28176 were of this family: a small text that costs much."""
    token = Signer(keys["HS256"]).sign(b"x" * MAX_TOKEN_LENGTH)
    with refused("too_long"):
        verify(token, keys["HS256"], algorithms={"HS256"})
    assert verify(token, keys["HS256"], algorithms={"HS256"}, max_length=10**6)
    for text in ("." * 10**6, "a" * 10**6, "é" * 10**6, "e30." * 10**5):
        with refused("too_long"):
            parse(text)
    short = Signer(keys["HS256"]).sign(b"{}")
    assert parse(short, max_length=len(short))
    with refused("too_long"):
        parse(short, max_length=len(short) - 1)


def test_many_dots_are_counted_no_further_than_needed(refused) -> None:
    """CVE-2025-30204 (golang-jwt): a header of dots, split into as many pieces."""
    with refused("malformed"):
        parse("." * MAX_TOKEN_LENGTH)


def test_a_long_header_is_refused(keys, forge, refused) -> None:
    with refused("too_long"):
        parse(forge(keys["HS256"], {"alg": "HS256", "pad": "x" * 4000}))


@pytest.mark.parametrize("inner", [b"[" * 1500, b'{"a":' * 500, b"[[[[1]]]]"])
def test_a_deep_header_is_refused(inner: bytes, keys, forge, refused) -> None:
    with refused("too_deep"):
        parse(forge(keys["HS256"], b'{"alg":"HS256","x":' + inner + b"}"))


# Texts of a token


@pytest.mark.parametrize("name", ["ES256", "EdDSA", "RS256", "HS256"])
def test_only_one_text_stands_for_a_token(name: str, keys, refused) -> None:
    """CVE-2022-25898 (jsrsasign): a token that stays valid under another spelling escapes every list of revoked ones."""
    token = Signer(keys[name]).sign(b'{"a":12}')
    segments = token.split(".")
    for place in range(3):
        for change in (
            lambda text: text + "=",
            lambda text: text + "==",
            lambda text: text + "\n",
            lambda text: " " + text,
            lambda text: text[:4] + " " + text[4:],
            lambda text: text[:4] + "\n" + text[4:],
            lambda text: text[:4] + "\x00" + text[4:],
            lambda text: text[:4] + "?" + text[4:],
            lambda text: text[:4] + "\u200b" + text[4:],
            lambda text: text[:4] + "." + text[4:],
            lambda text: text + "A",
            lambda text: text.replace("e", "ｅ", 1) if "e" in text else text + "ｅ",
        ):
            changed = list(segments)
            changed[place] = change(changed[place])
            with refused("bad_base64url", "malformed", "bad_json", "bad_signature"):
                verify(".".join(changed), keys[name], algorithms={name})
    for text in (token + ".", "." + token, token + ".e30", token + " ", " " + token, f"Bearer {token}", token + "\x00"):
        with refused("malformed", "bad_base64url"):
            verify(text, keys[name], algorithms={name})


def test_bits_left_over_do_not_make_a_second_text(keys, refused) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = Signer(keys["HS256"]).sign(b"{}")  # 32 bytes of signature leave two bits over
    accepted = []
    for last in alphabet:
        try:
            verify(token[:-1] + last, keys["HS256"], algorithms={"HS256"})
        except JoseError:
            continue
        accepted.append(last)
    assert accepted == [token[-1]]


def test_the_other_alphabet_is_refused(keys, b64, refused) -> None:
    key = keys["HS256"]
    for number in range(2000):
        token = Signer(key).sign(b"%d" % number)
        if "-" in token.rpartition(".")[2] or "_" in token.rpartition(".")[2]:
            head, _, signature = token.rpartition(".")
            with refused("bad_base64url"):
                verify(f"{head}.{signature.replace('-', '+').replace('_', '/')}", key, algorithms={"HS256"})
            return
    raise AssertionError("no such signature found")


@pytest.mark.parametrize("value", [None, 1, b"e30.e30.", ["e30", "e30", ""], {"payload": "e30"}, bytearray(b"e30..")])
def test_what_is_no_text_is_refused(value: object, refused) -> None:
    with refused("malformed"):
        parse(value)  # type: ignore[arg-type]


def test_the_json_serializations_are_refused(keys, refused) -> None:
    head, payload, signature = Signer(keys["ES256"]).sign(b"{}").split(".")
    for document in (
        {"payload": payload, "protected": head, "signature": signature},
        {"payload": payload, "signatures": [{"protected": head, "signature": signature}]},
    ):
        with refused("malformed", "bad_base64url"):
            parse(json.dumps(document))


def test_an_encrypted_token_is_no_signed_one(refused) -> None:
    with refused("malformed"):
        parse("eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA")


# Signatures that are not


@pytest.mark.rfc("7518 §3.4")
@pytest.mark.parametrize(("name", "curve"), [("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521")])
def test_r_and_s_out_of_range_are_refused(name: str, curve: str, keys, b64, refused) -> None:
    """CVE-2022-21449 ("psychic signatures"): r = s = 0 fitted every message and every key."""
    half = ALGORITHMS[name].signature_size // 2
    order, most = CURVE_ORDERS[curve], 2 ** (8 * half) - 1
    numbers = (0, 1, order - 1, order, order + 1, most)
    head = f"{b64({'alg': name})}.{b64(b'{}')}"
    for r, s in product(numbers, repeat=2):
        signature = r.to_bytes(half, "big") + s.to_bytes(half, "big")
        with refused("bad_signature"):
            verify(f"{head}.{b64(signature)}", keys[name], algorithms={name})
        assert not keys[name].verifiers[name](signature, head.encode())


@pytest.mark.parametrize("name", ["ES256", "ES384", "ES512"])
def test_adding_the_order_to_r_or_s_makes_no_second_signature(name: str, keys) -> None:
    half, key = ALGORITHMS[name].signature_size // 2, keys[name]
    order = CURVE_ORDERS[ALGORITHMS[name].curve]
    signature = key.signers[name](b"message")
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    for first, second in ((r + order, s), (r, s + order), (r + order, s + order)):
        if max(first, second) < 2 ** (8 * half):
            spoiled = first.to_bytes(half, "big") + second.to_bytes(half, "big")
            assert not key.verifiers[name](spoiled, b"message")


@pytest.mark.parametrize("name", ["ES256", "ES384", "ES512"])
def test_a_der_signature_is_refused(name: str, keys, b64, refused) -> None:
    """RFC 7518 §3.4 wants R || S; libraries that took DER as well gave every token many signatures."""
    key, half = keys[name], ALGORITHMS[name].signature_size // 2
    native = key._material.private
    signing_input = f"{b64({'alg': name})}.e30"
    digest = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "ES512": hashes.SHA512()}[name]
    with refused("bad_signature"):
        verify(f"{signing_input}.{b64(native.sign(signing_input.encode(), ec.ECDSA(digest)))}", key, algorithms={name})
    signature = key.signers[name](signing_input.encode())
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    with refused("bad_signature"):
        verify(f"{signing_input}.{b64(encode_dss_signature(r, s))}", key, algorithms={name})


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_signature_of_another_length_is_refused(name: str, keys, b64, refused) -> None:
    key = keys[name]
    head, payload, _ = Signer(key).sign(b"{}").split(".")
    signature = key.signers[name](f"{head}.{payload}".encode())
    half = len(signature) // 2
    for spoiled in (
        b"",
        b"\x00",
        signature[:-1],
        signature[1:],
        signature[:half],
        signature + b"\x00",
        b"\x00" + signature,
        signature * 2,
        signature + signature[:half],
        signature[:half] + b"\x00" + signature[half:],
        b"\x00" + signature[:half] + b"\x00" + signature[half:],
        bytes(len(signature)),
        b"\xff" * len(signature),
        b"\x00" * 2000,
    ):
        with refused("bad_signature"):
            verify(f"{head}.{payload}.{b64(spoiled)}", key, algorithms={name})
        assert not key.verifiers[name](spoiled, f"{head}.{payload}".encode())


def test_an_rsa_signature_without_its_leading_zero_is_refused(keys, refused) -> None:
    """RFC 8017 §8.2.2, step 1. Some libraries pad short ones, and give a token two texts."""
    key = keys["RS256"]
    for number in range(5000):
        message = b"%d" % number
        signature = key.signers["RS256"](message)
        if signature[0] == 0:
            assert key.verifiers["RS256"](signature, message)
            assert not key.verifiers["RS256"](signature[1:], message)
            return
    raise AssertionError("no such signature found")


def test_a_signature_plus_the_modulus_is_refused(keys) -> None:
    key = keys["RS256"]
    modulus = key._material.public.public_numbers().n
    for number in range(50):
        message = b"%d" % number
        larger = int.from_bytes(key.signers["RS256"](message), "big") + modulus
        if larger < 2**2048:
            assert not key.verifiers["RS256"](larger.to_bytes(256, "big"), message)


def test_ed25519_signatures_with_s_beyond_the_order_are_refused(keys) -> None:
    """RFC 8032 §5.1.7: S is below L, or anyone could make a second signature of the first."""
    key, order = keys["EdDSA"], 2**252 + 27742317777372353535851937790883648493
    signature = key.signers["EdDSA"](b"message")
    s = int.from_bytes(signature[32:], "little") + order
    assert key.verifiers["EdDSA"](signature, b"message")
    assert not key.verifiers["EdDSA"](signature[:32] + s.to_bytes(32, "little"), b"message")


def test_signatures_of_one_token_do_not_fit_another(keys, refused) -> None:
    for name, key in keys.items():
        first, second = Signer(key).sign(b'{"sub":"a"}'), Signer(key).sign(b'{"sub":"b"}')
        with refused("bad_signature"):
            verify(first.rpartition(".")[0] + "." + second.rpartition(".")[2], key, algorithms={name})


def test_dots_cannot_be_moved_between_header_and_payload(keys, refused) -> None:
    """The signing input holds the dot, so that its two parts cannot be divided anew."""
    token = Signer(keys["HS256"]).sign(b"{}")
    joined = token.replace(".", "", 1)
    for place in range(1, len(joined.rpartition(".")[0])):
        moved = joined[:place] + "." + joined[place:]
        if moved != token:
            with pytest.raises(JoseError):
                verify(moved, keys["HS256"], algorithms={"HS256"})


def test_no_error_repeats_any_part_of_a_token(keys, b64) -> None:
    marked = "marked-secret-text"
    for token in (
        marked,
        f"{marked}.{marked}.{marked}",
        f"{b64({'alg': marked})}.e30.",
        f"{b64({'alg': 'ES256', 'kid': marked})}.e30.AAAA",
        f"{b64({'alg': 'ES256', 'crit': [marked]})}.e30.AAAA",
        f"{b64({'alg': 'ES256', 'jku': marked})}.e30.AAAA",
        f"{b64({marked: 1})}.e30.AAAA",
    ):
        with pytest.raises(JoseError) as caught:
            verify(token, KeySet([keys["ES256"]]), algorithms={"ES256"})
        shown = f"{caught.value} {caught.value!r} {caught.value.args}"
        assert marked not in shown
        assert caught.value.__cause__ is None
