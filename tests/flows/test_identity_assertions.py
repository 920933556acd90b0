"""Assertions about people for servers elsewhere (ID-JAG): what a client gets for an ID token, and what is tried with it."""

import hmac
import json

import msgspec
import pytest
from oauth_story import ORIGIN, OAuth, Prover, refused, said
from story import ISSUER
from watchword.jose import base64url
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer, verify
from watchword_server.clients.metadata import ClientSettings
from watchword_server.settings.load import load
from watchword_server.settings.problems import SettingsError
from watchword_server.store.records import AuditEvent

CHAT, CALENDAR = "https://chat.example.test", "https://calendar.example.test"
API = "https://api.chat.example.test"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
GRANTS = ["authorization_code", "refresh_token", EXCHANGE]
WIKI = {
    "id": "wiki-at-chat",
    "scopes": ["chat.read", "chat.history"],
    "resources": [API, f"{API}/files"],
    "authorization_details": ["channel"],
}


def environ(**more):
    audiences = {
        CHAT: {"clients": {"wiki": WIKI, "pairs": WIKI}},
        CALENDAR: {"clients": {"other": {"id": "other-at-calendar"}}},
    }
    return {"WATCHWORD_IDENTITY_ASSERTIONS": json.dumps(audiences | more)}


@pytest.fixture
async def oauth(open_server):
    async with open_server(**environ()) as server, server.browser() as http:
        yield OAuth(server, http)


@pytest.fixture
async def wiki(oauth):
    return await oauth.client("wiki", grant_types=GRANTS, scope="openid offline_access")


@pytest.fixture
async def ada(oauth):
    return await oauth.account()


@pytest.fixture
async def tokens(oauth, wiki, ada):
    return await oauth.tokens(wiki, ada)


async def exchange(oauth, client, token, **more):
    given = {"requested_token_type": ID_JAG, "subject_token": token, "subject_token_type": ID_TOKEN, "audience": CHAT}
    given |= more
    return await oauth.token(client, EXCHANGE, **{name: value for name, value in given.items() if value is not None})


@pytest.mark.rfc("id-jag §3.1/1")
@pytest.mark.rfc("id-jag §3.1/2")
@pytest.mark.rfc("id-jag §3.1/3")
@pytest.mark.rfc("id-jag §4.3/1")
@pytest.mark.rfc("id-jag §4.3/2")
@pytest.mark.rfc("id-jag §4.3.3/6")
@pytest.mark.rfc("id-jag §4.3.4/1")
async def test_an_id_token_gives_an_assertion_for_the_server_that_is_named(oauth, wiki, ada, tokens):
    answer = await exchange(oauth, wiki, tokens["id_token"], scope="chat.read", resource=API)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    text = body.pop("access_token")
    assert body == {"issued_token_type": ID_JAG, "token_type": "N_A", "expires_in": 300, "scope": "chat.read"}
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    verified = verify(text, keys, algorithms={"ES256", "EdDSA"})
    assert verified.header["typ"] == "oauth-id-jag+jwt"
    claims, before = msgspec.json.decode(verified.payload), said(tokens["id_token"])
    assert claims.pop("jti")
    assert claims.pop("exp") == claims.pop("iat") + 300
    assert claims == {
        "iss": ISSUER,
        "sub": ada,
        "aud": CHAT,
        "client_id": "wiki-at-chat",
        "scope": "chat.read",
        "resource": API,
        "auth_time": before["auth_time"],
        "amr": ["pwd"],
    }


@pytest.mark.rfc("id-jag §4.3.3/6")
@pytest.mark.rfc("id-jag §4.3.4/2")
async def test_without_a_wish_the_client_gets_all_its_scopes_there_and_names_no_resource(oauth, wiki, tokens):
    claims = said((await exchange(oauth, wiki, tokens["id_token"])).json()["access_token"])
    assert claims["scope"] == "chat.read chat.history"
    assert "resource" not in claims
    several = await exchange(oauth, wiki, tokens["id_token"], resource=[API, f"{API}/files"])
    assert said(several.json()["access_token"])["resource"] == [API, f"{API}/files"]


async def test_each_assertion_is_another_and_stands_in_the_audit_log(oauth, wiki, ada, tokens):
    made = [said((await exchange(oauth, wiki, tokens["id_token"])).json()["access_token"])["jti"] for _ in range(2)]
    assert len(set(made)) == 2
    entries = await oauth.store.audit_entries(before=None, limit=10, account_id=None, event="identity_assertion.issued")
    lines = [one.event for one in entries]
    assert {one.detail["jti"] for one in lines} == set(made)
    assert {(one.account_id, one.client_id, one.detail["audience"]) for one in lines} == {(ada, "wiki", CHAT)}


