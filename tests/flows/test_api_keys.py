"""API keys and personal access tokens: made, used at resource servers, and every way in which they end."""

import asyncio
import logging

import httpx
import pytest
from oauth_story import ISSUER, ORIGIN, OAuth
from over_http import OverHttp
from story import bearer
from watchword import ClientSecret, Introspection, RejectionReason, TokenRejected, Verifier
from watchword_server.clients.metadata import ClientSettings
from watchword_server.store.records import AuditEvent
from watchword_server.tokens.api_keys import KeyRefused, Wish

DAY = 86_400
INACTIVE = {"active": False}


class Story(OAuth):
    """The server, an account that is logged in, and a resource server."""

    def __init__(self, server, http: httpx.AsyncClient) -> None:
        super().__init__(server, http)
        self.keys = server.services.oauth.api_keys

    async def begin(self, *roles: str) -> None:
        self.ada = await self.account()
        await self.has_roles(*roles)
        self.api = await self.machine("api", settings=ClientSettings(may_introspect=True, audiences=(ISSUER,)))
        await self.log_in()

    async def log_in(self) -> None:
        self.bearer = bearer(await self.server.login(self.http))

    async def has_roles(self, *roles: str) -> None:
        await self.server.services.accounts.set_roles(self.ada, roles, ORIGIN)

    async def makes(self, **members):
        return await self.http.post("/auth/keys", json={"name": "laptop", **members}, headers=self.bearer)

    async def key(self, **members) -> dict:
        answer = await self.makes(**members)
        assert answer.status_code == 201, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()

    async def listed(self) -> list[dict]:
        return (await self.http.get("/auth/keys", headers=self.bearer)).json()["keys"]

    async def worth(self, secret: str) -> dict:
        return await self.introspected(self.api, secret)


@pytest.fixture
async def story(server):
    async with server.browser() as http:
        told = Story(server, http)
        await told.begin("admin")
        yield told


@pytest.mark.rfc("7662 §2.2")
async def test_a_personal_access_token_says_what_its_account_gave_it_and_nothing_more(story):
    made = await story.key(scope=["reports:read"])
    assert made["secret"].startswith("wk_")
    assert len(made["secret"]) == 46
    now = int(story.server.clock.now())
    found = await story.worth(made["secret"])
    assert found["active"] is True
    assert (found["sub"], found["client_id"], found["scope"]) == (story.ada, "first-party", "reports:read")
    assert (found["jti"], found["token_type"], found["aud"]) == (made["key"]["id"], "Bearer", ISSUER)
    # What is remembered of it is remembered no longer than an access token.
    assert now < found["exp"] <= now + 600
    assert made["key"]["expires_at"] == pytest.approx(now + 90 * DAY, abs=2)
    assert not found.keys() & {"roles", "permissions", "sid", "email"}, "a role would open more than the scope"
    [listed] = await story.listed()
    assert listed == made["key"] | {"last_used_at": now}
    assert "secret" not in str(listed)


async def test_the_last_use_is_written_once_a_minute(story):
    made = await story.key()
    assert (await story.listed())[0]["last_used_at"] is None
    await asyncio.gather(*(story.worth(made["secret"]) for _ in range(5)))
    first = (await story.listed())[0]["last_used_at"]
    story.server.clock.advance(40)
    await story.worth(made["secret"])
    assert (await story.listed())[0]["last_used_at"] == first
    story.server.clock.advance(20)
    await story.worth(made["secret"])
    assert (await story.listed())[0]["last_used_at"] == first + 60


async def test_a_scope_beyond_the_account_is_refused_and_a_role_taken_away_takes_its_scope(story):
    for beyond in (["billing:write"], ["watchword:admin"], ["openid"], ["offline_access"], ["reports:read", "x"]):
        answer = await story.makes(scope=beyond)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/scope"), beyond
    secret = (await story.key(scope=["reports:read"]))["secret"]
    await story.has_roles("user")
    assert "scope" not in await story.worth(secret)
    await story.log_in()
    assert (await story.makes(scope=["reports:read"])).status_code == 422
    await story.has_roles("admin")
    assert (await story.worth(secret))["scope"] == "reports:read"


