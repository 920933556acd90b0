"""The form of a refresh token."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.tokens.refresh_token import MAX_GENERATION, MAX_LENGTH, RefreshToken, mint, parse

SECRET, SALT = bytes(range(32)), bytes(range(16))
ALPHABET = string.ascii_letters + string.digits + "-_"
fields = st.text(ALPHABET, min_size=1, max_size=64)
GOOD = mint(SECRET, key_id="k1", family_id="family", salt=SALT, generation=12)


@given(fields, fields, st.integers(0, MAX_GENERATION), st.binary(min_size=32, max_size=64), st.binary(min_size=16))
def test_what_is_minted_parses_back_and_is_authentic(
    key_id: str, family_id: str, generation: int, secret: bytes, salt: bytes
) -> None:
    text = mint(secret, key_id=key_id, family_id=family_id, salt=salt[:64], generation=generation)
    token = parse(text)
    assert token is not None
    assert (token.key_id, token.family_id, token.generation) == (key_id, family_id, generation)
    assert token.is_authentic(secret, salt[:64])
    assert len(text) <= MAX_LENGTH


def test_the_same_generation_is_minted_as_the_same_text_each_time() -> None:
    assert mint(SECRET, key_id="k1", family_id="family", salt=SALT, generation=12) == GOOD


def test_the_form_is_recognisable_to_secret_scanners_and_stays_as_it_is() -> None:
    assert GOOD == "wr_k1.family.12.8SmvorSGwPezKa03GA4C8AoYcv0cVGwekHCCtH6CGOY"


@pytest.mark.rfc("9700 §4.14.2/4")
@pytest.mark.parametrize(
    "changes",
    [
        {"secret": SECRET[::-1]},
        {"salt": SALT[::-1]},
        {"salt": SALT + b"\x00"},
        {"key_id": "k2"},
        {"family_id": "familz"},
        {"generation": 13},
    ],
)
def test_every_part_is_under_the_mac(changes: dict[str, object]) -> None:
    parts = {"secret": SECRET, "key_id": "k1", "family_id": "family", "salt": SALT, "generation": 12}
    other = parse(mint(**(parts | changes)))  # type: ignore[arg-type]
    token = parse(GOOD)
    assert token is not None
    assert other is not None
    assert token.unverified_mac != other.unverified_mac
    assert not RefreshToken(other.key_id, other.family_id, other.generation, token.unverified_mac).is_authentic(
        parts["secret"] if "secret" not in changes else SECRET[::-1], changes.get("salt", SALT)
    )  # type: ignore[arg-type]


@pytest.mark.rfc("6749 §10.4")
@pytest.mark.rfc("9700 §4.14.2/4")
@given(data=st.data())
def test_no_token_with_one_character_changed_is_authentic(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(GOOD) - 1))
    character = data.draw(st.sampled_from(string.printable + "é﹒\u0000").filter(lambda one: one != GOOD[position]))
    token = parse(GOOD[:position] + character + GOOD[position + 1 :])
    assert token is None or not token.is_authentic(SECRET, SALT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wr_",
        GOOD + "\n",
        " " + GOOD,
        GOOD + ".",
        GOOD + "=",
        GOOD[:-1],
        GOOD + "A",
        GOOD.replace("wr_", "WR_"),
        GOOD.replace("wr_", "wo_"),
        GOOD.replace(".12.", ".012."),
        GOOD.replace(".12.", ".+12."),
        GOOD.replace(".12.", ".1_2."),
        GOOD.replace(".12.", ".-1."),
        GOOD.replace(".12.", ".１２."),
        GOOD.replace(".12.", ".12.."),
        GOOD.replace(".12.", "..12."),
        GOOD.replace(".12.", "." + "9" * 16 + "."),
        GOOD.replace("family", "fam ily"),
        GOOD.replace("family", ""),
        GOOD.replace("family", "f" * 65),
        GOOD.replace("k1", ""),
        GOOD[:-1] + "N",
        "wr_" + "a" * 10_000,
    ],
)
def test_a_token_has_exactly_one_spelling(text: str) -> None:
    assert parse(text) is None


@given(st.one_of(st.text(max_size=400), st.from_regex(r"wr_[\w.=-]{0,200}"), st.from_regex(r"wr_(.{1,9}\.){3}.{43}")))
def test_whatever_text_is_parsed_the_outcome_is_a_token_or_none(text: str) -> None:
    token = parse(text)
    if token is not None:
        assert f"wr_{token.key_id}.{token.family_id}.{token.generation}.{token.unverified_mac}" == text
        assert not token.is_authentic(SECRET, SALT)


def test_a_parsed_token_shows_no_mac() -> None:
    token = parse(GOOD)
    assert token is not None
    assert token.unverified_mac not in repr(token)
    assert token.unverified_mac not in f"{token}"


@pytest.mark.parametrize(
    "changes",
    [{"key_id": "k.1"}, {"family_id": ""}, {"generation": -1}, {"generation": 10**15}, {"secret": b"s"}, {"salt": b""}],
)
def test_a_token_that_could_not_be_parsed_back_or_is_weak_is_not_minted(changes: dict[str, object]) -> None:
    parts = {"secret": SECRET, "key_id": "k1", "family_id": "family", "salt": SALT, "generation": 12}
    with pytest.raises(ValueError, match=r"refresh token|at least 32"):
        mint(**(parts | changes))  # type: ignore[arg-type]
