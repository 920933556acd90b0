"""What the standards ask in passing: methods, media types, hints, wishes and what must not be said."""

import msgspec
import pytest
from oauth_story import CALLBACK, ORIGIN, refused, said
from page_story import Person
from story import ISSUER
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer, verify
from watchword_server.clients.metadata import ClientSettings
from watchword_server.clients.registration import read_metadata

from .test_authorize import FIRST_PARTY, asking

METADATA = "/.well-known/oauth-authorization-server"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.rfc("6749 §3.2/1")
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke", "/par", "/device_authorization"])
async def test_tokens_are_asked_for_by_post_alone(oauth, path):
    for method in ("GET", "PUT", "DELETE"):
        assert (await oauth.http.request(method, path)).status_code == 405


@pytest.mark.rfc("6749 §5.1/2")
@pytest.mark.rfc("openid-core §3.1.3.3/2")
async def test_an_answer_with_tokens_may_not_be_stored(oauth):
    app = await oauth.client()
    answer = await oauth.exchange(app, await oauth.code(app, await oauth.account()))
    assert answer.json().keys() >= {"access_token", "token_type", "refresh_token", "id_token"}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert answer.headers["content-type"].startswith("application/json")


@pytest.mark.rfc("6749 §3.2/3")
async def test_what_is_unknown_or_empty_is_no_fault_at_the_token_endpoint_either(oauth):
    robot = await oauth.machine()
    answer = await oauth.token(
        robot, "client_credentials", unheard_of="x", scope="", client_secret="", refresh_token=""
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.rfc("6749 §3.1/3")
@pytest.mark.rfc("openid-core §15.1/2")
async def test_what_is_unknown_or_empty_or_a_mere_wish_is_no_fault_of_a_request(oauth):
    await oauth.client("own", settings=FIRST_PARTY)
    await oauth.account()
    oauth.http.cookies.clear()
    ada = Person(oauth.http)
    wishes = {"display": "popup", "claims_locales": "de en", "ui_locales": "xx", "acr_values": "urn:unheard-of"}
    empty = {"prompt": "", "max_age": "", "login_hint": "", "dpop_jkt": "", "response_mode": ""}
    await ada.goes_to("/authorize", **asking("own", unheard_of="x", **wishes, **empty))
    await ada.logs_in()
    assert "code" in ada.told


@pytest.mark.rfc("openid-core §12.2")
async def test_the_id_token_of_a_refresh_is_about_the_same_login(oauth):
    app = await oauth.client()
    first = await oauth.tokens(app, await oauth.account(), nonce="n-1")
    oauth.server.clock.advance(30)
    again = await oauth.token(app, "refresh_token", refresh_token=first["refresh_token"])
    before, after = said(first["id_token"]), said(again.json()["id_token"])
    for name in ("iss", "sub", "aud", "azp", "auth_time", "sid"):
        assert after[name] == before[name]
    assert after["iat"] >= before["iat"] + 30
    assert "nonce" not in after


@pytest.mark.rfc("7662 §2.1/3")
async def test_a_wrong_hint_keeps_no_token_from_being_looked_at(oauth):
    app = await oauth.client(settings=ClientSettings(access_token_format="opaque"))
    body = await oauth.tokens(app, await oauth.account())
    for name in ("access_token", "refresh_token"):
        for hint in ("access_token", "refresh_token", "id_token", "unheard of"):
            answer = await oauth.post("/introspect", app, token=body[name], token_type_hint=hint)
            assert answer.json()["active"] is True, (name, hint)


@pytest.mark.rfc("7009 §2.1/4")
async def test_a_wrong_hint_keeps_no_token_from_being_revoked(oauth):
    app = await oauth.client(settings=ClientSettings(access_token_format="opaque"))
    body = await oauth.tokens(app, await oauth.account())
    hints = {"access_token": "refresh_token", "refresh_token": "access_token"}
    for name, hint in hints.items():
        assert (await oauth.post("/revoke", app, token=body[name], token_type_hint=hint)).status_code == 200
        assert await oauth.introspected(app, body[name]) == {"active": False}


@pytest.mark.rfc("9701 §5/4")
async def test_a_signed_answer_about_a_dead_token_says_nothing_else(oauth):
    robot = await oauth.machine()
    token = (await oauth.token(robot, "client_credentials")).json()["access_token"]
    assert (await oauth.post("/revoke", robot, token=token)).status_code == 200
    accept = {"Accept": "application/token-introspection+jwt", **robot.basic}
    answer = await oauth.post("/introspect", robot, token=token, headers=accept)
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    claims = msgspec.json.decode(verify(answer.text, keys, algorithms={"RS256"}).payload)
    assert claims["token_introspection"] == {"active": False}


@pytest.mark.rfc("8414 §2/3")
@pytest.mark.rfc("8414 §2/4")
@pytest.mark.rfc("8414 §3.2")
@pytest.mark.rfc("openid-backchannel-logout §2.1")
@pytest.mark.rfc("openid-discovery §4.2")
@pytest.mark.parametrize("path", [METADATA, "/.well-known/openid-configuration"])
async def test_metadata_is_json_says_its_algorithms_and_leaves_out_what_is_empty(oauth, path):
    answer = await oauth.http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert all(document[name] not in ([], {}, None, "") for name in document)
    algorithms = {name: document[name] for name in document if "_alg_values_supported" in name}
    assert "token_endpoint_auth_signing_alg_values_supported" in algorithms
    assert all("none" not in names for names in algorithms.values())
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True


@pytest.mark.rfc("8628 §3.1")
async def test_a_device_request_is_read_strictly_and_ignores_what_it_does_not_know(oauth):
    await oauth.client("tv", token_endpoint_auth_method="none", grant_types=[DEVICE], redirect_uris=[])
    path = "/device_authorization"
    good = await oauth.http.post(path, content="client_id=tv&scope=openid&unheard_of=x&resource=", headers=FORM)
    assert good.status_code == 200, good.text
    assert good.json().keys() >= {"device_code", "user_code", "verification_uri", "expires_in"}
    doubled = await oauth.http.post(path, content="client_id=tv&scope=openid&scope=openid", headers=FORM)
    refused(doubled, "invalid_request")


@pytest.mark.rfc("9126 §2/2")
@pytest.mark.parametrize("path", ["/token", "/par", "/"])
async def test_each_of_three_audiences_is_good_where_a_request_is_pushed(oauth, path):
    app = await oauth.client(key=Key.generate("ES256", "k"))
    audience = ISSUER + path.rstrip("/")
    answer = await oauth.http.post("/par", data=asking("app") | oauth.assertion(app, aud=audience))
    assert answer.status_code == 201, answer.text


@pytest.mark.rfc("9126 §3/2")
async def test_a_pushed_object_of_another_client_is_refused(oauth):
    key, other = Key.generate("ES256", "k"), Key.generate("ES256", "o")
    app = await oauth.client("app", key=key)
    await oauth.client("other", key=other)
    now = int(oauth.server.clock.now())
    for signing, named in ((other, "other"), (key, "other"), (other, "app")):
        claims = asking(named) | {"iss": named, "aud": ISSUER, "nbf": now, "exp": now + 60}
        pushed = Signer(signing, typ="oauth-authz-req+jwt").sign(msgspec.json.encode(claims))
        answer = await oauth.http.post("/par", data={"client_id": "app", "request": pushed} | oauth.assertion(app))
        assert answer.status_code == 400, answer.text


@pytest.mark.rfc("9101 §5/2")
async def test_request_and_request_uri_do_not_come_together(oauth):
    key = Key.generate("ES256", "k")
    await oauth.client("own", settings=FIRST_PARTY, key=key)
    now = int(oauth.server.clock.now())
    claims = asking("own") | {"iss": "own", "aud": ISSUER, "nbf": now, "exp": now + 60}
    both = {
        "request": Signer(key, typ="oauth-authz-req+jwt").sign(msgspec.json.encode(claims)),
        "request_uri": "https://app.example.test/request",
    }
    ada = await Person(oauth.http).goes_to("/authorize", **asking("own"), **both)
    assert ada.told["error"] == "invalid_request"
    bare = await Person(oauth.http).goes_to("/authorize", client_id="own", **both)
    assert bare.told["error"] == "invalid_request"


@pytest.mark.rfc("9700 §2.6/2")
@pytest.mark.parametrize("origin", ["https://spa.example.test", CALLBACK.removesuffix("/callback")])
async def test_no_script_of_another_origin_may_call_the_authorization_endpoint(oauth, origin):
    await oauth.client()
    origin = {"Origin": origin}
    asked = await oauth.http.get("/authorize", params=asking(), headers=origin)
    preflight = await oauth.http.options("/authorize", headers={**origin, "Access-Control-Request-Method": "POST"})
    for answer in (asked, preflight):
        assert not [name for name in answer.headers if name.startswith("access-control-allow")]


@pytest.mark.rfc("9126 §4/1")
async def test_what_was_pushed_is_looked_at_again_when_the_person_comes_with_it(oauth):
    app = await oauth.client("app", settings=FIRST_PARTY)
    answer = await oauth.http.post("/par", data=asking(), headers=app.basic)
    query = {"client_id": "app", "request_uri": answer.json()["request_uri"]}
    assert (await Person(oauth.http).goes_to("/authorize", **query)).sees("sign-in")
    moved = read_metadata({"redirect_uris": [f"{CALLBACK}/elsewhere"]})
    assert await oauth.server.services.oauth.administration.change("app", moved, FIRST_PARTY, ORIGIN)
    ada = await Person(oauth.http).goes_to("/authorize", **query)
    assert (ada.answer.status_code, ada.left) == (400, None)
    assert "redirect_uri" in ada.answer.text


@pytest.mark.rfc("7592 §2.1/3")
@pytest.mark.rfc("7592 §2/3")
async def test_a_registration_is_read_changed_and_deleted_and_nothing_else(open_server):
    async with open_server(WATCHWORD_SELF_REGISTRATION__DYNAMIC="open") as server, server.browser() as http:
        made = (await http.post("/register", json={"redirect_uris": [CALLBACK]})).json()
        token = {"Authorization": f"Bearer {made['registration_access_token']}"}
        for method in ("POST", "PATCH"):
            answer = await http.request(method, made["registration_client_uri"], headers=token, json={})
            assert answer.status_code == 405
        shown = (await http.get(made["registration_client_uri"], headers=token)).json()
        assert shown["client_id"] == made["client_id"]
