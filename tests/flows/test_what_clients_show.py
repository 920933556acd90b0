"""What a client may put on the pages of the authorization endpoint: its logo, its policy and its terms."""

import pytest
from oauth_story import CALLBACK, OAuth
from page_story import Person

from .test_authorize import asking

LOGO = "https://images.example.test/logo.png"
OTHER = "https://app.example.test"


@pytest.fixture
def served(open_server):
    """``served("all")``: a server with that setting, and a person at its login page for a client with a logo."""

    def opened(logos: str | None = None):
        more = {} if logos is None else {"WATCHWORD_PAGES__LOGOS": logos}
        return open_server(WATCHWORD_SELF_REGISTRATION__DYNAMIC="open", **more)

    return opened


async def at_login(http, oauth, client_id: str = "app") -> Person:
    await oauth.account()
    http.cookies.clear()
    return await Person(http).goes_to("/authorize", **asking(client_id))


@pytest.mark.parametrize(("logos", "shown"), [(None, True), ("all", True), ("none", False)])
async def test_the_logo_of_a_client_of_this_installation_is_shown_where_people_decide(served, logos, shown):
    async with served(logos) as server, server.browser() as http:
        oauth = OAuth(server, http)
        await oauth.client("app", logo_uri=LOGO)
        ada = await at_login(http, oauth)
        for _ in ("login", "consent"):
            assert ("logo" in ada.page.ids) == shown
            policy = ada.answer.headers["content-security-policy"]
            assert ("img-src 'self' https://images.example.test;" in policy) == shown
            if ada.sees("sign-in"):
                await ada.logs_in()
        assert ada.sees("allow")


@pytest.mark.parametrize(("logos", "shown"), [(None, False), ("all", True)])
async def test_attack_client_impersonation_a_client_that_nobody_looked_at_shows_no_logo_unless_told(
    served, logos, shown
):
    async with served(logos) as server, server.browser() as http:
        members = {"redirect_uris": [CALLBACK], "logo_uri": LOGO}
        client_id = (await http.post("/register", json=members)).json()["client_id"]
        ada = await at_login(http, OAuth(server, http), client_id)
        assert ada.sees("sign-in")
        assert ("logo" in ada.page.ids) == shown


@pytest.mark.parametrize(
    "uri", ["http://images.example.test/logo.png", "https://a;script-src/logo.png", "https://a,b/logo.png"]
)
async def test_attack_an_address_that_is_no_plain_https_url_is_not_shown(served, uri):
    async with served("all") as server, server.browser() as http:
        oauth = OAuth(server, http)
        await oauth.client("app", logo_uri=uri)
        ada = await at_login(http, oauth)
        assert ada.sees("sign-in")
        assert "logo" not in ada.page.ids
        assert "img-src 'self';" in ada.answer.headers["content-security-policy"]


async def test_policy_and_terms_are_linked_before_and_after_signing_in(served):
    async with served() as server, server.browser() as http:
        oauth = OAuth(server, http)
        await oauth.client("app", policy_uri=f"{OTHER}/policy", tos_uri=f"{OTHER}/terms")
        ada = await at_login(http, oauth)
        links = {"policy": f"{OTHER}/policy", "tos": f"{OTHER}/terms"}
        assert links.items() <= ada.page.links.items()
        await ada.logs_in()
        assert links.items() <= ada.page.links.items()