@pytest.mark.rfc("id-jag §4.3.3/5")
@pytest.mark.rfc("id-jag §4.3.3/6")
async def test_authorization_details_of_the_types_allowed_are_passed_on(oauth, wiki, tokens):
    details = [{"type": "channel", "actions": ["read"], "identifier": "general"}]
    answer = await exchange(oauth, wiki, tokens["id_token"], authorization_details=json.dumps(details))
    assert answer.json()["authorization_details"] == details
    assert said(answer.json()["access_token"])["authorization_details"] == details
    for wrong in ('[{"type": "payment"}]', '[{"type": ["channel"]}]', "{}", "[", '[{"actions": ["read"]}]'):
        refused(
            await exchange(oauth, wiki, tokens["id_token"], authorization_details=wrong),
            "invalid_authorization_details",
        )


async def test_a_proof_of_possession_binds_the_assertion_to_its_key(oauth, wiki, tokens):
    prover = Prover(oauth.server.clock)
    answer = await exchange(oauth, wiki, tokens["id_token"], headers=prover.headers())
    assert answer.json()["token_type"] == "N_A"
    assert said(answer.json()["access_token"])["cnf"] == {"jkt": prover.jkt}
    assert "cnf" not in said((await exchange(oauth, wiki, tokens["id_token"])).json()["access_token"])


async def test_a_refresh_token_of_the_client_gives_an_assertion_too_and_stays_as_it_is(oauth, wiki, ada):
    offline = await oauth.tokens(wiki, ada, scope=("openid", "offline_access"))
    for _ in range(2):
        answer = await exchange(oauth, wiki, offline["refresh_token"], subject_token_type=REFRESH_TOKEN)
        assert answer.status_code == 200, answer.text
        assert said(answer.json()["access_token"])["sub"] == ada
    again = await oauth.token(wiki, "refresh_token", refresh_token=offline["refresh_token"])
    assert again.status_code == 200, again.text
    # Its ID tokens name the session in the browser, which lives as well; so does that of the refresh.
    for id_token in (offline["id_token"], again.json()["id_token"]):
        assert (await exchange(oauth, wiki, id_token)).status_code == 200


async def test_a_client_with_offline_access_goes_on_by_its_refresh_token_after_the_browser_signed_out(oauth, wiki, ada):
    sign_on = await oauth.sign_on(ada)
    offline = await oauth.tokens(wiki, ada, sign_on=sign_on, scope=("openid", "offline_access"))
    audit = AuditEvent(event="sign_on.ended", origin=ORIGIN)
    assert await oauth.store.end_sign_on(sign_on, account_id=ada, reason="logout", audit=audit)
    refused(await exchange(oauth, wiki, offline["id_token"]), "invalid_request")
    answer = await exchange(oauth, wiki, offline["refresh_token"], subject_token_type=REFRESH_TOKEN)
    assert answer.status_code == 200, answer.text


@pytest.mark.rfc("id-jag §4.3.3/3")
async def test_attack_a_refresh_token_of_another_client_or_of_no_sign_on_or_of_an_ended_session(oauth, wiki, ada):
    other = await oauth.client("other", grant_types=GRANTS)
    theirs = (await oauth.tokens(other, ada))["refresh_token"]
    nobody = (await oauth.tokens(wiki, ada, scope=("offline_access",)))["refresh_token"]
    mine = await oauth.tokens(wiki, ada)
    for token in (theirs, nobody, mine["refresh_token"][:-2] + "AA", mine["id_token"], mine["access_token"]):
        refused(await exchange(oauth, wiki, token, subject_token_type=REFRESH_TOKEN), "invalid_request")
    await ended(oauth, mine)
    refused(await exchange(oauth, wiki, mine["refresh_token"], subject_token_type=REFRESH_TOKEN), "invalid_request")


async def ended(oauth, tokens):
    sid = said(tokens["access_token"])["sid"]
    audit = AuditEvent(event="session.ended", origin=ORIGIN)
    assert await oauth.store.end_session(sid, account_id=None, reason="test", audit=audit)


