"""Introspection, revocation, userinfo and discovery, as clients and resource servers use them."""

import msgspec
import pytest
from oauth_story import ISSUER, ORIGIN, said
from story import bearer
from watchword.jose.jwk import KeySet
from watchword.jose.jws import verify
from watchword_server.clients.metadata import ClientSettings
from watchword_server.store.records import AuditEvent

PROFILE = {
    "name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace", "zoneinfo": "Europe/London",
    "address": {"country": "GB", "locality": "London"}, "phone_number": "+44 1", "phone_number_verified": True,
}  # fmt: skip


async def told(oauth, account_id: str) -> None:
    audit = AuditEvent(event="profile.changed", origin=ORIGIN)
    assert await oauth.store.set_profile(account_id, msgspec.json.encode(PROFILE), audit)


@pytest.mark.rfc("7009 §2.1/3")
@pytest.mark.rfc("7009 §2.2")
@pytest.mark.rfc("7662 §2.2")
async def test_a_resource_server_learns_what_a_token_is_worth_until_it_is_revoked(oauth):
    app = await oauth.client()
    keeper = await oauth.machine("keeper", settings=ClientSettings(may_introspect=True, audiences=(ISSUER,)))
    ada = await oauth.account()
    body = await oauth.tokens(app, ada)
    found = await oauth.introspected(keeper, body["access_token"])
    assert found["active"] is True
    assert (found["sub"], found["client_id"], found["scope"], found["token_type"]) == (ada, "app", "openid", "Bearer")
    assert found["exp"] == said(body["access_token"])["exp"]
    for _ in range(2):
        answer = await oauth.post("/revoke", app, token=body["access_token"], token_type_hint="access_token")
        assert (answer.status_code, answer.content) == (200, b"")
    assert await oauth.introspected(keeper, body["access_token"]) == {"active": False}
    still = await oauth.token(app, "refresh_token", refresh_token=body["refresh_token"])
    assert still.status_code == 200


@pytest.mark.rfc("7009 §2/1")
async def test_a_refresh_token_that_is_given_back_ends_its_session(oauth):
    app = await oauth.client()
    body = await oauth.tokens(app, await oauth.account())
    assert (await oauth.post("/revoke", app, token=body["refresh_token"])).status_code == 200
    assert (await oauth.post("/revoke", app, token=body["refresh_token"])).status_code == 200
    assert await oauth.introspected(app, body["access_token"]) == {"active": False}
    assert await oauth.introspected(app, body["refresh_token"]) == {"active": False}


@pytest.mark.rfc("7009 §2.2")
@pytest.mark.parametrize("token", ["x", "wr_x", "wo_" + "x" * 43, "a.b.c", "x" * 20_000])
async def test_to_revoke_what_is_no_token_is_no_error(oauth, token):
    app = await oauth.client()
    assert (await oauth.post("/revoke", app, token=token)).status_code == 200


@pytest.mark.rfc("7009 §2.1/3")
@pytest.mark.rfc("7662 §4/1")
async def test_an_opaque_token_lives_until_it_expires_or_is_given_back(oauth):
    robot = await oauth.machine(settings=ClientSettings(access_token_format="opaque", access_lifetime=30))
    token = (await oauth.token(robot, "client_credentials")).json()["access_token"]
    assert (await oauth.introspected(robot, token))["active"]
    await oauth.post("/revoke", robot, token=token)
    assert await oauth.introspected(robot, token) == {"active": False}
    token = (await oauth.token(robot, "client_credentials")).json()["access_token"]
    oauth.server.clock.advance(31)
    assert await oauth.introspected(robot, token) == {"active": False}


@pytest.mark.rfc("7662 §4/2")
@pytest.mark.parametrize("form", ["jwt", "opaque"])
async def test_every_way_of_ending_a_session_ends_its_access_tokens_of_either_form(oauth, form):
    app = await oauth.client(settings=ClientSettings(access_token_format=form))
    ada = await oauth.account()
    services = oauth.server.services

    async def logged_out(sid: str) -> None:
        assert await services.sessions.end(sid, account_id=ada, reason="test", origin=ORIGIN)

    async def all_out(_sid: str) -> None:
        await services.sessions.end_all(ada, reason="test", origin=ORIGIN)

    async def cut_off(_sid: str) -> None:
        await oauth.store.cut_off(
            "client", "app", spares=None, ends_families=True, cause="test", audit=AuditEvent(event="x", origin=ORIGIN)
        )

    async def disabled(_sid: str) -> None:
        await services.accounts.disable(ada, ORIGIN)

    for ending in (logged_out, all_out, cut_off, disabled):
        body = await oauth.tokens(app, ada)
        found = await oauth.introspected(app, body["access_token"])
        assert found["active"]
        await ending(found["sid"])
        assert await oauth.introspected(app, body["access_token"]) == {"active": False}, ending.__name__
        assert (await oauth.userinfo(body["access_token"])).status_code == 401


@pytest.mark.rfc("9701 §5/1")
@pytest.mark.rfc("9701 §5/2")
@pytest.mark.rfc("9701 §5/3")
@pytest.mark.parametrize("algorithm", [None, "ES256", "EdDSA"])
async def test_an_answer_is_signed_for_the_caller_where_it_asks_for_that(oauth, algorithm):
    more = {} if algorithm is None else {"introspection_signed_response_alg": algorithm}
    robot = await oauth.machine(**more)
    token = (await oauth.token(robot, "client_credentials")).json()["access_token"]
    accept = {"Accept": "application/token-introspection+jwt", **robot.basic}
    answer = await oauth.post("/introspect", robot, token=token, headers=accept)
    assert answer.headers["content-type"] == "application/token-introspection+jwt"
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    signed = verify(answer.text, keys, algorithms={algorithm or "RS256"})
    assert signed.header["typ"] == "token-introspection+jwt"
    claims = msgspec.json.decode(signed.payload)
    assert (claims["iss"], claims["aud"]) == (ISSUER, "robot")
    assert claims["token_introspection"]["active"] is True
    assert not claims.keys() & {"sub", "exp"}, "it must not pass for an access or ID token"


