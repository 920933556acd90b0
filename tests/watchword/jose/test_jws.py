"""Signing, taking apart and verifying compact JWS: what is meant to work."""

from __future__ import annotations

import json
import threading

import pytest
from watchword.jose import Key, KeySet, Signer, header, jws, material, parse, verify
from watchword.jose.algorithms import ALGORITHMS, ASYMMETRIC
from watchword.jose.jws import encode_header, verify_parsed, verify_with_embedded_key
from watchword.jose.remembered import MAX_ENTRIES, MAX_KEY_BYTES, Remembered


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("payload", [b"", b"{}", b"\x00\xff", b'{"sub":"1"}' * 50])
def test_what_is_signed_verifies_under_the_public_key(name: str, payload: bytes, keys) -> None:
    key = keys[name]
    token = Signer(key, typ="at+jwt").sign(payload)
    trusted = key if key.is_symmetric else key.public()
    for one in (trusted, KeySet([trusted])):
        verified = verify(token, one, algorithms={name})
        assert verified.payload == payload
        assert dict(verified.header) == {"alg": name, "typ": "at+jwt", "kid": key.kid}
        assert verified.key is trusted


@pytest.mark.parametrize("name", ALGORITHMS)
def test_another_key_of_the_same_kind_does_not_verify(name: str, keys, other_keys, refused) -> None:
    jwk = keys[name].private_jwk()
    del jwk["kid"]
    token = Signer(Key.from_jwk(jwk)).sign(b"{}")
    with refused("bad_signature"):
        verify(token, other_keys[name], algorithms={name})


