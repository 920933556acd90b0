"""Offline access: the client hears when its visitor signs out, and goes on for that visitor without a browser."""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec
import pytest
from oauth_story import ORIGIN, OAuth, said
from outgoing_peer import answer, peer
from page_story import Person
from story import ISSUER, PASSWORD, SAFARI, bearer
from watchword.jose import jws
from watchword.jose.jwk import KeySet
from watchword_server.deliveries import deliveries
from watchword_server.store.records import AuditEvent

from .test_authorize import FIRST_PARTY, asking, exchange
from .test_device import allows, ask, poll, television

BYE = "https://app.example.test/bye"
OFFLINE = "openid offline_access"
AUDIT = AuditEvent(event="tried", origin=ORIGIN)


class Told:
    """The client's own server: where it is told of logouts."""

    def __init__(self, oauth: OAuth, there) -> None:
        self.oauth, self.there = oauth, there

    async def sids(self) -> list[str]:
        """Of all logout tokens that have come, each checked (OpenID Connect Back-Channel Logout §2.6)."""
        follower, worker = deliveries(self.oauth.server.services)
        await follower.catch_up()
        while await worker.turn():
            await worker.idle()
        keys = KeySet.from_json((await self.oauth.http.get("/jwks.json")).content)
        found = []
        for request in self.there.requests:
            form = dict(parse_qsl(request.rpartition(b"\r\n\r\n")[2].decode()))
            verified = jws.verify(form["logout_token"], keys, algorithms=["ES256"])
            assert verified.header["typ"] == "logout+jwt"
            claims = msgspec.json.decode(verified.payload)
            assert (claims["iss"], claims["aud"], "nonce" in claims) == (ISSUER, "app", False)
            assert claims["sub"]
            found.append(claims["sid"])
        return found


@pytest.fixture
def environ():
    return {"WATCHWORD_OUTGOING__ALLOW": '["127.0.0.1"]'}


@pytest.fixture
async def told(oauth):
    async with peer(answer()) as there:
        yield Told(oauth, there)


@pytest.fixture
async def app(oauth, told):
    return await oauth.client(
        settings=FIRST_PARTY,
        backchannel_logout_uri=told.there.url("/out"),
        frontchannel_logout_uri="https://app.example.test/out",
        post_logout_redirect_uris=[BYE],
    )


@pytest.fixture
async def ada(oauth, app):
    ada = Person(oauth.http)
    ada.id = await oauth.account()
    oauth.http.cookies.clear()
    return ada


async def signs_in(oauth, ada, app, scope: str = OFFLINE, **more: str) -> dict:
    await ada.goes_to("/authorize", **asking("app", scope=scope, **more))
    if ada.left is None:
        await ada.logs_in()
    return (await exchange(oauth, app, ada.told["code"])).json()


async def refreshed(oauth, app, tokens) -> dict:
    answer = await oauth.token(app, "refresh_token", refresh_token=tokens["refresh_token"])
    assert answer.status_code == 200, answer.text
    return answer.json()


async def goes_on(oauth, app, tokens) -> bool:
    """Whether its access token is good everywhere still, and its refresh token."""
    if (await oauth.userinfo(tokens["access_token"])).status_code != 200:
        return False
    if app.secret is not None:
        assert (await oauth.introspected(app, tokens["access_token"]))["active"]
    return (await oauth.token(app, "refresh_token", refresh_token=tokens["refresh_token"])).status_code == 200


@pytest.mark.rfc("openid-backchannel-logout §2.4/2")
@pytest.mark.rfc("openid-backchannel-logout §2.7/1")
@pytest.mark.rfc("openid-backchannel-logout §2.7/2")
async def test_a_client_with_offline_access_is_told_of_the_logout_and_its_tokens_live_on(oauth, ada, app, told):
    tokens = await signs_in(oauth, ada, app)
    sid = said(tokens["id_token"])["sid"]
    assert said(tokens["access_token"])["sid"] != sid
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert await told.sids() == [sid]
    assert await goes_on(oauth, app, tokens)
    await ada.goes_to("/authorize", **asking("app", prompt="none"))
    assert ada.told["error"] == "login_required"


async def test_its_frame_names_the_session_of_its_id_token(oauth, ada, app):
    tokens = await signs_in(oauth, ada, app)
    sid = said(tokens["id_token"])["sid"]
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"])
    frame = f"https://app.example.test/out?iss={ISSUER.replace(':', '%3A').replace('/', '%2F')}&amp;sid={sid}"
    assert f'src="{frame}"' in ada.answer.text
    assert said(tokens["access_token"])["sid"] not in ada.answer.text


