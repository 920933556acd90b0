"""The master key and what is sealed with it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.entropy import random_bytes
from watchword_server.keys.sealing import MasterKey, MasterKeyError, Sealer, SealError, SealFault

SECRET = bytes(range(7, 39))


def sealer(secret: bytes = SECRET, environment: str = "production") -> Sealer:
    return Sealer(MasterKey(secret), environment, random_bytes)


@pytest.mark.parametrize(
    "text",
    [
        SECRET.hex(),
        SECRET.hex().upper(),
        base64.urlsafe_b64encode(SECRET).decode(),
        base64.b64encode(SECRET).decode().rstrip("="),
        f"  {SECRET.hex()}\n",
    ],
)
def test_a_master_key_is_the_same_in_hex_and_base64(text: str) -> None:
    assert MasterKey.parse(text).derive("seal", "production") == MasterKey(SECRET).derive("seal", "production")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "neither"),
        (SECRET[:31].hex(), "at least 32"),
        (base64.b64encode(SECRET[:31]).decode(), "at least 32"),
        ("ab" * 32, "not look random"),
        ("pässword" * 8, "neither"),
        ("not a key, but a sentence of more than thirty-two characters", "neither"),
        ("a" * 2000, "longer"),
        (base64.b64encode(SECRET).decode().rstrip("=")[:-2], "impossible length"),
    ],
)
def test_a_bad_master_key_is_refused_with_words_that_do_not_repeat_it(text: str, said: str) -> None:
    with pytest.raises(MasterKeyError, match=said) as caught:
        MasterKey.parse(text)
    assert len(text) < 3 or text.strip() not in str(caught.value)


def test_a_generated_master_key_can_be_read_back() -> None:
    assert MasterKey.parse(MasterKey.generate(random_bytes)).derive("seal", "production")


def test_derived_keys_differ_by_use_and_environment_and_by_master() -> None:
    other = MasterKey(SECRET[::-1])
    keys = [
        master.derive(use, environment)
        for master in (MasterKey(SECRET), other)
        for use in ("seal", "sealing", "cookie")
        for environment in ("production", "development")
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("use", "environment"), [("", "production"), ("seal|x", "production"), ("seal", "Prod uction")]
)
def test_a_use_that_could_be_mistaken_for_another_is_refused(use: str, environment: str) -> None:
    with pytest.raises(ValueError, match="short words"):
        MasterKey(SECRET).derive(use, environment)


def test_a_master_key_does_not_show_itself() -> None:
    shown = repr(MasterKey(SECRET))
    assert shown == "MasterKey(…)"


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again_and_is_never_sealed_twice_alike(secret: bytes) -> None:
    one, two = (sealer().seal(secret, purpose="access_token", name="k1") for _ in range(2))
    assert one != two
    assert sealer().open(one, purpose="access_token", name="k1") == secret


def test_keys_of_one_environment_are_refused_in_another_and_the_error_says_so() -> None:
    sealed = sealer(environment="development").seal(b"x", purpose="access_token", name="k1")
    with pytest.raises(SealError, match="environment 'development' and this is 'production'") as caught:
        sealer().open(sealed, purpose="access_token", name="k1")
    assert caught.value.fault is SealFault.WRONG_ENVIRONMENT


def test_another_master_key_is_named_as_the_cause() -> None:
    sealed = sealer().seal(b"x", purpose="access_token", name="k1")
    with pytest.raises(SealError, match="another master key") as caught:
        sealer(SECRET[::-1]).open(sealed, purpose="access_token", name="k1")
    assert caught.value.fault is SealFault.WRONG_MASTER_KEY


@pytest.mark.parametrize(("purpose", "name"), [("access_token", "k2"), ("refresh_mac", "k1")])
def test_a_sealed_key_copied_to_another_row_or_purpose_does_not_open(purpose: str, name: str) -> None:
    sealed = sealer().seal(b"x", purpose="access_token", name="k1")
    with pytest.raises(SealError) as caught:
        sealer().open(sealed, purpose=purpose, name=name)
    assert caught.value.fault is SealFault.DAMAGED


def test_relabelling_the_environment_in_a_sealed_value_does_not_open_it() -> None:
    sealed = sealer(environment="staging-aa").seal(b"x", purpose="access_token", name="k1")
    forged = sealed.replace(b"staging-aa", b"production")
    assert forged != sealed
    with pytest.raises(SealError):
        sealer().open(forged, purpose="access_token", name="k1")


@given(data=st.data())
def test_no_changed_bit_and_no_shorter_value_opens(data: st.DataObject) -> None:
    sealed = sealer().seal(b"a signing key", purpose="access_token", name="k1")
    position = data.draw(st.integers(0, len(sealed) * 8 - 1))
    flipped = bytearray(sealed)
    flipped[position // 8] ^= 1 << position % 8
    for bad in (bytes(flipped), sealed[: position // 8]):
        with pytest.raises(SealError):
            sealer().open(bad, purpose="access_token", name="k1")


@given(st.binary(max_size=120))
def test_whatever_bytes_are_opened_the_outcome_is_a_seal_error(junk: bytes) -> None:
    with pytest.raises(SealError):
        sealer().open(junk, purpose="access_token", name="k1")
