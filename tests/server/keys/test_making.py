"""Keys as they are made: named so that nobody takes the name for an option."""

from __future__ import annotations

import itertools
import json

import pytest
from watchword_server.keys.making import make_key


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_no_name_of_a_key_begins_with_a_hyphen(algorithm):
    made = [make_key("access_token", algorithm, bytes) for _ in range(300)]
    assert not [key.kid for key in made if key.kid.startswith("-")]
    assert len({key.kid for key in made}) == 300
    assert all("d" in json.loads(key.secret) and "d" not in json.loads(key.public) for key in made[:5])


def test_a_secret_whose_name_would_begin_with_one_is_made_again():
    drawn = itertools.chain([b"\xf8" * 6, b"a" * 32], [b"\x00" * 6, b"b" * 32])
    made = make_key("refresh_mac", "HS256", lambda count: next(drawn)[:count])
    assert made == ("AAAAAAAA", b"b" * 32, b"")
