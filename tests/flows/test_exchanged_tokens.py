"""What becomes of exchanged tokens when what they were made of ends: here by introspection, and at verifiers by the log alone."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from oauth_story import ORIGIN, OAuth, Registered, refused, said
from watchword.verify.check import access_token_of, check_access_token
from watchword.verify.policy import Policy
from watchword.verify.revocation import CutOff, RevocationView
from watchword_server.clients.metadata import ClientSettings
from watchword_server.store.records import AuditEvent
from watchword_server.tokens.lineage import MAX_ANCESTORS

from .test_token_exchange import ACCESS, EXCHANGE, ORDERS, STOCK

BILLING = "https://billing.example.test"
AUDIT = AuditEvent(event="tried", origin=ORIGIN)
EVERY = (ORDERS, STOCK, BILLING, f"{STOCK}/opaque", f"{STOCK}/sealed")


class Services:
    """Services that call one another, and verifiers that see the log and nothing else."""

    def __init__(self, oauth: OAuth) -> None:
        self.oauth, self.app = oauth, Registered("app", None)
        self.account = ""

    async def service(self, name: str, **more) -> Registered:
        settings = ClientSettings(exchange=True, audiences=EVERY, may_introspect=True)
        grants = [EXCHANGE, "client_credentials"]
        return await self.oauth.machine(name, settings=settings, grant_types=grants, scope="read", **more)

    async def signed_in(self, **more) -> dict:
        return await self.oauth.tokens(self.app, self.account, scope=("openid", "read"), resource=(ORDERS,), **more)

    async def own(self, client: Registered, resource: str = ORDERS) -> str:
        answer = await self.oauth.token(client, "client_credentials", scope="read", resource=resource)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    async def exchange(self, client: Registered, token: str, resource: str = STOCK, actor: str | None = None):
        given = {"subject_token": token, "subject_token_type": ACCESS, "resource": resource}
        if actor is not None:
            given |= {"actor_token": actor, "actor_token_type": ACCESS}
        return await self.oauth.token(client, EXCHANGE, **given)

    async def made(self, client: Registered, token: str, resource: str = STOCK, actor: str | None = None) -> str:
        answer = await self.exchange(client, token, resource, actor)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    async def is_active(self, client: Registered, token: str) -> bool:
        return (await self.oauth.introspected(client, token))["active"]

    async def is_dead_by_the_log(self, token: str, members: dict) -> bool:
        """As a verifier finds it that holds the log's entries: of a token that says nothing, what introspection told once."""
        server = self.oauth.server
        policy = Policy("http://localhost:8000", EVERY)
        keys, now = server.services.keys.key_set, server.clock.now()
        if token.startswith("wo_"):
            read = access_token_of(members, b"{}", None, policy, now)
        else:
            read = check_access_token(token, keys, policy, now)
        view = RevocationView(clock=server.clock)
        batch = await server.services.store.cut_offs_after(None, limit=500)
        view.apply(CutOff(e.position, e.axis, e.value, 600.0, e.spares, e.floor) for e in batch.entries)
        return view.kills(read) is not None


@pytest.fixture
async def world(open_server):
    environ = {
        "WATCHWORD_SCOPES": '{"read": "Read"}',
        "WATCHWORD_RESOURCES": f'{{"{ORDERS}": {{}}, "{STOCK}": {{}}, "{BILLING}": {{}}, "{STOCK}/opaque": {{"format": "opaque"}}}}',
    }
    async with open_server(**environ) as server, server.browser() as http:
        world = Services(OAuth(server, http))
        world.app = await world.oauth.client(scope="openid read", token_endpoint_auth_method="none")
        world.account = await world.oauth.account()
        yield world


async def revoke(world, token: str, client: Registered) -> None:
    assert (await world.oauth.post("/revoke", client, token=token)).status_code == 200


async def cut_off_client(world, name: str) -> None:
    """Its access tokens alone: sessions go on, so nothing but the tokens' own words can tell."""
    await world.oauth.store.cut_off("client", name, spares=None, ends_families=False, cause="x", audit=AUDIT)


async def the_subject_token(world, tokens, between, orders, stock):
    await revoke(world, tokens["access_token"], world.app)


async def the_token_between(world, tokens, between, orders, stock):
    await revoke(world, between, orders)


async def the_first_client(world, tokens, between, orders, stock):
    await cut_off_client(world, "app")