async def test_what_is_asked_for_wrongly_is_said_field_by_field(story):
    for members in (
        {"name": ""},
        {"name": "a" * 65},
        {"name": " a"},
        {"name": "a\u202eb"},
        {"name": "a\x00"},
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": 366 * DAY},
        {"expires_in": 1e15},
        {"resource": ["https://unknown.example.test"]},
        {"resource": ["https://a.test"] * 17},
        {"scope": ["a"] * 65},
        {"scope": "reports:read"},
        {"roles": ["admin"]},
        {"account_id": "eve"},
    ):
        answer = await story.makes(**members)
        assert answer.status_code == 422, members
        assert answer.json()["errors"][0]["pointer"] == f"#/{next(iter(members))}"
    assert await story.listed() == []


async def test_no_more_keys_than_may_be(server):
    async with server.browser() as http:
        story = Story(server, http)
        await story.begin()
        done = await asyncio.gather(*(story.makes() for _ in range(52)))
        assert sorted({answer.status_code for answer in done}) == [201, 422]
        assert len(await story.listed()) == 50


async def test_a_key_opens_nothing_at_this_server(story):
    secret = (await story.key(scope=["reports:read"]))["secret"]
    shown = {"Authorization": f"Bearer {secret}"}
    for method, path in (
        ("GET", "/auth/me"),
        ("GET", "/auth/keys"),
        ("POST", "/auth/keys"),
        ("POST", "/auth/logout-all"),
        ("GET", "/userinfo"),
        ("GET", "/admin/api/accounts"),
        ("GET", "/admin/api/api-keys"),
        ("GET", "/revocations"),
    ):
        answer = await story.http.request(method, path, headers=shown, json={} if method == "POST" else None)
        assert answer.status_code == 401, (method, path)
    trader = await story.machine(
        "trader",
        grant_types=["urn:ietf:params:oauth:grant-type:token-exchange"],
        settings=ClientSettings(exchange=True, audiences=(ISSUER,)),
    )
    answer = await story.token(
        trader,
        "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token=secret,
        subject_token_type="urn:ietf:params:oauth:token-type:access_token",
    )
    assert answer.status_code == 400
    answer = await story.token(trader, "refresh_token", refresh_token=secret)
    assert answer.status_code == 400


async def test_guessing_finds_nothing_whatever_the_form(story):
    secret = (await story.key())["secret"]
    guesses = [secret[:-1], secret + "A", secret.swapcase(), secret.upper(), "wk_" + "A" * 43, "wk_", f" {secret}"]
    guesses += [f"{secret}\n", secret.replace("wk_", "wo_"), secret.removeprefix("wk_"), "wk_" + "ä" * 43]
    guesses += [secret[:-1] + ("A" if secret[-1] != "A" else "B"), "wk_" + "a" * 8000]
    for guess in guesses:
        assert await story.worth(guess) == INACTIVE, guess
    assert (await story.worth(secret))["active"]


async def test_another_account_sees_no_key_of_this_one_and_ends_none(story):
    made = await story.key()
    async with story.server.browser() as http:
        await story.server.register(http, "eve@example.test")
        eve = bearer(await story.server.login(http, "eve@example.test"))
        assert (await http.get("/auth/keys", headers=eve)).json()["keys"] == []
        for key_id in (made["key"]["id"], made["secret"], "nothing", "%00", "x" * 2000):
            assert (await http.delete(f"/auth/keys/{key_id}", headers=eve)).status_code == 404
    assert (await story.worth(made["secret"]))["active"]


