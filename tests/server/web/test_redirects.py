"""Redirects: where they lead, and what they carry."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.web.redirects import redirect, with_query


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://a.example/cb", "https://a.example/cb?x=1"),
        ("https://a.example", "https://a.example?x=1"),
        ("https://a.example/cb?", "https://a.example/cb?x=1"),
        ("https://a.example/cb?y=%2F", "https://a.example/cb?y=%2F&x=1"),
        ("https://a.example/cb?y&", "https://a.example/cb?y&x=1"),
        ("com.example.app:/cb", "com.example.app:/cb?x=1"),
    ],
)
def test_what_is_in_the_query_stays(uri, expected):
    assert with_query(uri, {"x": "1"}) == expected
    assert with_query(uri, {}) == uri


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_every_value_arrives_as_it_was_and_breaks_no_header(fields):
    location = with_query("https://a.example/cb?y=1", fields)
    assert location.isascii()
    assert location.isprintable()
    assert parse_qsl(urlsplit(location).query, keep_blank_values=True) == [("y", "1"), *fields.items()]


@pytest.mark.rfc("9700 §2.1/3")
@pytest.mark.rfc("9700 §4.12")
def test_a_redirect_is_a_303_so_that_a_password_is_never_passed_on():
    response = redirect("https://a.example", ["a=1", "b=2"])
    assert response.status_code == 303
    assert response.headers.getlist("set-cookie") == ["a=1", "b=2"]
    assert response.headers["cache-control"] == "no-store"