@pytest.mark.rfc("id-jag §4.3.3/2")
async def test_attack_another_clients_id_token(oauth, wiki, ada):
    other = await oauth.client("other", grant_types=GRANTS)
    theirs = (await oauth.tokens(other, ada))["id_token"]
    refused(await exchange(oauth, wiki, theirs), "invalid_request")


@pytest.mark.rfc("id-jag §4.3.3/1")
async def test_attack_an_expired_id_token(oauth, wiki, tokens):
    oauth.server.clock.advance(605)
    assert (await exchange(oauth, wiki, tokens["id_token"])).status_code == 200
    oauth.server.clock.advance(10)
    refused(await exchange(oauth, wiki, tokens["id_token"]), "invalid_request")


async def test_attack_an_id_token_of_an_ended_session(oauth, wiki, tokens):
    await ended(oauth, tokens)
    refused(await exchange(oauth, wiki, tokens["id_token"]), "invalid_request")


async def test_attack_an_id_token_of_a_disabled_account(oauth, wiki, ada, tokens):
    assert await oauth.store.disable_account(ada, AuditEvent(event="account.disabled", origin=ORIGIN))
    refused(await exchange(oauth, wiki, tokens["id_token"]), "invalid_request")


async def test_attack_an_id_token_after_all_sessions_of_its_account_were_ended(oauth, wiki, ada, tokens):
    audit = AuditEvent(event="sessions.ended_all", origin=ORIGIN)
    await oauth.store.end_all_sessions(ada, spares=None, reason="test", audit=audit)
    refused(await exchange(oauth, wiki, tokens["id_token"]), "invalid_request")


async def test_attack_a_disabled_client(oauth, wiki, tokens):
    assert await oauth.store.disable_client("wiki", AuditEvent(event="client.disabled", origin=ORIGIN))
    refused(await exchange(oauth, wiki, tokens["id_token"]), "invalid_client", 401)
    assert await oauth.store.enable_client("wiki", AuditEvent(event="client.enabled", origin=ORIGIN))
    refused(await exchange(oauth, wiki, tokens["id_token"]), "invalid_request")


async def test_attack_an_audience_that_is_unknown_or_another_clients(oauth, wiki, tokens):
    answers = [
        await exchange(oauth, wiki, tokens["id_token"], audience=audience)
        for audience in (CALENDAR, "https://unknown.example.test", f"{CHAT}/", CHAT.upper(), ISSUER, "wiki", "")
    ]
    for answer in answers[:-1]:
        refused(answer, "invalid_target")
    refused(answers[-1], "invalid_request")
    # What another client may ask is not to be told from what nobody may.
    assert answers[0].json() == answers[1].json()
    refused(await exchange(oauth, wiki, tokens["id_token"], audience=None), "invalid_request")
    doubled = await exchange(oauth, wiki, tokens["id_token"], audience=[CHAT, CALENDAR])
    refused(doubled, "invalid_request")


async def test_attack_a_client_that_no_audience_names(oauth, ada):
    stranger = await oauth.client("stranger", grant_types=GRANTS, settings=ClientSettings(exchange=True))
    tokens = await oauth.tokens(stranger, ada)
    refused(await exchange(oauth, stranger, tokens["id_token"]), "invalid_target")


@pytest.mark.rfc("id-jag §4.3.3/4")
async def test_attack_scope_and_resource_beyond_the_policy(oauth, wiki, tokens):
    for scope in ("chat.write", "chat.read chat.write", "openid", "CHAT.READ"):
        refused(await exchange(oauth, wiki, tokens["id_token"], scope=scope), "invalid_scope")
    for resource in (f"{API}/", CHAT, [API, CHAT]):
        refused(await exchange(oauth, wiki, tokens["id_token"], resource=resource), "invalid_target")


@pytest.mark.parametrize("kind", [ACCESS_TOKEN, JWT, ID_JAG, "urn:ietf:params:oauth:token-type:saml2", "id_token"])
async def test_attack_an_id_token_by_another_name(oauth, wiki, tokens, kind):
    refused(await exchange(oauth, wiki, tokens["id_token"], subject_token_type=kind), "invalid_request")
    refused(await exchange(oauth, wiki, tokens["id_token"], subject_token_type=None), "invalid_request")
    # Nor is it exchanged for an access token.
    able = await oauth.client("able", grant_types=GRANTS, settings=ClientSettings(exchange=True))
    more = {"requested_token_type": ACCESS_TOKEN, "audience": None}
    refused(await exchange(oauth, able, tokens["id_token"], **more), "invalid_request")