async def the_client_between(world, tokens, between, orders, stock):
    await cut_off_client(world, "orders")


async def the_last_client(world, tokens, between, orders, stock):
    await cut_off_client(world, "stock")


async def the_session(world, tokens, between, orders, stock):
    await world.oauth.store.end_session(said(tokens["access_token"])["sid"], account_id=None, reason="x", audit=AUDIT)


async def the_refresh_token(world, tokens, between, orders, stock):
    await revoke(world, tokens["refresh_token"], world.app)


async def the_person(world, tokens, between, orders, stock):
    await world.oauth.store.end_all_sessions(world.account, spares=None, reason="x", audit=AUDIT)


async def the_roles_of_the_person(world, tokens, between, orders, stock):
    await world.oauth.store.cut_off("account", world.account, spares=None, ends_families=False, cause="x", audit=AUDIT)


async def the_first_client_disabled(world, tokens, between, orders, stock):
    assert await world.oauth.server.services.oauth.administration.disable("app", ORIGIN)


async def everything(world, tokens, between, orders, stock):
    await world.oauth.store.cut_off("everything", "", spares=None, ends_families=True, cause="x", audit=AUDIT)


ENDS = [
    the_subject_token, the_token_between, the_first_client, the_client_between, the_last_client, the_session,
    the_refresh_token, the_person, the_roles_of_the_person, the_first_client_disabled, everything,
]  # fmt: skip


@pytest.mark.rfc("7009 §2.1/3")
@pytest.mark.parametrize("ends", ENDS)
async def test_a_chain_dies_from_where_it_is_cut_and_what_came_before_lives(world, ends):
    orders, stock = await world.service("orders"), await world.service("stock")
    tokens, others = await world.signed_in(), await world.signed_in()
    between = await world.made(orders, tokens["access_token"])
    last = await world.made(stock, between, BILLING)
    opaque = await world.made(stock, between, f"{STOCK}/opaque")
    beside = await world.made(orders, others["access_token"])
    chain = (last, opaque)
    members = {token: await world.oauth.introspected(stock, token) for token in chain}
    for token in chain:
        assert await world.is_active(stock, token)
        assert not await world.is_dead_by_the_log(token, members[token])
    await ends(world, tokens, between, orders, stock)
    for token in chain:
        assert not await world.is_active(stock, token)
        assert await world.is_dead_by_the_log(token, members[token])
    if ends in {the_token_between, the_last_client, the_client_between}:
        assert not await world.is_dead_by_the_log(tokens["access_token"], {})
    if ends in {the_subject_token, the_token_between, the_last_client, the_session, the_refresh_token}:
        assert await world.is_active(orders, beside), "of another token of the same person"
    assert (await world.exchange(orders, between)).status_code == (200 if ends is the_last_client else 400)
    refused(await world.exchange(orders, last), "invalid_request")


async def test_what_a_service_made_of_its_own_token_dies_with_the_token_and_with_the_client(world):
    robot, orders = await world.service("robot"), await world.service("orders")
    own, kept = await world.own(robot), await world.own(robot)
    made = [await world.made(orders, own), await world.made(orders, own, f"{STOCK}/opaque")]
    later = await world.made(orders, kept)
    members = {token: await world.oauth.introspected(orders, token) for token in (*made, later)}
    await revoke(world, own, robot)
    for token in made:
        assert not await world.is_active(orders, token)
        assert await world.is_dead_by_the_log(token, members[token])
    assert await world.is_active(orders, later)
    assert not await world.is_dead_by_the_log(later, {})
    await cut_off_client(world, "robot")
    assert not await world.is_active(orders, later)
    assert await world.is_dead_by_the_log(later, {})
    assert await world.is_active(orders, await world.made(orders, await world.own(robot))), "issued after the cut-off"


async def test_attack_what_was_made_of_a_forged_token_dies_with_the_key_it_was_forged_with(world):
    """Whoever has the key makes a subject of his own, and has it exchanged for one by the next key."""
    orders = await world.service("orders")
    tokens = await world.signed_in()
    keys = world.oauth.server.services.keys
    stolen = keys.signer("at+jwt")
    await keys.rotate("access_token", ORIGIN, at_once=True)
    forged = stolen.sign(msgspec.json.encode(said(tokens["access_token"]) | {"jti": "forged"}))
    made = await world.made(orders, forged)
    opaque = await world.made(orders, forged, f"{STOCK}/opaque")
    honest = await world.made(orders, (await world.signed_in())["access_token"])
    members = await world.oauth.introspected(orders, opaque)
    assert [one["kid"] for one in (*said(made)["made_of"], *members["made_of"])] == [stolen.key.kid] * 2
    assert "kid" not in said(honest)["made_of"][0], "where it is the same key it is not told"
    assert await keys.distrust(stolen.key.kid, ORIGIN)
    for token in (made, opaque):
        assert not await world.is_active(orders, token)
        assert await world.is_dead_by_the_log(token, members)
    assert await world.is_active(orders, honest)
    assert not await world.is_dead_by_the_log(honest, {})


