"""Attacks on the authorization endpoint and its pages (RFC 6819, RFC 9700 §4), each by its name."""

import asyncio
import hashlib
import json
import re

import pytest
from oauth_story import CALLBACK, ORIGIN, OAuth
from page_story import CROSS_SITE, SAME_SITE, Page, Person
from story import ISSUER, PASSWORD, SAFARI
from watchword_server.clients.metadata import ClientSettings
from watchword_server.store.records import AuditEvent

from .test_authorize import ENVIRON, FIRST_PARTY, asking, exchange

EVIL = "https://evil.example/callback"
SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture
def environ():
    return ENVIRON


def is_page(answer, error: str | None = None) -> bool:
    assert answer.status_code in {400, 403}, answer.status_code
    assert "location" not in answer.headers
    assert "text/html" in answer.headers["content-type"]
    return error is None or f"<code>{error}</code>" in answer.text


@pytest.mark.rfc("6749 §3.1.2.4")
@pytest.mark.rfc("6749 §4.1.2.1/1")
@pytest.mark.rfc("9700 §2.1/2")
@pytest.mark.rfc("9700 §4.11.2/1")
@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": EVIL},
        {"redirect_uri": EVIL, "response_type": "token"},
        {"redirect_uri": EVIL, "prompt": "none"},
        {"redirect_uri": f"{CALLBACK}@evil.example"},
        {"redirect_uri": f"{CALLBACK}/../../evil"},
        {"redirect_uri": "https://app.example.test:8443/callback"},
        {"redirect_uri": "https://app.example.test/callback#"},
        {"redirect_uri": "https://\u0430pp.example.test/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": "app\x00"},
        {"client_id": "a" * 3000},
    ],
)
async def test_open_redirector_an_error_never_leaves_for_an_address_that_is_not_proven(oauth, changes):
    await oauth.client()
    answer = await oauth.http.get("/authorize", params=asking(**changes))
    assert is_page(answer)
    assert "evil.example" not in answer.text


@pytest.mark.rfc("6749 §3.1/4")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "response_type", "prompt"])
async def test_duplicate_parameters_are_refused_on_a_page_by_get_and_by_post(oauth, name):
    await oauth.client()
    pairs = [*asking(prompt="login").items(), (name, "other")]
    query = "&".join(f"{key}={value}" for key, value in pairs)
    assert is_page(await oauth.http.get(f"/authorize?{query}"), "invalid_request")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert is_page(await oauth.http.post("/authorize", content=query, headers=form), "invalid_request")


@pytest.mark.rfc("9207 §2/1")
@pytest.mark.rfc("9207 §2/2")
@pytest.mark.rfc("9207 §2.3/1")
@pytest.mark.rfc("9700 §4.4.2")
async def test_mix_up_every_answer_says_which_server_gave_it(oauth, ada):
    await oauth.client()
    assert (await oauth.http.get("/.well-known/oauth-authorization-server")).json()["issuer"] == ISSUER
    for changes in (
        {"response_type": "token"},
        {"scope": "nope"},
        {"prompt": "none"},
        {"code_challenge_method": "plain"},
    ):
        await ada.goes_to("/authorize", **asking(**changes))
        assert ada.told["iss"] == ISSUER
        assert ada.told["state"] == "af0ifjsldkj"
        assert "code" not in ada.told


@pytest.mark.rfc("9700 §4.11.2/3")
async def test_open_redirector_by_setting_no_clients_fault_sends_anybody_away_unasked(open_server):
    async with open_server(WATCHWORD_OAUTH__ASK_BEFORE_ERRORS="true") as server, server.browser() as http:
        oauth = OAuth(server, http)
        await oauth.account()
        oauth.http.cookies.clear()
        ada = Person(oauth.http)
        await oauth.client(settings=FIRST_PARTY)
        for fault in ({"response_type": "token"}, {"scope": "nope"}, {"code_challenge_method": "plain"}):
            await ada.goes_to("/authorize", **asking(**fault))
            assert (ada.answer.status_code, ada.left) == (400, None)
            assert 'http-equiv="refresh"' not in ada.answer.text
            await ada.follow("continue")
            assert ada.answer.request.url.host == "app.example.test"
        await ada.goes_to("/authorize", **asking(prompt="none"))
        assert ada.told["error"] == "login_required", "a silent request is answered"
        await (await ada.goes_to("/authorize", **asking())).logs_in()
        await ada.goes_to("/authorize", **asking(scope="nope"))
        assert ada.told["error"] == "invalid_scope", "and so is one of somebody who has signed in"


