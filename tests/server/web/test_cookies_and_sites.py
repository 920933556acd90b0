"""Cookies tossed in by other hosts, and calls made by pages of other sites."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers
from watchword_server.web.cookies import refresh_cookie, sso_cookie
from watchword_server.web.cross_site import CrossSite
from watchword_server.web.problem import ProblemError

OWN = "https://login.example.com"
APP = "https://app.example.com"


def headers(*items: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.encode(), value.encode()) for name, value in items])


def test_the_refresh_cookie_is_out_of_reach_of_scripts_other_sites_and_other_paths():
    assert refresh_cookie(secure=True).set("wr_1.a.0.m", max_age=600.9) == (
        "__Secure-watchword-refresh=wr_1.a.0.m; Max-Age=600; Path=/auth; HttpOnly; SameSite=Strict; Secure"
    )
    assert (
        sso_cookie(secure=True)
        .set("v", max_age=1)
        .startswith("__Host-watchword-sso=v; Max-Age=1; Path=/; HttpOnly; SameSite=Lax; Secure")
    )


def test_http_on_this_machine_has_cookies_without_prefix():
    assert (
        refresh_cookie(secure=False).set("v", max_age=1)
        == "watchword-refresh=v; Max-Age=1; Path=/auth; HttpOnly; SameSite=Strict"
    )
    assert sso_cookie(secure=False).name == "watchword-sso"


def test_clearing_has_the_attributes_of_setting_or_browsers_ignore_it():
    cleared = refresh_cookie(secure=True).clear()
    assert cleared.startswith("__Secure-watchword-refresh=; Max-Age=0;")
    assert cleared.endswith("Path=/auth; HttpOnly; SameSite=Strict; Secure")


@pytest.mark.parametrize("value", ["", "a;b", "a b", 'a"b', "a\r\nSet-Cookie: x=y", "ä", "a,b", "a\\b"])
def test_a_value_that_could_break_out_of_the_header_is_not_set(value):
    with pytest.raises(ValueError, match="does not fit"):
        refresh_cookie(secure=True).set(value, max_age=1)


def test_the_cookie_is_found_among_others():
    cookie = refresh_cookie(secure=False)
    assert cookie.read(headers(("cookie", "a=1; watchword-refresh=v; xwatchword-refresh=w"))) == "v"
    assert cookie.read(headers(("cookie", "a=1"), ("cookie", "watchword-refresh=v"))) == "v"
    assert cookie.read(headers(("cookie", "watchword-refresh=a=b"))) == "a=b"
    assert cookie.read(headers(("cookie", "watchword-refresh=; watchword-refresh"))) is None
    assert cookie.read(headers()) is None


def test_a_cookie_of_the_other_name_is_not_read():
    assert refresh_cookie(secure=True).read(headers(("cookie", "watchword-refresh=v"))) is None


def test_two_different_cookies_of_one_name_are_believed_neither():
    with pytest.raises(ProblemError) as refused:
        refresh_cookie(secure=False).read(headers(("cookie", "watchword-refresh=mine; watchword-refresh=tossed")))
    assert refused.value.status == 400
    assert refresh_cookie(secure=False).read(headers(("cookie", "watchword-refresh=v; watchword-refresh=v"))) == "v"


@pytest.mark.parametrize(
    "items",
    [
        [],
        [("origin", OWN)],
        [("origin", OWN), ("sec-fetch-site", "same-origin")],
        [("origin", APP), ("sec-fetch-site", "same-site")],
        [("origin", APP)],
        [("sec-fetch-site", "same-origin")],
        [("sec-fetch-site", "none")],
        [("origin", "http://127.0.0.1:8000"), ("host", "127.0.0.1:8000"), ("sec-fetch-site", "same-origin")],
    ],
)
def test_own_pages_listed_origins_and_callers_that_are_no_browser_may_call(items):
    CrossSite(OWN, [APP]).check(headers(*items), scheme="http")


@pytest.mark.parametrize(
    "items",
    [
        [("origin", "https://evil.example")],
        [("origin", "null")],
        [("origin", "")],
        [("origin", "http://login.example.com")],
        [("origin", "https://login.example.com:8443")],
        [("origin", "https://login.example.com.evil.example")],
        [("origin", "https://evil-app.example.com")],
        [("origin", OWN), ("origin", OWN)],
        [("origin", OWN), ("sec-fetch-site", "cross-site")],
        [("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
        [("origin", "https://evil.example"), ("host", "evil.example")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "nonsense")],
        [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
    ],
)
def test_pages_of_other_sites_may_not(items):
    with pytest.raises(ProblemError) as refused:
        CrossSite(OWN, [APP, "*"]).check(headers(*items), scheme="https")
    assert (refused.value.status, refused.value.code) == (403, "cross_site")
