"""Logout begun by clients: with a hint, without one, and what must not be possible."""

import base64
import json

import pytest
from oauth_story import CALLBACK, ORIGIN, said
from page_story import CROSS_SITE, SAME_SITE, Person
from story import ISSUER, SAFARI, bearer

from .test_authorize import FIRST_PARTY, asking, exchange

BYE = "https://app.example.test/bye"


async def signed_in(oauth, ada, client_id: str = "own", **members) -> dict:
    """The tokens of a client that Ada is signed in to."""
    app = await oauth.client(client_id, settings=FIRST_PARTY, **({"post_logout_redirect_uris": [BYE]} | members))
    await ada.goes_to("/authorize", **asking(client_id))
    if ada.left is None:
        await ada.logs_in()
    return (await exchange(oauth, app, ada.told["code"])).json()


async def is_signed_in(ada, client_id: str = "own") -> bool:
    await ada.goes_to("/authorize", **asking(client_id, prompt="none"))
    return "code" in ada.told


async def userinfo(oauth, tokens) -> int:
    return (await oauth.http.get("/userinfo", headers=bearer(tokens))).status_code


@pytest.mark.rfc("openid-rp-logout §2/1")
@pytest.mark.rfc("openid-rp-logout §2/2")
@pytest.mark.rfc("openid-rp-logout §2/5")
async def test_a_client_with_a_hint_ends_the_sign_on_and_what_every_client_held_in_it(oauth, ada):
    tokens = await signed_in(oauth, ada)
    others = await signed_in(oauth, ada, "other")
    assert await userinfo(oauth, others) == 200
    oauth.server.clock.advance(3600)
    hint = tokens["id_token"]
    await ada.goes_to("/logout", id_token_hint=hint, post_logout_redirect_uri=BYE, state="x&y")
    assert ada.left == f"{BYE}?state=x%26y"
    assert "watchword-sso=; Max-Age=0" in ada.answer.headers["set-cookie"]
    assert not await is_signed_in(ada)
    assert await userinfo(oauth, others) == 401
    await ada.goes_to("/logout", id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert ada.left == BYE, "nothing left to end is no error"


@pytest.mark.rfc("openid-rp-logout §2/4")
async def test_without_a_hint_the_person_is_asked_and_only_the_button_signs_out(oauth, ada):
    await signed_in(oauth, ada)
    await ada.goes_to("/logout")
    assert ada.sees("sign-out")
    assert "ada@example.test" in ada.page.said
    question = ada.page
    assert await is_signed_in(ada)
    ada.page = question
    await ada.press("sign-out")
    assert "You are signed out" in ada.page.said
    assert not await is_signed_in(ada)
    await ada.goes_to("/logout")
    assert "You are signed out" in ada.page.said


async def test_a_client_named_without_a_hint_gets_its_visitor_back_after_the_question(oauth, ada):
    await signed_in(oauth, ada)
    await ada.goes_to("/logout", client_id="own", post_logout_redirect_uri=BYE, state="s")
    assert ada.sees("sign-out")
    await ada.press("sign-out")
    assert ada.left == f"{BYE}?state=s"
    assert not await is_signed_in(ada)


@pytest.mark.rfc("openid-rp-logout §2/4")
async def test_a_hint_of_somebody_else_ends_nothing_unasked(oauth, ada):
    hint = (await signed_in(oauth, ada))["id_token"]
    await oauth.account("eve@example.test")
    async with oauth.server.browser(SAFARI) as http:
        eve = Person(http)
        await (await eve.goes_to("/authorize", **asking("own"))).logs_in("eve@example.test")
        await eve.goes_to("/logout", id_token_hint=hint, post_logout_redirect_uri=BYE)
        assert eve.sees("sign-out")
        assert await is_signed_in(eve)


@pytest.mark.rfc("9700 §2.1/2")
@pytest.mark.rfc("openid-rp-logout §3")
@pytest.mark.rfc("openid-rp-logout §4")
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        f"{BYE}/",
        f"{BYE}?x=1",
        f"{BYE}#x",
        "https://app.example.test/Bye",
        "https://app.example.test@evil.example/bye",
        "https://app.example.test/callback",
        "javascript:alert(1)",
        "//evil.example",
    ],
)
async def test_open_redirector_by_logout_only_a_registered_address_is_gone_to(oauth, ada, uri):
    hint = (await signed_in(oauth, ada))["id_token"]
    for more in ({"id_token_hint": hint}, {"client_id": "own"}, {}):
        await ada.goes_to("/logout", post_logout_redirect_uri=uri, **more)
        assert ada.answer.status_code == 400
        assert "evil" not in ada.answer.text
    assert await is_signed_in(ada)


@pytest.mark.rfc("openid-rp-logout §2/2")
@pytest.mark.rfc("openid-rp-logout §2/3")
@pytest.mark.rfc("openid-rp-logout §4")
async def test_hints_that_are_none_are_refused_and_end_nothing(oauth, ada):
    tokens = await signed_in(oauth, ada)
    await oauth.client("other")
    for more in (
        {"id_token_hint": tokens["access_token"]},
        {"id_token_hint": tokens["id_token"][:-4] + "AAAA"},
        {"id_token_hint": "x" * 5000},
        {"id_token_hint": tokens["id_token"], "client_id": "other"},
        {"client_id": "nobody"},
        {"client_id": "own", "post_logout_redirect_uri": BYE, "state": "a\nb"},
    ):
        await ada.goes_to("/logout", **more)
        assert ada.answer.status_code == 400
    answer = await oauth.http.get("/logout?client_id=own&client_id=own")
    assert answer.status_code == 400
    assert await is_signed_in(ada)


