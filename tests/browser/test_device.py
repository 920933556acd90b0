"""The pages on which a person lets a device in, in a real browser: by day and night, on phones, in German, by keyboard."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from .test_pages import LOOKS, check, log_in, person  # noqa: F401 - a fixture

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def post(url: str, **form: str) -> tuple[int, dict]:
    request = urllib.request.Request(url, urlencode(form).encode(), {"User-Agent": "curl/8.5"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def ask(running_server, scope: str = "openid profile email offline_access") -> dict:
    status, codes = post(f"{running_server.url}/device_authorization", client_id="television", scope=scope)
    assert status == 200, codes
    return codes


@pytest.mark.parametrize("look", LOOKS)
def test_a_device_is_let_in_whatever_the_screen_the_hour_and_the_language(
    person,  # noqa: F811 - the fixture
    running_server,
    screenshots,
    look,
):
    codes = ask(running_server)
    page = person(**LOOKS[look])
    page.goto(codes["verification_uri"])
    expect(page.locator("#user-code")).to_be_focused()
    check(page, screenshots, f"device-code-{look}")
    page.fill("#user-code", "BBBBBBBB")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#user-code")).to_have_attribute("aria-invalid", "true")
    check(page, screenshots, f"device-wrong-{look}")
    page.goto(codes["verification_uri_complete"])
    expect(page.locator("#user-code")).to_have_value(codes["user_code"])
    page.click("#go-on")
    log_in(page, running_server.admin)
    expect(page.locator("#shown-code")).to_have_text(codes["user_code"])
    expect(page.locator("#remote")).to_be_visible()
    check(page, screenshots, f"device-{look}")
    page.click("#allow")
    expect(page.locator("#connected")).to_be_visible()
    check(page, screenshots, f"device-done-{look}")
    status, tokens = post(
        f"{running_server.url}/token", grant_type=GRANT, client_id="television", device_code=codes["device_code"]
    )
    assert status == 200, tokens
    codes = ask(running_server, "openid")
    page.goto(codes["verification_uri_complete"])
    page.click("#go-on")
    page.click("#deny")
    expect(page.locator("#denied")).to_be_visible()
    check(page, screenshots, f"device-denied-{look}")


def test_another_account_can_be_taken_before_the_device_is_let_in(person, running_server):  # noqa: F811 - the fixture
    page = person()
    codes = ask(running_server, "openid")
    page.goto(codes["verification_uri_complete"])
    page.click("#go-on")
    log_in(page, running_server.admin)
    page.click("#other")
    page.click("#to-register")
    page.fill("#email", f"guest-{codes['user_code'].lower()}@example.test")
    page.fill("#password", "mosaic-harbour-tundra-61")
    page.click("#register")
    expect(page.locator("#shown-code")).to_have_text(codes["user_code"])
    expect(page.locator("main")).to_contain_text(f"guest-{codes['user_code'].lower()}")
    assert page.evaluate("document.activeElement === document.body"), "allowing is never under the cursor by itself"
