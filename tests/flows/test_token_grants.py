"""The token endpoint: client credentials, authorization code and refresh, as clients use them."""

import asyncio

import pytest
from oauth_story import CALLBACK, OAuth, Prover, refused, said
from story import ISSUER
from watchword.jose.half_hash import half_hash
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import verify
from watchword.verify.check import check_access_token
from watchword.verify.policy import Policy
from watchword_server.clients.metadata import ClientSettings

API = "https://api.example.test"


@pytest.fixture
def environ():
    return {
        "WATCHWORD_SCOPES": '{"read": "Read", "write": "Write"}',
        "WATCHWORD_RESOURCES": f'{{"{API}": {{"scopes": ["read", "write"]}}, "{API}/opaque": {{"format": "opaque"}}}}',
        "WATCHWORD_ROLES": '{"user": {}, "admin": {"scopes": ["watchword:admin"]}, "billing": {"scopes": ["bill"]}}',
    }


@pytest.mark.rfc("6749 §3.3/2")
@pytest.mark.rfc("6749 §3.3/3")
@pytest.mark.rfc("6749 §5.1/1")
@pytest.mark.rfc("9700 §4.15.1")
async def test_a_machine_gets_a_token_about_itself(oauth):
    robot = await oauth.machine(scope="read write")
    answer = await oauth.token(robot, "client_credentials", scope="read", resource=API)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    token = check_access_token(
        body["access_token"], keys, Policy(issuer=ISSUER, audience=API), oauth.server.clock.now()
    )
    assert (token.sub, token.client_id, token.scope, token.sid) == ("robot", "robot", frozenset({"read"}), None)
    assert body["expires_in"] == token.exp - token.iat
    whole = (await oauth.token(robot, "client_credentials")).json()
    assert whole["scope"].split() == ["read", "write"]


@pytest.mark.rfc("9068 §5")
@pytest.mark.rfc("8707 §2/2")
async def test_several_resources_are_bound_into_aud(oauth):
    robot = await oauth.machine()
    answer = await oauth.token(robot, "client_credentials", resource=[API, ISSUER])
    assert said(answer.json()["access_token"])["aud"] == [API, ISSUER]


async def test_a_scope_that_a_role_brings_needs_the_role(oauth):
    plain = await oauth.machine("plain", scope="bill")
    refused(await oauth.token(plain, "client_credentials", scope="bill"), "invalid_scope")
    clerk = await oauth.machine("clerk", scope="bill", settings=ClientSettings(roles=("billing",)))
    body = (await oauth.token(clerk, "client_credentials", scope="bill")).json()
    assert said(body["access_token"])["roles"] == ["billing"]


@pytest.mark.rfc("openid-core §2/1")
@pytest.mark.rfc("openid-core §2/4")
@pytest.mark.rfc("openid-core §3.1.3.3/1")
async def test_a_code_becomes_tokens_with_an_id_token_that_names_them(oauth):
    app = await oauth.client()
    ada = await oauth.account()
    sign_on = await oauth.sign_on(ada)
    body = await oauth.tokens(app, ada, sign_on=sign_on, scope=("openid", "email"), nonce="n-1", resource=(ISSUER,))
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    verify(body["id_token"], keys, algorithms={"ES256"})
    identity, access = said(body["id_token"]), said(body["access_token"])
    assert identity["sub"] == access["sub"] == ada
    assert identity["aud"] == identity["azp"] == "app"
    assert identity["nonce"] == "n-1"
    assert identity["amr"] == ["pwd"]
    assert identity["sid"] == access["sid"]
    assert identity["auth_time"] <= identity["iat"] < identity["exp"]
    assert identity["at_hash"] == half_hash("ES256", body["access_token"])
    assert "email" not in identity
    assert access["scope"] == body["scope"] == "email openid"
    again = await oauth.tokens(app, ada, sign_on=sign_on)
    assert said(again["access_token"])["sid"] == access["sid"], "one session of a client in one sign-on"


