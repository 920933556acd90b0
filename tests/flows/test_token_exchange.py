"""Token exchange: a service calls the next one on a person's behalf, with no more than it was given."""

import msgspec
import pytest
from oauth_story import ORIGIN, Prover, Registered, refused, said
from watchword_server.clients.metadata import ClientSettings

ORDERS, STOCK = "https://orders.example.test", "https://stock.example.test"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"


@pytest.fixture
def environ():
    return {
        "WATCHWORD_SCOPES": '{"read": "Read", "write": "Write", "stock:read": "Read the stock"}',
        "WATCHWORD_RESOURCES": f'{{"{ORDERS}": {{}}, "{STOCK}": {{"scopes": ["read", "stock:read"]}}, "{STOCK}/opaque": {{"format": "opaque"}}}}',
    }


@pytest.fixture
async def person(oauth):
    """A person's token for the orders service, as an application got it."""
    app = await oauth.client(scope="openid read write", token_endpoint_auth_method="none")
    account = await oauth.account()
    return await oauth.tokens(app, account, scope=("openid", "read", "write"), resource=(ORDERS,))


@pytest.fixture
async def orders(oauth):
    """The orders service, which may exchange tokens that are meant for it."""
    settings = ClientSettings(exchange=True, audiences=(ORDERS, STOCK, f"{STOCK}/opaque"), may_introspect=True)
    return await oauth.machine("orders", settings=settings, grant_types=[EXCHANGE, "client_credentials"])


async def exchange(oauth, client, token, **more):
    given = {"subject_token": token, "subject_token_type": ACCESS, "resource": STOCK} | more
    return await oauth.token(client, EXCHANGE, **{name: value for name, value in given.items() if value is not None})


@pytest.mark.rfc("8693 §2.2.1/1")
async def test_a_service_gets_a_token_for_the_next_one_that_says_for_whom_it_acts(oauth, person, orders):
    answer = await exchange(oauth, orders, person["access_token"], scope="read")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["issued_token_type"] == ACCESS
    assert "refresh_token" not in body
    before, after = said(person["access_token"]), said(body["access_token"])
    assert after["sub"] == before["sub"]
    assert after["sid"] == before["sid"]
    assert (after["aud"], after["client_id"], after["scope"]) == (STOCK, "orders", "read")
    assert after["act"] == {"sub": "orders"}
    assert after["exp"] <= before["exp"]
    assert after["rev"] == before["rev"]


@pytest.mark.rfc("8693 §4.1")
async def test_who_acted_before_stays_on_record_and_the_chain_has_an_end(oauth, person, orders):
    token = person["access_token"]
    settings = ClientSettings(exchange=True, audiences=(STOCK, ORDERS))
    stock = await oauth.machine("stock", settings=settings, grant_types=[EXCHANGE])
    for n in range(4):
        client = (orders, stock)[n % 2]
        answer = await exchange(oauth, client, token, resource=(STOCK, ORDERS)[n % 2])
        assert answer.status_code == 200, answer.text
        token = answer.json()["access_token"]
    assert said(token)["act"] == {
        "sub": "stock",
        "act": {"sub": "orders", "act": {"sub": "stock", "act": {"sub": "orders"}}},
    }
    refused(await exchange(oauth, orders, token), "invalid_request")


async def test_what_was_made_of_a_token_dies_with_its_session(oauth, person, orders):
    made = (await exchange(oauth, orders, person["access_token"])).json()["access_token"]
    opaque = (await exchange(oauth, orders, person["access_token"], resource=f"{STOCK}/opaque")).json()["access_token"]
    assert opaque.startswith("wo_")
    for token in (made, opaque):
        assert (await oauth.introspected(orders, token))["active"]
    await oauth.post("/revoke", Registered("app", None), token=person["refresh_token"])
    for token in (made, opaque):
        assert await oauth.introspected(orders, token) == {"active": False}
    refused(await exchange(oauth, orders, person["access_token"]), "invalid_request")


@pytest.mark.rfc("8693 §2.2.1/2")
async def test_attack_scope_escalation_no_more_scope_than_the_subject_has(oauth, person, orders):
    refused(await exchange(oauth, orders, person["access_token"], scope="read stock:read"), "invalid_scope")
    refused(await exchange(oauth, orders, person["access_token"], scope="openid"), "invalid_scope")
    assert (await exchange(oauth, orders, person["access_token"])).json()["scope"] == "read"


@pytest.mark.rfc("8693 §2.2.2/1")
async def test_attack_a_client_that_merely_got_hold_of_a_token_makes_nothing_of_it(oauth, person):
    settings = ClientSettings(exchange=True, audiences=(STOCK,))
    thief = await oauth.machine("thief", settings=settings, grant_types=[EXCHANGE])
    refused(await exchange(oauth, thief, person["access_token"]), "invalid_request")


