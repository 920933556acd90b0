"""Base64url has one spelling per value; every other is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.jose import base64url


@given(st.binary(max_size=300))
def test_encoding_is_that_of_the_standard_library_without_padding(data: bytes) -> None:
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert base64url.encode(data) == text
    assert base64url.encode_bytes(data) == text.encode()
    assert base64url.decode(text) == data
    assert base64url.decode(text.encode()) == data


@given(st.text(alphabet="ABab01-_+/= \n.", max_size=9))
def test_what_is_decoded_encodes_to_the_same_text(text: str) -> None:
    try:
        data = base64url.decode(text)
    except base64url.JoseError:
        return
    assert base64url.encode(data) == text


@pytest.mark.rfc("7515 §2")
@pytest.mark.parametrize(
    "text",
    [
        "QQ==",  # padding
        "QUI=",
        "QQ=",
        "=",
        "====",
        "QUJD====",
        "Q",  # impossible lengths
        "QUJDR",
        "QR",  # spare bits that are not zero
        "QUJ",
        "Q/+_",  # the other alphabet
        "++++",
        "////",
        " QUJD",  # white space
        "QUJD ",
        "QU JD",
        "QUJD\n",
        "\tQUJD",
        "QU\x00JD",  # foreign characters
        "QUJD.",
        "QU?JD",
        "QUJDé",
        "ＱＵＪＤ",
        "QUJD\udc80",
        "QU=JDA",
    ],
)
def test_every_other_spelling_is_refused(text: str, refused) -> None:
    with refused("bad_base64url"):
        base64url.decode(text)


def test_bytes_outside_ascii_are_refused(refused) -> None:
    for octet in range(128, 256):
        with refused("bad_base64url"):
            base64url.decode(b"QUJ" + bytes([octet]))


@pytest.mark.rfc("4648 §3.5")
def test_of_all_last_characters_only_those_without_spare_bits_pass() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for stem, expected in (("A", 4), ("AA", 16), ("AAA", 64)):
        passed = 0
        for last in alphabet:
            try:
                base64url.decode(stem + last)
            except base64url.JoseError:
                continue
            passed += 1
        assert passed == expected


def test_nothing_encodes_to_nothing() -> None:
    assert base64url.encode(b"") == ""
    assert base64url.decode("") == b""