@pytest.mark.rfc("openid-core §3.1.2.3/2")
@pytest.mark.rfc("9700 §4.16")
async def test_clickjacking_no_page_lets_itself_be_framed_and_none_runs_an_inline_script(oauth, ada):
    await oauth.client()
    await ada.goes_to("/authorize", **asking())
    pages = [ada.answer]
    await ada.logs_in()
    pages.append(ada.answer)
    pages.append(await oauth.http.get("/authorize", params=asking(redirect_uri=EVIL)))
    pages.append(await oauth.http.get("/authorize", params=asking(response_mode="form_post", prompt="none")))
    pages.append(await oauth.http.get("/logout"))
    for answer in pages:
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "base-uri 'none'" in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "<script>" not in answer.text
        assert not re.search(r"\son\w+=|style=", answer.text)


async def test_form_action_names_the_scheme_of_the_way_back_so_that_chromium_lets_the_redirect_pass(oauth, ada):
    await oauth.client()
    native = {
        "redirect_uris": ["com.example.app:/cb"],
        "application_type": "native",
        "token_endpoint_auth_method": "none",
    }
    await oauth.client("app2", **native)
    await ada.goes_to("/authorize", **asking())
    assert "form-action 'self' https:;" in ada.answer.headers["content-security-policy"]
    await ada.goes_to("/authorize", **asking("app2", redirect_uri="com.example.app:/cb"))
    assert "form-action 'self' https: com.example.app:;" in ada.answer.headers["content-security-policy"]


@pytest.mark.rfc("6749 §10.12/1")
@pytest.mark.parametrize("headers", [CROSS_SITE, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}])
@pytest.mark.parametrize("path", ["login", "register", "consent", "select", "cancel"])
async def test_csrf_a_post_of_another_site_does_nothing_even_with_a_good_ticket(oauth, ada, path, headers):
    await oauth.client()
    await ada.goes_to("/authorize", **asking())
    ticket = ada.page.forms[0].fields["ticket"]
    form = {"ticket": ticket, "identifier": "ada@example.test", "password": PASSWORD, "decision": "allow"}
    answer = await oauth.http.post(f"/authorize/{path}", data=form, headers=headers)
    assert is_page(answer, "cross_site")
    assert "set-cookie" not in answer.headers


@pytest.mark.rfc("6749 §10.12/1")
@pytest.mark.parametrize("path", ["login", "register", "consent", "select", "cancel"])
async def test_csrf_a_post_without_a_ticket_of_this_browser_does_nothing(oauth, ada, path):
    await oauth.client()
    await ada.goes_to("/authorize", **asking())
    ticket = ada.page.forms[0].fields["ticket"]
    form = {"identifier": "ada@example.test", "password": PASSWORD, "decision": "allow"}
    for given in (
        {},
        {"ticket": ""},
        {"ticket": ticket[:-1] + ("A" if ticket[-1] != "A" else "B")},
        {"ticket": "x" * 20_000},
    ):
        answer = await oauth.http.post(f"/authorize/{path}", data=form | given, headers=SAME_SITE)
        assert is_page(answer, "page_expired")
        assert "watchword-sso" not in answer.headers.get("set-cookie", "")


@pytest.mark.rfc("openid-core §3.1.2.3/2")
async def test_login_csrf_a_ticket_of_the_attackers_browser_signs_no_victim_in(oauth, ada):
    await oauth.client()
    await oauth.account("eve@example.test")
    async with oauth.server.browser(SAFARI) as hers:
        eve = await Person(hers).goes_to("/authorize", **asking())
        ticket = eve.page.forms[0].fields["ticket"]
    await ada.goes_to("/authorize", **asking())
    for headers in (SAME_SITE, {}):
        form = {"ticket": ticket, "identifier": "eve@example.test", "password": PASSWORD}
        answer = await oauth.http.post("/authorize/login", data=form, headers=headers)
        assert is_page(answer, "page_expired")
    assert "watchword-sso" not in oauth.http.cookies
    answer = await oauth.http.get("/authorize/continue", params={"ticket": ticket})
    assert is_page(answer, "page_expired"), "nor is a link with it good for anything"


async def test_session_fixation_a_cookie_planted_before_the_login_names_no_sign_on_after_it(oauth, ada):
    await oauth.client("own", settings=FIRST_PARTY)
    await oauth.account("eve@example.test")
    async with oauth.server.browser(SAFARI) as hers:
        eve = Person(hers)
        await (await eve.goes_to("/authorize", **asking("own"))).logs_in("eve@example.test")
        planted = hers.cookies["watchword-sso"]
        oauth.http.cookies.set("watchword-sso", planted, domain="localhost.local")
        oauth.server.clock.advance(1)
        await ada.goes_to("/authorize", **asking("own", prompt="login"))
        await ada.logs_in()
        assert oauth.http.cookies["watchword-sso"] != planted
        await eve.goes_to("/authorize", **asking("own", prompt="none"))
        code = eve.told["code"]
    view = await oauth.store.code(hashlib.sha256(code.encode()).digest())
    assert view.account.email == "eve@example.test", "the planted cookie is still the attacker's own"


