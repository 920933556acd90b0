"""The attacks of RFC 9700, RFC 6819 and RFC 9449 on the endpoints that clients call, each by its name."""

import statistics
import time

import msgspec
import pytest
from oauth_story import CALLBACK, ISSUER, Prover, refused, said
from story import PASSWORD, bearer
from watchword.jose.jwk import Key
from watchword_server.clients.metadata import ClientSettings

API = "https://api.example.test"


@pytest.fixture
def environ():
    return {
        "WATCHWORD_SCOPES": '{"read": "Read", "write": "Write"}',
        "WATCHWORD_RESOURCES": f'{{"{API}": {{}}}}',
    }


@pytest.mark.rfc("6749 §10.5")
@pytest.mark.rfc("6749 §4.1.2/2")
@pytest.mark.rfc("openid-core §3.1.3.2")
async def test_attack_code_replay_ends_what_the_code_gave(oauth):
    app = await oauth.client()
    ada = await oauth.account()
    sign_on = await oauth.sign_on(ada)
    code = await oauth.code(app, ada, sign_on=sign_on)
    body = (await oauth.exchange(app, code)).json()
    assert (await oauth.introspected(app, body["access_token"]))["active"]
    refused(await oauth.exchange(app, code), "invalid_grant")
    assert await oauth.introspected(app, body["access_token"]) == {"active": False}
    refused(await oauth.token(app, "refresh_token", refresh_token=body["refresh_token"]), "invalid_grant")
    assert (await oauth.userinfo(body["access_token"])).status_code == 401
    notices = await oauth.store.notices(ada)
    assert [notice.kind for notice in notices] == ["code.replayed"]
    refused(await oauth.exchange(app, code), "invalid_grant")
    assert len(await oauth.store.notices(ada)) == 1


@pytest.mark.rfc("7636 §4.6/1")
@pytest.mark.rfc("7636 §4.6/2")
@pytest.mark.rfc("9700 §2.1.1/2")
@pytest.mark.parametrize("verifier", [None, "w" * 43, "v" * 42, "v" * 44, "v" * 129, "v" * 42 + "!", ""])
async def test_attack_code_injection_without_the_right_verifier_gives_nothing_and_uses_nothing_up(oauth, verifier):
    app = await oauth.client()
    code = await oauth.code(app, await oauth.account())
    refused(await oauth.exchange(app, code, code_verifier=verifier), "invalid_grant")
    assert (await oauth.exchange(app, code)).status_code == 200, "the honest client still can"


@pytest.mark.rfc("9700 §2.1.1/3")
@pytest.mark.rfc("9700 §4.8.2")
async def test_attack_pkce_downgrade_a_verifier_without_a_challenge_is_refused(oauth):
    app = await oauth.client(settings=ClientSettings(pkce_exempt=True))
    code = await oauth.code(app, await oauth.account(), code_challenge=None, nonce="n")
    refused(await oauth.exchange(app, code), "invalid_grant")
    assert (await oauth.exchange(app, code, code_verifier=None)).status_code == 200


@pytest.mark.rfc("6749 §4.1.2/3")
@pytest.mark.rfc("6749 §4.1.3/2")
@pytest.mark.rfc("openid-core §3.1.3.2")
async def test_attack_client_impersonation_a_code_of_another_client_is_worth_nothing_and_stays_whole(oauth):
    app, thief = await oauth.client("app"), await oauth.client("thief")
    public = await oauth.client("public", token_endpoint_auth_method="none")
    code = await oauth.code(app, await oauth.account())
    for other in (thief, public):
        refused(await oauth.exchange(other, code), "invalid_grant")
    refused(await oauth.exchange(app, code, headers={"Authorization": "Basic eDp5"}), "invalid_client", 401)
    assert (await oauth.exchange(app, code)).status_code == 200
    refused(await oauth.exchange(thief, code), "invalid_grant")
    assert (await oauth.store.notices((await oauth.store.list_accounts(after=None, limit=9, search=None))[0].id)) == []


