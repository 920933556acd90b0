"""Assertions of issuers elsewhere for tokens here: JWT bearer (RFC 7523) and ID-JAG, and what is tried with them."""

import asyncio
import hmac
import json

import msgspec
import pytest
from oauth_story import ORIGIN, OAuth, Prover, refused, said
from outgoing_peer import answer, peer
from story import ISSUER
from watchword.jose import base64url
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer
from watchword.oauth.errors import OAuthError
from watchword_server import entropy
from watchword_server.store.records import AuditEvent, NewAccount

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
IDP, PLAIN, MOVING = "https://idp.example.test", "https://plain.example.test", "https://moving.example.test"
API, OTHER = "https://api.example.test", "https://other.example.test"
ADA = "a" * 22
KEYS = {IDP: Key.generate("ES256", kid="of-the-idp"), PLAIN: Key.generate("ES256", kid="of-plain")}


def environ(**issuers):
    trusted = {
        IDP: {"jwks": {"keys": [KEYS[IDP].public_jwk()]}, "clients": ["agent"], "accounts": {"U1": ADA}},
        PLAIN: {
            "profile": "jwt",
            "jwks": {"keys": [KEYS[PLAIN].public_jwk()]},
            "clients": ["agent"],
            "accounts": {"ada": ADA},
        },
    }
    return {
        "WATCHWORD_SCOPES": '{"read": "Read", "write": "Write", "secret": "All"}',
        "WATCHWORD_RESOURCES": json.dumps({API: {}, OTHER: {}, f"{API}/opaque": {"format": "opaque"}}),
        "WATCHWORD_AUTHORIZATION_DETAILS": '{"channel": {"words": "Use a channel"}, "payment": {"words": "Pay"}}',
        "WATCHWORD_TRUSTED_ISSUERS": json.dumps(trusted | issuers),
    }


async def with_ada(server, http) -> OAuth:
    new = NewAccount(
        id=ADA, email="ada@example.test", email_key="ada@example.test", username=None, username_key=None,
        password_hash="none", roles=("user",), permissions=(), tenant=None, email_verified=False,
    )  # fmt: skip
    made = await server.services.store.create_account(new, AuditEvent(event="account.created", origin=ORIGIN))
    assert made.id == ADA
    return OAuth(server, http)


@pytest.fixture
async def oauth(open_server):
    async with open_server(**environ()) as server, server.browser() as http:
        yield await with_ada(server, http)


@pytest.fixture
async def agent(oauth):
    return await registered(oauth)


async def registered(oauth, client_id="agent", **more):
    return await oauth.machine(client_id, grant_types=[GRANT], scope="openid offline_access read write", **more)


