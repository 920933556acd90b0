"""The page of revocations: an administrator logs in, sees what would die, cuts off, and watches it arrive."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

from .test_everyone import CONTRAST

PATIENCE = 30_000
PASSWORD = "mosaic-harbour-tundra-61"


def post(url: str, body: dict, token: str | None = None) -> dict:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def status(url: str, token: str) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def victim(running_server, request):
    """An account with one living session: its address, and its access token."""
    email = f"victim-{abs(hash(request.node.name))}@example.test"
    post(f"{running_server.url}/auth/register", {"email": email, "password": PASSWORD})

    def login() -> str:
        body = {"identifier": email, "password": PASSWORD, "delivery": "body"}
        return post(f"{running_server.url}/auth/login", body)["access_token"]

    return email, login


@pytest.fixture
def open_page(visit, running_server):
    def opened(**options):
        visitor = visit(**options)
        visitor.url = f"{running_server.url}/admin/revocations"
        return visitor.tab()

    return opened


def enter(tab, running_server):
    tab.find("#login [name=identifier]").fill(running_server.admin[0])
    tab.find("#login [name=password]").fill(running_server.admin[1])
    tab.find("#login [type=submit]").click()
    expect(tab.find("#signed-in")).to_be_visible(timeout=PATIENCE)
    return tab


def test_an_administrator_previews_revokes_and_sees_it_reach_the_api(open_page, running_server, victim):
    email, login = victim
    tab = enter(open_page(), running_server)
    api = tab.find(".verifiers li[data-name=demonstration-api]")
    expect(api).to_be_visible(timeout=PATIENCE)
    expect(api).to_contain_text("stream", timeout=PATIENCE)

    token = login()
    assert status(f"{running_server.api_url}/api/profile", token) == 200
    tab.find("#cut [name=value]").fill(email)
    expect(tab.find("#preview strong")).to_have_text("1 session of 1 account, 1 client", timeout=PATIENCE)
    tab.find("#cut [name=cause]").fill("lost laptop")
    tab.find("#cut [type=submit]").click()
    expect(tab.find("#confirm")).to_be_visible()
    expect(tab.find("#confirm-dies")).to_contain_text("1 session of 1 account")
    expect(tab.find("#confirm-you")).to_be_hidden()
    fresh = login()
    assert status(f"{running_server.api_url}/api/profile", fresh) == 200, "asking kills nothing"
    tab.find("#confirm-yes").click()

    expect(tab.find("#log li").first).to_contain_text("lost laptop", timeout=PATIENCE)
    expect(tab.find("#log li").first).to_have_attribute("aria-current", "true")
    expect(api).to_have_attribute("data-state", re.compile("sent|fresh"), timeout=PATIENCE)
    expect(api.locator(".took b")).to_have_text(re.compile(r"^[\d.]+ ms$"), timeout=PATIENCE)
    expect(tab.find("#arrival")).to_contain_text(re.compile(r"sent to \d+ of \d+"))
    assert status(f"{running_server.api_url}/api/profile", fresh) == 401
    tab.screenshot("revocations")


def test_an_ordinary_account_is_told_why_it_may_not(open_page, victim):
    email, _ = victim
    tab = open_page()
    tab.find("#login [name=identifier]").fill(email)
    tab.find("#login [name=password]").fill("wrong " + PASSWORD)
    tab.find("#login [type=submit]").click()
    expect(tab.find("#login .error")).to_be_visible(timeout=PATIENCE)
    tab.find("#login [name=password]").fill(PASSWORD)
    tab.find("#login [type=submit]").click()
    expect(tab.find("#over")).to_contain_text("watchword:admin", timeout=PATIENCE)
    expect(tab.find("#signed-in")).to_be_hidden()


def test_the_login_survives_a_reload_and_ends_by_a_logout(open_page, running_server):
    tab = enter(open_page(), running_server)
    tab.reload()
    expect(tab.find("#signed-in")).to_be_visible(timeout=PATIENCE)
    assert running_server.admin[1] not in tab.page.content()
    assert tab.page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})").count("eyJ") == 0
    tab.find("#logout").click()
    expect(tab.find("#signed-out")).to_be_visible(timeout=PATIENCE)
    tab.reload()
    expect(tab.find("#signed-out")).to_be_visible()


def test_an_administrator_is_warned_before_the_own_login_dies_and_told_after(open_page, running_server):
    tab = enter(open_page(), running_server)
    tab.find("#cut [name=value]").fill(running_server.admin[0])
    expect(tab.find("#preview")).to_contain_text("Your own login is among it", timeout=PATIENCE)
    tab.find("#cut [type=submit]").click()
    expect(tab.find("#confirm-you")).to_be_visible()
    tab.find("#confirm-yes").click()
    expect(tab.find("#over")).to_contain_text("Your session is over", timeout=PATIENCE)
    expect(tab.find("#signed-in")).to_be_hidden()


def test_what_names_nothing_cannot_be_cut_off(open_page, running_server):
    tab = enter(open_page(), running_server)
    button = tab.find("#cut [type=submit]")
    expect(button).to_be_disabled()
    tab.find("#cut [name=value]").fill("nobody@example.test")
    expect(tab.find("#preview")).to_contain_text("no account with the address", timeout=PATIENCE)
    expect(button).to_be_disabled()
    tab.find("#cut [name=axis]").select_option("session")
    tab.find("#cut [name=value]").fill("<b>nobody</b>")
    expect(tab.find("#preview")).to_contain_text("there is no session", timeout=PATIENCE)
    expect(button).to_be_disabled()
    tab.find("#cut [name=axis]").select_option("everything")
    expect(tab.find("#preview")).to_contain_text("Your own login is among it", timeout=PATIENCE)
    expect(button).to_be_enabled()


def test_it_works_by_keyboard_alone(open_page, running_server):
    tab = open_page()
    keys = tab.page.keyboard
    tab.find("#login [name=identifier]").focus()
    keys.type(running_server.admin[0])
    keys.press("Tab")
    keys.type(running_server.admin[1])
    keys.press("Enter")
    expect(tab.find("#signed-in")).to_be_visible(timeout=PATIENCE)
    expect(tab.find("#cut [name=axis]")).to_be_focused()
    keys.type("A cl")
    expect(tab.find("#value-name")).to_have_text("Client id")
    keys.press("Tab")
    keys.type("no-such-client")
    expect(tab.find("#preview strong")).to_have_text("no living session", timeout=PATIENCE)
    keys.press("Enter")
    expect(tab.find("#confirm")).to_be_visible(timeout=PATIENCE)
    expect(tab.find("#confirm-no")).to_be_focused()
    keys.press("Shift+Tab")
    keys.press("Enter")
    expect(tab.find("#log li").first).to_contain_text("no-such-client", timeout=PATIENCE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_all_of_it_can_be_read_on_a_phone_and_by_night(open_page, running_server, victim, scheme, width):
    email, login = victim
    login()
    tab = open_page(width=width, scheme=scheme, reduced_motion="reduce")
    assert tab.page.evaluate(CONTRAST) == []
    assert tab.overflows() == []
    tab.screenshot(f"revocations-login-{scheme}-{width}")
    enter(tab, running_server)
    tab.find("#cut [name=value]").fill(email)
    expect(tab.find("#preview strong")).to_be_visible(timeout=PATIENCE)
    tab.find("#cut [type=submit]").click()
    assert tab.page.evaluate(CONTRAST) == []
    tab.screenshot(f"revocations-confirm-{scheme}-{width}")
    tab.find("#confirm-yes").click()
    expect(tab.find("#arrival")).to_contain_text("sent to 1 of 1", timeout=PATIENCE)
    assert tab.page.evaluate(CONTRAST) == []
    assert tab.overflows() == []
    tab.screenshot(f"revocations-{scheme}-{width}")