@pytest.mark.rfc("6749 §10.6")
@pytest.mark.rfc("6749 §4.1.2/3")
@pytest.mark.rfc("6749 §4.1.3/4")
@pytest.mark.rfc("openid-core §3.1.3.2")
@pytest.mark.parametrize(
    "uri", [None, f"{CALLBACK}/", f"{CALLBACK}?x=1", "https://evil.example.test/callback", CALLBACK.upper()]
)
async def test_attack_redirect_uri_of_the_exchange_must_be_that_of_the_request(oauth, uri):
    app = await oauth.client()
    code = await oauth.code(app, await oauth.account())
    refused(await oauth.exchange(app, code, redirect_uri=uri), "invalid_grant")


@pytest.mark.rfc("6749 §4.1.2/1")
@pytest.mark.rfc("6749 §4.1.3/3")
async def test_a_code_is_good_for_its_seconds_and_not_beyond_its_sign_on(oauth):
    app = await oauth.client()
    ada = await oauth.account()
    code = await oauth.code(app, ada)
    oauth.server.clock.advance(60)
    refused(await oauth.exchange(app, code), "invalid_grant")
    code = await oauth.code(app, ada)
    from oauth_story import ORIGIN

    await oauth.server.services.accounts.disable(ada, ORIGIN)
    refused(await oauth.exchange(app, code), "invalid_grant")
    refused(await oauth.exchange(app, "wc_" + "x" * 43), "invalid_grant")
    refused(await oauth.exchange(app, "x" * 5000), "invalid_grant")


@pytest.mark.rfc("9449 §10")
async def test_attack_a_code_bound_to_a_key_is_worth_nothing_without_it(oauth):
    spa = await oauth.client("spa", token_endpoint_auth_method="none")
    prover, thief = Prover(oauth.server.clock), Prover(oauth.server.clock)
    code = await oauth.code(spa, await oauth.account(), dpop_jkt=prover.jkt)
    refused(await oauth.exchange(spa, code), "invalid_dpop_proof")
    refused(await oauth.exchange(spa, code, headers=thief.headers()), "invalid_grant")
    assert (await oauth.exchange(spa, code, headers=prover.headers())).status_code == 200


@pytest.mark.rfc("9449 §4.3/11")
@pytest.mark.rfc("9449 §4.3/8")
@pytest.mark.rfc("9449 §5/1")
@pytest.mark.rfc("9449 §11.1")
async def test_attack_dpop_proof_replay_and_proofs_for_something_else(oauth):
    robot = await oauth.machine()
    prover = Prover(oauth.server.clock)
    once = prover.headers()
    assert (await oauth.token(robot, "client_credentials", headers={**once, **robot.basic})).status_code == 200
    now = int(oauth.server.clock.now())
    bad = [
        once,
        prover.headers("http://localhost:8000/userinfo"),
        prover.headers("http://evil.test/token"),
        prover.headers(method="GET"),
        prover.headers(iat=now - 120),
        prover.headers(iat=now + 120),
        prover.headers(jti=""),
        {"DPoP": "garbage"},
    ]
    for headers in bad:
        answer = await oauth.token(robot, "client_credentials", headers={**headers, **robot.basic})
        refused(answer, "invalid_dpop_proof")


@pytest.mark.rfc("9449 §5.2")
async def test_a_client_that_registered_for_bound_tokens_gets_no_other(oauth):
    robot = await oauth.machine(dpop_bound_access_tokens=True)
    refused(await oauth.token(robot, "client_credentials"), "invalid_dpop_proof")