def assertion(oauth, issuer=IDP, *, key=None, typ=None, **changes):
    now = int(oauth.server.clock.now())
    claims = {"iss": issuer, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": entropy.identifier()}
    if issuer == PLAIN:
        claims |= {"sub": "ada"}
    else:
        claims |= {"sub": "U1", "client_id": "agent", "scope": "read write", "resource": API}
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    kind = typ or ("JWT" if issuer == PLAIN else "oauth-id-jag+jwt")
    return Signer(key or KEYS[issuer], typ=kind).sign(msgspec.json.encode(claims))


async def present(oauth, client, text, **more):
    return await oauth.token(client, GRANT, assertion=text, **more)


@pytest.mark.rfc("id-jag §4.4.1/5")
async def test_an_id_jag_gives_a_token_of_the_account_that_it_is_linked_to(oauth, agent):
    given = await present(oauth, agent, assertion(oauth))
    assert given.status_code == 200, given.text
    body = given.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    token = said(body["access_token"])
    assert (token["sub"], token["client_id"], token["aud"], token["scope"]) == (ADA, "agent", API, "read write")
    assert {"auth_time", "amr", "acr"}.isdisjoint(token)
    (session,) = await oauth.store.list_sessions(ADA)
    assert (session.sid, session.client_id) == (token["sid"], "agent")


@pytest.mark.parametrize("aud", [ISSUER, f"{ISSUER}/token", [ISSUER]])
async def test_a_plain_assertion_leaves_scope_and_resource_to_the_registration(oauth, agent, aud):
    given = await present(oauth, agent, assertion(oauth, PLAIN, aud=aud), scope="read", resource=OTHER)
    assert given.status_code == 200, given.text
    token = said(given.json()["access_token"])
    assert (token["sub"], token["aud"], token["scope"]) == (ADA, OTHER, "read")
    refused(await present(oauth, agent, assertion(oauth, PLAIN), scope="secret"), "invalid_scope")
    bare = (await present(oauth, agent, assertion(oauth, PLAIN))).json()
    assert "scope" not in bare


async def test_what_is_asked_for_narrows_the_assertion(oauth, agent):
    text = assertion(oauth, resource=[API, OTHER])
    token = said((await present(oauth, agent, text, scope="read", resource=OTHER)).json()["access_token"])
    assert (token["aud"], token["scope"]) == (OTHER, "read")


@pytest.mark.rfc("7521 §4.1")
@pytest.mark.rfc("id-jag §4.4.1/4")
async def test_attack_scope_escalation_nothing_beyond_the_assertion(oauth, agent):
    refused(await present(oauth, agent, assertion(oauth, scope="read"), scope="read write"), "invalid_scope")
    refused(await present(oauth, agent, assertion(oauth, scope=None), scope="read"), "invalid_scope")
    refused(await present(oauth, agent, assertion(oauth), resource=OTHER), "invalid_target")
    refused(await present(oauth, agent, assertion(oauth, resource=None), resource=API), "invalid_target")
    refused(await present(oauth, agent, assertion(oauth, resource="https://unknown.example.test")), "invalid_target")
    for scope in ("openid", "offline_access"):
        refused(await present(oauth, agent, assertion(oauth, scope=f"read {scope}"), scope=scope), "invalid_scope")
    details = await present(oauth, agent, assertion(oauth), authorization_details='[{"type": "payment"}]')
    refused(details, "invalid_authorization_details")
    # What the issuer allows counts no further than what the client was registered for.
    given = await present(oauth, agent, assertion(oauth, scope="read secret openid offline_access"))
    assert given.json()["scope"] == "read"
    assert "id_token" not in given.json()


CHANNEL, PAYMENT = {"type": "channel", "actions": ["read", "write"]}, {"type": "payment", "amount": 1}


@pytest.mark.rfc("id-jag §4.4.1/4")
@pytest.mark.rfc("id-jag §4.4.1/5")
async def test_authorization_details_of_an_id_jag_are_granted_as_far_as_the_client_may_have_them(oauth):
    agent = await registered(oauth, authorization_details_types=["channel"])
    allowed = [CHANNEL, PAYMENT, {"type": "unknown"}]
    answer = await present(oauth, agent, assertion(oauth, authorization_details=allowed))
    assert answer.status_code == 200, answer.text
    assert answer.json()["authorization_details"] == [CHANNEL]
    assert said(answer.json()["access_token"])["authorization_details"] == [CHANNEL]
    less = [CHANNEL | {"actions": ["read"]}]
    text = assertion(oauth, authorization_details=allowed)
    answer = await present(oauth, agent, text, authorization_details=json.dumps(less))
    assert answer.json()["authorization_details"] == less


async def test_authorization_details_lead_to_the_resources_they_name(oauth):
    agent = await registered(oauth, authorization_details_types=["channel"])
    there = CHANNEL | {"locations": [OTHER]}
    answer = await present(oauth, agent, assertion(oauth, authorization_details=[there]))
    token = said(answer.json()["access_token"])
    assert (token["aud"], token["authorization_details"]) == ([API, OTHER], [there])
    # Whoever asks for another resource gets none of what is meant for that one.
    answer = await present(oauth, agent, assertion(oauth, authorization_details=[there]), resource=API)
    token = said(answer.json()["access_token"])
    assert token["aud"] == API
    assert "authorization_details" not in token


async def test_attack_no_assertion_stands_in_for_people_who_are_asked_each_time(open_server):
    types = '{"channel": {"words": "Use a channel"}, "payment": {"words": "Pay", "ask_always": true}}'
    async with (
        open_server(**environ() | {"WATCHWORD_AUTHORIZATION_DETAILS": types}) as server,
        server.browser() as http,
    ):
        oauth = await with_ada(server, http)
        agent = await registered(oauth, authorization_details_types=["channel", "payment"])
        allowed = [CHANNEL, {"type": "payment"}]
        answer = await present(oauth, agent, assertion(oauth, authorization_details=allowed))
        assert answer.json()["authorization_details"] == [CHANNEL]
        text = assertion(oauth, authorization_details=allowed)
        refused(
            await present(oauth, agent, text, authorization_details='[{"type": "payment"}]'),
            "invalid_authorization_details",
        )


async def test_attack_authorization_details_beyond_the_assertion(oauth):
    agent = await registered(oauth, authorization_details_types=["channel"])
    for asked in ([CHANNEL | {"actions": ["read", "delete"]}], [PAYMENT], [{"type": "channel"}]):
        text = assertion(oauth, authorization_details=[CHANNEL])
        answer = await present(oauth, agent, text, authorization_details=json.dumps(asked))
        refused(answer, "invalid_authorization_details")
    for wrong in ("channel", {"type": "channel"}, ["channel"], [CHANNEL] * 9, [{"type": "channel", "x": "y" * 4000}]):
        refused(await present(oauth, agent, assertion(oauth, authorization_details=wrong)), "invalid_grant")


async def test_an_id_jag_that_names_a_key_is_good_with_a_proof_of_it_alone(oauth, agent):
    prover, stranger = Prover(oauth.server.clock), Prover(oauth.server.clock)
    text = assertion(oauth, cnf={"jkt": prover.jkt})
    refused(await present(oauth, agent, text), "invalid_grant")
    refused(await present(oauth, agent, text, headers={**stranger.headers(), **agent.basic}), "invalid_grant")
    answer = await present(oauth, agent, text, headers={**prover.headers(), **agent.basic})
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    assert said(answer.json()["access_token"])["cnf"] == {"jkt": prover.jkt}


async def test_a_plain_assertion_that_names_a_key_is_good_with_a_proof_of_it_alone(oauth, agent):
    prover = Prover(oauth.server.clock)
    text = assertion(oauth, PLAIN, cnf={"jkt": prover.jkt})
    refused(await present(oauth, agent, text), "invalid_grant")
    refused(await present(oauth, agent, assertion(oauth, PLAIN, cnf="jkt")), "invalid_grant")
    answer = await present(oauth, agent, text, headers={**prover.headers(), **agent.basic})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("cnf", [{"jwk": {}}, {"x5t#S256": "x" * 43}, {"kid": "1"}, {"jkt": None}, "jkt", [], 1])
async def test_attack_an_id_jag_bound_in_a_way_that_is_not_known_here(oauth, agent, cnf):
    prover = Prover(oauth.server.clock)
    headers = {**prover.headers(), **agent.basic}
    refused(await present(oauth, agent, assertion(oauth, cnf=cnf), headers=headers), "invalid_grant")
    # Nor is nothing at all what an empty binding asks for.
    refused(await present(oauth, agent, assertion(oauth, cnf=cnf)), "invalid_grant")


@pytest.mark.rfc("7521 §4.1.1")
@pytest.mark.rfc("7521 §5.1")
@pytest.mark.rfc("7521 §5.2/5")
@pytest.mark.rfc("7523 §3/1")
@pytest.mark.rfc("7523 §3.1/2")
@pytest.mark.rfc("id-jag §4.1")
async def test_attack_a_strangers_issuer_is_not_believed(oauth, agent):
    stranger = Key.generate("ES256", kid="of-the-idp")
    refused(await present(oauth, agent, assertion(oauth, key=stranger)), "invalid_grant")
    refused(await present(oauth, agent, assertion(oauth, iss="https://evil.example.test")), "invalid_grant")
    refused(await present(oauth, agent, assertion(oauth, iss=f"{IDP}/")), "invalid_grant")
    refused(await present(oauth, agent, assertion(oauth, PLAIN, key=KEYS[IDP])), "invalid_grant")


@pytest.mark.rfc("7521 §5.2/5")
@pytest.mark.rfc("7523 §2.1")
@pytest.mark.rfc("7523 §3/6")
@pytest.mark.rfc("7523 §3/7")
@pytest.mark.rfc("7523 §3.1/2")
async def test_attack_algorithm_confusion(oauth, agent):
    good = assertion(oauth)
    _, payload, signature = good.split(".")
    header = Signer(KEYS[IDP], typ="oauth-id-jag+jwt").sign(b"{}").split(".")[0]
    keyed = base64url.encode(b'{"alg":"HS256","typ":"oauth-id-jag+jwt","kid":"of-the-idp"}') + "." + payload
    public = json.dumps(KEYS[IDP].public_jwk()).encode()
    for text in (
        f"{keyed}.{base64url.encode(hmac.digest(public, keyed.encode(), 'sha256'))}",
        f"eyJhbGciOiJub25lIiwidHlwIjoib2F1dGgtaWQtamFnK2p3dCJ9.{payload}.",
        f"{header}.{payload}.AAAA",
        f"{payload}.{signature}",
        "x" * 9000,
        "é..",
    ):
        refused(await present(oauth, agent, text), "invalid_grant")
    assert (await present(oauth, agent, good)).status_code == 200


@pytest.mark.rfc("id-jag §4.4.1/2")
@pytest.mark.parametrize("aud", [IDP, "agent", API, f"{ISSUER}/", f"{ISSUER}/token", [ISSUER, IDP], None])
async def test_attack_audience_confusion_of_an_id_jag(oauth, agent, aud):
    refused(await present(oauth, agent, assertion(oauth, aud=aud)), "invalid_grant")


@pytest.mark.rfc("7521 §5.2/3")
@pytest.mark.rfc("7523 §3/3")
@pytest.mark.rfc("7523 §3.1/2")
async def test_attack_audience_confusion_of_a_plain_assertion(oauth, agent):
    for aud in ("agent", f"{ISSUER}/userinfo", [ISSUER, "agent"]):
        refused(await present(oauth, agent, assertion(oauth, PLAIN, aud=aud)), "invalid_grant")


async def test_attack_replay_one_assertion_serves_once_whoever_races(oauth, agent):
    text = assertion(oauth)
    answers = await asyncio.gather(*(present(oauth, agent, text) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [200, 400, 400, 400]
    refused(await present(oauth, agent, text), "invalid_grant")
    again = assertion(oauth, jti=said(text)["jti"], scope="read")
    refused(await present(oauth, agent, again), "invalid_grant")
    assert len(await oauth.store.list_sessions(ADA)) == 1


@pytest.mark.rfc("id-jag §4.4.1/1")
@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "logout+jwt", "dpop+jwt", "oauth-id-jag"])
async def test_attack_type_confusion_an_id_jag_is_one_by_its_type(oauth, agent, typ):
    refused(await present(oauth, agent, assertion(oauth, typ=typ)), "invalid_grant")


@pytest.mark.parametrize("typ", ["at+jwt", "oauth-id-jag+jwt", "logout+jwt"])
async def test_attack_type_confusion_a_plain_assertion_is_no_other_token(oauth, agent, typ):
    refused(await present(oauth, agent, assertion(oauth, PLAIN, typ=typ)), "invalid_grant")


async def test_attack_tokens_of_this_server_are_no_assertions(oauth, agent):
    app = await oauth.client(scope="openid read")
    tokens = await oauth.tokens(app, await oauth.account("eve@example.test"), scope=("openid", "read"))
    for name in ("access_token", "id_token", "refresh_token"):
        refused(await present(oauth, agent, tokens[name]), "invalid_grant")


@pytest.mark.rfc("id-jag §4.4.1/3")
async def test_attack_client_impersonation_an_id_jag_made_for_another_client(oauth, agent):
    other = await registered(oauth, "other")
    refused(await present(oauth, other, assertion(oauth)), "invalid_grant")
    refused(await present(oauth, other, assertion(oauth, client_id="other")), "invalid_grant")
    refused(await present(oauth, agent, assertion(oauth, client_id="other")), "invalid_grant")
    refused(await present(oauth, agent, assertion(oauth, client_id=None)), "invalid_grant")


@pytest.mark.rfc("7521 §5.2/2")
@pytest.mark.rfc("7523 §3/2")
@pytest.mark.rfc("id-jag §4.1")
@pytest.mark.parametrize("sub", [ADA, "U2", "ada", "u1", "ada@example.test", "", None, 7])
async def test_attack_a_subject_that_the_issuer_may_not_speak_of(oauth, agent, sub):
    refused(await present(oauth, agent, assertion(oauth, sub=sub)), "invalid_grant")


@pytest.mark.rfc("7521 §4.1.1")
@pytest.mark.rfc("7521 §5.2/4")
@pytest.mark.rfc("7523 §3/4")
@pytest.mark.rfc("7523 §3/5")
@pytest.mark.rfc("7523 §3.1/2")
@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -20}, {"exp": 400}, {"nbf": 100}, {"iat": 100}, {"exp": None}, {"iat": None}, {"jti": None}, {"jti": ""},
        {"jti": 5}, {"jti": "j" * 257}, {"scope": ["read"]}, {"scope": 'a"b'}, {"resource": 5}, {"resource": [API] * 17},
    ],
)  # fmt: skip
async def test_attack_claims_that_are_missing_out_of_time_or_malformed(oauth, agent, changes):
    now = int(oauth.server.clock.now())
    times = {"exp", "nbf", "iat"}
    given = {name: now + value if name in times and value is not None else value for name, value in changes.items()}
    refused(await present(oauth, agent, assertion(oauth, **given)), "invalid_grant")