async def test_session_fixation_logging_in_again_makes_the_cookie_that_was_there_worthless(oauth, ada):
    await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    before = oauth.http.cookies["watchword-sso"]
    await ada.goes_to("/authorize", **asking("own", prompt="login"))
    oauth.server.clock.advance(5)
    await ada.goes_to("/authorize", **asking("own", prompt="login"))
    await ada.fill(password=PASSWORD).press("sign-in")
    assert oauth.http.cookies["watchword-sso"] != before
    async with oauth.server.browser() as thief:
        thief.cookies.set("watchword-sso", before)
        stolen = await Person(thief).goes_to("/authorize", **asking("own", prompt="none"))
        assert stolen.told["error"] == "login_required"


async def test_two_different_sign_on_cookies_are_neither_believed(oauth, ada):
    await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    real = oauth.http.cookies["watchword-sso"]
    headers = {"Cookie": f"watchword-sso={real}; watchword-sso=ws_tossed"}
    assert is_page(await oauth.http.get("/authorize", params=asking("own"), headers=headers), "ambiguous_cookie")


@pytest.mark.rfc("6749 §10.12/2")
async def test_consent_bypass_by_a_changed_page_gets_a_page_and_no_code(oauth, ada):
    await oauth.client(scope="openid profile read write")
    await oauth.account("eve@example.test")
    await ada.goes_to("/authorize", **asking())
    before_login = ada.page.forms[0].fields["ticket"]
    await ada.logs_in()
    account = ada.page.forms[0].fields["account"]
    await ada.press("allow", ticket=before_login)
    assert ada.sees("allow"), "a ticket of a page that showed no scopes allows none"
    await ada.press("allow", account="somebody else")
    assert ada.sees("allow")
    wide = await Person(oauth.http).goes_to("/authorize", **asking(scope="openid profile read write"))
    narrow = ada.page.forms[0].fields["ticket"]
    await wide.press("allow", ticket=narrow)
    code = wide.told["code"]
    view = await oauth.store.code(hashlib.sha256(code.encode()).digest())
    assert b"write" not in view.terms, "what is allowed is what the page of that ticket showed"
    held = await oauth.store.authorization(account, "app")
    assert held.scope == ("openid", "profile")


async def test_consent_given_by_one_account_is_not_taken_for_another_that_signed_in_meanwhile(oauth, ada):
    await oauth.client()
    await oauth.account("eve@example.test")
    await (await ada.goes_to("/authorize", **asking())).logs_in()
    open_page = ada.page
    eve = Person(oauth.http)
    await eve.goes_to("/authorize", **asking(prompt="select_account"))
    await (await eve.follow("other")).logs_in("eve@example.test")
    ada.page = open_page
    await ada.press("allow")
    assert ada.sees("allow")
    assert "eve@example.test" in ada.page.said


async def test_consent_to_a_scope_here_and_a_resource_there_shows_all_that_both_together_allow(oauth, ada):
    await oauth.client(scope="openid read write")
    await (await ada.goes_to("/authorize", **asking(scope="openid write"))).logs_in()
    await ada.press("allow")
    await ada.goes_to("/authorize", **asking(scope="openid read", resource="https://api.example.test"))
    assert "Read your posts" in ada.page.said
    assert "Write posts for you" in ada.page.said, "which will be allowed there too"
    await ada.press("allow")
    await ada.goes_to("/authorize", **asking(scope="openid write", resource="https://api.example.test"))
    assert "code" in ada.told


@pytest.mark.rfc("6749 §10.12/2")
async def test_a_get_of_the_consent_page_allows_nothing(oauth, ada):
    await oauth.client()
    await (await ada.goes_to("/authorize", **asking())).logs_in()
    fields = ada.page.forms[0].fields
    answer = await oauth.http.get("/authorize/consent", params=fields | {"decision": "allow"})
    assert answer.status_code == 405
    await ada.goes_to("/authorize/continue", ticket=fields["ticket"], decision="allow", consented=fields["account"])
    assert ada.sees("allow")


