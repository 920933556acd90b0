"""What an account sees of the clients it allowed and of its browsers, and how it takes things back."""

import pytest
from oauth_story import OAuth
from page_story import Person
from story import SAFARI, bearer

from .test_authorize import FIRST_PARTY, asking, exchange


@pytest.fixture
async def oauth(open_server):
    async with open_server() as server, server.browser() as http:
        oauth = OAuth(server, http)
        await oauth.account()
        yield oauth


@pytest.fixture
async def app(oauth):
    """A first-party session of Ada's, by which she looks after her account."""
    async with oauth.server.browser(SAFARI) as http:
        http.headers.update(bearer(await oauth.server.login(http, delivery="body")))
        yield http


async def test_an_account_sees_what_it_allowed_and_takes_it_back_at_once(oauth, app):
    client = await oauth.client(client_name="Album")
    ada = await Person(oauth.http).goes_to("/authorize", **asking())
    await (await ada.logs_in()).press("allow")
    tokens = (await exchange(oauth, client, ada.told["code"])).json()
    body = (await app.get("/auth/authorizations")).json()
    (shown,) = body["authorizations"]
    assert (shown["client_id"], shown["client_name"], shown["scope"]) == ("app", "Album", ["openid", "profile"])
    assert body["next_after"] is None
    assert (await oauth.http.get("/userinfo", headers=bearer(tokens))).status_code == 200
    assert (await app.delete("/auth/authorizations/app")).status_code == 204
    assert (await oauth.http.get("/userinfo", headers=bearer(tokens))).status_code == 401
    assert (await app.get("/auth/authorizations")).json()["authorizations"] == []
    await ada.goes_to("/authorize", **asking())
    assert ada.sees("allow"), "and the client is asked about again"
    gone = await app.delete("/auth/authorizations/app")
    assert (gone.status_code, gone.json()["code"]) == (404, "authorization_unknown")


async def test_a_client_that_is_a_url_can_be_named_in_the_path(oauth, app):
    url = "https://client.example.test/oauth/metadata.json"
    await oauth.client(url)
    ada = await Person(oauth.http).goes_to("/authorize", **asking(url))
    await (await ada.logs_in()).press("allow")
    assert (await app.get("/auth/authorizations")).json()["authorizations"][0]["client_id"] == url
    assert (
        await app.delete("/auth/authorizations/https%3A%2F%2Fclient.example.test%2Foauth%2Fmetadata.json")
    ).status_code == 204


async def test_an_account_sees_its_browsers_and_ends_one_with_all_that_clients_held_there(oauth, app):
    client = await oauth.client("own", settings=FIRST_PARTY)
    ada = await (await Person(oauth.http).goes_to("/authorize", **asking("own"))).logs_in()
    tokens = (await exchange(oauth, client, ada.told["code"])).json()
    (shown,) = (await app.get("/auth/sign-ons")).json()["sign_ons"]
    assert shown["device"] == "Firefox on Linux"
    assert shown["last_used_at"] % 3600 == 0
    assert (await app.delete(f"/auth/sign-ons/{shown['id']}")).status_code == 204
    assert (await oauth.http.get("/userinfo", headers=bearer(tokens))).status_code == 401
    await ada.goes_to("/authorize", **asking("own", prompt="none"))
    assert ada.told["error"] == "login_required"
    assert (await app.get("/auth/sign-ons")).json()["sign_ons"] == []
    assert (await app.delete(f"/auth/sign-ons/{shown['id']}")).json()["code"] == "sign_on_unknown"


async def test_nobody_sees_or_ends_what_is_anothers_and_a_clients_token_opens_nothing(oauth, app):
    client = await oauth.client("own", settings=FIRST_PARTY)
    await oauth.account("eve@example.test")
    async with oauth.server.browser() as http:
        eve = await (await Person(http).goes_to("/authorize", **asking("own", prompt="consent"))).logs_in(
            "eve@example.test"
        )
        await eve.press("allow")
        tokens = (await exchange(oauth, client, eve.told["code"])).json()
        http.headers.update(bearer(await oauth.server.login(http, "eve@example.test", delivery="body")))
        (hers,) = (await http.get("/auth/sign-ons")).json()["sign_ons"]
        assert (await app.get("/auth/sign-ons")).json()["sign_ons"] == []
        assert (await app.delete(f"/auth/sign-ons/{hers['id']}")).status_code == 404
        assert (await app.delete("/auth/authorizations/own")).status_code == 404
        assert len((await http.get("/auth/authorizations")).json()["authorizations"]) == 1
    for path in ("/auth/sign-ons", "/auth/authorizations"):
        assert (await oauth.http.get(path)).status_code == 401
        assert (await oauth.http.get(path, headers=bearer(tokens))).status_code == 401
    assert (await app.get("/auth/authorizations", params={"after": "x" * 3000})).status_code == 400