@pytest.mark.rfc("9449 §4.3/13")
@pytest.mark.rfc("9449 §6/2")
@pytest.mark.rfc("9449 §7.1/2")
@pytest.mark.rfc("9449 §7.2")
async def test_attack_a_bound_token_is_nothing_as_bearer_nor_with_anothers_proof(oauth):
    spa = await oauth.client("spa", token_endpoint_auth_method="none")
    prover, thief = Prover(oauth.server.clock), Prover(oauth.server.clock)
    code = await oauth.code(spa, await oauth.account())
    token = (await oauth.exchange(spa, code, headers=prover.headers())).json()["access_token"]
    url = f"{ISSUER}/userinfo"
    as_bearer = await oauth.userinfo(token)
    assert as_bearer.status_code == 401
    for headers in ({}, thief.headers(url, "GET", token=token), prover.headers(url, "GET"),
                    prover.headers(url, "GET", token="another")):  # fmt: skip
        answer = await oauth.userinfo(token, "DPoP", **headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("DPoP ")
        assert 'algs="' in answer.headers["www-authenticate"]
    good = await oauth.userinfo(token, "DPoP", **prover.headers(url, "GET", token=token))
    assert good.status_code == 200


@pytest.mark.rfc("6749 §6/3")
@pytest.mark.rfc("8707 §2.2")
@pytest.mark.rfc("9700 §4.14.2/2")
async def test_attack_scope_escalation_at_refresh_is_refused_and_changes_nothing(oauth):
    app = await oauth.client(scope="openid read write")
    body = await oauth.tokens(app, await oauth.account(), scope=("openid", "read"))
    for more in ({"scope": "read write"}, {"scope": "openid read watchword:admin"}):
        refused(await oauth.token(app, "refresh_token", refresh_token=body["refresh_token"], **more), "invalid_scope")
    wider = await oauth.token(app, "refresh_token", refresh_token=body["refresh_token"], resource=API)
    refused(wider, "invalid_target")
    assert (await oauth.token(app, "refresh_token", refresh_token=body["refresh_token"])).status_code == 200


@pytest.mark.rfc("8707 §2.2")
@pytest.mark.rfc("8707 §2/3")
async def test_attack_audience_confusion_a_code_gives_no_token_for_a_resource_nobody_granted(oauth):
    app = await oauth.client()
    code = await oauth.code(app, await oauth.account())
    refused(await oauth.exchange(app, code, resource=API), "invalid_target")
    refused(await oauth.exchange(app, code, resource="https://unknown.example.test"), "invalid_target")


@pytest.mark.rfc("6749 §10.4")
@pytest.mark.rfc("6749 §6/2")
@pytest.mark.rfc("openid-core §12.1")
async def test_attack_refresh_token_of_another_client_and_of_a_first_party(oauth):
    app, thief = await oauth.client("app"), await oauth.client("thief")
    body = await oauth.tokens(app, await oauth.account())
    refused(await oauth.token(thief, "refresh_token", refresh_token=body["refresh_token"]), "invalid_grant")
    first_party = await oauth.server.login(oauth.http, delivery="body")
    stolen = await oauth.token(app, "refresh_token", refresh_token=first_party["refresh_token"])
    refused(stolen, "invalid_grant")
    refused(
        await oauth.http.post(
            "/token",
            data={
                "grant_type": "refresh_token",
                "refresh_token": first_party["refresh_token"],
                "client_id": "first-party",
            },
        ),
        "invalid_client",
        401,
    )
    kept = await oauth.http.post("/auth/refresh", json={"refresh_token": first_party["refresh_token"]})
    assert kept.status_code == 200
    other_way = await oauth.http.post("/auth/refresh", json={"refresh_token": body["refresh_token"]})
    assert other_way.status_code == 401


@pytest.mark.rfc("9700 §2.2.2")
@pytest.mark.rfc("9700 §4.14.2/3")
async def test_attack_refresh_token_reuse_by_a_public_client_ends_the_family(oauth):
    spa = await oauth.client("spa", token_endpoint_auth_method="none")
    body = await oauth.tokens(spa, await oauth.account())
    token = body["refresh_token"]
    for _ in range(2):
        token = (await oauth.token(spa, "refresh_token", refresh_token=token)).json()["refresh_token"]
    refused(await oauth.token(spa, "refresh_token", refresh_token=body["refresh_token"]), "invalid_grant")
    refused(await oauth.token(spa, "refresh_token", refresh_token=token), "invalid_grant")
    assert (await oauth.userinfo(body["access_token"])).status_code == 401


@pytest.mark.rfc("6749 §2.3.1/3")
@pytest.mark.rfc("7662 §2.1/2")
@pytest.mark.rfc("9700 §4.3.1")
async def test_attack_secret_in_url_and_anything_else_in_the_query_is_refused(oauth):
    robot = await oauth.machine()
    for query in (
        f"client_id=robot&client_secret={robot.secret}",
        "grant_type=client_credentials",
        "x=1",
    ):
        for path in ("/token", "/introspect", "/revoke"):
            answer = await oauth.http.post(
                f"{path}?{query}", data={"grant_type": "client_credentials", "token": "x"}, headers=robot.basic
            )
            refused(answer, "invalid_request")


@pytest.mark.rfc("6749 §3.2/2")
async def test_attack_duplicate_parameters_are_refused(oauth):
    robot = await oauth.machine()
    form = {"content-type": "application/x-www-form-urlencoded", **robot.basic}
    for body in (
        "grant_type=client_credentials&grant_type=client_credentials",
        "grant_type=client_credentials&scope=read&scope=write",
        "grant_type=client_credentials&client_id=robot&client_id=robot",
        "grant_type=client_credentials&grant_type=",
        "token=a&token=b",
    ):
        for path in ("/token", "/introspect", "/revoke"):
            refused(await oauth.http.post(path, content=body, headers=form), "invalid_request")


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        ("", "application/x-www-form-urlencoded"),
        ('{"grant_type":"client_credentials"}', "application/json"),
        ("grant_type=%ff", "application/x-www-form-urlencoded"),
        ("grant_type=%zz", "application/x-www-form-urlencoded"),
        ("grant_type=" + "x" * 70_000, "application/x-www-form-urlencoded"),
        ("&".join(f"a{n}=1" for n in range(100)), "application/x-www-form-urlencoded"),
        ("grant_type=client_credentials", "multipart/form-data; boundary=x"),
        ("grant_type=client_credentials\x00", "text/plain"),
    ],
)
async def test_attack_broken_bodies_are_invalid_request(oauth, body, media_type):
    robot = await oauth.machine()
    for path in ("/token", "/introspect", "/revoke"):
        answer = await oauth.http.post(path, content=body, headers={"content-type": media_type, **robot.basic})
        assert answer.status_code in {400, 413}
        assert answer.headers["content-type"].startswith("application/")


