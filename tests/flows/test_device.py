"""The device flow (RFC 8628) as a person, a device and an attacker meet it: pages by their ids, over each store."""

import re

import pytest
from oauth_story import OAuth, refused, said
from page_story import CROSS_SITE, Person
from story import ISSUER
from watchword.oauth.names import GrantType
from watchword_server.clients.metadata import ClientSettings
from watchword_server.store.records import AuditEvent, Origin

GRANT = str(GrantType.DEVICE_CODE)
TELEVISION = "Mozilla/5.0 (Linux; Android 12; BRAVIA) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"
ENVIRON = {
    "WATCHWORD_SCOPES": '{"read": "Read your posts", "bill": "See bills"}',
    "WATCHWORD_OAUTH__DEFAULT_SCOPES": "openid,profile,offline_access,read,bill",
    "WATCHWORD_THROTTLE__DEVICE_FAILURES": "5",
    "WATCHWORD_THROTTLE__DEVICE_REQUESTS": "6",
    "WATCHWORD_ROLES": '{"user": {}, "admin": {"scopes": ["watchword:admin"]}, "clerk": {"scopes": ["bill"]}}',
}


@pytest.fixture
def environ():
    return ENVIRON


@pytest.fixture
async def tv(oauth):
    return await television(oauth)


async def television(oauth, client_id: str = "tv", **more):
    """A client for screens without a keyboard, which can keep no secret."""
    given = {"token_endpoint_auth_method": "none", "grant_types": [GRANT, "refresh_token"], "redirect_uris": []}
    return await oauth.client(client_id, client_name="Big Screen", **given | more)


async def ask(oauth, client, scope: str = "openid read") -> dict:
    answer = await oauth.post("/device_authorization", client, scope=scope, headers={"User-Agent": TELEVISION})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def poll(oauth, client, codes: dict):
    return await oauth.token(client, GRANT, device_code=codes["device_code"])


async def types(person: Person, code: str) -> Person:
    return await (await person.goes_to("/device")).fill(**{"user-code": code}).press("go-on")


async def allows(person: Person, code: str) -> Person:
    await types(person, code)
    if person.sees("sign-in"):
        await person.logs_in()
    return await person.press("allow")


@pytest.mark.rfc("8628 §3.3")
@pytest.mark.rfc("8628 §3.2")
async def test_a_device_is_let_in_by_its_person_on_another_one(oauth, ada, tv):
    codes = await ask(oauth, tv)
    assert re.fullmatch("[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}", codes["user_code"])
    assert codes["verification_uri"] == f"{ISSUER}/device"
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    refused(await poll(oauth, tv, codes), "authorization_pending")
    await types(ada, codes["user_code"].lower().replace("-", " "))
    assert ada.sees("sign-in", "cancel")
    assert "Big Screen" in ada.page.said
    await ada.logs_in()
    assert ada.sees("allow", "deny", "remote", "shown-code")
    for words in ("Big Screen", "Read your posts", codes["user_code"], "Chrome on Android", "ada@example.test"):
        assert words in ada.page.said
    await ada.press("allow")
    assert ada.sees("connected")
    oauth.server.clock.advance(5)
    answer = await poll(oauth, tv, codes)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert tokens["scope"] == "openid read"
    assert said(tokens["id_token"])["aud"] == "tv"
    assert (await oauth.userinfo(tokens["access_token"])).status_code == 200
    refused(await poll(oauth, tv, codes), "invalid_grant")
    renewed = await oauth.token(tv, "refresh_token", refresh_token=tokens["refresh_token"])
    assert renewed.status_code == 200
    account_id = said(tokens["access_token"])["sub"]
    assert [one.client_id for one in await oauth.store.authorizations(account_id, after=None, limit=9)] == ["tv"]


@pytest.mark.rfc("8628 §3.5/3")
async def test_a_person_says_no_and_the_device_is_told(oauth, ada, tv):
    codes = await ask(oauth, tv)
    await (await types(ada, codes["user_code"])).logs_in()
    await ada.press("deny")
    assert ada.sees("denied")
    refused(await poll(oauth, tv, codes), "access_denied")
    await types(ada, codes["user_code"])
    assert ada.sees("problem", "user-code"), "and nobody changes that afterwards"


@pytest.mark.rfc("8628 §3.5/1")
async def test_whoever_turns_round_at_the_login_has_decided_nothing(oauth, ada, tv):
    codes = await ask(oauth, tv)
    await (await types(ada, codes["user_code"])).press("cancel")
    assert ada.sees("denied")
    refused(await poll(oauth, tv, codes), "authorization_pending")


@pytest.mark.rfc("8628 §3.3")
async def test_a_code_in_the_address_is_still_compared_and_looked_up_only_when_the_person_goes_on(oauth, ada, tv):
    codes = await ask(oauth, tv)
    assert codes["verification_uri_complete"] == f"{ISSUER}/device?user_code={codes['user_code']}"
    for _ in range(9):
        await ada.goes_to(codes["verification_uri_complete"].replace(codes["user_code"], "BBBB-BBBB"))
    await ada.goes_to(codes["verification_uri_complete"])
    assert ada.sees("user-code", "go-on")
    assert ada.page.forms[0].fields["user_code"] == codes["user_code"]
    await (await ada.press("go-on")).logs_in()
    assert ada.sees("shown-code")
    await ada.goes_to("/device", user_code='"><script>alert(1)</script>')
    assert "<script>" not in ada.answer.text