@pytest.mark.rfc("7009 §2.1/3")
async def test_an_opaque_subject_takes_along_what_was_made_of_it(world):
    orders, stock = await world.service("orders"), await world.service("stock")
    tokens = await world.signed_in()
    opaque = await world.made(orders, tokens["access_token"], f"{STOCK}/opaque")
    assert opaque.startswith("wo_")
    made = await world.made(stock, opaque, BILLING)
    assert [one["client_id"] for one in said(made)["made_of"]] == ["orders", "app"]
    told = await world.oauth.introspected(orders, opaque)
    await revoke(world, opaque, orders)
    assert not await world.is_active(orders, opaque)
    assert not await world.is_active(stock, made)
    assert await world.is_dead_by_the_log(made, {})
    assert await world.is_dead_by_the_log(opaque, told), "a verifier that remembers what introspection told"
    await revoke(world, opaque, orders)
    tokens_cut = [e for e in (await world.oauth.store.cut_offs_after(None, limit=9)).entries if e.axis == "token"]
    assert len(tokens_cut) == 1, "however often it is given back"


async def test_what_is_revoked_while_it_is_exchanged_takes_the_new_token_along(world):
    """The exchange has found the subject alive; its end commits before the new token is handed out."""
    orders = await world.service("orders")
    tokens = await world.signed_in()
    reader = world.oauth.server.services.oauth.reader
    asked = reader.is_alive

    async def then_it_ends(token):
        reader.is_alive = asked
        alive = await asked(token)
        await revoke(world, tokens["access_token"], world.app)
        return alive

    reader.is_alive = then_it_ends
    made = await world.made(orders, tokens["access_token"])
    assert not await world.is_active(orders, made)
    assert await world.is_dead_by_the_log(made, {})


@pytest.mark.rfc("8693 §4.1")
async def test_an_actor_that_is_a_person_takes_along_what_it_was_lent(world):
    """An agent of the helpdesk, signed in at the service that acts: the customer is the subject."""
    helpdesk = await world.oauth.client(
        "helpdesk", scope="openid read", grant_types=["authorization_code", EXCHANGE],
        settings=ClientSettings(exchange=True, audiences=EVERY, may_introspect=True),
    )  # fmt: skip
    agent = await world.oauth.account("agent@example.test")
    acting = await world.oauth.tokens(helpdesk, agent, scope=("openid", "read"), resource=(ORDERS,))
    customer = await world.signed_in()

    async def lent() -> str:
        return await world.made(helpdesk, customer["access_token"], actor=acting["access_token"])

    first = await lent()
    claims = said(first)
    assert claims["sub"] == world.account
    assert claims["act"] == {"sub": agent, "client_id": "helpdesk"}
    by = said(acting["access_token"])
    assert {"jti": by["jti"], "sub": agent, "sid": by["sid"]}.items() <= claims["made_of"][1].items()
    await revoke(world, acting["access_token"], helpdesk)
    assert not await world.is_active(helpdesk, first)
    assert await world.is_dead_by_the_log(first, {})
    acting = await world.oauth.tokens(helpdesk, agent, scope=("openid", "read"), resource=(ORDERS,))
    second = await lent()
    assert await world.is_active(helpdesk, second)
    await world.oauth.store.disable_account(agent, AUDIT)
    assert not await world.is_active(helpdesk, second)
    assert await world.is_dead_by_the_log(second, {})
    assert not await world.is_dead_by_the_log(customer["access_token"], {}), "the customer's own lives on"