@pytest.mark.rfc("9700 §2.4")
@pytest.mark.parametrize("grant_type", ["password", "implicit", "urn:unknown", "Client_Credentials"])
async def test_grants_that_are_not_spoken_are_refused_by_name(oauth, grant_type):
    robot = await oauth.machine()
    answer = await oauth.token(robot, grant_type, username="ada@example.test", password=PASSWORD)
    refused(answer, "unsupported_grant_type")


async def test_a_client_may_use_only_the_grants_it_registered_for(oauth):
    app, robot = await oauth.client(), await oauth.machine()
    refused(await oauth.token(app, "client_credentials"), "unauthorized_client")
    refused(await oauth.exchange(robot, "wc_x"), "unauthorized_client")
    refused(await oauth.token(robot, "refresh_token", refresh_token="wr_x"), "unauthorized_client")


async def test_a_disabled_client_is_nobody_and_what_it_had_is_dead(oauth):
    robot = await oauth.machine()
    keeper = await oauth.machine("keeper", settings=ClientSettings(may_introspect=True))
    token = (await oauth.token(robot, "client_credentials")).json()["access_token"]
    assert (await oauth.introspected(keeper, token))["active"]
    from oauth_story import ORIGIN

    administration = oauth.server.services.oauth.administration
    assert await administration.disable("robot", ORIGIN)
    assert await oauth.introspected(keeper, token) == {"active": False}
    refused(await oauth.token(robot, "client_credentials"), "invalid_client", 401)
    assert await administration.enable("robot", ORIGIN)
    assert await oauth.introspected(keeper, token) == {"active": False}
    fresh = (await oauth.token(robot, "client_credentials")).json()["access_token"]
    assert (await oauth.introspected(keeper, fresh))["active"]


