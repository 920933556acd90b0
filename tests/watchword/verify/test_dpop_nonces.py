"""Nonces nobody has to remember."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.verify.dpop_nonces import DpopNonces

NOW = 1_800_000_000.0
SECRET = bytes(range(32))
NONCES = DpopNonces(SECRET, period=60)


@pytest.mark.rfc("9449 §8/3")
@pytest.mark.rfc("9449 §8.2")
def test_a_nonce_is_good_in_its_period_and_the_next_and_then_no_more():
    nonce = NONCES.issue(NOW)
    assert NONCES.accepts(nonce, NOW)
    assert NONCES.accepts(nonce, NOW + 119)
    assert not NONCES.accepts(nonce, NOW + 120)
    assert not NONCES.accepts(nonce, NOW - 61)
    assert NONCES.newer(nonce, NOW + 59) is None
    assert NONCES.newer(nonce, NOW + 60) == NONCES.issue(NOW + 60)
    assert NONCES.newer(None, NOW) == nonce


@pytest.mark.rfc("9449 §8/1")
def test_every_holder_of_the_secret_knows_it_and_nobody_else():
    nonce = NONCES.issue(NOW)
    assert DpopNonces(SECRET).accepts(nonce, NOW)
    assert not DpopNonces(bytes(32)).accepts(nonce, NOW)
    assert SECRET.hex() not in repr(NONCES)


@pytest.mark.rfc("9449 §8/1")
def test_a_nonce_of_the_future_cannot_be_made_from_one_of_today():
    raw = base64.urlsafe_b64decode(NONCES.issue(NOW))
    moved = (int.from_bytes(raw[:8]) + 1).to_bytes(8) + raw[8:]
    assert not NONCES.accepts(base64.urlsafe_b64encode(moved).decode(), NOW + 60)


def test_weak_secrets_and_odd_periods_are_refused():
    for secret, period in ((b"short", 60), (SECRET, 0), (SECRET, 1e9), (SECRET, float("nan"))):
        with pytest.raises(ValueError):
            DpopNonces(secret, period=period)


@given(st.text(max_size=40) | st.from_regex(r"[A-Za-z0-9_-]{32}", fullmatch=True))
def test_anything_else_is_refused_without_an_exception(text):
    assert not NONCES.accepts(text, NOW)
