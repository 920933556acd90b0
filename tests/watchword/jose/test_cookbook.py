"""The examples of RFC 7515, 7520, 7638, 7797, 8037 and 9449.

Examples in a JSON serialization are turned into compact form where it says the same; the others are counted and named.
"""

from __future__ import annotations

import pytest
from watchword.jose import Key, KeySet, Signer, parse, verify
from watchword.jose.jws import verify_with_embedded_key

JWS_FILES = {
    "jws/4_1.rsa_v15_signature.json": "compact",
    "jws/4_2.rsa-pss_signature.json": "compact",
    "jws/4_3.ecdsa_signature.json": "compact",
    "jws/4_4.hmac-sha2_integrity_protection.json": "compact",
    "jws/4_5.signature_with_detached_content.json": "detached: the payload is put back",
    "jws/4_6.protecting_specific_header_fields.json": "flattened, kid outside: compact without kid",
    "jws/4_7.protecting_content_only.json": "no protected header: no compact form exists",
    "jws/4_8.multiple_signatures.json": "three signatures: two have a compact form",
    "curve25519/jws.json": "compact",
    "rfc7797/4.2.hmac-sha2_b64_false.json": "unencoded payload: refused",
    "rfc7797/hmac-sha2_b64_false.json": "unencoded payload: refused",
}


@pytest.mark.rfc("7520 §4")
@pytest.mark.parametrize("name", [name for name, form in JWS_FILES.items() if form == "compact"])
def test_a_compact_example_verifies(name: str, vectors) -> None:
    example = vectors(f"cookbook/{name}")
    key = Key.from_jwk(example["input"]["key"])
    token = example["output"]["compact"]
    verified = verify(token, key, algorithms={example["input"]["alg"]})
    assert verified.payload == example["input"]["payload"].encode()
    assert dict(verified.header) == example["signing"]["protected"]


@pytest.mark.rfc("7520 §4")
@pytest.mark.parametrize(
    "name", ["jws/4_1.rsa_v15_signature.json", "jws/4_4.hmac-sha2_integrity_protection.json", "curve25519/jws.json"]
)
def test_a_reproducible_example_is_reproduced(name: str, vectors) -> None:
    example = vectors(f"cookbook/{name}")
    assert example.get("reproducible")
    signer = Signer(Key.from_jwk(example["input"]["key"]), algorithm=example["input"]["alg"])
    assert signer.sign(example["input"]["payload"].encode()) == example["output"]["compact"]


@pytest.mark.rfc("7520 §4.5")
def test_the_detached_example_verifies_once_its_payload_is_put_back(vectors, b64, refused) -> None:
    example = vectors("cookbook/jws/4_5.signature_with_detached_content.json")
    key = Key.from_jwk(example["input"]["key"])
    detached = example["output"]["compact"]
    with refused("bad_signature"):
        verify(detached, key, algorithms={"HS256"})
    whole = detached.replace("..", "." + b64(example["input"]["payload"].encode()) + ".")
    assert verify(whole, key, algorithms={"HS256"}).payload == example["input"]["payload"].encode()


@pytest.mark.rfc("7520 §4.6")
def test_the_flattened_example_verifies_in_compact_form(vectors) -> None:
    example = vectors("cookbook/jws/4_6.protecting_specific_header_fields.json")
    flat = example["output"]["json_flat"]
    token = f"{flat['protected']}.{flat['payload']}.{flat['signature']}"
    key = Key.from_jwk(example["input"]["key"])
    assert verify(token, KeySet([key]), algorithms={"HS256"}).payload == example["input"]["payload"].encode()


@pytest.mark.rfc("7520 §4.8")
def test_of_the_three_signatures_two_have_a_compact_form_and_verify(vectors) -> None:
    example = vectors("cookbook/jws/4_8.multiple_signatures.json")
    document = example["output"]["json"]
    verified = skipped = 0
    for jwk, entry in zip(example["input"]["key"], document["signatures"], strict=True):
        if "protected" not in entry:
            skipped += 1
            continue
        token = f"{entry['protected']}.{document['payload']}.{entry['signature']}"
        verify(token, Key.from_jwk(jwk), algorithms={"RS256", "HS256"})
        verified += 1
    assert (verified, skipped) == (2, 1)