async def test_attack_another_token_for_an_id_token(oauth, wiki, tokens):
    made = (await exchange(oauth, wiki, tokens["id_token"])).json()["access_token"]
    for token in (tokens["access_token"], tokens["refresh_token"], made, "x", "a.b.c", "a.b.c.d.e", "é" * 10):
        refused(await exchange(oauth, wiki, token), "invalid_request")


@pytest.mark.rfc("id-jag §4.3.3/1")
async def test_attack_algorithm_confusion_and_forgery(oauth, wiki, tokens):
    header, payload, signature = tokens["id_token"].split(".")
    kid = json.loads(base64url.decode(header))["kid"]
    none = base64url.encode(json.dumps({"alg": "none", "typ": "JWT", "kid": kid}).encode())
    stranger = Signer(Key.generate("ES256", kid=kid), typ="JWT").sign(base64url.decode(payload))
    changed = base64url.encode(json.dumps(said(tokens["id_token"]) | {"sub": "somebody else"}).encode())
    public = (await oauth.http.get("/jwks.json")).content
    keyed = base64url.encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode()) + "." + payload
    mac = f"{keyed}.{base64url.encode(hmac.digest(public, keyed.encode(), 'sha256'))}"
    forged = [f"{none}.{payload}.", f"{none}.{payload}.{signature}", stranger, f"{header}.{changed}.{signature}", mac]
    for token in forged:
        refused(await exchange(oauth, wiki, token), "invalid_request")


async def test_attack_other_answers_that_are_signed_for_the_client(oauth, wiki, tokens):
    made = oauth.server.services.oauth.id_tokens
    claims = said(tokens["id_token"])
    for left_out in ("sid", "auth_time", "exp", "iat", "sub"):
        text = await made.sign({k: v for k, v in claims.items() if k != left_out}, algorithm="ES256", typ="JWT")
        refused(await exchange(oauth, wiki, text), "invalid_request")
    for wrong in ({"sid": 1}, {"auth_time": "1"}, {"amr": "pwd"}, {"aud": ["wiki", "other"]}, {"iss": CHAT}):
        text = await made.sign(claims | wrong, algorithm="ES256", typ="JWT")
        refused(await exchange(oauth, wiki, text), "invalid_request")
    logout = await made.sign(claims, algorithm="ES256", typ="logout+jwt")
    refused(await exchange(oauth, wiki, logout), "invalid_request")
    assert (await exchange(oauth, wiki, await made.sign(claims, algorithm="ES256", typ="JWT"))).status_code == 200