async def test_offline_access_has_a_session_of_its_own_that_outlives_the_sign_on(oauth):
    app = await oauth.client()
    ada = await oauth.account()
    sign_on = await oauth.sign_on(ada)
    online = await oauth.tokens(app, ada, sign_on=sign_on)
    offline = await oauth.tokens(app, ada, sign_on=sign_on, scope=("openid", "offline_access"))
    assert said(online["access_token"])["sid"] != said(offline["access_token"])["sid"]
    from oauth_story import ORIGIN
    from watchword_server.store.records import AuditEvent

    audit = AuditEvent(event="sign_on.ended", origin=ORIGIN)
    assert await oauth.store.end_sign_on(sign_on, account_id=ada, reason="logout", audit=audit)
    refused(await oauth.token(app, "refresh_token", refresh_token=online["refresh_token"]), "invalid_grant")
    kept = await oauth.token(app, "refresh_token", refresh_token=offline["refresh_token"])
    assert kept.status_code == 200


@pytest.mark.rfc("9700 §4.14.2/1")
async def test_a_client_without_the_refresh_grant_gets_no_refresh_token(oauth):
    app = await oauth.client(grant_types=["authorization_code"])
    ada = await oauth.account()
    assert "refresh_token" not in await oauth.tokens(app, ada)


@pytest.mark.rfc("6749 §6/4")
async def test_a_refresh_narrows_scope_and_resource_and_the_next_may_widen_them_again(oauth):
    app = await oauth.client(scope="openid read write")
    ada = await oauth.account()
    first = await oauth.tokens(app, ada, scope=("openid", "read", "write"), resource=(API, ISSUER))
    narrow = await oauth.token(app, "refresh_token", refresh_token=first["refresh_token"], scope="read", resource=API)
    assert narrow.status_code == 200, narrow.text
    assert said(narrow.json()["access_token"])["aud"] == API
    assert narrow.json()["scope"] == "read"
    assert "id_token" not in narrow.json()
    wide = (await oauth.token(app, "refresh_token", refresh_token=narrow.json()["refresh_token"])).json()
    assert wide["scope"].split() == ["openid", "read", "write"]
    assert "nonce" not in said(wide["id_token"])
    assert said(wide["id_token"])["auth_time"] == said(first["id_token"])["auth_time"]


async def test_the_refresh_token_of_a_confidential_client_is_good_again_when_an_answer_was_lost(oauth):
    app = await oauth.client()
    first = await oauth.tokens(app, await oauth.account())
    answers = [await oauth.token(app, "refresh_token", refresh_token=first["refresh_token"]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


@pytest.mark.rfc("9449 §5/2")
@pytest.mark.rfc("9449 §5/3")
@pytest.mark.rfc("9449 §6.1")
@pytest.mark.rfc("9700 §2.2.2")
async def test_a_public_clients_tokens_are_bound_to_the_key_of_its_proof(oauth):
    spa = await oauth.client("spa", token_endpoint_auth_method="none")
    prover, thief = Prover(oauth.server.clock), Prover(oauth.server.clock)
    code = await oauth.code(spa, await oauth.account())
    body = (await oauth.exchange(spa, code, headers=prover.headers())).json()
    assert body["token_type"] == "DPoP"
    assert said(body["access_token"])["cnf"] == {"jkt": prover.jkt}
    without = await oauth.token(spa, "refresh_token", refresh_token=body["refresh_token"])
    refused(without, "invalid_dpop_proof")
    stolen = await oauth.token(spa, "refresh_token", refresh_token=body["refresh_token"], headers=thief.headers())
    refused(stolen, "invalid_grant")
    good = await oauth.token(spa, "refresh_token", refresh_token=body["refresh_token"], headers=prover.headers())
    assert said(good.json()["access_token"])["cnf"] == {"jkt": prover.jkt}


async def test_opaque_tokens_by_resource_and_by_client(oauth):
    robot = await oauth.machine()
    body = (await oauth.token(robot, "client_credentials", resource=f"{API}/opaque")).json()
    assert body["access_token"].startswith("wo_")
    assert (await oauth.introspected(robot, body["access_token"]))["aud"] == f"{API}/opaque"
    other = await oauth.machine("other", settings=ClientSettings(access_token_format="opaque", access_lifetime=30))
    body = (await oauth.token(other, "client_credentials")).json()
    assert body["access_token"].startswith("wo_")
    assert body["expires_in"] == 30


@pytest.mark.rfc("openid-core §15.1/1")
@pytest.mark.rfc("openid-core §2/5")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "EdDSA"])
async def test_id_tokens_are_signed_by_the_algorithm_that_the_client_chose(oauth, algorithm):
    app = await oauth.client(id_token_signed_response_alg=algorithm)
    body = await oauth.tokens(app, await oauth.account())
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    verify(body["id_token"], keys, algorithms={algorithm})