async def test_forced_logout_csrf_a_post_of_another_site_or_another_browser_ends_nothing(oauth, ada):
    await signed_in(oauth, ada)
    await ada.goes_to("/logout")
    ticket = ada.page.forms[0].fields["ticket"]
    assert (await oauth.http.post("/logout/confirm", data={"ticket": ticket}, headers=CROSS_SITE)).status_code == 403
    async with oauth.server.browser(SAFARI) as http:
        eve = await Person(http).goes_to("/authorize", **asking("own"))
        foreign = eve.page.forms[0].fields["ticket"]
    for given in ({"ticket": ""}, {"ticket": foreign}, {"ticket": ticket[:-2] + "AA"}):
        assert (await oauth.http.post("/logout/confirm", data=given, headers=SAME_SITE)).status_code == 400
    assert (await oauth.http.get("/logout/confirm", params={"ticket": ticket})).status_code == 405
    assert await is_signed_in(ada)


async def test_a_ticket_of_a_login_is_none_of_a_logout(oauth, ada):
    await signed_in(oauth, ada)
    await ada.goes_to("/authorize", **asking("own", prompt="consent"))
    ticket = ada.page.forms[0].fields["ticket"]
    answer = await oauth.http.post("/logout/confirm", data={"ticket": ticket}, headers=SAME_SITE)
    assert answer.status_code == 400
    await ada.goes_to("/logout")
    ticket = ada.page.forms[0].fields["ticket"]
    assert (await oauth.http.get("/authorize/continue", params={"ticket": ticket})).status_code == 400


async def test_a_question_left_open_for_too_long_is_asked_again(oauth, ada):
    await signed_in(oauth, ada)
    await ada.goes_to("/logout", client_id="own", post_logout_redirect_uri=BYE)
    oauth.server.clock.advance(3601)
    await ada.press("sign-out")
    assert ada.sees("sign-out")
    await ada.press("sign-out")
    assert ada.left == BYE


@pytest.mark.rfc("openid-rp-logout §2/1")
async def test_a_logout_may_be_posted_and_is_sent_round_by_get(oauth, ada):
    hint = (await signed_in(oauth, ada))["id_token"]
    answer = await oauth.http.post("/logout", data={"id_token_hint": hint}, headers=CROSS_SITE)
    assert answer.status_code == 303
    assert await is_signed_in(ada), "a cross-site post carries no cookie, and by itself does nothing"
    await ada.goes_to(answer.headers["location"])
    assert "You are signed out" in ada.page.said
    assert not await is_signed_in(ada)
    assert (await oauth.http.post("/logout?x=1", data={})).status_code == 400


@pytest.mark.rfc("openid-frontchannel-logout §2/3")
@pytest.mark.rfc("openid-frontchannel-logout §2/4")
@pytest.mark.rfc("openid-frontchannel-logout §3/1")
@pytest.mark.rfc("openid-frontchannel-logout §3/2")
@pytest.mark.rfc("openid-rp-logout §2.1")
async def test_front_channel_clients_are_told_in_frames_and_nobody_else_may_be_framed(oauth, ada):
    tokens = await signed_in(oauth, ada)
    uri, back = "https://other.example.test/out?tenant=1", "https://other.example.test/callback"
    others = await signed_in(
        oauth,
        ada,
        "other",
        redirect_uris=[CALLBACK, back],
        frontchannel_logout_uri=uri,
        frontchannel_logout_session_required=True,
    )
    sid = said(others["id_token"])["sid"]
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    policy = ada.answer.headers["content-security-policy"]
    assert "frame-src https://other.example.test;" in policy
    frame = f"{uri}&amp;iss={ISSUER.replace(':', '%3A').replace('/', '%2F')}&amp;sid={sid}"
    assert f'src="{frame}"' in ada.answer.text
    assert ada.page.links["continue"] == BYE
    assert f'content="2;url={BYE}"' in ada.answer.text
    assert not await is_signed_in(ada)
    metadata = (await oauth.http.get("/.well-known/openid-configuration")).json()
    assert metadata["end_session_endpoint"] == f"{ISSUER}/logout"
    assert metadata["frontchannel_logout_session_supported"] is True


@pytest.mark.rfc("openid-backchannel-logout §2.7/1")
async def test_offline_access_outlives_the_logout(oauth, ada):
    app = await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own", scope="openid offline_access"))).logs_in()
    tokens = (await exchange(oauth, app, ada.told["code"])).json()
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"])
    assert not await is_signed_in(ada)
    answer = await oauth.token(app, "refresh_token", refresh_token=tokens["refresh_token"])
    assert answer.status_code == 200


async def test_a_hint_by_a_key_that_signs_no_more_is_still_good_and_by_a_distrusted_one_is_not(oauth, ada):
    keys = oauth.server.services.keys
    tokens = await signed_in(oauth, ada, "own", id_token_signed_response_alg="ES256")
    await keys.rotate("access_token", ORIGIN, at_once=True)
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert ada.left == BYE
    assert not await is_signed_in(ada)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    header = json.loads(base64.urlsafe_b64decode(tokens["id_token"].partition(".")[0] + "=="))
    assert await keys.distrust(header["kid"], ORIGIN)
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert ada.answer.status_code == 400
    assert await is_signed_in(ada)