@pytest.mark.parametrize("name", ALGORITHMS)
def test_any_change_to_a_token_is_noticed(name: str, keys, b64, refused) -> None:
    key = keys[name]
    head, payload, signature = Signer(key).sign(b'{"admin":false}').split(".")
    with refused("bad_signature"):
        verify(f"{head}.{b64({'admin': True})}.{signature}", key, algorithms={name})
    with refused("bad_signature"):
        other = encode_header(name, kid=key.kid, typ="JWT").decode()
        verify(f"{other}.{payload}.{signature}", key, algorithms={name})
    for place in (0, 10, len(signature) // 2, len(signature) - 5):
        spoiled = signature[:place] + ("A" if signature[place] != "A" else "B") + signature[place + 1 :]
        with refused("bad_signature"):
            verify(f"{head}.{payload}.{spoiled}", key, algorithms={name})


@pytest.mark.rfc("9864 §2.2")
def test_both_names_of_ed25519_are_understood_and_allowed_each_by_name(keys, refused) -> None:
    key = keys["EdDSA"]
    for name, other in (("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")):
        token = Signer(key, algorithm=name).sign(b"{}")
        assert parse(token).algorithm == name
        assert verify(token, key, algorithms={"EdDSA", "Ed25519"}).payload == b"{}"
        with refused("algorithm_not_allowed"):
            verify(token, key, algorithms={other})


@pytest.mark.rfc("8725 §3.1")
def test_only_algorithms_the_caller_allows_are_accepted(keys, refused) -> None:
    for name, key in keys.items():
        token = Signer(key).sign(b"{}")
        for allowed in ([], set(), ALGORITHMS.keys() - {name}, ("none",), (name.lower(),), (name + " ",)):
            with refused("algorithm_not_allowed"):
                verify(token, key, algorithms=allowed)
        assert verify(token, key, algorithms=[name])


def test_one_string_is_not_taken_for_a_collection_of_algorithms(keys) -> None:
    token = Signer(keys["ES256"]).sign(b"{}")
    for text in ("ES256", "ES256 ES384", "", "RS256"):
        with pytest.raises(TypeError):
            verify(token, keys["ES256"], algorithms=text)
        with pytest.raises(TypeError):
            verify_with_embedded_key(
                Signer(keys["ES256"], header={"jwk": keys["ES256"].public_jwk()}).sign(b"{}"), algorithms=text
            )


def test_parsing_takes_a_token_apart_and_proves_nothing(keys, b64) -> None:
    token = Signer(keys["ES256"], typ="at+jwt", header={"x5t": "abc"}).sign(b"payload")
    forged = token[: token.rindex(".") + 1] + b64(bytes(64))
    for text in (token, forged):
        parsed = parse(text)
        assert parsed.payload == b"payload"
        assert parsed.signing_input == text.rpartition(".")[0].encode()
        assert b64(parsed.signature) == text.rpartition(".")[2]
        assert (parsed.algorithm, parsed.kid, parsed.embedded) == ("ES256", keys["ES256"].kid, None)
        assert parsed.header["x5t"] == "abc"
    assert verify_parsed(parse(token), keys["ES256"], algorithms={"ES256"}).payload == b"payload"


def test_what_was_parsed_shows_no_token_in_its_repr(keys) -> None:
    token = Signer(keys["ES256"]).sign(b"secret-payload")
    assert token.rpartition(".")[2] not in repr(parse(token))
    assert "secret-payload" not in repr(parse(token)) + repr(verify(token, keys["ES256"], algorithms={"ES256"}))


@pytest.mark.rfc("9101 §6.2/2")
def test_a_kid_may_not_contradict_the_key(keys, forge, refused) -> None:
    named = keys["ES256"]
    jwk = named.private_jwk()
    del jwk["kid"]
    nameless = Key.from_jwk(jwk)
    with_other_kid = forge(named, {"alg": "ES256", "kid": "other"})
    without_kid = forge(named, {"alg": "ES256"})
    with refused("unknown_key"):
        verify(with_other_kid, named, algorithms={"ES256"})
    assert verify(with_other_kid, nameless, algorithms={"ES256"})
    assert verify(without_kid, named, algorithms={"ES256"})
    assert verify(without_kid, KeySet([named]), algorithms={"ES256"})


# Signing


def test_a_header_is_written_once_and_in_order(keys) -> None:
    signer = Signer(keys["ES256"], typ="at+jwt", header={"cty": "x", "custom": [1, {"a": None}]})
    first, second = signer.sign(b"1"), signer.sign(b"2")
    assert first.split(".")[0] == second.split(".")[0]
    expected = {"alg": "ES256", "typ": "at+jwt", "kid": keys["ES256"].kid, "cty": "x", "custom": [1, {"a": None}]}
    import base64

    raw = base64.urlsafe_b64decode(first.split(".")[0] + "==")
    assert raw == json.dumps(expected, separators=(",", ":")).encode()
    assert signer.algorithm == "ES256"
    assert signer.key is keys["ES256"]
    assert signer.header["alg"] == "ES256"


@pytest.mark.parametrize("name", ["alg", "kid", "crit", "b64", "typ"])
def test_a_signer_keeps_some_parameters_to_itself(name: str, keys, refused) -> None:
    with refused("bad_header"):
        Signer(keys["ES256"], typ="JWT", header={name: "x"})


def test_typ_may_be_given_as_a_header_parameter_instead(keys) -> None:
    assert parse(Signer(keys["ES256"], header={"typ": "dpop+jwt"}).sign(b"")).header["typ"] == "dpop+jwt"


@pytest.mark.parametrize(
    "extra",
    [{"x5c": "MII"}, {"jku": 7}, {"cty": None, "x5t": 1}, {"deep": [[[[1]]]]}, {"a": object()}, {"a": {1j}}],
)
def test_a_signer_writes_no_header_that_it_would_not_read(extra: dict, keys, refused) -> None:
    with refused("bad_header", "too_deep"):
        Signer(keys["ES256"], header=extra)


def test_a_signer_shows_no_private_key_in_its_header(keys, refused) -> None:
    for name in ("ES256", "RS256", "HS256"):
        with refused("bad_header"):
            Signer(keys["ES256"], header={"jwk": keys[name].private_jwk()})


def test_a_signer_needs_to_know_the_algorithm_and_have_a_key_for_it(keys, refused) -> None:
    jwk = keys["RS256"].private_jwk()
    del jwk["alg"]
    several = Key.from_jwk(jwk)
    with refused("key_mismatch"):
        Signer(several)
    assert parse(Signer(several, algorithm="PS384").sign(b"")).algorithm == "PS384"
    with refused("key_mismatch"):
        Signer(several, algorithm="ES256")
    with refused("key_mismatch"):
        Signer(keys["RS256"], algorithm="PS256")
    with refused("key_mismatch"):
        Signer(keys["ES256"], algorithm="HS256")
    with refused("key_mismatch"):
        Signer(keys["HS512"], algorithm="HS256")
    for name in ("none", "None", "", "ES256K"):
        with refused("unsupported_algorithm"):
            Signer(keys["ES256"], algorithm=name)


def test_a_signer_shows_no_secret(keys) -> None:
    assert keys["HS256"].private_jwk()["k"] not in repr(Signer(keys["HS256"]))


def test_es256_signatures_are_of_fixed_length_even_where_a_number_is_short(keys) -> None:
    for name, size in (("ES256", 64), ("ES384", 96), ("ES512", 132)):
        signer = Signer(keys[name])
        lengths = {len(parse(signer.sign(b"%d" % n)).signature) for n in range(300)}
        assert lengths == {size}


def test_signatures_whose_numbers_begin_with_zeros_verify(keys) -> None:
    """One in 128 has a leading zero byte in r or s; DER writes those numbers shorter."""
    for name in ("ES256", "ES384"):
        key, seen = keys[name], 0
        half = ALGORITHMS[name].signature_size // 2
        for number in range(5000):
            message = b"%d" % number
            signature = key.signers[name](message)
            if signature[0] == 0 or signature[half] == 0:
                assert key.verifiers[name](signature, message)
                assert not key.verifiers[name](signature, message + b".")
                seen += 1
            if seen == 5:
                break
        assert seen == 5


# Keys inside tokens, for proofs of possession


@pytest.mark.rfc("9449 §4.3/6")
@pytest.mark.parametrize("name", sorted(ASYMMETRIC))
def test_a_proof_verifies_with_the_key_it_shows(name: str, keys) -> None:
    signer = Signer(keys[name], typ="dpop+jwt", header={"jwk": keys[name].public_jwk()})
    assert "kid" not in signer.header
    proof = signer.sign(b"{}")
    for _ in range(2):
        verified = verify_with_embedded_key(proof, algorithms=ASYMMETRIC)
        assert verified.key.thumbprint() == keys[name].thumbprint()
        assert not verified.key.is_private
        assert verified.header["jwk"]["kty"] == keys[name].kty


def test_a_proof_that_shows_another_key_is_refused(keys, forge, refused) -> None:
    shown = Key.generate("ES256").public_jwk()
    with refused("bad_signature"):
        verify_with_embedded_key(forge(keys["ES256"], {"alg": "ES256", "jwk": shown}), algorithms=ASYMMETRIC)


def test_a_proof_shows_exactly_one_public_key_in_jwk(keys, forge, refused) -> None:
    key = keys["ES256"]
    public = key.public_jwk()
    for more in ({}, {"jku": "https://evil.example/"}, {"x5c": ["MII"]}, {"x5u": "https://evil.example/"}):
        header_ = {"alg": "ES256", **({"jwk": public} if more else {}), **more}
        with refused("embedded_key"):
            verify_with_embedded_key(forge(key, header_), algorithms=ASYMMETRIC)
    with refused("bad_key"):
        verify_with_embedded_key(forge(key, {"alg": "ES256", "jwk": key.private_jwk()}), algorithms=ASYMMETRIC)
    with refused("bad_key"):
        verify_with_embedded_key(forge(key, {"alg": "ES256", "jwk": {}}), algorithms=ASYMMETRIC)
    with refused("key_mismatch"):
        shown = Key.from_jwk({m: v for m, v in public.items() if m != "alg"}).public_jwk()
        shown.pop("alg", None)
        verify_with_embedded_key(forge(keys["RS256"], {"alg": "RS256", "jwk": shown}), algorithms=ASYMMETRIC)


def test_a_private_key_shown_in_a_proof_is_refused_before_any_work(keys, forge, refused, monkeypatch) -> None:
    # Checking a private RSA key costs a thousand times what a signature costs, and here a stranger chooses it.
    proof = forge(keys["ES256"], {"alg": "ES256", "jwk": keys["RS256"].private_jwk()})
    monkeypatch.setattr(material, "_rsa_private", lambda *_: pytest.fail("a private key was read"))
    with refused("bad_key"):
        verify_with_embedded_key(proof, algorithms=ASYMMETRIC)


def test_a_proof_whose_key_is_of_another_kind_is_refused_and_not_remembered(keys, forge, refused) -> None:
    proof = forge(keys["ES256"], {"alg": "ES256", "jwk": keys["Ed25519"].public_jwk()})
    before = len(jws._embedded_keys)
    for _ in range(2):
        with refused("key_mismatch"):
            verify_with_embedded_key(proof, algorithms=ASYMMETRIC)
    assert len(jws._embedded_keys) == before


def test_a_secret_shown_in_a_proof_proves_nothing(keys, forge, refused) -> None:
    secret = keys["HS256"]
    proof = forge(secret, {"alg": "HS256", "jwk": secret.private_jwk()})
    with refused("algorithm_not_allowed"):
        verify_with_embedded_key(proof, algorithms=ASYMMETRIC)
    with refused("bad_key"):
        verify_with_embedded_key(proof, algorithms=ALGORITHMS.keys())


# The memory of headers


def test_a_warm_header_is_not_decoded_again(keys, monkeypatch) -> None:
    signer = Signer(keys["ES256"], header={"warm": 1})
    first = parse(signer.sign(b"1"))

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(header.strict_json, "decode_object", fail)
    assert parse(signer.sign(b"2")).header is first.header


def test_a_remembered_header_cannot_be_changed_by_those_who_see_it(keys) -> None:
    signer = Signer(keys["ES256"], header={"nested": {"list": [1, {"a": 1}]}})
    shown = parse(signer.sign(b"1")).header
    with pytest.raises(TypeError):
        shown["alg"] = "none"
    with pytest.raises(TypeError):
        shown["nested"]["list"] = []
    with pytest.raises(TypeError):
        shown["nested"]["list"][1]["a"] = 2
    with pytest.raises(AttributeError):
        shown["nested"]["list"].append(1)
    assert parse(signer.sign(b"2")).header["nested"]["list"] == (1, {"a": 1})


def test_the_memory_of_headers_is_bounded_and_forgets_the_oldest(forge, keys) -> None:
    key = keys["HS256"]
    for number in range(MAX_ENTRIES + 50):
        parse(forge(key, {"alg": "HS256", "n": number}))
    assert len(header._remembered) <= MAX_ENTRIES
    long = forge(key, {"alg": "HS256", "pad": "x" * 1000})
    parse(long)
    assert long.split(".")[0].encode() not in header._remembered
    assert all(len(text) <= MAX_KEY_BYTES for text in header._remembered)


def test_headers_that_were_refused_are_not_remembered(b64, refused) -> None:
    for head in ({"alg": "none"}, {"alg": "ES256", "crit": ["exp"]}, {"kid": "x"}):
        for _ in range(2):
            with refused("unsupported_algorithm", "critical_header", "bad_header"):
                parse(f"{b64(head)}.e30.AAAA")
        assert b64(head).encode() not in header._remembered


def test_threads_may_fill_and_read_a_memory_at_once() -> None:
    memory: Remembered[int] = Remembered()
    failures: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for number in range(start, start + 2000):
                memory.keep(b"%d" % number, number)
                assert memory.get(b"%d" % number) in (number, None)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 1000, 5000, 9000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(memory) < MAX_ENTRIES + len(threads)
    memory.keep(b"one more", 1)
    assert len(memory) == MAX_ENTRIES


@pytest.mark.parametrize("name", ["HS256", "ES256"])
def test_threads_may_share_a_key_and_a_signer(name: str, keys) -> None:
    key = keys[name]
    signer = Signer(key)
    failures: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for number in range(start, start + 200):
                payload = b"%d" % number
                assert verify(signer.sign(payload), key, algorithms={name}).payload == payload
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 4000, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