async def test_a_disabled_account_gets_nothing(oauth, agent):
    await oauth.store.disable_account(ADA, AuditEvent(event="account.disabled", origin=ORIGIN))
    refused(await present(oauth, agent, assertion(oauth)), "invalid_grant")
    assert not await oauth.store.list_sessions(ADA)


@pytest.mark.parametrize("axis", ["account", "client", "session"])
@pytest.mark.parametrize("resource", [API, f"{API}/opaque"])
async def test_cut_offs_reach_what_was_given(oauth, agent, axis, resource):
    checker = await oauth.machine("checker")
    app = await present(oauth, agent, assertion(oauth, resource=resource))
    token = app.json()["access_token"]
    shown = await oauth.introspected(agent, token)
    assert shown["active"], shown
    audit = AuditEvent(event="cut_off", origin=ORIGIN)
    (session,) = await oauth.store.list_sessions(ADA)
    if axis == "session":
        await oauth.store.end_session(session.sid, account_id=None, reason="test", audit=audit)
    else:
        value = {"account": ADA, "client": "agent"}[axis]
        await oauth.store.cut_off(axis, value, spares=None, ends_families=True, cause="test", audit=audit)
    assert await oauth.introspected(agent, token) == {"active": False}
    assert await oauth.introspected(checker, token) == {"active": False}
    assert (await present(oauth, agent, assertion(oauth))).status_code == 200