@pytest.mark.rfc("8628 §5.4")
async def test_somebody_who_is_signed_in_and_allowed_it_before_is_asked_all_the_same(oauth, ada):
    own = await television(oauth, settings=ClientSettings(first_party=True))
    for _ in range(2):
        codes = await ask(oauth, own)
        await types(ada, codes["user_code"])
        if ada.sees("sign-in"):
            await ada.logs_in()
        assert ada.sees("remote", "shown-code", "allow")
        refused(await poll(oauth, own, codes), "authorization_pending")
        await ada.press("allow")


@pytest.mark.rfc("8628 §3.5/4")
async def test_a_code_runs_out_for_device_and_person(oauth, ada, tv):
    codes, other = await ask(oauth, tv), await ask(oauth, tv)
    await (await types(ada, codes["user_code"])).logs_in()
    await types(ada, other["user_code"])
    oauth.server.clock.advance(601)
    await ada.press("allow")
    assert ada.answer.status_code == 410
    assert ada.sees("problem", "user-code")
    refused(await poll(oauth, tv, codes), "expired_token")
    await types(ada, codes["user_code"])
    assert ada.answer.status_code == 422


@pytest.mark.rfc("8628 §3.5/2")
async def test_a_device_that_polls_too_often_is_slowed_down_each_time(oauth, tv):
    codes = await ask(oauth, tv)
    refused(await poll(oauth, tv, codes), "authorization_pending")
    refused(await poll(oauth, tv, codes), "slow_down")
    oauth.server.clock.advance(9)
    refused(await poll(oauth, tv, codes), "slow_down")
    oauth.server.clock.advance(16)
    refused(await poll(oauth, tv, codes), "authorization_pending")


@pytest.mark.rfc("8628 §3.4")
async def test_nobody_else_polls_with_a_code(oauth, ada, tv):
    other = await television(oauth, "other")
    codes = await ask(oauth, tv)
    await allows(ada, codes["user_code"])
    refused(await poll(oauth, other, codes), "invalid_grant")
    refused(await oauth.token(tv, GRANT, device_code=codes["user_code"]), "invalid_grant")
    assert (await poll(oauth, tv, codes)).status_code == 200


async def test_two_devices_at_once_are_two_decisions(oauth, ada, tv):
    first, second = await ask(oauth, tv, "openid"), await ask(oauth, tv, "openid read")
    await allows(ada, second["user_code"])
    refused(await poll(oauth, tv, first), "authorization_pending")
    assert (await poll(oauth, tv, second)).json()["scope"] == "openid read"
    await types(ada, first["user_code"])
    assert "Read your posts" not in ada.page.said
    await ada.press("deny")
    oauth.server.clock.advance(6)
    refused(await poll(oauth, tv, first), "access_denied")


async def test_a_sign_on_that_ends_before_the_device_comes_gives_it_nothing(oauth, ada, tv):
    codes = await ask(oauth, tv)
    await allows(ada, codes["user_code"])
    await oauth.http.get("/logout")
    await (await ada.goes_to("/logout")).press("sign-out")
    refused(await poll(oauth, tv, codes), "invalid_grant")


async def test_a_sign_on_that_ended_while_the_page_was_open_decides_nothing(oauth, ada, tv):
    codes = await ask(oauth, tv)
    await (await types(ada, codes["user_code"])).logs_in()
    page = ada.page
    await (await ada.goes_to("/logout")).press("sign-out")
    ada.page = page
    await ada.press("allow")
    assert ada.sees("sign-in")
    refused(await poll(oauth, tv, codes), "authorization_pending")
    await ada.logs_in()
    assert ada.sees("allow")


async def test_a_session_of_a_device_outlives_the_browser_that_let_it_in(oauth, ada, tv):
    codes = await ask(oauth, tv, "openid")
    await allows(ada, codes["user_code"])
    tokens = (await poll(oauth, tv, codes)).json()
    await (await ada.goes_to("/logout")).press("sign-out")
    renewed = await oauth.token(tv, "refresh_token", refresh_token=tokens["refresh_token"])
    assert renewed.status_code == 200


@pytest.mark.rfc("8628 §5.1")
async def test_guessing_is_stopped_also_for_whoever_would_guess_rightly_then(oauth, ada, tv):
    codes = await ask(oauth, tv)
    for n in range(5):
        await types(ada, f"BBBB-BBB{'BCDFG'[n]}")
        assert ada.answer.status_code == 422
    await types(ada, codes["user_code"])
    assert ada.answer.status_code == 429
    assert int(ada.answer.headers["retry-after"]) <= 900
    assert ada.sees("problem")
    oauth.server.clock.advance(901)
    codes = await ask(oauth, tv)
    await types(ada, codes["user_code"])
    assert ada.sees("sign-in")