@pytest.mark.rfc("openid-core §5.3.2/1")
@pytest.mark.rfc("openid-core §8.1/1")
async def test_pairwise_clients_of_two_sectors_cannot_tell_that_they_see_the_same_account(oauth):
    ada = await oauth.account()
    one = await oauth.client("one", subject_type="pairwise")
    same = await oauth.client("same", subject_type="pairwise")
    other = await oauth.client("other", subject_type="pairwise", redirect_uris=["https://other.example.test/cb"])
    first, second = await oauth.tokens(one, ada), await oauth.tokens(same, ada)
    code = await oauth.code(other, ada, redirect_uri="https://other.example.test/cb")
    third = (await oauth.exchange(other, code, redirect_uri="https://other.example.test/cb")).json()
    subjects = [said(body["id_token"])["sub"] for body in (first, second, third)]
    assert subjects[0] == subjects[1] != subjects[2]
    assert ada not in str([first, second, third])
    assert first["access_token"].startswith("wo_"), "a token that the client could read would tell"
    assert (await oauth.userinfo(first["access_token"])).json()["sub"] == subjects[0]
    assert (await oauth.introspected(one, first["access_token"]))["sub"] == subjects[0]


async def test_a_signed_assertion_authenticates_at_every_endpoint_once(oauth):
    app = await oauth.client(key=Key.generate("ES256", "k"))
    body = await oauth.tokens(app, await oauth.account())
    assertion = oauth.assertion(app)
    good = await oauth.post("/introspect", token=body["access_token"], **assertion)
    assert good.json()["active"] is True
    refused(await oauth.post("/introspect", token=body["access_token"], **assertion), "invalid_client", 401)
    assert (await oauth.post("/revoke", app, token=body["access_token"])).status_code == 200


