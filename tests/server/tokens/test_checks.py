"""The table of checks reads as it looks."""

import pytest
from watchword_server.tokens import checks
from watchword_server.tokens.checks import CHECKS, Check, Place, applies


def test_every_place_has_its_checks():
    assert CHECKS.keys() == set(Place)
    assert applies(Check.PKCE, Place.AUTHORIZATION_CODE)
    assert not applies(Check.PKCE, Place.CLIENT_CREDENTIALS)
    assert all(applies(Check.STRICT_FORM, place) for place in Place)


def test_a_table_that_forgets_a_check_or_a_place_is_refused_at_once():
    lines = checks._TABLE.strip("\n").splitlines()
    with pytest.raises(ValueError, match="every check"):
        checks._read("\n".join(lines[:-1]))
    with pytest.raises(ValueError, match="every check"):
        checks._read("\n".join([*lines, lines[-1]]))
    with pytest.raises(ValueError, match="is not a valid"):
        checks._read("\n".join([lines[0], "unheard of" + " x" * len(Place)]))