async def test_right_codes_slow_nobody_down(oauth, ada):
    box = await television(oauth, "box", token_endpoint_auth_method="client_secret_basic")
    for _ in range(7):
        await types(ada, (await ask(oauth, box))["user_code"])
        assert ada.sees("sign-in")


@pytest.mark.rfc("8628 §5.1")
async def test_guesses_from_everywhere_are_stopped_together(open_server):
    environ = ENVIRON | {"WATCHWORD_THROTTLE__DEVICE_FAILURES_TOTAL": "3"}
    async with open_server(**environ) as server, server.browser() as http:
        oauth = OAuth(server, http)
        codes = await ask(oauth, await television(oauth))
        for n in range(4):
            async with server.browser(address=f"198.51.{n}.1") as far:
                stranger = await types(Person(far), codes["user_code"] if n == 3 else "BBBB-BBBB")
                assert stranger.answer.status_code == (429 if n == 3 else 422)


async def test_nobody_fills_the_store_in_the_name_of_a_public_client(oauth, tv):
    for _ in range(6):
        await ask(oauth, tv)
    answer = await oauth.post("/device_authorization", tv, scope="openid")
    refused(answer, "temporarily_unavailable", 503)


async def test_a_client_disabled_meanwhile_gets_nothing(oauth, ada, tv):
    codes, other = await ask(oauth, tv), await ask(oauth, tv)
    await allows(ada, codes["user_code"])
    await types(ada, other["user_code"])
    event = AuditEvent(event="client.disabled", origin=Origin(actor="test"), client_id="tv")
    assert await oauth.store.disable_client("tv", event)
    await ada.press("allow")
    assert ada.answer.status_code == 410
    refused(await poll(oauth, tv, codes), "invalid_client", 401)
    await types(ada, other["user_code"])
    assert ada.answer.status_code == 422


async def test_a_scope_that_only_a_role_gives_is_left_out(oauth, ada, tv):
    codes = await ask(oauth, tv, "openid bill")
    await (await types(ada, codes["user_code"])).logs_in()
    assert "See bills" not in ada.page.said
    await ada.press("allow")
    assert (await poll(oauth, tv, codes)).json()["scope"] == "openid"
    only = await ask(oauth, tv, "bill")
    await types(ada, only["user_code"])
    assert ada.answer.status_code == 403
    assert ada.sees("problem")


async def test_forged_posts_and_tickets_of_others_decide_nothing(oauth, ada, tv):
    codes = await ask(oauth, tv)
    await (await types(ada, codes["user_code"])).logs_in()
    page = ada.page
    await ada.press("allow", CROSS_SITE)
    assert ada.answer.status_code == 403
    for changes in ({"ticket": None}, {"ticket": "x" * 99}):
        ada.page = page
        await ada.press("allow", **changes)
        assert ada.answer.status_code == 400
    ada.page = page
    await ada.press("allow", account="another")
    assert ada.sees("allow"), "asked again"
    refused(await poll(oauth, tv, codes), "authorization_pending")


async def test_a_ticket_of_a_clients_request_decides_about_no_device_and_the_other_way_round(oauth, ada, tv):
    await oauth.client("web", settings=ClientSettings(first_party=True))
    codes = await ask(oauth, tv)
    query = {"client_id": "web", "response_type": "code", "scope": "openid", "code_challenge": "c" * 43}
    query |= {"code_challenge_method": "S256", "redirect_uri": "https://app.example.test/callback"}
    await ada.goes_to("/authorize", user_code=codes["user_code"].replace("-", ""), **query)
    foreign = ada.page.forms[0].fields["ticket"]
    await (await types(ada, codes["user_code"])).logs_in()
    page = ada.page
    await ada.press("allow", ticket=foreign)
    assert ada.answer.status_code == 400
    ada.page = page
    page.forms[-1].action = "/authorize/consent"
    await ada.press("allow")
    assert ada.answer.status_code == 400
    refused(await poll(oauth, tv, codes), "authorization_pending")


async def test_a_page_left_open_for_too_long_asks_for_the_code_again(open_server):
    async with (
        open_server(**ENVIRON | {"WATCHWORD_OAUTH__DEVICE_LIFETIME": "1800"}) as server,
        server.browser() as http,
    ):
        oauth = OAuth(server, http)
        await oauth.account()
        http.cookies.clear()
        ada = Person(http)
        codes = await ask(oauth, await television(oauth))
        assert codes["expires_in"] == 1800
        await (await types(ada, codes["user_code"])).logs_in()
        oauth.server.clock.advance(3601)
        await ada.press("allow")
        assert ada.sees("go-on")


@pytest.mark.rfc("9700 §4.16")
async def test_discovery_tells_of_it_and_the_page_keeps_the_policy_of_pages(oauth, ada, tv):
    metadata = (await oauth.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["device_authorization_endpoint"] == f"{ISSUER}/device_authorization"
    assert GRANT in metadata["grant_types_supported"]
    await ada.goes_to("/device")
    policy = ada.answer.headers["content-security-policy"]
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert ada.answer.headers["cache-control"] == "no-store"
    page = await oauth.http.get("/device", headers={"Accept-Language": "de"})
    assert "Gerät verbinden" in page.text
