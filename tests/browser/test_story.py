"""The whole story of a login, as a person lives it in the playground."""

from __future__ import annotations

from playwright.sync_api import expect

PATIENCE = 30_000


def test_register_log_in_and_call_what_the_account_may_call(visit):
    tab = visit().tab()
    assert tab.find(".said").count() == 0, "a first visit asks nothing"
    tab.find("#tab-register").click()
    tab.find("#register [name=email]").fill("ada@example.test")
    tab.find("#register [name=username]").fill("ada")
    tab.find("#register [name=password]").fill("short")
    tab.find("#register [type=submit]").click()
    expect(tab.find("#register .error")).to_be_visible()
    expect(tab.find("#register [name=password]")).to_have_attribute("aria-invalid", "true")
    expect(tab.find("#register [name=password]")).to_be_focused()
    tab.screenshot("register-refused")
    tab.find("#register [name=password]").fill("mosaic-harbour-tundra-61")
    tab.find("#register [type=submit]").click()
    tab.logged_in().token_state("live|late")

    expect(tab.find("#who-email")).to_have_text("ada@example.test")
    expect(tab.find("#who-roles")).to_have_text("user")
    assert tab.claim("iss") == tab.page.evaluate("location.origin")
    tab.call("/api/posts/popular", 200, sent_with="none")
    tab.call("/api/profile", 200)
    tab.call("/api/profile", 401, sent_with="none")
    tab.call("/api/profile", 401, sent_with="tampered")
    tab.call("/api/reports", 403)
    tab.call("/api/admin/users", 403)
    tab.screenshot("logged-in")


def test_an_administrator_may_call_everything(visit, running_server):
    tab = visit().tab()
    tab.find("#use-admin").click()
    expect(tab.find("#login [name=identifier]")).to_have_value(running_server.admin[0])
    tab.find("#login [name=password]").fill(running_server.admin[1])
    tab.find("#login [type=submit]").click()
    tab.logged_in()
    tab.call("/api/reports", 200).call("/api/admin/users", 200)


def test_a_wrong_password_is_told_at_the_form(visit):
    tab = visit().tab()
    tab.find("#login [name=identifier]").fill("nobody@example.test")
    tab.find("#login [name=password]").fill("certainly-not-this")
    tab.find("#login [type=submit]").click()
    expect(tab.find("#login .error")).to_contain_text("wrong")
    expect(tab.find("#signed-in")).to_be_hidden()


