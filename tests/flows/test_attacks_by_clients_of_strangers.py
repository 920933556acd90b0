"""Attacks by clients that nobody here registered: their documents fail, hang or come back, and must harm no one else."""

from __future__ import annotations

import asyncio
import json

import pytest
from oauth_story import CALLBACK, ORIGIN, OAuth, Registered
from page_story import Person
from story import SAFARI, bearer
from watchword_server.store.authorization_records import ClientSession
from watchword_server.store.delivery_records import News
from watchword_server.tokens.backchannel_logout import LogoutTranslator
from watchword_server.web.outgoing import Answer

from .test_authorize import FIRST_PARTY, asking, exchange

DOCUMENT = "https://agent.example.test/client.json"
BYE = "https://app.example.test/bye"


class Web:
    """Where documents are fetched: one at a time, as a test has put it there."""

    def __init__(self) -> None:
        self.pages: dict[str, dict] = {}
        self.asked: list[str] = []
        self.hangs = False

    def publish(self, url: str = DOCUMENT, **members) -> None:
        self.pages[url] = {
            "client_id": url,
            "client_name": "Agent",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "id_token_signed_response_alg": "ES256",
        } | members

    async def get(self, url: str, **_: object) -> Answer:
        self.asked.append(url)
        if self.hangs:
            await asyncio.Event().wait()
        if url not in self.pages:
            return Answer(404, {}, b"")
        return Answer(200, {"content-type": "application/json"}, json.dumps(self.pages[url]).encode())


@pytest.fixture
async def oauth(open_server):
    async with open_server() as server, server.browser() as http:
        oauth = OAuth(server, http)
        await oauth.account()
        oauth.http.cookies.clear()
        yield oauth


@pytest.fixture
def web(oauth) -> Web:
    """In place of the way out to the network, for documents alone."""
    web = Web()
    oauth.server.services.oauth.clients._sources[-1]._outgoing = web
    return web


@pytest.fixture
async def ada(oauth):
    return Person(oauth.http)


async def allowed(oauth, ada, web) -> dict:
    """The tokens of a client that is a document, once Ada allowed it."""
    web.publish()
    await ada.goes_to("/authorize", **asking(DOCUMENT, scope="openid"))
    await ada.logs_in()
    await ada.press("allow")
    return (await exchange(oauth, Registered(DOCUMENT, None), ada.told["code"])).json()


async def test_a_client_that_takes_its_document_away_cannot_hide_from_the_list_of_what_was_allowed(oauth, ada, web):
    await allowed(oauth, ada, web)
    web.pages.clear()
    oauth.server.clock.advance(3600)
    async with oauth.server.browser(SAFARI) as http:
        http.headers.update(bearer(await oauth.server.login(http, delivery="body")))
        shown = await http.get("/auth/authorizations")
        assert shown.status_code == 200, shown.text
        assert [one["client_id"] for one in shown.json()["authorizations"]] == [DOCUMENT]
        assert (await http.delete(f"/auth/authorizations/{DOCUMENT}")).status_code == 204


async def test_a_client_that_takes_its_document_away_cannot_keep_a_person_from_signing_out(oauth, ada, web):
    tokens = await allowed(oauth, ada, web)
    web.pages.clear()
    oauth.server.clock.advance(3600)
    await ada.goes_to("/logout")
    assert ada.sees("sign-out"), ada.answer.text
    await ada.press("sign-out")
    assert ada.answer.status_code == 200, ada.answer.text
    await ada.goes_to("/logout", id_token_hint=tokens["id_token"])
    assert ada.answer.status_code == 200
    own = await oauth.client("own", settings=FIRST_PARTY)
    assert own
    await ada.goes_to("/authorize", **asking("own", prompt="none"))
    assert ada.told["error"] == "login_required"


@pytest.mark.parametrize("hangs", [False, True], ids=["gone", "hanging"])
async def test_a_document_that_fails_or_hangs_does_not_hold_up_the_notices_of_logout_of_all_others(
    oauth, ada, web, hangs
):
    await allowed(oauth, ada, web)
    services = oauth.server.services
    held = await services.store.client_sessions(client_id=DOCUMENT)
    assert [one.session.client_id for one in held if isinstance(one, ClientSession)] == [DOCUMENT]
    web.pages.clear()
    web.hangs = hangs
    oauth.server.clock.advance(90_000)
    session = held[0].session
    news = News(
        position=1, axis="session", value=session.sid, spares=None, cause="logout", account_id=session.account_id,
        at=oauth.server.clock.now(), ends_sessions=True,
    )  # fmt: skip
    async with asyncio.timeout(30):
        deliveries = await LogoutTranslator(services.store, services.oauth.clients).translate(news)
    assert [one.destination for one in deliveries] == [DOCUMENT], "and whoever carries it finds out"


async def test_a_client_that_an_administrator_disabled_is_not_brought_back_by_a_document_of_the_same_name(
    oauth, ada, web
):
    web.publish()
    await oauth.client(DOCUMENT, token_endpoint_auth_method="none")
    assert await oauth.server.services.oauth.clients.find(DOCUMENT) is not None
    assert await oauth.server.services.oauth.administration.disable(DOCUMENT, ORIGIN)
    assert await oauth.server.services.oauth.clients.find(DOCUMENT) is None
    await ada.goes_to("/authorize", **asking(DOCUMENT))
    assert (ada.answer.status_code, ada.left) == (400, None)
    assert web.asked == [], "its document is not even asked for"