@pytest.mark.rfc("7662 §2.1/1")
@pytest.mark.rfc("7662 §2.3/1")
@pytest.mark.rfc("7662 §2.3/2")
@pytest.mark.rfc("7662 §4/4")
@pytest.mark.rfc("9701 §5/5")
@pytest.mark.rfc("9701 §5/6")
async def test_attack_introspection_by_strangers_learns_nothing(oauth):
    app = await oauth.client()
    stranger = await oauth.machine("stranger")
    elsewhere = await oauth.machine("elsewhere", settings=ClientSettings(may_introspect=True, audiences=(API,)))
    public = await oauth.client("public", token_endpoint_auth_method="none")
    body = await oauth.tokens(app, await oauth.account())
    for token in (body["access_token"], body["refresh_token"], body["id_token"], "x", "wo_" + "x" * 43, "a.b.c"):
        for caller in (stranger, elsewhere):
            assert await oauth.introspected(caller, token) == {"active": False}
        refused(await oauth.post("/introspect", public, token=token), "unauthorized_client")
        refused(await oauth.http.post("/introspect", data={"token": token}), "unauthorized_client")
        wrong = {"token": token, "client_id": "stranger", "client_secret": "guessed"}
        refused(await oauth.http.post("/introspect", data=wrong), "invalid_client", 401)
    keeper = await oauth.machine("keeper", settings=ClientSettings(may_introspect=True))
    robot = await oauth.machine("robot")
    for_api = (await oauth.token(robot, "client_credentials", resource=API)).json()["access_token"]
    assert (await oauth.introspected(elsewhere, for_api))["active"]
    assert await oauth.introspected(keeper, for_api) == {"active": False}, "it answers for the default audience alone"
    assert (await oauth.introspected(keeper, body["access_token"]))["active"]
    assert await oauth.introspected(keeper, body["refresh_token"]) == {"active": False}
    assert (await oauth.introspected(app, body["refresh_token"]))["active"]


@pytest.mark.rfc("9068 §4/2")
async def test_attack_an_id_token_is_no_access_token(oauth):
    app = await oauth.client()
    body = await oauth.tokens(app, await oauth.account(), scope=("openid", "email"))
    for path in ("/userinfo", "/auth/me", "/admin/api/accounts"):
        assert (await oauth.http.get(path, headers={"Authorization": f"Bearer {body['id_token']}"})).status_code == 401
    assert await oauth.introspected(app, body["id_token"]) == {"active": False}


async def test_attack_a_clients_token_does_not_open_first_party_calls(oauth):
    app = await oauth.client(scope="openid watchword:admin")
    ada = await oauth.account()
    from oauth_story import ORIGIN

    await oauth.server.services.accounts.set_roles(ada, ("user", "admin"), ORIGIN)
    body = await oauth.tokens(app, ada, scope=("openid", "watchword:admin"))
    for path in ("/auth/me", "/auth/sessions", "/admin/api/accounts"):
        assert (await oauth.http.get(path, headers=bearer(body))).status_code == 401


@pytest.mark.rfc("9700 §2.3")
async def test_attack_audience_confusion_a_token_for_an_api_tells_nothing_at_userinfo(oauth):
    app = await oauth.client(scope="openid email read")
    body = await oauth.tokens(app, await oauth.account(), scope=("openid", "email", "read"), resource=(API,))
    assert (await oauth.userinfo(body["access_token"])).status_code == 401
    own = await oauth.token(app, "refresh_token", refresh_token=body["refresh_token"], resource=ISSUER)
    assert (await oauth.userinfo(own.json()["access_token"])).json()["email"] == "ada@example.test"


@pytest.mark.rfc("6750 §5.3")
@pytest.mark.rfc("9700 §4.3.2")
async def test_attack_access_token_in_the_url_is_refused(oauth):
    app = await oauth.client()
    body = await oauth.tokens(app, await oauth.account())
    answer = await oauth.http.get("/userinfo", params={"access_token": body["access_token"]})
    assert answer.status_code == 400
    both = await oauth.http.post("/userinfo", data={"access_token": body["access_token"]}, headers=bearer(body))
    assert both.status_code == 400