def test_the_token_stays_out_of_storage_and_the_cookie_out_of_reach(visit):
    tab = visit().tab().throw_away()
    kept = tab.page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
    assert "eyJ" not in kept
    assert "wr_" not in kept
    names = {cookie["name"]: cookie for cookie in tab.page.context.cookies()}
    cookie = names["watchword-refresh"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/auth")


def test_secrets_are_shortened_in_what_is_shown(visit):
    tab = visit().tab().throw_away()
    raw = tab.raw_token()
    password = tab.find("#credentials code").inner_text()
    for said in tab.find(".said").all():
        if said.is_visible():
            said.focus()
            said.press("Enter")
            shown = tab.find("#inspector").inner_text()
            assert raw not in shown
            assert password not in shown
            assert raw.split(".")[2] not in shown


def test_a_token_is_renewed_in_silence_and_the_family_grows(visit):
    tab = visit().tab().throw_away()
    first = tab.claim("jti")
    expect(tab.find("#thread .bead.now")).to_have_attribute("data-generation", "1", timeout=PATIENCE)
    tab.token_state("live|late")
    assert tab.claim("jti") != first
    expect(tab.find("#thread button.bead")).to_have_count(2)
    expect(tab.find(".remark", has_text="Advance: generation 0 is spent")).to_have_count(1)
    tab.call("/api/profile", 200)


def test_without_silent_refresh_a_token_runs_out_and_is_refused(visit):
    tab = visit().tab().throw_away()
    tab.find("#silent").uncheck()
    tab.token_state("expired")
    expect(tab.find(".remark", has_text="ran out")).to_have_count(1)
    tab.screenshot("expired")
    tab.call("/api/profile", 401)
    expect(tab.find("#call-answer")).to_contain_text("expired")
    tab.find("#refresh").click()
    tab.token_state("live|late")
    tab.call("/api/profile", 200)


def test_a_replayed_token_kills_the_family_and_the_api_refuses_at_once(visit):
    tab = visit().tab().throw_away()
    email, password = tab.find("#who-email").inner_text(), tab.find("#credentials code").inner_text()
    tab.find("#age").click()
    expect(tab.find("#replay")).to_have_text("Replay generation 0", timeout=PATIENCE)
    expect(tab.find("#thief-text")).to_contain_text("proof of theft")
    tab.screenshot("before-the-replay")
    tab.find("#replay").click()

    result = tab.find("#thief-result")
    expect(result).to_contain_text("ms later", timeout=PATIENCE)
    expect(tab.find(".family")).to_have_attribute("data-state", "dead")
    expect(tab.find("#ended")).to_contain_text("A refresh token was used twice")
    expect(tab.find(".said.thief", has_text="reuse")).to_have_count(1)
    tab.token_state("dead")
    tab.screenshot("family-dead")
    tab.call("/api/profile", 401)
    tab.call("/api/posts/popular", 200)

    tab.log_in(email, password)
    expect(tab.find("#notices")).to_contain_text("was replayed")
    tab.screenshot("notice")
    tab.find("#notices button").click()
    expect(tab.find("#notices")).to_be_hidden()
    tab.reload().logged_in()
    expect(tab.find("#notices")).to_be_hidden()


def test_the_newest_but_one_is_answered_so_that_honest_retries_live(visit):
    tab = visit().tab().throw_away()
    expect(tab.find("#thread .bead.now")).to_have_attribute("data-generation", "1", timeout=PATIENCE)
    tab.find("#silent").uncheck()
    tab.find(".bead[data-generation='0']:visible").click()
    expect(tab.find("#replay")).to_have_text("Replay generation 0")
    tab.find("#replay").click()
    expect(tab.find("#thief-result")).to_contain_text("Answered with 200", timeout=PATIENCE)
    expect(tab.find(".family")).to_have_attribute("data-state", "alive")
    tab.find("#refresh").click()
    tab.token_state("live|late")


def test_a_second_device_is_ended_from_the_list_and_the_first_lives_on(visit):
    tab = visit().tab().throw_away()
    tab.find("#second-device").click()
    device = tab.find("[data-sid]", has_text="second device")
    expect(device).to_be_visible(timeout=PATIENCE)
    device.get_by_text("Call with its token").click()
    expect(tab.find(".said[data-tone=good]", has_text="second device GET /api/profile")).to_have_count(1)
    tab.screenshot("second-device")
    device.get_by_role("button", name="End the session").click()
    result = tab.find("#session-result")
    expect(result).to_contain_text("ms later", timeout=PATIENCE)
    expect(tab.find("[data-sid]")).to_have_count(1)
    tab.call("/api/profile", 200)


def test_a_second_device_of_a_real_account_asks_for_the_password_again(visit, running_server):
    tab = visit().tab().log_in(*running_server.admin)
    tab.find("#second-device").click()
    expect(tab.find("#device-password [name=password]")).to_be_focused()
    tab.find("#device-password [name=password]").fill("wrong-this-time")
    tab.find("#device-password [name=password]").press("Enter")
    expect(tab.find("#session-result")).to_contain_text("wrong")
    tab.find("#device-password [name=password]").fill(running_server.admin[1])
    tab.find("#device-password [name=password]").press("Enter")
    expect(tab.find("[data-sid]", has_text="second device")).to_be_visible(timeout=PATIENCE)


def test_logging_out_kills_the_token_before_its_time(visit):
    tab = visit().tab().throw_away()
    tab.find("#logout").click()
    tab.token_state("dead")
    expect(tab.find("#ended")).to_contain_text("You logged out here")
    tab.find("[name=with][value=mine]").check()
    button = tab.find("button[data-path='/api/profile']")

    def refused() -> bool:
        button.click()
        expect(button).not_to_have_attribute("aria-busy", "true")
        return button.locator(".outcome").inner_text() == "401"

    assert any(refused() for _ in range(20))
    tab.reload()
    expect(tab.find("#signed-out")).to_be_visible()


def test_logging_out_everywhere_ends_other_browsers_too(visit, running_server):
    here, there = visit().tab().log_in(*running_server.admin), visit().tab().log_in(*running_server.admin)
    here.find("#logout-all").click()
    here.token_state("dead")
    # The other one learns of it at its next silent refresh at the latest.
    there.token_state("dead")
    expect(there.find("#ended")).to_contain_text("ended elsewhere")
