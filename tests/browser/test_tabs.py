"""Several tabs of one browser: one refresh for all, one token, one end."""

from __future__ import annotations

from playwright.sync_api import expect

PATIENCE = 30_000


def test_a_reload_picks_the_session_up_by_its_cookie(visit):
    tab = visit().tab().throw_away()
    sid = tab.claim("sid")
    tab.reload().logged_in()
    assert tab.claim("sid") == sid


def test_a_new_tab_is_handed_the_token_without_a_refresh(visit):
    visitor = visit()
    first = visitor.tab().throw_away()
    refreshes = []
    visitor.context.on("request", lambda request: "/auth/refresh" in request.url and refreshes.append(request.url))
    second = visitor.tab()
    second.logged_in()
    assert second.claim("jti") == first.claim("jti") or refreshes
    expect(first.find("#tabs-fact")).to_contain_text("2 tabs")


def test_two_tabs_refresh_once_and_share_the_token(visit):
    visitor = visit()
    first = visitor.tab().throw_away()
    second = visitor.tab().logged_in()
    refreshes = []
    visitor.context.on("request", lambda request: request.url.endswith("/auth/refresh") and refreshes.append(1))
    for generation in ("1", "2"):
        for tab in (first, second):
            expect(tab.find("#thread .bead.now")).to_have_attribute("data-generation", generation, timeout=PATIENCE)
    assert len(refreshes) <= 3, "two generations and perhaps the beginning of a third, for both tabs together"
    assert first.find(".family").get_attribute("data-state") == "alive"
    shared = (
        first.find(".remark", has_text="Another tab").count() + second.find(".remark", has_text="Another tab").count()
    )
    assert shared >= 2


def test_a_logout_in_one_tab_reaches_the_other(visit):
    visitor = visit()
    first = visitor.tab().throw_away()
    second = visitor.tab().logged_in()
    second.find("#logout").click()
    first.token_state("dead")
    expect(first.find("#ended")).to_contain_text("You logged out here")