async def test_the_session_lasts_as_long_as_its_token(oauth, agent):
    expires_in = (await present(oauth, agent, assertion(oauth))).json()["expires_in"]
    oauth.server.clock.advance(expires_in + 1)
    assert not await oauth.store.list_sessions(ADA)


async def test_the_token_is_bound_to_the_key_of_a_proof(oauth, agent):
    prover = Prover(oauth.server.clock)
    given = await present(oauth, agent, assertion(oauth), headers={**prover.headers(), **agent.basic})
    assert given.json()["token_type"] == "DPoP"
    assert said(given.json()["access_token"])["cnf"] == {"jkt": prover.jkt}


async def test_a_public_client_and_one_of_other_grants_are_refused(oauth):
    public = await registered(oauth, token_endpoint_auth_method="none")
    refused(await present(oauth, public, assertion(oauth)), "unauthorized_client")
    robot = await oauth.machine()
    refused(await present(oauth, robot, assertion(oauth)), "unauthorized_client")
    refused(await oauth.token(await registered(oauth, "third"), GRANT), "invalid_request")


async def test_keys_are_fetched_and_a_change_of_keys_is_followed(open_server):
    first, second = Key.generate("ES256", kid="first"), Key.generate("ES256", kid="second")
    published = [first]

    async def serve(_reader, writer):
        writer.write(answer(json.dumps({"keys": [key.public_jwk() for key in published]}).encode()))
        await writer.drain()

    async with peer(serve) as there:
        moving = {MOVING: {"jwks_uri": there.url(), "clients": ["agent"], "accounts": {"U1": ADA}}}
        async with open_server(**environ(**moving)) as server, server.browser() as http:
            oauth = await with_ada(server, http)
            agent, other = await registered(oauth), await registered(oauth, "other")
            refused(await present(oauth, other, assertion(oauth, MOVING, key=first)), "invalid_grant")
            assert not there.requests
            assert (await present(oauth, agent, assertion(oauth, MOVING, key=first))).status_code == 200
            refused(await present(oauth, agent, assertion(oauth, MOVING, key=second)), "invalid_grant")
            published[:] = [second]
            server.clock.advance(31)
            assert (await present(oauth, agent, assertion(oauth, MOVING, key=second))).status_code == 200
            refused(await present(oauth, agent, assertion(oauth, MOVING, key=first)), "invalid_grant")


async def test_without_trusted_issuers_the_grant_does_not_exist(server):
    async with server.browser() as http:
        oauth = OAuth(server, http)
        metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
        assert GRANT not in metadata["grant_types_supported"]
        with pytest.raises(OAuthError):
            await registered(oauth)
        refused(await present(oauth, await oauth.machine(), "x.y.z"), "unsupported_grant_type")


@pytest.mark.rfc("id-jag §7")
async def test_with_them_discovery_lists_it(oauth):
    metadata = (await oauth.http.get("/.well-known/oauth-authorization-server")).json()
    assert GRANT in metadata["grant_types_supported"]
    assert metadata["authorization_grant_profiles_supported"] == ["urn:ietf:params:oauth:grant-profile:id-jag"]


async def test_what_this_server_signed_itself_is_not_taken_back(open_server):
    own = {"jwks": {"keys": [KEYS[IDP].public_jwk()]}, "clients": ["agent"], "accounts": {"U1": ADA}}
    async with open_server(**environ(**{ISSUER: own})) as server, server.browser() as http:
        oauth = await with_ada(server, http)
        refused(await present(oauth, await registered(oauth), assertion(oauth, iss=ISSUER)), "invalid_grant")
