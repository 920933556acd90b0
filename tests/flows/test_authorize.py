"""The authorization endpoint as people and clients meet it: pages by their ids, no JavaScript, over each store."""

import base64
import hashlib

import pytest
from oauth_story import CALLBACK, CHALLENGE, VERIFIER, OAuth, said
from page_story import CROSS_SITE, Page, Person
from story import ISSUER, PASSWORD, SAFARI
from watchword_server.clients.metadata import Client, ClientMetadata, ClientSettings
from watchword_server.endpoints.authorize.visit import Visits

API = "https://api.example.test"
FIRST_PARTY = ClientSettings(first_party=True)
ENVIRON = {
    "WATCHWORD_SCOPES": '{"read": "Read your posts", "write": "Write posts for you"}',
    "WATCHWORD_RESOURCES": f'{{"{API}": {{"name": "The posts"}}}}',
    "WATCHWORD_ROLES": '{"user": {}, "admin": {"scopes": ["watchword:admin"]}, "billing": {"scopes": ["bill"]}}',
    "WATCHWORD_TOKENS__ACR": "urn:password",
}


@pytest.fixture
def environ():
    return ENVIRON


def asking(client_id: str = "app", **changes) -> dict:
    given = {
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid profile",
        "state": "af0ifjsldkj",
        "nonce": "n-0S6",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


async def exchange(oauth, client, code: str, **more: str):
    return await oauth.token(
        client, "authorization_code", **({"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER} | more)
    )


@pytest.mark.rfc("6749 §3.1/1")
@pytest.mark.rfc("6749 §3.1/2")
@pytest.mark.rfc("6749 §4.1.2/4")
@pytest.mark.rfc("9207 §2/1")
@pytest.mark.rfc("9207 §2/2")
@pytest.mark.rfc("openid-core §3.1.2.3/1")
async def test_a_person_logs_in_allows_and_the_client_gets_tokens(oauth, ada):
    app = await oauth.client(
        client_name="Album", policy_uri="https://app.example.test/privacy", scope="openid profile read"
    )
    await ada.goes_to("/authorize", **asking(scope="openid profile read", resource=API))
    assert ada.sees("identifier", "password", "sign-in", "to-register", "cancel")
    assert "to continue to Album" in ada.page.said
    await ada.logs_in()
    assert ada.sees("allow", "deny", "redirect-host", "policy", "other")
    for words in (
        "Album",
        "ada@example.test",
        "Know who you are here",
        "Read your posts",
        "The posts",
        "app.example.test",
    ):
        assert words in ada.page.said
    assert not ada.sees("unverified")
    await ada.press("allow")
    assert ada.left.startswith(f"{CALLBACK}?")
    assert ada.told.keys() == {"code", "state", "iss"}
    assert (ada.told["state"], ada.told["iss"]) == ("af0ifjsldkj", ISSUER)
    assert ada.told["code"].startswith("wc_")
    answer = await exchange(oauth, app, ada.told["code"])
    assert answer.status_code == 200, answer.text
    identity, access = said(answer.json()["id_token"]), said(answer.json()["access_token"])
    assert identity["nonce"] == "n-0S6"
    assert identity["amr"] == ["pwd"]
    assert access["aud"] in (API, [API])
    assert set(access["scope"].split()) == {"openid", "profile", "read"}


async def test_single_sign_on_the_second_client_asks_for_no_password_and_the_same_one_for_nothing(oauth, ada):
    await oauth.client()
    await oauth.client("other")
    await (await ada.goes_to("/authorize", **asking())).logs_in()
    await ada.press("allow")
    await ada.goes_to("/authorize", **asking())
    assert "code" in ada.told
    await ada.goes_to("/authorize", **asking("other"))
    assert ada.sees("allow")
    await ada.goes_to("/authorize", **asking(scope="openid email"))
    assert "new" in ada.page.said, "what was not allowed before is marked"


@pytest.mark.rfc("openid-core §11")
async def test_a_first_party_needs_a_login_alone_and_offline_access_is_asked_about(oauth, ada):
    await oauth.client("own", settings=FIRST_PARTY)
    await oauth.client()
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    assert "code" in ada.told
    await ada.goes_to("/authorize", **asking(scope="openid"))
    await ada.press("allow")
    await ada.goes_to("/authorize", **asking(scope="openid offline_access"))
    assert "Keep access while you are away" in ada.page.said


@pytest.mark.rfc("6749 §4.1.2.1/2")
@pytest.mark.rfc("9207 §2/1")
async def test_saying_no_is_told_to_the_client_and_so_is_going_back_from_the_login(oauth, ada):
    await oauth.client()
    await ada.goes_to("/authorize", **asking())
    await ada.press("cancel")
    assert (ada.told["error"], ada.told["state"], ada.told["iss"]) == ("access_denied", "af0ifjsldkj", ISSUER)
    await (await ada.goes_to("/authorize", **asking())).logs_in()
    await ada.press("deny")
    assert ada.told["error"] == "access_denied"
    await ada.goes_to("/authorize", **asking())
    assert ada.sees("allow"), "a no is not remembered as a yes"


async def test_a_wrong_password_is_said_on_the_page_and_keeps_what_was_typed(oauth, ada):
    await oauth.client()
    await ada.goes_to("/authorize", **asking(login_hint="ada@example.test"))
    assert ada.page.names["identifier"][0].fields["identifier"] == "ada@example.test"
    await ada.fill(password="wrong").press("sign-in")
    assert ada.answer.status_code == 422
    assert ada.sees("problem", "password")
    assert ada.page.names["identifier"][0].fields["identifier"] == "ada@example.test"
    await ada.fill(password=PASSWORD).press("sign-in")
    assert ada.sees("allow")


async def test_too_many_failures_are_throttled_with_the_logins_of_the_session_api(open_server):
    async with open_server(WATCHWORD_THROTTLE__ACCOUNT_FAILURES="2") as server, server.browser() as http:
        oauth = OAuth(server, http)
        await oauth.account()
        await oauth.client()
        ada = await Person(http).goes_to("/authorize", **asking())
        for _ in range(2):
            await ada.logs_in(password="wrong")
        await ada.logs_in()
        assert ada.answer.status_code == 429
        assert int(ada.answer.headers["retry-after"]) > 0
        assert ada.sees("problem")
        assert (
            await http.post("/auth/login", json={"identifier": "ada@example.test", "password": PASSWORD})
        ).status_code == 429


async def test_somebody_new_makes_an_account_on_the_way_and_faults_are_said_beside_their_fields(oauth, ada):
    await oauth.client()
    await ada.goes_to("/authorize", **asking(prompt="create"))
    assert ada.sees("email", "register", "to-login")
    await ada.fill(email="nobody", password="short").press("register")
    assert ada.sees("email-fault", "password-fault")
    await ada.fill(email="ada@example.test", password=PASSWORD).press("register")
    assert ada.answer.status_code == 409
    await ada.fill(email="eve@example.test", password="mosaic-harbour-tundra-61").press("register")
    assert ada.sees("allow")
    assert "eve@example.test" in ada.page.said


async def test_where_registration_is_closed_no_page_offers_it(open_server):
    async with open_server(WATCHWORD_REGISTRATION__OPEN="false") as server, server.browser() as http:
        await OAuth(server, http).client()
        ada = await Person(http).goes_to("/authorize", **asking(prompt="create"))
        assert ada.sees("sign-in")
        assert not ada.sees("to-register")
        ticket = ada.page.forms[0].fields["ticket"]
        assert (await http.get("/authorize/register", params={"ticket": ticket})).status_code == 404
        metadata = (await http.get("/.well-known/openid-configuration")).json()
        assert "create" not in metadata["prompt_values_supported"]


@pytest.mark.rfc("9470 §5")
@pytest.mark.rfc("openid-core §2/3")
@pytest.mark.rfc("openid-core §3.1.2.1/4")
@pytest.mark.rfc("openid-core §3.1.2.1/6")
async def test_prompt_login_and_max_age_ask_again_once_and_show_who_it_is(oauth, ada):
    app = await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    first = said((await exchange(oauth, app, ada.told["code"])).json()["id_token"])["auth_time"]
    oauth.server.clock.advance(60)
    for more in ({"prompt": "login"}, {"max_age": "30"}, {"max_age": "0"}):
        await ada.goes_to("/authorize", **asking("own", **more))
        assert ada.sees("sign-in", "other"), more
        assert ada.page.names["identifier"][0].fields["identifier"] == "ada@example.test"
        await ada.fill(password=PASSWORD).press("sign-in")
        assert "code" in ada.told, more
        again = said((await exchange(oauth, app, ada.told["code"])).json()["id_token"])["auth_time"]
        assert again >= first + 60
        oauth.server.clock.advance(60)
    await ada.goes_to("/authorize", **asking("own", max_age="3000"))
    assert "code" in ada.told


async def test_prompt_select_account_offers_who_is_signed_in_and_others(oauth, ada):
    await oauth.client("own", settings=FIRST_PARTY)
    await oauth.account("eve@example.test")
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    oauth.server.clock.advance(1)
    await ada.goes_to("/authorize", **asking("own", prompt="select_account"))
    assert ada.sees("continue", "other")
    await ada.press("continue")
    assert "code" in ada.told
    await ada.goes_to("/authorize", **asking("own", prompt="select_account consent"))
    await ada.follow("other")
    await ada.logs_in("eve@example.test")
    assert "eve@example.test" in ada.page.said
    assert ada.sees("allow")


@pytest.mark.rfc("6749 §4.1.2.1/2")
@pytest.mark.rfc("openid-core §3.1.2.1/3")
@pytest.mark.rfc("openid-core §3.1.2.6")
async def test_prompt_none_never_shows_a_page_and_says_what_is_missing(oauth, ada):
    await oauth.client()
    await ada.goes_to("/authorize", **asking(prompt="none"))
    assert ada.told["error"] == "login_required"
    await (await ada.goes_to("/authorize", **asking())).logs_in()
    await ada.goes_to("/authorize", **asking(prompt="none"))
    assert ada.told["error"] == "consent_required"
    await (await ada.goes_to("/authorize", **asking())).press("allow")
    await ada.goes_to("/authorize", **asking(prompt="none"))
    assert "code" in ada.told
    oauth.server.clock.advance(40)
    await ada.goes_to("/authorize", **asking(prompt="none", max_age="30"))
    assert ada.told["error"] == "login_required"


@pytest.mark.rfc("openid-core §3.1.2.1/7")
async def test_a_hint_says_of_whom_the_answer_has_to_be(oauth, ada):
    app = await oauth.client("own", settings=FIRST_PARTY)
    await oauth.client("other", settings=FIRST_PARTY)
    await oauth.account("eve@example.test")
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    body = (await exchange(oauth, app, ada.told["code"])).json()
    hint = body["id_token"]
    oauth.server.clock.advance(3600)
    await ada.goes_to("/authorize", **asking("own", prompt="none", id_token_hint=hint))
    assert "code" in ada.told, "long expired, and still a hint"
    for bad in (body["access_token"], hint[:-3] + "AAA", "x.y.z"):
        await ada.goes_to("/authorize", **asking("own", prompt="none", id_token_hint=bad))
        assert ada.told["error"] == "invalid_request"
    await ada.goes_to("/authorize", **asking("other", prompt="none", id_token_hint=hint))
    assert ada.told["error"] == "invalid_request", "the hint of another client is none"
    async with oauth.server.browser(SAFARI) as http:
        eve = Person(http)
        await (await eve.goes_to("/authorize", **asking("own", id_token_hint=hint))).logs_in("eve@example.test")
        assert eve.told["error"] == "login_required"
        await eve.goes_to("/authorize", **asking("own", prompt="none", id_token_hint=hint))
        assert eve.told["error"] == "login_required"


async def test_pairwise_subjects_are_what_a_hint_names(oauth, ada):
    members = {"subject_type": "pairwise", "settings": FIRST_PARTY}
    app = await oauth.client("pair", **members)
    await (await ada.goes_to("/authorize", **asking("pair"))).logs_in()
    hint = (await exchange(oauth, app, ada.told["code"])).json()["id_token"]
    await ada.goes_to("/authorize", **asking("pair", prompt="none", id_token_hint=hint))
    assert "code" in ada.told


@pytest.mark.rfc("9470 §5")
@pytest.mark.rfc("openid-core §5.5.1.1")
async def test_an_acr_is_told_where_it_was_asked_for_and_one_out_of_reach_fails(oauth, ada):
    app = await oauth.client("own", settings=FIRST_PARTY)
    essential = '{"id_token": {"acr": {"essential": true, "value": "%s"}}}'
    await (await ada.goes_to("/authorize", **asking("own", claims=essential % "urn:password"))).logs_in()
    assert said((await exchange(oauth, app, ada.told["code"])).json()["id_token"])["acr"] == "urn:password"
    await ada.goes_to("/authorize", **asking("own", claims=essential % "urn:hardware"))
    assert ada.told["error"] == "unmet_authentication_requirements"


async def test_the_three_response_modes_carry_the_same_answer(oauth, ada):
    await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own", response_mode="fragment"))).logs_in()
    assert "#" in ada.left
    assert "?" not in ada.left
    assert ada.told.keys() == {"code", "state", "iss"}
    await ada.goes_to("/authorize", **asking("own", response_mode="form_post"))
    (form,) = ada.page.forms
    assert (form.action, form.method) == (CALLBACK, "post")
    assert form.fields.keys() == {"code", "state", "iss"}
    assert "continue" in form.buttons, "without JavaScript there is a button"
    await ada.goes_to("/authorize", **asking("own", response_mode="form_post", prompt="none", max_age="x"))
    assert ada.page.forms[0].fields["error"] == "invalid_request"


@pytest.mark.rfc("6749 §3.1.2")
async def test_what_a_redirect_uri_has_in_its_query_stays(oauth, ada):
    uri = f"{CALLBACK}?tenant=a%26b"
    await oauth.client("own", settings=FIRST_PARTY, redirect_uris=[uri])
    await (await ada.goes_to("/authorize", **asking("own", redirect_uri=uri))).logs_in()
    assert ada.left.startswith(f"{uri}&code=")


@pytest.mark.rfc("openid-core §3.1.2.1/1")
async def test_a_request_may_be_posted_and_is_sent_round_by_get_for_the_cookies(oauth, ada):
    await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    answer = await oauth.http.post("/authorize", data=asking("own", resource=[API]), headers=CROSS_SITE)
    assert answer.status_code == 303
    await ada.goes_to(answer.headers["location"])
    assert "code" in ada.told
    assert (await oauth.http.post("/authorize?state=x", data=asking("own"))).status_code == 400
    assert (await oauth.http.post("/authorize", json=asking("own"))).status_code == 415


@pytest.mark.rfc("8252 §8.6")
async def test_an_app_on_a_loopback_port_is_asked_about_each_time(oauth, ada):
    await oauth.client(
        "cli",
        redirect_uris=["http://127.0.0.1/cb"],
        application_type="native",
        token_endpoint_auth_method="none",
    )
    uri = "http://127.0.0.1:53124/cb"
    await (await ada.goes_to("/authorize", **asking("cli", redirect_uri=uri))).logs_in()
    assert "127.0.0.1:53124" in ada.page.said
    await ada.press("allow")
    assert ada.left.startswith(f"{uri}?code=")
    await ada.goes_to("/authorize", **asking("cli", redirect_uri=uri))
    assert ada.sees("allow")


async def test_scopes_of_roles_are_asked_for_only_of_those_who_have_the_role(oauth, ada):
    await oauth.client(scope="openid bill")
    await (await ada.goes_to("/authorize", **asking(scope="openid bill"))).logs_in()
    assert "bill" not in ada.page.said
    await ada.goes_to("/authorize", **asking(scope="bill", nonce=None))
    assert ada.told["error"] == "invalid_scope"


@pytest.mark.rfc("openid-core §15.1/2")
@pytest.mark.parametrize(
    ("headers", "more", "words"),
    [
        ({"Accept-Language": "de-AT, en;q=0.5"}, {}, "Anmelden"),
        ({"Accept-Language": "fr, en;q=0.5, de;q=0.1"}, {}, "Sign in"),
        ({"Accept-Language": "en"}, {"ui_locales": "fr-CA de"}, "Anmelden"),
        ({"Accept-Language": "x" * 5000 + ";q=nan, de;q=inf"}, {}, "Sign in"),
    ],
)
async def test_pages_speak_the_language_that_is_asked_for(oauth, headers, more, words):
    await oauth.client()
    answer = await oauth.http.get("/authorize", params=asking(**more), headers=headers)
    assert words in answer.text
    assert answer.headers["content-language"] in answer.text


async def test_a_page_left_open_for_too_long_begins_again_by_itself(oauth, ada):
    await oauth.client()
    await ada.goes_to("/authorize", **asking())
    oauth.server.clock.advance(3601)
    await ada.logs_in()
    assert ada.sees("sign-in")
    assert "watchword-sso" not in oauth.http.cookies
    await ada.logs_in()
    assert ada.sees("allow")
    oauth.server.clock.advance(3601)
    await ada.press("allow")
    assert ada.sees("allow"), "and what was shown so long ago is shown again"


async def test_a_sign_on_ends_when_it_is_idle_and_when_the_password_changes(oauth, ada):
    await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    oauth.server.clock.advance(6 * 86400)
    await ada.goes_to("/authorize", **asking("own", prompt="none"))
    assert "code" in ada.told
    oauth.server.clock.advance(6 * 86400)
    await ada.goes_to("/authorize", **asking("own", prompt="none"))
    assert "code" in ada.told, "using it keeps it"
    oauth.server.clock.advance(8 * 86400)
    await ada.goes_to("/authorize", **asking("own", prompt="none"))
    assert ada.told["error"] == "login_required"
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    async with oauth.server.browser() as other:
        tokens = await oauth.server.login(other, delivery="body")
        body = {"current_password": PASSWORD, "new_password": "mosaic-harbour-tundra-61"}
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await other.post("/auth/password", json=body, headers=headers)).status_code == 204
    await ada.goes_to("/authorize", **asking("own", prompt="none"))
    assert ada.told["error"] == "login_required"


@pytest.mark.rfc("8414 §2/2")
@pytest.mark.rfc("9207 §2.3/2")
@pytest.mark.rfc("9700 §2.1.1/4")
async def test_discovery_says_what_is_served_and_every_page_is_complete_without_javascript(oauth, ada):
    metadata = (await oauth.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["authorization_endpoint"] == f"{ISSUER}/authorize"
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    await oauth.client()
    await ada.goes_to("/authorize", **asking())
    for name in ("palette.css", "pages.css", "theme.css", "mark.svg", "form_post.js"):
        answer = await oauth.http.get(f"/pages/{name}")
        assert answer.status_code == 200
        tag = {"If-None-Match": answer.headers["etag"]}
        assert (await oauth.http.get(f"/pages/{name}", headers=tag)).status_code == 304
    assert (await oauth.http.get("/pages/%2e%2e%2frendering.py")).status_code == 404
    assert "script" not in ada.page.tags


@pytest.mark.rfc("7636 §4.2")
@pytest.mark.rfc("7636 §4.4/1")
@pytest.mark.rfc("7636 §4.6/1")
async def test_the_code_is_bound_to_the_verifier_of_the_request(oauth, ada):
    app = await oauth.client("own", settings=FIRST_PARTY)
    verifier = "w" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    await (await ada.goes_to("/authorize", **asking("own", code_challenge=challenge))).logs_in()
    code = ada.told["code"]
    assert (await exchange(oauth, app, code)).json()["error"] == "invalid_grant"
    assert (await exchange(oauth, app, code, code_verifier=verifier)).status_code == 200


async def test_a_theme_and_templates_of_the_installation_are_shown(open_server, tmp_path):
    (tmp_path / "base.html").write_text("<p id=ours>{{ service }}</p>{% block content %}{% endblock %}")
    environ = {
        "WATCHWORD_PAGES__NAME": "Acme & Sons",
        "WATCHWORD_PAGES__THEME": '{"brand": "light-dark(#123456, #abcdef)"}',
        "WATCHWORD_PAGES__TEMPLATES": str(tmp_path),
    }
    async with open_server(**environ) as server, server.browser() as http:
        await OAuth(server, http).client()
        answer = await http.get("/authorize", params=asking())
        assert "<p id=ours>Acme &amp; Sons</p>" in answer.text
        assert {"identifier", "ours"} <= Page(answer.text).ids
        assert "--brand: light-dark(#123456, #abcdef);" in (await http.get("/pages/theme.css")).text


async def test_a_login_just_before_the_request_is_not_one_for_it_whatever_this_hosts_clock_says(
    oauth, ada, monkeypatch
):
    await oauth.client("own", settings=FIRST_PARTY)
    await (await ada.goes_to("/authorize", **asking("own"))).logs_in()
    oauth.server.clock.advance(2)
    slow = oauth.server.clock.now() - 10
    monkeypatch.setattr(Visits, "_now", lambda _self: slow)
    await ada.goes_to("/authorize", **asking("own", prompt="login"))
    assert ada.sees("sign-in")
    await ada.fill(password=PASSWORD).press("sign-in")
    assert "code" in ada.told


@pytest.mark.rfc("7591 §5")
@pytest.mark.parametrize(
    ("source", "client_id", "publisher"),
    [("dynamic", "d-1", None), ("metadata_document", "https://tool.example.test/client.json", "tool.example.test")],
)
async def test_clients_that_nobody_here_has_looked_at_are_said_to_be_so(oauth, ada, source, client_id, publisher):
    client = Client(
        client_id=client_id,
        source=source,
        metadata=ClientMetadata(
            redirect_uris=(CALLBACK,),
            client_name="Your Bank",
            token_endpoint_auth_method="none",
            scope="openid profile",
        ),
    )

    class Found:
        async def find(self, wanted: str) -> Client | None:
            return client if wanted == client_id else None

    directory = oauth.server.services.oauth.clients
    directory._sources = (Found(), *directory._sources)
    await (await ada.goes_to("/authorize", **asking(client_id))).logs_in()
    assert ada.sees("unverified", "redirect-host")
    assert "nobody has checked its name" in ada.page.said
    assert ("publisher" in ada.page.ids) == (publisher is not None)
    assert publisher is None or publisher in ada.page.said
