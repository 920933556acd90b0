"""What a route asks: checked once when it is made, and never again changed."""

import pytest
from watchword.adapters.requirement import Requirement

LISTS = ("scopes", "roles", "permissions", "tenants", "acr_values")


@pytest.mark.parametrize("name", LISTS)
def test_one_string_is_not_a_list_of_names(name):
    with pytest.raises(TypeError, match="not one string"):
        Requirement(**{name: "admin"})


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("bad", [[""], [None], [["admin"]], [1]])
def test_what_is_no_name_is_refused(name, bad):
    with pytest.raises((TypeError, ValueError)):
        Requirement(**{name: bad})


@pytest.mark.parametrize("name", LISTS)
def test_names_are_copied_so_that_nobody_takes_them_away_later(name):
    names = ["admin"]
    requirement = Requirement(**{name: names})
    names.clear()
    assert getattr(requirement, name) == ("admin",)
    assert getattr(Requirement(**{name: (one for one in ["admin"])}), name) == ("admin",)


@pytest.mark.rfc("6749 §3.3/1")
@pytest.mark.parametrize("scope", ['a", error="none', "a b", "ä", "a\r\nSet-Cookie: b=c", "a\\b", "a\tb"])
def test_a_scope_that_could_break_out_of_a_challenge_is_refused(scope):
    with pytest.raises(ValueError, match="scope tokens"):
        Requirement(scopes=[scope])


@pytest.mark.parametrize("asked", [{"max_age": -1}, {"max_age": float("nan")}, {"when_stale": "ignore"}])
def test_what_cannot_be_asked_is_refused(asked):
    with pytest.raises(ValueError):
        Requirement(**asked)


def test_only_freshness_asks_for_another_look():
    assert Requirement(max_staleness=5).asks_freshly
    assert Requirement(when_stale="refuse").asks_freshly
    assert not Requirement(scopes=["a"], roles=["b"], max_age=1).asks_freshly