async def test_only_a_resource_server_it_is_for_learns_of_a_key(story):
    secret = (await story.key())["secret"]
    other = await story.machine("other", settings=ClientSettings(may_introspect=True, audiences=("https://b.test",)))
    robot = await story.machine("robot")
    for stranger in (other, robot):
        assert await story.introspected(stranger, secret) == INACTIVE
    assert (await story.listed())[0]["last_used_at"] is None, "strangers do not use it"


async def test_a_stolen_access_token_makes_no_key_an_hour_after_the_login(story):
    story.server.clock.advance(3601)
    story.bearer = bearer((await story.http.post("/auth/refresh")).json())
    answer = await story.makes()
    assert (answer.status_code, answer.json()["code"]) == (403, "login_too_old")
    await story.log_in()
    assert (await story.makes()).status_code == 201


async def test_every_way_in_which_a_personal_access_token_ends(story):
    services = story.server.services

    async def revoked(made) -> None:
        path = f"/auth/keys/{made['key']['id']}"
        assert (await story.http.delete(path, headers=story.bearer)).status_code == 204
        assert (await story.http.delete(path, headers=story.bearer)).status_code == 404

    async def by_jti(made) -> None:
        await story.store.cut_off(
            "token", made["key"]["id"], spares=None, ends_families=False, cause="x",
            audit=AuditEvent(event="x", origin=ORIGIN),
        )  # fmt: skip

    async def all_out(_made) -> None:
        assert (await story.http.post("/auth/logout-all", headers=story.bearer)).status_code == 204

    async def expired(_made) -> None:
        story.server.clock.advance(90 * DAY)

    async def disabled(_made) -> None:
        await services.accounts.disable(story.ada, ORIGIN)

    for ending in (revoked, by_jti, all_out, expired, disabled):
        await story.log_in()
        made = await story.key()
        assert (await story.worth(made["secret"]))["active"]
        await ending(made)
        assert await story.worth(made["secret"]) == INACTIVE, ending.__name__
    await services.accounts.enable(story.ada, ORIGIN)
    assert await story.worth(made["secret"]) == INACTIVE, "it does not rise with the account"


async def test_a_password_change_ends_keys_too(story):
    made = await story.key()
    body = {"current_password": "correct horse battery staple", "new_password": "another horse battery staple"}
    assert (await story.http.post("/auth/password", json=body, headers=story.bearer)).status_code == 204
    assert await story.worth(made["secret"]) == INACTIVE


async def test_an_api_key_of_a_client_is_good_for_what_the_client_may_have_and_dies_with_it(story):
    robot = await story.machine("robot", scope="reports:read", settings=ClientSettings(roles=("admin",)))
    made = await story.keys.add_for_client("robot", Wish(name="nightly", scope=("reports:read",)), ORIGIN)
    found = await story.worth(made.secret)
    assert (found["sub"], found["client_id"], found["scope"]) == ("robot", "robot", "reports:read")
    assert "roles" not in found
    assert (await story.introspected(robot, made.secret))["active"], "its own"
    for wish in (Wish(name="x", scope=("watchword:admin",)), Wish(name="x", resource=("https://b.test",))):
        with pytest.raises(KeyRefused):
            await story.keys.add_for_client("robot", wish, ORIGIN)
    with pytest.raises(KeyRefused):
        await story.keys.add_for_client("nobody", Wish(name="x"), ORIGIN)
    audit = AuditEvent(event="x", origin=ORIGIN)
    await story.store.disable_client("robot", audit)
    assert await story.worth(made.secret) == INACTIVE
    await story.store.enable_client("robot", audit)
    assert await story.worth(made.secret) == INACTIVE
    again = await story.keys.add_for_client("robot", Wish(name="nightly"), ORIGIN)
    await story.store.delete_client("robot", audit)
    assert await story.worth(again.secret) == INACTIVE


