"""Identifiers: long enough, never alike, recognisable."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode

import pytest
from watchword_server import entropy


def test_an_identifier_is_128_bits_of_base64url():
    made = {entropy.identifier() for _ in range(1000)}
    assert len(made) == 1000
    # None is taken for an option where it is pasted into a command.
    assert all(
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", one) and len(urlsafe_b64decode(one + "==")) == 16 for one in made
    )


def test_account_ids_sort_by_time_and_are_never_alike():
    ids = [entropy.account_id(now) for now in (0, 0.001, 1, 1_700_000_000.0, 1_700_000_000.001, 2**40)]
    assert ids == sorted(ids)
    assert len({entropy.account_id(1_700_000_000.0) for _ in range(1000)}) == 1000
    assert all(re.fullmatch(r"[0-9a-z]{26}", one) for one in ids)
    assert entropy.account_id(-5)[:10] == "0" * 10


def test_secrets_carry_their_prefix_and_enough_chance():
    assert re.fullmatch(r"wr_[A-Za-z0-9_-]{43}", entropy.prefixed("wr"))
    with pytest.raises(ValueError, match="16 bytes"):
        entropy.prefixed("wr", size=8)
    with pytest.raises(ValueError, match="at least one"):
        entropy.random_bytes(0)
    assert len(entropy.random_bytes(32)) == 32


def test_a_readable_password_can_be_typed():
    assert re.fullmatch(r"(?:[0-9a-z]{4}-){4}[0-9a-z]{4}", entropy.readable_password())
    assert not set("ilou") & set("".join(entropy.readable_password() for _ in range(200)))


def test_fractions_stay_under_one():
    assert all(0 <= entropy.fraction() < 1 for _ in range(1000))