async def test_a_client_known_by_the_hint_alone_still_gets_its_visitor_back_once_the_person_agreed(oauth, ada):
    eve = await oauth.account("eve@example.test")
    app = await oauth.client("own", settings=FIRST_PARTY, post_logout_redirect_uris=[BYE])
    code = await oauth.code(app, eve, scope=("openid",))
    of_eve = (await exchange(oauth, app, code)).json()
    oauth.http.cookies.clear()
    await ada.goes_to("/authorize", **asking("own"))
    await ada.logs_in()
    await ada.goes_to("/logout", id_token_hint=of_eve["id_token"], post_logout_redirect_uri=BYE)
    assert ada.sees("sign-out")
    await ada.press("sign-out")
    assert ada.left == BYE, ada.answer.text


@pytest.mark.parametrize(
    "given",
    [
        {"state": "s" * 7_800},
        {"ui_locales": "x" * 7_800},
        {"client_id": "own", "post_logout_redirect_uri": f"{BYE}?{'x' * 1_900}", "state": "s" * 2_048},
        {"client_id": "own", "post_logout_redirect_uri": f"{BYE}?{'x' * 1_900}", "ui_locales": "x" * 4_000},
    ],
)
async def test_a_huge_logout_request_is_refused_and_never_an_error_of_the_server(oauth, ada, given):
    await oauth.client("own", settings=FIRST_PARTY, post_logout_redirect_uris=[f"{BYE}?{'x' * 1_900}"])
    await ada.goes_to("/authorize", **asking("own"))
    await ada.logs_in()
    await ada.goes_to("/logout", **given)
    assert ada.answer.status_code in {200, 400}, ada.answer.text


@pytest.mark.parametrize("mode", ["open", "token"])
async def test_ssrf_an_invented_initial_token_makes_the_server_ask_nobody(open_server, mode):
    async with open_server(WATCHWORD_SELF_REGISTRATION__DYNAMIC=mode) as server, server.browser() as http:
        web = Web()
        server.services.oauth.dynamic._outgoing = web
        answer = await http.post(
            "/register",
            headers={"Authorization": "Bearer wci_invented"},
            json={
                "redirect_uris": [CALLBACK],
                "subject_type": "pairwise",
                "sector_identifier_uri": "https://victim.example/",
                "id_token_signed_response_alg": "ES256",
            },
        )
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert web.asked == []


@pytest.mark.rfc("9700 §4.11.2/2")
@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
async def test_open_redirector_a_strangers_faulty_request_sends_nobody_away_who_did_not_sign_in(oauth, ada, web, mode):
    web.publish(client_name="<b>Your bank</b>")
    faulty = asking(DOCUMENT, response_type="token", response_mode=mode)
    await ada.goes_to("/authorize", **faulty)
    assert (ada.answer.status_code, ada.left) == (400, None)
    assert "<code>unsupported_response_type</code>" in ada.answer.text
    assert 'http-equiv="refresh"' not in ada.answer.text
    assert ada.page.forms == []
    if mode != "form_post":
        assert "app.example.test" in ada.page.said, "and the person sees where the link leads"
        await ada.follow("continue")
        assert ada.answer.request.url.host == "app.example.test"
    await ada.goes_to("/authorize", **faulty | {"response_type": "code", "prompt": "none", "response_mode": "query"})
    assert ada.told["error"] == "login_required", "a silent request is answered"


@pytest.mark.rfc("9700 §4.11.2/2")
async def test_a_strangers_client_learns_of_its_fault_from_who_signed_in(oauth, ada, web):
    await allowed(oauth, ada, web)
    await ada.goes_to("/authorize", **asking(DOCUMENT, response_type="token"))
    assert ada.told["error"] == "unsupported_response_type"


@pytest.mark.rfc("9700 §4.11.2/2")
async def test_open_redirector_a_strangers_logout_sends_nobody_away_who_is_not_signed_in(oauth, ada, web):
    web.publish(post_logout_redirect_uris=[BYE])
    await ada.goes_to("/logout", client_id=DOCUMENT, post_logout_redirect_uri=BYE)
    assert (ada.answer.status_code, ada.left) == (200, None)
    assert 'http-equiv="refresh"' not in ada.answer.text
    assert ada.page.links["continue"] == BYE
    await ada.goes_to("/authorize", **asking(DOCUMENT, scope="openid"))
    await ada.logs_in()
    await ada.goes_to("/logout", client_id=DOCUMENT, post_logout_redirect_uri=BYE)
    await ada.press("sign-out")
    assert ada.left == BYE


async def test_a_client_whose_document_hangs_does_not_keep_a_person_waiting_to_be_signed_out(oauth, ada, web):
    await allowed(oauth, ada, web)
    web.hangs = True
    oauth.server.clock.advance(3600)
    await ada.goes_to("/logout")
    async with asyncio.timeout(30):
        await ada.press("sign-out")
    assert ada.answer.status_code == 200, ada.answer.text
    await oauth.client("own", settings=FIRST_PARTY)
    await ada.goes_to("/authorize", **asking("own", prompt="none"))
    assert ada.told["error"] == "login_required"