@pytest.mark.rfc("6750 §2.2")
@pytest.mark.rfc("openid-core §5.3")
@pytest.mark.rfc("openid-core §5.3.2/1")
async def test_userinfo_tells_what_the_scopes_open_and_nothing_else(oauth):
    app = await oauth.client()
    ada = await oauth.account(username="ada")
    await told(oauth, ada)
    everything = {
        "openid": {"sub"},
        "profile": {"name", "given_name", "family_name", "zoneinfo", "preferred_username"},
        "email": {"email", "email_verified"},
        "address": {"address"},
        "phone": {"phone_number", "phone_number_verified"},
    }
    for scope, names in everything.items():
        body = await oauth.tokens(app, ada, scope=("openid", scope) if scope != "openid" else ("openid",))
        answer = await oauth.userinfo(body["access_token"])
        assert set(answer.json()) == {"sub"} | names
        assert answer.json()["sub"] == ada
    by_post = await oauth.http.post("/userinfo", headers=bearer(body))
    in_form = await oauth.http.post("/userinfo", data={"access_token": body["access_token"]})
    assert by_post.json() == in_form.json() == answer.json()


@pytest.mark.rfc("openid-core §5.5")
async def test_claims_may_be_asked_for_one_by_one(oauth):
    app = await oauth.client()
    ada = await oauth.account()
    await told(oauth, ada)
    asked = {
        "userinfo": {"given_name": None, "email": {"essential": True}, "nonsense": None},
        "id_token": {"name": None},
    }
    body = await oauth.tokens(app, ada, claims=asked)
    assert set((await oauth.userinfo(body["access_token"])).json()) == {"sub", "given_name", "email"}
    assert said(body["id_token"])["name"] == "Ada Lovelace"
    assert "Ada" not in str(said(body["access_token"]))
    refreshed = (await oauth.token(app, "refresh_token", refresh_token=body["refresh_token"])).json()
    assert (await oauth.userinfo(refreshed["access_token"])).json()["given_name"] == "Ada"


@pytest.mark.rfc("openid-core §5.3.2/2")
async def test_userinfo_is_signed_for_a_client_that_registered_so(oauth):
    app = await oauth.client(userinfo_signed_response_alg="ES256")
    ada = await oauth.account()
    body = await oauth.tokens(app, ada)
    answer = await oauth.userinfo(body["access_token"])
    assert answer.headers["content-type"] == "application/jwt"
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    claims = msgspec.json.decode(verify(answer.text, keys, algorithms={"ES256"}).payload)
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, "app", ada)


@pytest.mark.rfc("6750 §3/1")
@pytest.mark.rfc("openid-core §5.3.3")
async def test_userinfo_challenges_who_brings_nothing_or_too_little(oauth):
    bare = await oauth.http.get("/userinfo")
    assert (bare.status_code, bare.headers["www-authenticate"], bare.content) == (401, "Bearer", b"")
    app = await oauth.client(scope="openid email")
    body = await oauth.tokens(app, await oauth.account(), scope=("email",))
    poor = await oauth.userinfo(body["access_token"])
    assert poor.status_code == 403
    assert 'error="insufficient_scope"' in poor.headers["www-authenticate"]
    wrong = await oauth.userinfo("nonsense")
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


@pytest.mark.rfc("9068 §4/10")
@pytest.mark.rfc("8414 §2/1")
@pytest.mark.rfc("8414 §2/2")
@pytest.mark.rfc("8414 §3")
@pytest.mark.rfc("openid-discovery §3/1")
async def test_discovery_lists_what_is_served_from_the_issuer_and_nothing_else(oauth):
    document = (await oauth.http.get("/.well-known/openid-configuration", headers={"Host": "evil.test"})).json()
    other = (await oauth.http.get("/.well-known/oauth-authorization-server")).json()
    assert document == other
    assert "evil" not in str(document)
    endpoints = {name: url for name, url in document.items() if name.endswith("_endpoint")}
    assert {"token_endpoint", "introspection_endpoint", "revocation_endpoint", "userinfo_endpoint"} <= endpoints.keys()
    for name, url in endpoints.items():
        assert url.startswith(f"{ISSUER}/")
        path = url.removeprefix(ISSUER)
        answer = await oauth.http.post(path) if name != "authorization_endpoint" else await oauth.http.get(path)
        assert answer.status_code != 404, name
    methods = document["token_endpoint_auth_methods_supported"]
    assert {"none", "client_secret_basic", "private_key_jwt"} <= set(methods)
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert not {"password", "implicit"} & set(document["grant_types_supported"])
    assert {"public", "pairwise"} == set(document["subject_types_supported"])
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert "none" not in str(document["id_token_signing_alg_values_supported"])


@pytest.mark.parametrize("path", ["/token", "/userinfo", "/revoke", "/jwks.json", "/.well-known/openid-configuration"])
async def test_applications_of_any_origin_may_call_what_is_public_without_the_browsers_credentials(oauth, path):
    origin = {"Origin": "https://spa.example.test"}
    preflight = await oauth.http.options(
        path, headers={**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "dpop"}
    )
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in preflight.headers
    assert "dpop" in preflight.headers["access-control-allow-headers"]
    answer = await oauth.http.post(path, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "dpop-nonce" in answer.headers["access-control-expose-headers"]