async def test_attack_a_client_that_was_not_allowed_to_exchange_gets_nothing(oauth, person):
    plain = await oauth.machine("plain", settings=ClientSettings(audiences=(ORDERS,)), grant_types=[EXCHANGE])
    refused(await exchange(oauth, plain, person["access_token"]), "unauthorized_client")
    unregistered = await oauth.machine("other", settings=ClientSettings(exchange=True))
    refused(await exchange(oauth, unregistered, person["access_token"]), "unauthorized_client")
    public = await oauth.client(
        "public", settings=ClientSettings(exchange=True), token_endpoint_auth_method="none", grant_types=[EXCHANGE]
    )
    refused(await exchange(oauth, public, person["access_token"]), "unauthorized_client")


@pytest.mark.rfc("8693 §2.1/1")
@pytest.mark.rfc("8693 §2.1/2")
@pytest.mark.rfc("8693 §2.1/3")
@pytest.mark.rfc("8693 §2.2.2/1")
@pytest.mark.rfc("8693 §2.2.2/2")
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"subject_token": "garbage"}, "invalid_request"),
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"actor_token_type": ACCESS}, "invalid_request"),
        ({"actor_token": "garbage", "actor_token_type": ACCESS}, "invalid_request"),
        ({"actor_token": "garbage"}, "invalid_request"),
        ({"resource": "https://unknown.example.test"}, "invalid_target"),
        ({"resource": "not a uri"}, "invalid_target"),
        ({"audience": "somewhere"}, "invalid_target"),
        ({"scope": 'a"b'}, "invalid_scope"),
    ],
)
async def test_bad_requests_are_refused_by_name(oauth, person, orders, wrong, error):
    refused(await exchange(oauth, orders, person["access_token"], **wrong), error)


@pytest.mark.rfc("8693 §2.1/3")
async def test_attack_an_id_token_or_refresh_token_is_no_subject(oauth, person, orders):
    for name in ("id_token", "refresh_token"):
        refused(await exchange(oauth, orders, person[name]), "invalid_request")


@pytest.mark.rfc("8693 §2.1/3")
async def test_an_actor_is_shown_by_a_token_of_the_clients_own(oauth, person, orders):
    own = (await oauth.token(orders, "client_credentials")).json()["access_token"]
    answer = await exchange(oauth, orders, person["access_token"], actor_token=own, actor_token_type=ACCESS)
    assert said(answer.json()["access_token"])["act"] == {"sub": "orders"}
    robot = await oauth.machine("robot")
    others = (await oauth.token(robot, "client_credentials")).json()["access_token"]
    refused(
        await exchange(oauth, orders, person["access_token"], actor_token=others, actor_token_type=JWT),
        "invalid_request",
    )


@pytest.mark.rfc("8693 §4.4")
@pytest.mark.parametrize(
    ("may_act", "works"),
    [
        ({"sub": "orders"}, True),
        ({"sub": "orders", "client_id": "orders"}, True),
        ({"sub": "billing"}, False),
        ({"sub": "orders", "iss": "https://other.example"}, False),
        ({}, False),
        ("orders", False),
        (["orders"], False),
    ],
)
async def test_a_subject_that_says_who_may_act_is_obeyed(oauth, person, orders, may_act, works):
    claims = said(person["access_token"]) | {"may_act": may_act}
    token = oauth.server.services.keys.signer("at+jwt").sign(msgspec.json.encode(claims))
    answer = await exchange(oauth, orders, token)
    assert (answer.status_code == 200) is works, answer.text


async def test_what_was_made_of_a_clients_own_token_dies_with_that_client(oauth, orders):
    robot = await oauth.machine("robot", scope="read")
    own = (await oauth.token(robot, "client_credentials", scope="read", resource=ORDERS)).json()["access_token"]
    made = (await exchange(oauth, orders, own)).json()["access_token"]
    opaque = (await exchange(oauth, orders, own, resource=f"{STOCK}/opaque")).json()["access_token"]
    for token in (made, opaque):
        assert (await oauth.introspected(orders, token))["active"]
    assert await oauth.server.services.oauth.administration.disable("robot", ORIGIN)
    for token in (made, opaque):
        assert await oauth.introspected(orders, token) == {"active": False}


async def test_attack_who_acts_by_a_token_that_is_bound_to_a_key_has_to_show_the_key(oauth, person, orders):
    prover = Prover(oauth.server.clock)
    own = await oauth.token(orders, "client_credentials", headers={**prover.headers(), **orders.basic})
    acting = {"actor_token": own.json()["access_token"], "actor_token_type": ACCESS}
    refused(await exchange(oauth, orders, person["access_token"], **acting), "invalid_request")
    other = {**Prover(oauth.server.clock).headers(), **orders.basic}
    refused(await exchange(oauth, orders, person["access_token"], headers=other, **acting), "invalid_request")
    held = await exchange(oauth, orders, person["access_token"], headers={**prover.headers(), **orders.basic}, **acting)
    assert held.status_code == 200, held.text