@pytest.mark.rfc("7009 §2.1/2")
async def test_attack_a_client_revokes_its_own_tokens_alone(oauth):
    app, thief = await oauth.client("app"), await oauth.client("thief")
    opaque = await oauth.machine("opaque", settings=ClientSettings(access_token_format="opaque"))
    body = await oauth.tokens(app, await oauth.account())
    theirs = (await oauth.token(opaque, "client_credentials")).json()["access_token"]
    for token in (body["access_token"], body["refresh_token"], theirs):
        refused(await oauth.post("/revoke", thief, token=token), "unauthorized_client")
    assert (await oauth.introspected(app, body["access_token"]))["active"]
    assert (await oauth.introspected(app, body["refresh_token"]))["active"]
    assert (await oauth.introspected(opaque, theirs))["active"]


@pytest.mark.rfc("7662 §4/3")
async def test_attack_algorithm_confusion_an_access_token_signed_by_a_published_key_as_secret(oauth):
    app = await oauth.client()
    body = await oauth.tokens(app, await oauth.account())
    import hmac
    import json

    from watchword.jose import base64url

    jwk = (await oauth.http.get("/jwks.json")).json()["keys"][0]
    head = base64url.encode(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": jwk["kid"]}).encode())
    signed = f"{head}.{body['access_token'].split('.')[1]}"
    forged = f"{signed}.{base64url.encode(hmac.digest(json.dumps(jwk).encode(), signed.encode(), 'sha256'))}"
    unsigned = base64url.encode(b'{"alg":"none","typ":"at+jwt"}') + "." + body["access_token"].split(".")[1] + "."
    for token in (forged, unsigned):
        assert await oauth.introspected(app, token) == {"active": False}
        assert (await oauth.userinfo(token)).status_code == 401


@pytest.mark.rfc("6749 §5.2/2")
async def test_attack_invalid_client_answers_alike_and_takes_alike(oauth):
    await oauth.machine()

    async def attempt(client_id: str) -> tuple[float, bytes]:
        started = time.perf_counter()
        answer = await oauth.http.post(
            "/token", data={"grant_type": "client_credentials"}, auth=(client_id, "wcs_" + "x" * 43)
        )
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
        return time.perf_counter() - started, answer.content

    known, unknown = [], []
    for _ in range(40):
        known.append(await attempt("robot"))
        unknown.append(await attempt("nobody"))
    assert {body for _, body in known} == {body for _, body in unknown}
    medians = [statistics.median(took for took, _ in attempts) for attempts in (known, unknown)]
    # A password hash for one of the two would be a factor of hundreds; noise of a busy machine stays far under three.
    assert max(medians) < 3 * min(medians)


async def test_fapi_2_clients_get_bound_tokens_and_keep_their_refresh_token(oauth):
    key = Key.generate("ES256", "k")
    app = await oauth.client(key=key, settings=ClientSettings(profile="fapi2"))
    prover = Prover(oauth.server.clock)
    code = await oauth.code(app, await oauth.account())
    refused(await oauth.exchange(app, code), "invalid_dpop_proof")
    body = (await oauth.exchange(app, code, headers=prover.headers())).json()
    assert body["token_type"] == "DPoP"
    again = await oauth.token(app, "refresh_token", refresh_token=body["refresh_token"], headers=prover.headers())
    assert again.json()["refresh_token"] == body["refresh_token"]


async def test_no_secret_and_no_token_is_in_the_log(oauth, caplog):
    caplog.set_level("DEBUG")
    app = await oauth.client()
    body = await oauth.tokens(app, await oauth.account())
    await oauth.token(app, "refresh_token", refresh_token=body["refresh_token"] + "x")
    await oauth.post("/token", headers={"Authorization": app.basic["Authorization"][:-3]}, grant_type="x")
    text = msgspec.json.encode([str(vars(record)) for record in caplog.records]).decode()
    for secret in (app.secret, body["access_token"], body["refresh_token"], body["id_token"]):
        assert secret not in text
    assert said(body["id_token"])["aud"] == "app"