@pytest.mark.rfc("openid-core §12.2")
@pytest.mark.rfc("openid-rp-logout §2/1")
async def test_every_later_id_token_names_it_too_and_is_a_hint_as_good_as_the_first(oauth, ada, app):
    tokens = await signs_in(oauth, ada, app)
    first = said(tokens["id_token"])
    for _ in range(2):
        tokens = await refreshed(oauth, app, tokens)
        assert [said(tokens["id_token"])[name] for name in ("sid", "sub", "auth_time")] == [
            first[name] for name in ("sid", "sub", "auth_time")
        ]
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert ada.page.links["continue"] == BYE, "done at once, with the frames of the clients"
    tokens = await refreshed(oauth, app, tokens)
    assert said(tokens["id_token"])["sid"] == first["sid"], "after the logout as well"
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert ada.left == BYE


async def test_with_and_without_offline_access_a_client_is_signed_in_once(oauth, ada, app, told):
    online = await signs_in(oauth, ada, app, "openid")
    tokens = await signs_in(oauth, ada, app)
    again = await signs_in(oauth, ada, app)
    sids = {said(one["id_token"])["sid"] for one in (online, tokens, again)}
    assert sids == {said(online["access_token"])["sid"]}
    assert len({said(one["access_token"])["sid"] for one in (online, tokens, again)}) == 3
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"])
    assert await told.sids() == [*sids]
    assert not await goes_on(oauth, app, online)
    assert await goes_on(oauth, app, tokens)
    assert await goes_on(oauth, app, again)


async def end_by_account(oauth, ada):
    async with oauth.server.browser(SAFARI) as http:
        own = await oauth.server.login(http)
        (sign_on,) = (await http.get("/auth/sign-ons", headers=bearer(own))).json()["sign_ons"]
        gone = await http.delete(f"/auth/sign-ons/{sign_on['id']}", headers=bearer(own))
        assert gone.status_code == 204, gone.text


async def withdraw(oauth, ada):
    await oauth.store.authorize(ada.id, "app", scope=("openid",), resource=(), details=b"", audit=AUDIT)
    async with oauth.server.browser(SAFARI) as http:
        own = await oauth.server.login(http)
        assert (await http.delete("/auth/authorizations/app", headers=bearer(own))).status_code == 204


async def change_password(oauth, ada):
    async with oauth.server.browser(SAFARI) as http:
        own = await oauth.server.login(http)
        body = {"current_password": PASSWORD, "new_password": "another battery of horses"}
        assert (await http.post("/auth/password", json=body, headers=bearer(own))).status_code == 204


async def log_out_everywhere(oauth, ada):
    async with oauth.server.browser(SAFARI) as http:
        own = await oauth.server.login(http)
        assert (await http.post("/auth/logout-all", headers=bearer(own))).status_code == 204


async def disable(oauth, ada):
    assert await oauth.store.disable_account(ada.id, AUDIT)


@pytest.mark.rfc("openid-backchannel-logout §2.7/2")
@pytest.mark.parametrize(
    ("ends", "lives_on"),
    [
        (end_by_account, True),
        (withdraw, False),
        (change_password, False),
        (log_out_everywhere, False),
        (disable, False),
    ],
)
async def test_however_the_sign_on_ends_the_client_is_told_once_by_the_name_it_knows(
    oauth, ada, app, told, ends, lives_on
):
    tokens = await signs_in(oauth, ada, app)
    await ends(oauth, ada)
    assert await told.sids() == [said(tokens["id_token"])["sid"]]
    assert await goes_on(oauth, app, tokens) is lives_on


async def test_the_end_of_offline_access_alone_is_told_by_that_name_too_and_leaves_the_sign_on(oauth, ada, app, told):
    tokens = await signs_in(oauth, ada, app)
    sid = said(tokens["id_token"])["sid"]
    answer = await oauth.post("/revoke", app, token=tokens["refresh_token"])
    assert answer.status_code == 200
    assert not await goes_on(oauth, app, tokens)
    assert await told.sids() == [sid]
    again = await signs_in(oauth, ada, app)
    assert said(again["id_token"])["sid"] == sid, "nobody was asked for a password"
    assert await goes_on(oauth, app, again)


async def test_what_ends_after_the_logout_is_not_told_again(oauth, ada, app, told):
    tokens = await signs_in(oauth, ada, app)
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"])
    await log_out_everywhere(oauth, ada)
    assert not await goes_on(oauth, app, tokens)
    assert await told.sids() == [said(tokens["id_token"])["sid"]]


async def test_a_device_has_no_part_in_the_sign_on_of_the_browser_that_let_it_in(oauth, ada):
    tv = await television(oauth)
    codes = await ask(oauth, tv, OFFLINE)
    await allows(ada, codes["user_code"])
    answer = await poll(oauth, tv, codes)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert said(tokens["id_token"])["sid"] == said(tokens["access_token"])["sid"]
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"])
    assert await goes_on(oauth, tv, tokens)


async def test_an_authorization_without_openid_opens_nothing_in_the_sign_on(oauth, ada, app):
    await signs_in(oauth, ada, app, "offline_access")
    assert [one.sign_on for one in await oauth.store.client_sessions(client_id="app")] == [None]