@pytest.mark.rfc("6749 §4.1.3/2")
@pytest.mark.rfc("9700 §4.5.3")
async def test_a_code_is_good_once_and_for_its_client_alone(oauth, ada):
    own = await oauth.client("own", settings=FIRST_PARTY)
    other = await oauth.client("other", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    code = ada.told["code"]
    assert (await exchange(oauth, other, code)).json()["error"] == "invalid_grant"
    body = (await exchange(oauth, own, code)).json()
    assert (await exchange(oauth, own, code)).json()["error"] == "invalid_grant"
    bearer = {"Authorization": f"Bearer {body['access_token']}"}
    assert (await oauth.http.get("/userinfo", headers=bearer)).status_code == 401, "and what it gave is cut off"


@pytest.mark.rfc("6749 §4.1.2/1")
async def test_a_code_is_over_after_a_minute(oauth, ada):
    own = await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    oauth.server.clock.advance(61)
    assert (await exchange(oauth, own, ada.told["code"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("size", [6_000, 7_500, 9_000, 60_000])
async def test_huge_requests_are_refused_and_never_an_error_of_the_server(oauth, size):
    await oauth.client()
    for name in ("state", "claims", "login_hint", "unheard_of"):
        answer = await oauth.http.get("/authorize", params=asking(**{name: "x" * size}))
        assert answer.status_code in {400, 414}
        posted = await oauth.http.post("/authorize", data=asking(**{name: "x" * size}))
        assert posted.status_code in {400, 413}
    many = "&".join(f"p{n}=1" for n in range(100))
    assert is_page(await oauth.http.get(f"/authorize?{many}"), "invalid_request")


@pytest.mark.rfc("6749 §10.14")
async def test_xss_nothing_a_client_or_stranger_wrote_becomes_markup(oauth, ada):
    await oauth.client(client_name=SCRIPT[:100], policy_uri="https://app.example.test/<b>", scope="openid")
    for changes in ({"login_hint": SCRIPT}, {"state": SCRIPT}, {"ui_locales": SCRIPT}, {"acr_values": "<b>"}):
        await ada.goes_to("/authorize", **asking(scope="openid", **changes))
        assert "script" not in ada.page.tags
        assert "img" not in ada.page.tags
        assert "<script" not in ada.answer.text
    await ada.logs_in(SCRIPT)
    assert ada.page.names["identifier"][0].fields["identifier"] == SCRIPT
    assert "script" not in ada.page.tags
    await ada.logs_in()
    assert ada.sees("allow", "policy")
    assert {"script", "img", "b"}.isdisjoint(ada.page.tags)
    await ada.goes_to("/authorize", **asking(scope="openid", response_mode="form_post", state=SCRIPT, prompt="none"))
    assert ada.page.forms[0].fields["state"] == SCRIPT
    assert "img" not in ada.page.tags
    error = await oauth.http.get("/authorize", params={"client_id": "app", "redirect_uri": SCRIPT, "state": SCRIPT})
    assert "img" not in Page(error.text).tags


async def test_a_name_as_long_as_a_page_is_shown_short(oauth, ada):
    await oauth.client(client_name="A" * 190)
    await (await ada.goes_to("/authorize", **asking())).logs_in()
    assert "A" * 70 in ada.answer.text
    assert "A" * 90 not in ada.answer.text


@pytest.mark.rfc("6749 §10.14")
async def test_header_injection_a_line_break_in_state_breaks_no_header(oauth, ada):
    await oauth.client("own", settings=FIRST_PARTY)
    await ada.goes_to("/authorize", **asking("own", state="a\r\nSet-Cookie: x=y", prompt="none"))
    assert ada.told["error"] == "invalid_request"
    assert "state" not in ada.told
    assert "x=y" not in str(ada.answer.headers)


@pytest.mark.parametrize("mode", ["web_message", "query.jwe", "fragment form_post", "FORM_POST", SCRIPT])
async def test_response_mode_injection_is_refused_by_the_query(oauth, ada, mode):
    await oauth.client()
    await ada.goes_to("/authorize", **asking(response_mode=mode))
    assert ada.left.startswith(f"{CALLBACK}?error=invalid_request")


async def test_prompt_none_framing_a_silent_request_can_only_be_answered_by_redirect(oauth, ada):
    await oauth.client()
    await (await ada.goes_to("/authorize", **asking())).logs_in()
    for changes in ({}, {"max_age": "0"}, {"scope": "openid email"}):
        await ada.goes_to("/authorize", **asking(prompt="none", **changes))
        assert ada.left is not None
        assert ada.told["error"] in {"consent_required", "login_required"}


async def test_a_client_that_was_disabled_meanwhile_gets_nothing(oauth, ada):
    await oauth.client()
    await (await ada.goes_to("/authorize", **asking())).logs_in()
    assert await oauth.server.services.oauth.administration.disable("app", ORIGIN)
    await ada.press("allow")
    assert is_page(ada.answer, "invalid_client")


async def test_an_account_disabled_between_page_and_post_gets_no_code(oauth, ada):
    await oauth.client()
    await (await ada.goes_to("/authorize", **asking())).logs_in()
    account = ada.page.forms[0].fields["account"]
    audit = AuditEvent(event="account.disabled", origin=ORIGIN, account_id=account)
    assert await oauth.store.disable_account(account, audit)
    await ada.press("allow")
    assert ada.sees("sign-in")


async def test_guessing_two_browsers_at_once_get_different_codes_cookies_and_tickets(oauth, ada):
    await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    answers = await asyncio.gather(*(oauth.http.get("/authorize", params=asking("own")) for _ in range(8)))
    codes = {re.search(r"code=(wc_[^&]+)", answer.headers["location"])[1] for answer in answers}
    assert len(codes) == 8
    assert all(len(code) >= 43 for code in codes)


async def test_secrets_are_in_no_audit_line(oauth, ada):
    await oauth.client()
    await (await ada.goes_to("/authorize", **asking())).logs_in()
    await ada.press("allow")
    lines = str(await oauth.store.audit_entries(before=None, limit=100, account_id=None, event=None))
    assert "sign_on.started" in lines
    assert "authorization.granted" in lines
    for secret in (
        ada.told["code"],
        oauth.http.cookies["watchword-sso"],
        oauth.http.cookies["watchword-flow"],
        PASSWORD,
    ):
        assert secret not in lines


async def test_the_cookies_are_such_as_only_this_host_can_set_and_no_script_can_read(open_server):
    environ = {"WATCHWORD_ISSUER": "https://login.example.test"}
    async with open_server(**environ) as server, server.browser() as http:
        oauth = OAuth(server, http)
        await oauth.client("own", settings=ClientSettings(first_party=True))
        await oauth.account()
        http.cookies.clear()
        answer = await http.get("/authorize", params=asking("own"))
        flow = answer.headers["set-cookie"]
        assert flow.startswith("__Host-watchword-flow=wf_")
        ticket = Page(answer.text).forms[0].fields["ticket"]
        cookie = flow.partition(";")[0]
        form = {"ticket": ticket, "identifier": "ada@example.test", "password": PASSWORD}
        headers = {"Cookie": cookie, "Origin": "https://login.example.test", "Sec-Fetch-Site": "same-origin"}
        answer = await http.post("/authorize/login", data=form, headers=headers)
        sso = answer.headers["set-cookie"]
        assert sso.startswith("__Host-watchword-sso=ws_")
        for given in (flow, sso):
            for attribute in ("Path=/", "HttpOnly", "SameSite=Lax", "Secure"):
                assert f"; {attribute}" in given
            assert "Domain" not in given


async def test_a_sign_on_that_ends_between_reading_it_and_the_code_gives_no_code(oauth, ada, monkeypatch):
    await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    add = oauth.store.add_code

    async def too_late(new):
        await oauth.store.end_sign_on(
            new.sign_on, account_id=None, reason="test", audit=AuditEvent(event="sign_on.ended", origin=ORIGIN)
        )
        return await add(new)

    monkeypatch.setattr(oauth.store, "add_code", too_late)
    await ada.goes_to("/authorize", **asking("own"))
    assert ada.sees("sign-in")
    await ada.goes_to("/authorize", **asking("own", prompt="none"))
    assert ada.told["error"] == "login_required"


async def test_a_page_that_comes_back_swollen_is_refused_and_never_an_error_of_the_server(oauth, ada):
    await oauth.client()
    await ada.goes_to("/authorize", **asking())
    await ada.logs_in()
    oauth.server.clock.advance(60)
    await ada.goes_to("/authorize", **asking(prompt="select_account"))
    await ada.press("continue", account="a" * 20_000)
    assert is_page(ada.answer, "invalid_request")


async def test_a_request_whose_scopes_no_page_can_carry_is_refused_and_never_an_error_of_the_server(open_server):
    many = {f"scope:of:the:installation:{n}": f"Do the {n}th thing" for n in range(70)}
    async with open_server(WATCHWORD_SCOPES=json.dumps(many)) as server, server.browser() as http:
        oauth = OAuth(server, http)
        await oauth.account()
        await oauth.client(scope=" ".join(("openid", *many)))
        http.cookies.clear()
        person = Person(http)
        await person.goes_to("/authorize", **asking(scope=" ".join(("openid", *many)), state="s" * 2_048))
        await person.logs_in()
        assert is_page(person.answer, "invalid_request")
