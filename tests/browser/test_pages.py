"""The server's own pages in a real browser: the way there and back, by day and night, by keyboard, on phones, in German."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import expect

from .test_everyone import CONTRAST

PATIENCE = 30_000
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.fixture
def request_url(running_server, client_site):
    """request_url(client_id="album", ...) is where a client sends a browser."""

    def make(path: str = "/callback", **changes: str) -> str:
        given = {
            "client_id": "album",
            "redirect_uri": f"{client_site.url}{path}",
            "response_type": "code",
            "scope": "openid profile email offline_access",
            "state": "s-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return f"{running_server.url}/authorize?{urlencode(given | changes)}"

    return make


@pytest.fixture
def person(browser, running_server, screenshots):
    """person(width=..., scheme=..., locale=...) is a browser at no page yet; the policy of no page may be broken in it."""
    contexts = []

    def make(*, width: int = 1100, height: int = 800, scheme: str = "light", locale: str = "en-GB", **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, locale=locale, **options
        )
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text) if "olicy" in message.text else None)
        contexts.append((context, page))
        return page

    yield make
    for context, page in contexts:
        assert page.complaints == []
        context.close()


def log_in(page, admin) -> None:
    page.fill("#identifier", admin[0])
    page.fill("#password", admin[1])
    page.click("#sign-in")


def overflows(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


def check(page, screenshots, name: str) -> None:
    page.screenshot(path=screenshots / f"{name}.png", full_page=True)
    assert page.evaluate(CONTRAST) == [], name
    assert not overflows(page), name
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('button, input:not([type=hidden]), a')]"
        ".filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.[0]?.textContent.trim()))"
        ".map((e) => e.outerHTML)"
    )
    assert unnamed == [], name
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1


LOOKS = {
    "light": {},
    "dark": {"scheme": "dark"},
    "phone": {"width": 390, "height": 780},
    "small": {"width": 320, "height": 600, "scheme": "dark"},
    "german": {"width": 390, "height": 780, "locale": "de-AT"},
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_can_be_read_and_used_whatever_the_screen_the_hour_and_the_language(
    person, request_url, running_server, screenshots, look
):
    page = person(**LOOKS[look])
    page.goto(request_url(login_hint="somebody-with-a-very-long-name@a-very-long-domain-name.example.test"))
    check(page, screenshots, f"login-{look}")
    page.fill("#password", "wrong")
    page.click("#sign-in")
    expect(page.locator("#problem")).to_be_visible()
    check(page, screenshots, f"login-wrong-{look}")
    page.click("#to-register")
    check(page, screenshots, f"register-{look}")
    page.fill("#email", "admin@localhost")
    page.fill("#password", "short")
    page.click("#register")
    expect(page.locator("#password-fault")).to_be_visible()
    check(page, screenshots, f"register-wrong-{look}")
    page.click("#to-login")
    log_in(page, running_server.admin)
    expect(page.locator("#allow")).to_be_visible()
    check(page, screenshots, f"consent-{look}")
    words = "Zugriff geben" if look == "german" else "access"
    expect(page.locator("h1")).to_contain_text(words)
    page.goto(request_url(prompt="select_account"))
    check(page, screenshots, f"select-{look}")
    page.goto(request_url(prompt="login"))
    check(page, screenshots, f"again-{look}")
    page.goto(request_url(redirect_uri="https://evil.example/"))
    check(page, screenshots, f"error-{look}")
    page.goto(f"{running_server.url}/logout")
    check(page, screenshots, f"logout-{look}")
    page.click("#sign-out")
    expect(page.locator("#sign-out")).to_have_count(0)
    check(page, screenshots, f"signed-out-{look}")


def test_the_way_back_passes_the_policy_even_where_the_client_sends_on_to_another_origin(
    person, request_url, running_server, client_site
):
    page = person()
    page.goto(request_url("/onward"))
    log_in(page, running_server.admin)
    page.click("#allow")
    page.wait_for_url(f"{client_site.elsewhere}/home?**")
    told = parse_qs(urlsplit(page.url).query)
    assert told["state"] == ["s-1"]
    assert told["code"][0].startswith("wc_")
    page.goto(request_url("/onward"))
    page.click("#deny")
    page.wait_for_url(f"{client_site.elsewhere}/home?**")
    assert parse_qs(urlsplit(page.url).query)["error"] == ["access_denied"]


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_form_post_answer_arrives_by_the_script_or_by_its_button(
    person, request_url, running_server, client_site, scripts
):
    page = person(java_script_enabled=scripts)
    page.goto(request_url(client_id="own", response_mode="form_post", state="form <post>"))
    log_in(page, running_server.admin)
    if not scripts:
        page.click("#continue")
    page.wait_for_url(f"{client_site.url}/callback")
    method, _, body = client_site.requests("/callback")[-1]
    assert method == "POST"
    fields = parse_qs(body)
    assert fields["state"] == ["form <post>"]
    assert fields.keys() == {"code", "state", "iss"}


def test_the_keyboard_alone_logs_in_and_allows_and_allowing_is_never_under_the_cursor_by_itself(
    person, request_url, running_server, client_site
):
    page = person()
    page.goto(request_url())
    expect(page.locator("#identifier")).to_be_focused()
    page.keyboard.type(running_server.admin[0])
    page.keyboard.press("Tab")
    expect(page.locator("#password")).to_be_focused()
    page.keyboard.type(running_server.admin[1])
    page.keyboard.press("Enter")
    expect(page.locator("#allow")).to_be_visible()
    assert page.evaluate("document.activeElement === document.body")
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches(':focus-visible')")
        if page.evaluate("document.activeElement.id") == "allow":
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"{client_site.url}/callback?**")


def test_faults_are_announced_and_tied_to_their_fields(person, request_url):
    page = person()
    page.goto(request_url())
    log_in(page, ("nobody@example.test", "wrong-wrong"))
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#password")).to_be_focused()
    for field in ("#identifier", "#password"):
        expect(page.locator(field)).to_have_attribute("aria-invalid", "true")
        expect(page.locator(field)).to_have_attribute("aria-describedby", "problem")


def test_a_window_that_an_application_opened_can_still_tell_it_the_answer(
    person, request_url, running_server, client_site
):
    page = person()
    client_site.pages["/opener"] = "<!doctype html><title>opener</title><p>waiting</p>"
    client_site.pages["/callback"] = "<!doctype html><title>client</title><p id=opener></p>"
    page.goto(f"{client_site.url}/opener")
    with page.expect_popup() as popped:
        page.evaluate("(url) => { window.open(url, 'login', 'width=500,height=600'); }", request_url(client_id="own"))
    popup = popped.value
    log_in(popup, running_server.admin)
    popup.wait_for_url(f"{client_site.url}/callback?**")
    assert popup.evaluate("window.opener !== null")
    del client_site.pages["/callback"]


def test_clickjacking_no_page_of_the_server_shows_in_a_frame(person, request_url, client_site):
    page = person()
    client_site.pages["/framing"] = f"<!doctype html><iframe id=f src='{request_url().replace('&', '&amp;')}'></iframe>"
    page.goto(f"{client_site.url}/framing")
    page.wait_for_load_state("networkidle")
    frame = page.frames[1]
    assert frame.locator("#identifier").count() == 0
    page.complaints.clear()


@pytest.mark.parametrize("scope", ["openid profile", "openid profile offline_access"])
def test_a_logout_reaches_the_other_clients_by_frames_and_comes_back(
    person, request_url, running_server, client_site, scope
):
    page = person()
    page.goto(request_url(scope=scope))
    log_in(page, running_server.admin)
    page.click("#allow")
    page.wait_for_url(f"{client_site.url}/callback?**")
    code = parse_qs(urlsplit(page.url).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "client_id": "album",
        "code": code,
        "redirect_uri": f"{client_site.url}/callback",
        "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    }
    answer = page.request.post(f"{running_server.url}/token", form=form)
    assert answer.status == 200
    query = urlencode({"client_id": "album", "post_logout_redirect_uri": f"{client_site.url}/bye", "state": "s"})
    page.goto(f"{running_server.url}/logout?{query}")
    page.click("#sign-out")
    page.wait_for_url(f"{client_site.url}/bye?state=s")
    told = parse_qs(urlsplit(client_site.requests("/out")[-1][1]).query)
    assert told["iss"] == [running_server.url]
    body = answer.json()["id_token"].split(".")[1]
    assert told["sid"] == [json.loads(base64.urlsafe_b64decode(f"{body}=="))["sid"]]
    page.goto(request_url(scope="openid profile", prompt="none"))
    assert parse_qs(urlsplit(page.url).query)["error"] == ["login_required"]
