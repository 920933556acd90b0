"""One spelling for each target, and none for what is no target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.verify.target import MAX_TARGET_LENGTH, normalised_target


@pytest.mark.rfc("9449 §4.3/9")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://rs.example/a?x=1#f", "https://rs.example/a"),
        ("https://rs.example/a#f?x", "https://rs.example/a"),
        ("HTTPS://RS.Example/a", "https://rs.example/a"),
        ("https://rs.example:443/a", "https://rs.example/a"),
        ("http://rs.example:80/a", "http://rs.example/a"),
        ("https://rs.example:/a", "https://rs.example/a"),
        ("https://rs.example", "https://rs.example/"),
        ("https://rs.example?x", "https://rs.example/"),
        ("https://rs.example/%7Eada/%61", "https://rs.example/~ada/a"),
        ("https://rs.example/%c3%a9", "https://rs.example/%C3%A9"),
        ("https://rs.example/a/./b/../c", "https://rs.example/a/c"),
        ("https://rs.example/a/%2e%2E/b", "https://rs.example/b"),
        ("https://rs.example/../../a", "https://rs.example/a"),
        ("https://rs.example/a/..", "https://rs.example/"),
        ("https://[2001:DB8::1]:8443/a", "https://[2001:db8::1]:8443/a"),
    ],
)
def test_equal_targets_have_one_spelling(one, other):
    assert normalised_target(one) == normalised_target(other) == other


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://rs.example/a", "http://rs.example/a"),
        ("https://rs.example/a", "https://rs.example/A"),
        ("https://rs.example/a", "https://rs.example/a/"),
        ("https://rs.example/a", "https://rs.example//a"),
        ("https://rs.example/a", "https://rs.example:8443/a"),
        ("https://rs.example/a", "https://rs.example./a"),
        ("https://rs.example/a", "https://rs.example.evil.example/a"),
        ("https://rs.example/a%2Fb", "https://rs.example/a/b"),
        ("https://rs.example/a%3Fb", "https://rs.example/a"),
        ("https://rs.example/a;v=1", "https://rs.example/a"),
        ("https://rs.example/a+b", "https://rs.example/a%20b"),
    ],
)
def test_different_targets_stay_different(one, other):
    assert normalised_target(one) != normalised_target(other)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a",
        "//rs.example/a",
        "ftp://rs.example/a",
        "https:rs.example/a",
        "https:///a",
        "https://user@rs.example/a",
        "https://rs.example@evil.example/a",
        "https://rs.example:0/a",
        "https://rs.example:65536/a",
        "https://rs.example:99999/a",
        "https://rs.example:8443:1/a",
        "https://rs.example\\@evil.example/a",
        "https://rs.example/a\\b",
        "https://rs.example/a b",
        "https://rs.example/a\n",
        "https://rs.example/a%",
        "https://rs.example/a%2",
        "https://rs.example/a%zz",
        "https://rs%2Eexample%2F/a",
        "https://rs.exämple/a",
        "https://rs.example/ä",
        "https://[::1/a",
        "https://rs.example/" + MAX_TARGET_LENGTH * "a",
    ],
)
def test_what_is_no_target_has_no_spelling(url):
    assert normalised_target(url) is None


@given(st.text(max_size=60) | st.from_regex(r"https?://[a-z.%0-9:]{0,9}/[./%a-zA-Z0-9]{0,20}", fullmatch=True))
def test_the_spelling_of_a_spelling_is_itself(url):
    once = normalised_target(url)
    assert once is None or normalised_target(once) == once