async def test_an_actor_that_signed_in_anew_is_not_refused_by_its_old_cut_off(world):
    helpdesk = await world.oauth.client(
        "helpdesk", scope="openid read", grant_types=["authorization_code", EXCHANGE],
        settings=ClientSettings(exchange=True, audiences=EVERY, may_introspect=True),
    )  # fmt: skip
    agent = await world.oauth.account("agent@example.test")
    customer = await world.signed_in()
    await world.oauth.store.end_all_sessions(agent, spares=None, reason="x", audit=AUDIT)
    acting = await world.oauth.tokens(helpdesk, agent, scope=("openid", "read"), resource=(ORDERS,))
    made = await world.made(helpdesk, customer["access_token"], actor=acting["access_token"])
    assert said(made)["rev"] < said(acting["access_token"])["rev"]
    assert await world.is_active(helpdesk, made)
    assert not await world.is_dead_by_the_log(made, {})


async def test_no_exchanged_token_outlives_any_that_it_was_made_of(world):
    orders = await world.service("orders")
    actor = await world.own(orders)
    world.oauth.server.clock.advance(30)
    customer = await world.signed_in()
    world.oauth.server.clock.advance(5)
    alone = await world.made(orders, customer["access_token"])
    assert said(alone)["exp"] == said(customer["access_token"])["exp"]
    made = await world.made(orders, customer["access_token"], actor=actor)
    assert said(made)["exp"] == said(actor)["exp"] < said(customer["access_token"])["exp"]


@pytest.mark.rfc("8693 §4.1")
async def test_nobody_acts_as_a_person_without_being_named(world):
    """Delegation alone: a token that hides who acts (impersonation, RFC 8693 §1.1) is not given out."""
    orders, stock = await world.service("orders"), await world.service("stock")
    tokens = await world.signed_in()
    token = tokens["access_token"]
    for client, resource in zip(itertools.cycle((orders, stock)), (STOCK, ORDERS, BILLING), strict=False):
        token = await world.made(client, token, resource)
        assert said(token)["act"]["sub"] == client.client_id
        assert said(token)["sub"] == world.account


async def test_attack_no_chain_grows_longer_than_a_call_looks_up(world):
    orders = await world.service("orders")
    token = (await world.signed_in())["access_token"]
    answer = None
    for _ in range(4):
        actor = await world.own(orders)
        answer = await world.exchange(orders, token, actor=actor)
        if answer.status_code != 200:
            break
        token = answer.json()["access_token"]
    assert len(said(token)["made_of"]) <= MAX_ANCESTORS
    own = await world.own(orders)
    for _ in range(MAX_ANCESTORS):
        answer = await world.exchange(orders, token, actor=own)
        if answer.status_code != 200:
            break
        token = answer.json()["access_token"]
    refused(answer, "invalid_request")
    assert len(said(token)["made_of"]) <= MAX_ANCESTORS
    assert len(token) < 1600, "small enough for a header"


async def test_attack_a_line_is_the_servers_to_tell_and_no_parameters(world):
    orders = await world.service("orders")
    tokens = await world.signed_in()
    given = {"subject_token": tokens["access_token"], "subject_token_type": ACCESS, "resource": STOCK}
    answer = await world.oauth.token(orders, EXCHANGE, made_of="[]", act="{}", **given)
    token = answer.json()["access_token"]
    assert said(token)["made_of"] == [{"jti": said(tokens["access_token"])["jti"], "client_id": "app"}]
    assert said(token)["act"] == {"sub": "orders"}


async def test_attack_a_client_with_subjects_of_its_own_learns_no_accounts_by_exchanging_and_asking(world):
    """Of its own tokens it is told everybody by its own names: also who acts, and of what they were made."""
    hidden = await world.oauth.client(
        "hidden", scope="openid read", grant_types=["authorization_code", EXCHANGE], subject_type="pairwise",
        settings=ClientSettings(exchange=True, audiences=EVERY),
    )  # fmt: skip
    agent = await world.oauth.account("agent@example.test")
    acting = await world.oauth.tokens(hidden, agent, scope=("openid", "read"), resource=(ORDERS,))
    customer = await world.oauth.tokens(hidden, world.account, scope=("openid", "read"), resource=(ORDERS,))
    once = await world.made(hidden, customer["access_token"], actor=acting["access_token"])
    twice = await world.made(hidden, once, ORDERS, actor=customer["access_token"])
    known = {said(each["id_token"])["sub"] for each in (acting, customer)}
    for token in (once, twice):
        told = await world.oauth.introspected(hidden, token)
        assert told["act"]["sub"] in known
        assert {one["sub"] for one in told["made_of"] if "sub" in one} <= known
        assert agent not in str(told)
        assert world.account not in str(told)
