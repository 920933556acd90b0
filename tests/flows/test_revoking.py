"""Operators revoke and watch it arrive: previews, acts on every axis, the map of verifiers."""

import asyncio
import re

import pytest
from story import SAFARI, bearer

FEED = {"Authorization": "Bearer feed-token-of-the-tests"}
NAMED = FEED | {"Watchword-Verifier": "orders/7-a1"}
ADMIN = "root@example.test"


@pytest.fixture
async def admin(server):
    from watchword_server.store.records import Origin

    async with server.browser() as client:
        account = await server.register(client, ADMIN)
        await server.services.accounts.set_roles(account["id"], ("user", "admin"), Origin(actor="test"))
        client.headers.update(bearer(await server.login(client, ADMIN)))
        yield client


async def preview(admin, axis, value="", **more):
    answer = await admin.post("/admin/api/cut-offs/preview", json={"axis": axis, "value": value, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def verifiers(admin, since=None):
    answer = await admin.get("/admin/api/verifiers", params={} if since is None else {"since": since})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_preview_counts_what_would_die_and_kills_nothing(server, admin):
    async with server.browser() as laptop, server.browser(SAFARI) as phone:
        account = await server.register(laptop)
        tokens = await server.login(laptop)
        await server.login(phone)
        shown = await preview(admin, "account", account["id"])
        assert shown["summary"] == "2 sessions of 1 account, 1 client"
        assert (shown["sessions"], shown["accounts"], shown["clients"]) == (2, 1, 1)
        assert (shown["at_least"], shown["known"], shown["standing"], shown["includes_you"]) == (
            False, True, None, False,
        )  # fmt: skip
        milder = await preview(admin, "account", account["id"], ends_sessions=False)
        assert milder["summary"].startswith("access tokens of 2 sessions")
        assert (await laptop.get("/auth/me", headers=bearer(tokens))).status_code == 200
        written = await admin.post("/admin/api/cut-offs", json={"axis": "account", "value": account["id"]})
        again = await preview(admin, "account", account["id"])
        assert again["standing"] == written.json()["position"]
        assert again["summary"] == "no living session"


@pytest.mark.parametrize("axis", ["everything", "client", "account", "session", "key", "token"])
async def test_a_preview_says_that_your_own_token_is_among_what_dies(server, admin, axis):
    from watchword.jose import jws

    parsed = jws.parse(admin.headers["authorization"].removeprefix("Bearer "))
    import json

    claims = json.loads(parsed.payload)
    value = {
        "everything": "",
        "client": claims["client_id"],
        "account": claims["sub"],
        "session": claims["sid"],
        "key": parsed.header["kid"],
        "token": claims["jti"],
    }[axis]
    assert (await preview(admin, axis, value))["includes_you"]
    assert axis == "everything" or not (await preview(admin, axis, "another"))["includes_you"]


async def test_a_session_and_a_key_can_be_cut_off_like_anything_else(server, admin):
    async with server.browser() as client:
        await server.register(client)
        tokens = await server.login(client)
        sid = (await client.get("/auth/sessions", headers=bearer(tokens))).json()["sessions"][0]["sid"]
        written = await admin.post("/admin/api/cut-offs", json={"axis": "session", "value": sid, "cause": "lost"})
        assert (written.status_code, written.json()["axis"], written.json()["cause"]) == (201, "session", "lost")
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
        assert (await client.post("/auth/refresh")).status_code == 401
        same = await admin.post("/admin/api/cut-offs", json={"axis": "session", "value": sid})
        assert same.json() == written.json()
        keys = (await admin.get("/admin/api/keys")).json()["keys"]
        active = next(key for key in keys if key["purpose"] == "access_token" and key["state"] == "active")
        distrusted = await admin.post("/admin/api/cut-offs", json={"axis": "key", "value": active["kid"]})
        assert distrusted.json()["axis"] == "key"
        published = (await client.get("/jwks.json")).json()["keys"]
        assert active["kid"] not in {key["kid"] for key in published}
        assert (await admin.get("/admin/api/keys")).status_code == 401, "the administrator's token was signed by it too"


async def test_a_verifier_that_names_itself_is_on_the_map_with_how_far_it_has_come(server, admin):
    async with server.browser() as client:
        assert (await verifiers(admin))["verifiers"] == []
        first = (await client.get("/revocations", headers=NAMED)).json()["cursor"]
        (seen,) = (await verifiers(admin))["verifiers"]
        assert (seen["name"], seen["instance"], seen["mode"]) == ("orders", "7-a1", "poll")
        assert (seen["confirmed"], seen["lag"]) == (None, None), "it has been told, and has not said that it listened"
        await client.get("/revocations", headers=NAMED, params={"cursor": first})
        (seen,) = (await verifiers(admin))["verifiers"]
        assert seen["lag"] == 0


async def test_a_cut_off_is_sent_and_then_confirmed_by_the_next_question(server, admin):
    async with server.browser() as client:
        cursor = (await client.get("/revocations", headers=NAMED)).json()["cursor"]
        await client.get("/revocations", headers=NAMED, params={"cursor": cursor})
        written = await admin.post("/admin/api/cut-offs", json={"axis": "account", "value": "somebody"})
        position = written.json()["position"]
        (stale,) = (await verifiers(admin, position))["verifiers"]
        assert stale["lag"] >= 1
        assert (stale["sent_ms"], stale["confirmed_ms"]) == (None, None)
        server.clock.advance(0.25)
        told = (await client.get("/revocations", headers=NAMED, params={"cursor": cursor})).json()["cursor"]
        (sent,) = (await verifiers(admin, position))["verifiers"]
        assert (sent["sent"], sent["lag"] >= 1) == (position, True)
        assert sent["sent_ms"] == pytest.approx(250)
        assert sent["confirmed_ms"] is None
        server.clock.advance(1)
        await client.get("/revocations", headers=NAMED, params={"cursor": told})
        (fresh,) = (await verifiers(admin, position))["verifiers"]
        assert (fresh["lag"], fresh["confirmed"]) == (0, position)
        assert fresh["confirmed_ms"] == pytest.approx(1250)


async def test_a_held_question_shows_as_long_poll_and_its_answer_as_sent(server, admin):
    async with server.services.feed.following(), server.browser() as client:
        cursor = (await client.get("/revocations", headers=NAMED)).json()["cursor"]
        held = asyncio.create_task(client.get("/revocations", headers=NAMED, params={"cursor": cursor, "wait": "20"}))
        while [seen["mode"] for seen in (await verifiers(admin))["verifiers"]] != ["long poll"]:
            await asyncio.sleep(0)
        written = await admin.post("/admin/api/cut-offs", json={"axis": "account", "value": "somebody"})
        assert (await held).status_code == 200
        (seen,) = (await verifiers(admin, written.json()["position"]))["verifiers"]
        assert seen["sent_ms"] is not None
        assert seen["confirmed_ms"] is None


async def test_readers_without_a_name_are_admitted_and_only_mentioned(server, admin):
    async with server.browser() as client:
        assert not (await verifiers(admin))["unnamed"]
        assert (await client.get("/revocations", headers=FEED)).status_code == 200
        found = await verifiers(admin)
        assert (found["unnamed"], found["verifiers"]) == (True, [])
        assert found["workers"] == 1


@pytest.mark.parametrize(
    "name", ["orders", "orders/", "/1", "a/b/c", "a b/1", "a/1.2", "<b>/1", "a/" + "1" * 99, "ä/1", "a/1,b/2", ""]
)
async def test_a_name_that_is_none_is_refused(server, name):
    async with server.browser() as client:
        answer = await client.get("/revocations", headers=[*FEED.items(), ("Watchword-Verifier", name.encode())])
        assert (answer.status_code, answer.json()["code"]) == (400, "verifier_malformed")


async def test_two_names_are_refused_and_a_stranger_gets_onto_no_map(server, admin):
    async with server.browser() as client:
        twice = [*FEED.items(), ("Watchword-Verifier", "a/1"), ("Watchword-Verifier", "a/2")]
        assert (await client.get("/revocations", headers=twice)).status_code == 400
        assert (await client.get("/revocations", headers={"Watchword-Verifier": "a/1"})).status_code == 401
        assert (await verifiers(admin))["verifiers"] == []


async def test_the_page_is_served_under_a_strict_policy_without_a_login_and_holds_no_data(server):
    async with server.browser() as client:
        page = await client.get("/admin/revocations")
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src 'self'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "frame-ancestors 'none'" in policy
        assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", page.text) is None
        for path in set(re.findall(r'(?:src|href)="(/[^"#]*)"', page.text)) - {"/"}:
            assert (await client.get(path)).status_code == 200, path


async def test_the_page_is_served_in_production_too_and_the_rest_of_the_playground_is_not(open_server, tmp_path):
    (tmp_path / "home").mkdir()
    production = {
        "WATCHWORD_ENVIRONMENT": "production",
        "WATCHWORD_ISSUER": "https://id.example.test",
        "WATCHWORD_MASTER_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
        "WATCHWORD_FEED__TOKEN": "feed-token-of-the-tests-0123456789abcdef",
        "WATCHWORD_PASSWORDS__MEMORY_KIB": "19456",
        "WATCHWORD_PASSWORDS__TIME_COST": "2",
    }
    async with open_server(**production) as server, server.browser() as client:
        page = await client.get("/admin/revocations")
        assert page.status_code == 200
        assert 'href="/"' not in page.text, "no link to a playground that is not there"
        for path in set(re.findall(r'(?:src|href)="(/[^"#]*)"', page.text)):
            assert (await client.get(path)).status_code == 200, path
        for path in ("/", "/playground/static/css/palette.css", "/admin/static/js/thief_view.js"):
            assert (await client.get(path)).status_code == 404, path
        assert (await client.get("/admin/static/js/..%2f..%2f../console.py")).status_code == 404