async def test_the_library_accepts_a_key_and_a_revoked_one_no_longer_than_its_answer_is_remembered(story):
    transport = OverHttp(story.http)
    verifier = Verifier(
        ISSUER,
        ISSUER,
        jwks_uri=f"{ISSUER}/jwks.json",
        introspection=Introspection(ClientSecret("api", story.api.secret), cache_seconds=30),
        transport=transport,
        clock=story.server.clock,
    )
    kept, lost = await story.key(scope=["reports:read"]), await story.key(name="old laptop")
    token = await verifier.verify(kept["secret"], scopes=["reports:read"])
    assert (token.sub, token.jti) == (story.ada, kept["key"]["id"])
    await verifier.verify(lost["secret"])
    asked = transport.asked
    await verifier.verify(kept["secret"])
    assert transport.asked == asked, "remembered"
    await story.http.delete(f"/auth/keys/{lost['key']['id']}", headers=story.bearer)
    story.server.clock.advance(31)
    with pytest.raises(TokenRejected) as caught:
        await verifier.verify(lost["secret"])
    assert caught.value.reason is RejectionReason.INACTIVE
    assert (await verifier.verify(kept["secret"])).sub == story.ada
    await verifier.aclose()


async def test_administrators_make_list_and_revoke_keys_of_all(story):
    assert (await story.http.get("/admin/api/api-keys")).status_code == 401
    robot = await story.machine("robot")
    assert robot
    made = []
    for owner in ({"account_id": story.ada}, {"client_id": "robot"}):
        body = {"name": "by hand", **owner}
        answer = await story.http.post("/admin/api/api-keys", json=body, headers=story.bearer)
        assert answer.status_code == 201, answer.text
        made.append(answer.json())
        assert (await story.worth(answer.json()["secret"]))["active"]
    for body in (
        {"name": "x"},
        {"name": "x", "account_id": story.ada, "client_id": "robot"},
        {"name": "x", "client_id": "?"},
    ):
        assert (await story.http.post("/admin/api/api-keys", json=body, headers=story.bearer)).status_code == 422
    page = (await story.http.get("/admin/api/api-keys", headers=story.bearer)).json()
    assert {key["id"] for key in page["keys"]} == {one["id"] for one in made}
    assert "secret" not in str(page)
    assert "wk_" not in str(page)
    path = f"/admin/api/api-keys/{made[1]['id']}"
    assert (await story.http.delete(path, headers=story.bearer)).status_code == 204
    assert (await story.http.delete(path, headers=story.bearer)).status_code == 404
    assert await story.worth(made[1]["secret"]) == INACTIVE


async def test_the_secret_is_in_no_log_no_audit_line_and_no_repr(story, caplog):
    caplog.set_level(logging.DEBUG)
    made = await story.keys.add_personal(story.ada, Wish(name="laptop"), ORIGIN)
    await story.worth(made.secret)
    await story.http.get(f"/auth/me?token={made.secret}", headers=story.bearer)
    await story.http.post(f"/introspect?token={made.secret}", headers=story.api.basic)
    await story.http.delete(f"/auth/keys/{made.secret}", headers=story.bearer)
    lines = await story.store.audit_entries(before=None, limit=100, account_id=None, event=None)
    assert {"api_key.added"} <= {line.event.event for line in lines}
    random = made.secret.removeprefix("wk_")
    watchword = [r.getMessage() for r in caplog.records if r.name.startswith("watchword")]
    assert not any(random in text for text in (*watchword, *map(repr, lines), repr(made)))
    metrics = (await story.http.get("/metrics")).text
    assert 'watchword_api_keys_total{event="issued"} 1.0' in metrics
    assert random not in metrics


@pytest.mark.rfc("7662 §2.1/2")
async def test_a_key_in_the_url_is_not_looked_at(story):
    secret = (await story.key())["secret"]
    answer = await story.http.post(f"/introspect?token={secret}", headers=story.api.basic)
    assert answer.status_code == 400
    assert (await story.listed())[0]["last_used_at"] is None
