"""Register, log in, call, refresh, see sessions, end them: as a browser and as a native app."""

import base64
import json

import pytest
from story import FIREFOX, PASSWORD, SAFARI, bearer  # noqa: F401


def claims(token: str) -> dict:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


async def test_a_browser_gets_its_refresh_token_in_a_cookie_and_never_in_a_body(server):
    async with server.browser() as client:
        await server.register(client)
        answer = await client.post("/auth/login", json={"identifier": "ada@example.test", "password": PASSWORD})
        assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
        assert answer.headers["cache-control"] == "no-store"
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("watchword-refresh=wr_")
        for attribute in ("HttpOnly", "SameSite=Strict", "Path=/auth"):
            assert attribute in cookie


async def test_a_native_app_gets_its_refresh_token_in_the_body_and_no_cookie(server):
    async with server.browser() as client:
        await server.register(client)
        answer = await client.post(
            "/auth/login", json={"identifier": "ada@example.test", "password": PASSWORD, "delivery": "body"}
        )
        assert answer.json()["refresh_token"].startswith("wr_")
        assert "set-cookie" not in answer.headers
        again = await client.post("/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]})
        assert again.status_code == 200
        assert again.json()["refresh_token"] != answer.json()["refresh_token"]
        assert "set-cookie" not in again.headers


@pytest.mark.rfc("9068 §2.2")
async def test_the_access_token_says_what_it_must_and_nothing_personal(server):
    async with server.browser() as client:
        account = await server.register(client, username="ada")
        said = claims((await server.login(client))["access_token"])
        assert said["sub"] == account["id"]
        assert said["client_id"] == "first-party"
        assert {"iss", "aud", "exp", "iat", "jti", "sid", "rev"} <= set(said)
        assert said["roles"] == ["user"]
        assert "ada" not in json.dumps(said).replace(account["id"], "")


async def test_login_by_username_works(server):
    async with server.browser() as client:
        await server.register(client, username="ada")
        assert await server.login(client, identifier="ada")


async def test_me_needs_a_token(server):
    async with server.browser() as client:
        answer = await client.get("/auth/me")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "error=" not in answer.headers["www-authenticate"]
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_silent_refresh_within_the_window_stays_and_later_advances(server):
    async with server.browser() as client:
        await server.register(client)
        await server.login(client)
        first = client.cookies["watchword-refresh"]
        stays = await client.post("/auth/refresh")
        assert stays.status_code == 200
        assert "set-cookie" not in stays.headers
        server.clock.advance(31)
        advances = await client.post("/auth/refresh")
        assert advances.status_code == 200
        assert client.cookies["watchword-refresh"] != first
        assert (await client.get("/auth/me", headers=bearer(advances.json()))).status_code == 200


async def test_logging_out_kills_the_access_token_at_once_and_is_idempotent(server):
    async with server.browser() as client:
        await server.register(client)
        tokens = await server.login(client)
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 200
        out = await client.post("/auth/logout")
        assert out.status_code == 204
        assert "Max-Age=0" in out.headers["set-cookie"]
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
        assert (await client.post("/auth/logout", headers=bearer(tokens))).status_code == 204
        assert (await client.post("/auth/logout")).status_code == 204


async def test_logout_by_bearer_and_by_refresh_token_end_the_session_too(server):
    async with server.browser() as client:
        await server.register(client)
        by_bearer = await server.login(client, delivery="body")
        assert (await client.post("/auth/logout", headers=bearer(by_bearer))).status_code == 204
        assert (await client.get("/auth/me", headers=bearer(by_bearer))).status_code == 401
        by_token = await server.login(client, delivery="body")
        body = {"refresh_token": by_token["refresh_token"]}
        assert (await client.post("/auth/logout", json=body)).status_code == 204
        assert (await client.get("/auth/me", headers=bearer(by_token))).status_code == 401


async def test_a_reused_refresh_token_ends_the_session_and_leaves_a_notice(server):
    async with server.browser() as victim, server.browser(SAFARI) as thief:
        await server.register(victim)
        tokens = await server.login(victim, delivery="body")
        stolen = tokens["refresh_token"]
        for _ in range(2):
            server.clock.advance(31)
            tokens = (await victim.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
        refused = await thief.post("/auth/refresh", json={"refresh_token": stolen})
        assert refused.status_code == 401
        assert refused.json()["reason"] == "reuse"
        assert (await victim.get("/auth/me", headers=bearer(tokens))).status_code == 401
        answer = await victim.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert answer.status_code == 401
        again = await server.login(victim, delivery="body")
        me = (await victim.get("/auth/me", headers=bearer(again))).json()
        assert [notice["kind"] for notice in me["notices"]] == ["refresh.reused"]
        read = await victim.post("/auth/notices/read", json={"up_to": me["notices"][0]["id"]}, headers=bearer(again))
        assert read.status_code == 204
        assert (await victim.get("/auth/me", headers=bearer(again))).json()["notices"] == []


async def test_sessions_are_listed_and_each_can_be_ended(server):
    async with server.browser() as laptop, server.browser(SAFARI) as phone:
        await server.register(laptop)
        here, there = await server.login(laptop), await server.login(phone)
        listed = (await laptop.get("/auth/sessions", headers=bearer(here))).json()["sessions"]
        assert {session["device"] for session in listed} == {"Firefox on Linux", "Safari on iPhone"}
        assert [session["current"] for session in listed].count(True) == 1
        other = next(session for session in listed if not session["current"])
        assert other["last_used_at"] % 3600 == 0
        ended = await laptop.delete(f"/auth/sessions/{other['sid']}", headers=bearer(here))
        assert ended.status_code == 204
        assert (await phone.get("/auth/me", headers=bearer(there))).status_code == 401
        assert (await phone.post("/auth/refresh")).status_code == 401
        assert (await laptop.delete(f"/auth/sessions/{other['sid']}", headers=bearer(here))).status_code == 404


async def test_nobody_ends_another_accounts_session(server):
    async with server.browser() as ada, server.browser() as eve:
        await server.register(ada)
        await server.register(eve, "eve@example.test")
        hers = await server.login(ada)
        mine = await server.login(eve, "eve@example.test")
        answer = await eve.delete(f"/auth/sessions/{claims(hers['access_token'])['sid']}", headers=bearer(mine))
        assert answer.status_code == 404
        assert (await ada.get("/auth/me", headers=bearer(hers))).status_code == 200


async def test_logout_everywhere_ends_every_session_by_one_cut_off(server):
    async with server.browser() as laptop, server.browser(SAFARI) as phone:
        await server.register(laptop)
        here, there = await server.login(laptop), await server.login(phone)
        before = (await server.services.store.head()).position
        assert (await laptop.post("/auth/logout-all", headers=bearer(here))).status_code == 204
        assert (await server.services.store.head()).position == before + 1
        for client, tokens in ((laptop, here), (phone, there)):
            assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
        assert (await phone.post("/auth/refresh")).status_code == 401
        fresh = await server.login(laptop)
        assert (await laptop.get("/auth/me", headers=bearer(fresh))).status_code == 200


async def test_a_changed_password_ends_every_other_session_and_keeps_this_one(server):
    async with server.browser() as laptop, server.browser(SAFARI) as phone:
        await server.register(laptop)
        here, there = await server.login(laptop), await server.login(phone)
        new = "an entirely different staple"
        body = {"current_password": PASSWORD, "new_password": new}
        assert (await laptop.post("/auth/password", json=body, headers=bearer(here))).status_code == 204
        assert (await laptop.get("/auth/me", headers=bearer(here))).status_code == 200
        assert (await phone.get("/auth/me", headers=bearer(there))).status_code == 401
        assert (await phone.post("/auth/refresh")).status_code == 401
        server.clock.advance(31)
        assert (await laptop.post("/auth/refresh")).status_code == 200
        old = await phone.post("/auth/login", json={"identifier": "ada@example.test", "password": PASSWORD})
        assert old.status_code == 401


async def test_an_idle_session_ends_and_an_active_one_ends_absolutely(server):
    day = 86400
    async with server.browser() as client:
        await server.register(client)
        await server.login(client)
        server.clock.advance(7 * day + 1)
        idle = await client.post("/auth/refresh")
        assert idle.status_code == 401
        assert idle.json()["reason"]
        assert "Max-Age=0" in idle.headers["set-cookie"]
        await server.login(client)
        for _ in range(5):
            server.clock.advance(6 * day - 1)
            assert (await client.post("/auth/refresh")).status_code == 200
        server.clock.advance(day)
        assert (await client.post("/auth/refresh")).status_code == 401


async def test_a_disabled_account_is_out_at_once_and_cannot_log_in(server):
    from watchword_server.store.records import Origin

    async with server.browser() as client:
        account = await server.register(client)
        tokens = await server.login(client)
        await server.services.accounts.disable(account["id"], Origin(actor="test"))
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
        assert (await client.post("/auth/refresh")).status_code == 401
        login = await client.post("/auth/login", json={"identifier": "ada@example.test", "password": PASSWORD})
        assert login.status_code == 401
        assert login.json()["code"] == "wrong_credentials"


async def test_another_spelling_of_the_same_address_is_the_same_account(server):
    async with server.browser() as client:
        await server.register(client)
        for spelling in ("ADA@EXAMPLE.TEST", "\uff41\uff44\uff41@example.test"):
            answer = await client.post("/auth/register", json={"email": spelling, "password": PASSWORD})
            assert answer.status_code == 409
            assert await server.login(client, spelling)