async def test_attack_an_assertion_is_no_credential_here(oauth, wiki, tokens):
    made = (await exchange(oauth, wiki, tokens["id_token"])).json()["access_token"]
    assert (await oauth.userinfo(made)).status_code == 401
    resource = await oauth.machine("resource", settings=ClientSettings(may_introspect=True, audiences=()))
    assert await oauth.introspected(resource, made) == {"active": False}
    assert await oauth.introspected(wiki, made) == {"active": False}
    able = await oauth.client("able", grant_types=GRANTS, settings=ClientSettings(exchange=True))
    for kind in (ACCESS_TOKEN, JWT):
        more = {"requested_token_type": ACCESS_TOKEN, "audience": None, "subject_token_type": kind}
        refused(await exchange(oauth, able, made, **more), "invalid_request")
    sessions = await oauth.http.get("/auth/sessions", headers={"Authorization": f"Bearer {made}"})
    assert sessions.status_code == 401
    hinted = await oauth.http.get("/logout", params={"id_token_hint": made, "client_id": "wiki"})
    assert hinted.status_code == 400
    jwt_bearer = await oauth.token(wiki, "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=made)
    refused(jwt_bearer, "unsupported_grant_type")


async def test_attack_an_actor_that_nobody_checks(oauth, wiki, tokens):
    for more in ({"actor_token": tokens["access_token"]}, {"actor_token_type": ACCESS_TOKEN}):
        refused(await exchange(oauth, wiki, tokens["id_token"], **more), "invalid_request")


async def test_attack_a_client_with_subjects_of_its_own_does_not_learn_the_public_one(oauth, ada):
    pairs = await oauth.client("pairs", grant_types=GRANTS, subject_type="pairwise")
    tokens = await oauth.tokens(pairs, ada)
    refused(await exchange(oauth, pairs, tokens["id_token"]), "unauthorized_client")


async def test_a_public_client_or_one_of_other_grants_gets_none(oauth, ada):
    public = await oauth.client("wiki", grant_types=GRANTS, token_endpoint_auth_method="none")
    tokens = await oauth.tokens(public, ada)
    refused(await exchange(oauth, public, tokens["id_token"]), "unauthorized_client")
    other = await oauth.client("other")
    refused(await exchange(oauth, other, tokens["id_token"]), "unauthorized_client")


async def test_who_is_told_of_and_by_which_name_is_for_the_settings(open_server):
    chat = {"clients": {"wiki": WIKI}, "roles": ["staff"], "lifetime": 60, "relying_party": "chat", "email": True}
    async with open_server(**environ(**{CHAT: chat})) as server, server.browser() as http:
        oauth = OAuth(server, http)
        wiki, ada = await oauth.client("wiki", grant_types=GRANTS), await oauth.account()
        tokens = await oauth.tokens(wiki, ada)
        refused(await exchange(oauth, wiki, tokens["id_token"]), "access_denied")
        audit = AuditEvent(event="account.roles_set", origin=ORIGIN)
        assert await oauth.store.set_roles(ada, ("staff",), audit)
        tokens = await oauth.tokens(wiki, ada)
        refused(await exchange(oauth, wiki, tokens["id_token"]), "invalid_target")
        chat_client = await oauth.client("chat", subject_type="pairwise")
        known_there = said((await oauth.tokens(chat_client, ada))["id_token"])["sub"]
        answer = await exchange(oauth, wiki, tokens["id_token"])
        claims = said(answer.json()["access_token"])
        assert claims["sub"] == known_there != ada
        assert (answer.json()["expires_in"], claims["exp"] - claims["iat"]) == (60, 60)
        # The address was never confirmed.
        assert "email" not in claims


async def test_an_assertion_does_not_outlive_the_session(open_server):
    short = environ() | {"WATCHWORD_SESSIONS__ABSOLUTE": "100", "WATCHWORD_SESSIONS__IDLE": "100"}
    async with open_server(**short) as server, server.browser() as http:
        oauth = OAuth(server, http)
        wiki, ada = await oauth.client("wiki", grant_types=GRANTS), await oauth.account()
        tokens = await oauth.tokens(wiki, ada, scope=("openid", "offline_access"))
        more = {"subject_token_type": REFRESH_TOKEN}
        assert (await exchange(oauth, wiki, tokens["refresh_token"], **more)).json()["expires_in"] == 100


async def test_discovery_says_so_and_names_nobody(oauth):
    document = (await oauth.http.get("/.well-known/oauth-authorization-server")).json()
    assert document["identity_chaining_requested_token_types_supported"] == [ID_JAG]
    assert CHAT not in json.dumps(document)


async def test_without_settings_there_is_nothing_of_it(open_server):
    async with open_server() as server, server.browser() as http:
        oauth = OAuth(server, http)
        document = (await http.get("/.well-known/oauth-authorization-server")).json()
        assert "identity_chaining_requested_token_types_supported" not in document
        wiki = await oauth.client("wiki", grant_types=GRANTS, settings=ClientSettings(exchange=True))
        tokens = await oauth.tokens(wiki, await oauth.account())
        refused(await exchange(oauth, wiki, tokens["id_token"]), "invalid_request")


@pytest.mark.parametrize(
    "audiences",
    [
        {ISSUER: {"clients": {"wiki": WIKI}}},
        {"http://chat.example.test": {"clients": {"wiki": WIKI}}},
        {f"{CHAT}?tenant=1": {"clients": {"wiki": WIKI}}},
        {CHAT: {"clients": {}}},
        {CHAT: {"clients": {"wiki": {"scopes": ["a"]}}}},
        {CHAT: {"clients": {"wiki": WIKI | {"scopes": ["a b"]}}}},
        {CHAT: {"clients": {"wiki": WIKI | {"resources": ["not a uri"]}}}},
        {CHAT: {"clients": {"wiki": WIKI}, "lifetime": 86_400}},
    ],
)
def test_settings_that_mean_nothing_keep_the_server_from_starting(tmp_path, audiences):
    given = {
        "WATCHWORD_ENVIRONMENT": "development",
        "WATCHWORD_HOME": str(tmp_path),
        "WATCHWORD_IDENTITY_ASSERTIONS": json.dumps(audiences),
    }
    with pytest.raises(SettingsError, match="identity_assertions"):
        load({}, given)
