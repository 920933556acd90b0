"""User codes: every letter as likely as any other, and what people type for them."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.tokens.device_request import (
    ALPHABET,
    LENGTH,
    DeviceRequest,
    decode_device_request,
    normalised_user_code,
    shown_user_code,
    user_code,
)


@pytest.mark.rfc("8628 §6.1")
def test_a_code_is_eight_letters_that_nobody_mistakes_for_others() -> None:
    code = user_code(os.urandom)
    assert len(code) == LENGTH
    assert set(code) <= set(ALPHABET)
    assert not set(ALPHABET) & set("AEIOUY0123456789")


def test_every_letter_is_as_likely_as_any_other_whatever_the_bytes() -> None:
    stream = iter(bytes(range(256)) * 100)
    counted = Counter("".join(user_code(lambda count: bytes(next(stream) for _ in range(count))) for _ in range(1500)))
    assert set(counted) == set(ALPHABET)
    assert max(counted.values()) < 1.1 * min(counted.values())


def test_bytes_that_would_favour_some_letters_are_thrown_away() -> None:
    answers = iter([b"\xff" * 16, b"\xf0" * 16, bytes(range(16))])
    assert user_code(lambda _: next(answers)) == ALPHABET[:LENGTH]


@pytest.mark.rfc("8628 §6.1")
@pytest.mark.parametrize(
    "typed", ["WDJB-MJHT", "wdjb-mjht", "wdjbmjht", " WDJB MJHT ", "W D J B M J H T", "wdjb\u2011mjht", "WDJB–MJHT"]
)
def test_case_blanks_and_dashes_do_not_matter(typed: str) -> None:
    assert normalised_user_code(typed) == "WDJBMJHT"


@pytest.mark.parametrize(
    "typed", ["", "WDJB-MJH", "WDJB-MJHTX", "ADJB-MJHT", "WDJB-MJH1", "%00", "WDJB_MJHT", "ＷDJBMJHT", "-" * 100]
)
def test_what_is_no_code_is_none(typed: str) -> None:
    assert normalised_user_code(typed) is None


@given(st.text())
def test_whatever_is_typed_gives_a_code_or_none(typed: str) -> None:
    code = normalised_user_code(typed)
    assert code is None or (len(code) == LENGTH and set(code) <= set(ALPHABET))


def test_a_shown_code_is_read_back() -> None:
    code = user_code(os.urandom)
    assert normalised_user_code(shown_user_code(code)) == code


def test_a_request_survives_its_json() -> None:
    request = DeviceRequest(scope=("openid",), resource=("https://a.example",), device="curl", device_kind="curl/other")
    assert decode_device_request(request.encode()) == request