@pytest.mark.rfc("7797 §3")
def test_the_examples_with_an_unencoded_payload_are_refused(vectors, refused) -> None:
    example = vectors("cookbook/rfc7797/hmac-sha2_b64_false.json")
    key = Key.from_jwk(example["input"]["key"])
    with refused("critical_header"):
        verify(example["output"]["compact"], key, algorithms={"HS256"})
    # The other example says b64 without crit, which RFC 7797 §6 forbids as well.
    flat = vectors("cookbook/rfc7797/4.2.hmac-sha2_b64_false.json")["output"]["json_flat"]
    with refused("critical_header"):
        parse(f"{flat['protected']}.JC4wMg.{flat['signature']}")


def test_every_cookbook_file_is_accounted_for(vectors, request) -> None:
    folder = request.path.parents[2] / "vectors" / "cookbook"
    present = {str(path.relative_to(folder)) for path in folder.rglob("*.json")}
    present = {name for name in present if not name.startswith(("jwk/", "jwe/"))}  # jwe: test_jwe
    assert present == set(JWS_FILES)


@pytest.mark.rfc("7520 §3")
def test_the_keys_of_the_cookbook_are_read_and_written_back(vectors, refused) -> None:
    for name in ("3_1.ec_public_key", "3_3.rsa_public_key"):
        jwk = vectors(f"cookbook/jwk/{name}.json")
        key = Key.from_jwk(jwk)
        assert key.public_jwk().items() >= jwk.items()
        assert not key.is_private
    for name in ("3_2.ec_private_key", "3_4.rsa_private_key", "3_5.symmetric_key_mac_computation"):
        jwk = vectors(f"cookbook/jwk/{name}.json")
        key = Key.from_jwk(jwk)
        assert key.private_jwk().items() >= jwk.items()
        assert key.is_private
    with refused("bad_key"):
        Key.from_jwk(vectors("cookbook/jwk/3_6.symmetric_key_encryption.json"))


@pytest.mark.rfc("7515 §A.1")
@pytest.mark.rfc("7515 §A.3")
@pytest.mark.rfc("8037 §A.4")
@pytest.mark.parametrize("index", range(3))
def test_an_example_printed_in_an_rfc_verifies(index: int, vectors, b64) -> None:
    examples = vectors("rfc/rfc_examples.json")["jws_examples"]
    assert len(examples) == 3
    example = examples[index]
    verified = verify(example["token"], Key.from_jwk(example["jwk"]), algorithms={example["alg"]})
    assert b64(verified.payload) == example["payload_b64u"]


@pytest.mark.rfc("7515 §A.5")
def test_the_unsecured_example_is_refused(vectors, keys, refused) -> None:
    token = vectors("rfc/rfc_examples.json")["unsecured_jws"]["token"]
    for key in keys.values():
        with refused("unsupported_algorithm"):
            verify(token, key, algorithms=["none", key.algorithm])


@pytest.mark.rfc("7638 §3.1")
@pytest.mark.parametrize("index", range(3))
def test_a_thumbprint_printed_in_an_rfc_is_computed(index: int, vectors) -> None:
    examples = vectors("rfc/rfc_examples.json")["thumbprints"]
    assert len(examples) == 3
    assert Key.from_jwk(examples[index]["jwk"]).thumbprint() == examples[index]["sha256"]


@pytest.mark.rfc("9449 §4.3/6")
def test_the_proofs_of_rfc_9449_verify_with_their_own_key_and_only_when_that_is_asked_for(vectors, refused) -> None:
    example = vectors("rfc/rfc_examples.json")["rfc9449"]
    assert len(example["proofs"]) == 2
    for proof in example["proofs"]:
        verified = verify_with_embedded_key(proof["proof"], algorithms={"ES256"})
        assert verified.key.thumbprint() == example["jkt"]
        with refused("embedded_key"):
            verify(proof["proof"], verified.key, algorithms={"ES256"})


@pytest.mark.rfc("9421 §B.2")
def test_ecdsa_and_ed25519_verifiers_also_hold_for_bytes_that_are_no_token(keys) -> None:
    for name in ("ES256", "EdDSA"):
        key = keys[name]
        signature = key.signers[name](b'"@method": GET')
        assert key.verifiers[name](signature, b'"@method": GET')
        assert not key.verifiers[name](signature, b'"@method": PUT')