@pytest.mark.rfc("6749 §4.1.2/2")
async def test_a_code_raced_for_gives_tokens_to_one_at_most(oauth):
    app = await oauth.client()
    code = await oauth.code(app, await oauth.account())
    answers = await asyncio.gather(*(oauth.exchange(app, code) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400, 400]


async def test_codes_of_two_tabs_exchanged_at_once_are_good_both_and_share_a_session(oauth):
    app, ada = await oauth.client(), await oauth.account()
    sign_on = await oauth.sign_on(ada)
    codes = [await oauth.code(app, ada, sign_on=sign_on) for _ in range(4)]
    answers = await asyncio.gather(*(oauth.exchange(app, code) for code in codes))
    assert [answer.status_code for answer in answers] == [200] * 4, [answer.text for answer in answers]
    assert len(await oauth.store.client_sessions(sign_on=sign_on)) == 1


@pytest.mark.rfc("9449 §11.3")
async def test_where_nonces_are_asked_for_a_client_is_told_one_and_comes_again(open_server):
    async with open_server(WATCHWORD_OAUTH__DPOP_NONCE="true") as server, server.browser() as http:
        oauth = OAuth(server, http)
        robot = await oauth.machine()
        prover = Prover(server.clock)
        first = await oauth.token(robot, "client_credentials", headers={**prover.headers(), **robot.basic})
        refused(first, "use_dpop_nonce")
        nonce = first.headers["dpop-nonce"]
        good = await oauth.token(robot, "client_credentials", headers={**prover.headers(nonce=nonce), **robot.basic})
        assert good.json()["token_type"] == "DPoP"


@pytest.mark.rfc("6749 §4.1.3/4")
async def test_redirect_uri_may_be_left_out_where_the_request_had_none(oauth):
    app = await oauth.client()
    ada = await oauth.account()
    for given in (None, CALLBACK):
        code = await oauth.code(app, ada, redirect_uri=None)
        assert (await oauth.exchange(app, code, redirect_uri=given)).status_code == 200


async def test_what_is_taken_from_a_clients_registration_is_taken_from_its_next_tokens(oauth):
    from oauth_story import ORIGIN
    from watchword_server.clients.registration import read_metadata

    app = await oauth.client(scope="openid read write")
    body = await oauth.tokens(app, await oauth.account(), scope=("openid", "read", "write"), resource=(API, ISSUER))
    administration = oauth.server.services.oauth.administration
    poorer = {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"],
              "scope": "openid read", "id_token_signed_response_alg": "ES256"}  # fmt: skip
    changed = await administration.change(
        "app", read_metadata(poorer), ClientSettings(audiences=("https://elsewhere.example.test",)), ORIGIN
    )
    assert changed is not None
    fresh = await oauth.token(app, "refresh_token", refresh_token=body["refresh_token"])
    assert fresh.json()["scope"].split() == ["openid", "read"]
    assert said(fresh.json()["access_token"])["aud"] == ISSUER
    refused(
        await oauth.token(app, "refresh_token", refresh_token=fresh.json()["refresh_token"], resource=API),
        "invalid_target",
    )


async def test_a_token_is_encrypted_to_its_resource_and_can_still_be_asked_about_and_revoked(open_server):
    import json

    from watchword.jose.encryption_key import EncryptionKey
    from watchword.jose.jwe import Decrypter

    key = EncryptionKey.generate("ECDH-ES+A256KW")
    resources = {API: {"format": "jwe", "encryption_key": key.public_jwk()}, f"{API}/other": {}}
    async with open_server(WATCHWORD_RESOURCES=json.dumps(resources)) as server, server.browser() as http:
        oauth = OAuth(server, http)
        keeper = await oauth.machine("keeper", settings=ClientSettings(may_introspect=True, audiences=(API,)))
        pairwise = await oauth.client(subject_type="pairwise")
        ada = await oauth.account()
        body = await oauth.tokens(pairwise, ada, resource=(API,))
        token = body["access_token"]
        assert token.count(".") == 4
        keys = KeySet.from_json((await http.get("/jwks.json")).content)
        inner = Decrypter([key]).decrypt(token).plaintext.decode()
        policy = Policy(issuer=ISSUER, audience=API)
        assert check_access_token(inner, keys, policy, server.clock.now()).sub == ada
        assert (await oauth.introspected(keeper, token))["sub"] == ada
        assert (await oauth.introspected(pairwise, token))["sub"] == said(body["id_token"])["sub"] != ada
        head = await oauth.store.head()
        assert (await oauth.post("/revoke", pairwise, token=token)).status_code == 200
        assert await oauth.introspected(keeper, token) == {"active": False}
        batch = await oauth.store.cut_offs_after(head, limit=10)
        assert [(one.axis, one.value) for one in batch.entries] == [("token", said(inner)["jti"])]
        robot = await oauth.machine()
        both = await oauth.token(robot, "client_credentials", resource=[API, f"{API}/other"])
        assert both.json()["access_token"].startswith("wo_"), "one envelope has one reader"


@pytest.mark.parametrize(
    "resource",
    [{"format": "jwe"}, {"encryption_key": {"kty": "EC"}}, {"format": "jwe", "encryption_key": {"kty": "oct"}}],
)
async def test_a_resource_whose_key_is_no_key_keeps_the_server_from_starting(open_server, resource):
    import json

    from watchword_server.clients.configuration import ClientRefused
    from watchword_server.settings.problems import SettingsError

    with pytest.raises((SettingsError, ClientRefused)):
        async with open_server(WATCHWORD_RESOURCES=json.dumps({API: resource})):
            pass
