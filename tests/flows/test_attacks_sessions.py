"""Attacks on logging out and on cookies: forged from another site, tossed from another host of the domain."""

import pytest
from story import PASSWORD, SAFARI, bearer

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OTHER_SITE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}


async def alive(client, tokens) -> bool:
    return (await client.get("/auth/me", headers=bearer(tokens))).status_code == 200


@pytest.mark.parametrize("headers", [OTHER_SITE, {"Origin": "null"}, {}], ids=["cross-site", "null", "nothing said"])
@pytest.mark.parametrize("path", ["/auth/logout", "/auth/refresh"])
async def test_a_form_of_another_site_sent_without_the_cookie_cannot_make_the_browser_forget_it(server, path, headers):
    # A cross-site form carries no SameSite=Strict cookie, but its answer, a top-level navigation, may set one.
    async with server.browser() as client:
        answer = await client.post(path, content=b"", headers={**FORM, **headers})
        assert "set-cookie" not in answer.headers


async def test_a_form_with_text_that_looks_like_json_does_not_log_anybody_in(server):
    # CVE-2021-32677 (FastAPI): text/plain needs no preflight.
    async with server.browser() as client:
        await server.register(client)
        body = b'{"identifier": "ada@example.test", "password": "' + PASSWORD.encode() + b'"}'
        for kind in ("text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"):
            answer = await client.post("/auth/login", content=body, headers={"Content-Type": kind})
            assert answer.status_code == 415
            assert "set-cookie" not in answer.headers


async def test_logging_out_works_with_a_second_cookie_that_another_host_has_put_in(server):
    async with server.browser() as victim, server.browser(SAFARI) as attacker:
        await server.register(victim)
        await server.register(attacker, "eve@example.test")
        hers = await server.login(victim)
        his = await server.login(attacker, "eve@example.test", delivery="body")
        real = victim.cookies["watchword-refresh"]
        for tossed in (f"watchword-refresh={his['refresh_token']}; ", "watchword-refresh=x; "):
            refreshed = await victim.post("/auth/refresh", headers={"Cookie": f"{tossed}watchword-refresh={real}"})
            assert refreshed.status_code == 400
            assert refreshed.json()["code"] == "ambiguous_cookie"
        answer = await victim.post("/auth/logout", headers={"Cookie": f"watchword-refresh=x; watchword-refresh={real}"})
        assert answer.status_code == 204
        assert not await alive(victim, hers)
        assert await alive(attacker, his)


async def test_a_bearer_beside_another_sessions_cookie_is_logged_out_too(server):
    async with server.browser() as victim, server.browser(SAFARI) as attacker:
        await server.register(victim)
        await server.register(attacker, "eve@example.test")
        hers = await server.login(victim, delivery="body")
        his = await server.login(attacker, "eve@example.test", delivery="body")
        for cookie in (his["refresh_token"], "stale"):
            tokens = await server.login(victim, delivery="body")
            headers = {"Cookie": f"watchword-refresh={cookie}", **bearer(tokens)}
            assert (await victim.post("/auth/logout", headers=headers)).status_code == 204
            assert not await alive(victim, tokens)
        assert await alive(victim, hers)


async def test_a_stranger_cannot_make_the_server_read_a_family_for_each_of_a_hundred_cookies(server, monkeypatch):
    asked = []
    families = server.services.rotation._families
    read = families.family

    async def counting(family_id: str):
        asked.append(family_id)
        return await read(family_id)

    monkeypatch.setattr(families, "family", counting)
    key_id = server.services.keys.active_mac_key
    cookies = "; ".join(f"watchword-refresh=wr_{key_id}.f{n}.0.{'A' * 43}" for n in range(100))
    async with server.browser() as client:
        assert (await client.post("/auth/logout", headers={"Cookie": cookies})).status_code == 204
    assert len(asked) <= 8


@pytest.mark.parametrize("host", ["[", "a[b", "evil.example", "", "localhost:8000@evil.example"])
async def test_no_host_header_breaks_or_opens_the_check_of_origins(server, host):
    # The scheme of the URL is asked for, and the host is compared with Origin.
    async with server.browser() as client:
        await server.register(client)
        await server.login(client)
        cookie = f"watchword-refresh={client.cookies['watchword-refresh']}"
        answer = await client.post(
            "/auth/refresh", headers={"Host": host, "Cookie": cookie, "Origin": f"http://{host}", **OTHER_SITE}
        )
        assert answer.status_code == 403
        answer = await client.post("/auth/refresh", headers={"Host": host, "Cookie": cookie})
        assert answer.status_code == 200


async def test_login_ignores_a_cookie_that_came_before_and_makes_a_session_of_its_own(server):
    # Session fixation: a cookie planted before the login names no session afterwards.
    async with server.browser() as victim, server.browser(SAFARI) as attacker:
        await server.register(victim)
        await server.register(attacker, "eve@example.test")
        planted = (await server.login(attacker, "eve@example.test", delivery="body"))["refresh_token"]
        answer = await victim.post(
            "/auth/login",
            json={"identifier": "ada@example.test", "password": PASSWORD},
            headers={"Cookie": f"watchword-refresh={planted}"},
        )
        assert answer.status_code == 200
        assert planted.split(".")[1] not in answer.headers["set-cookie"]
        me = (await attacker.post("/auth/refresh", json={"refresh_token": planted})).json()
        assert (await attacker.get("/auth/me", headers=bearer(me))).json()["account"]["email"] == "eve@example.test"


async def test_a_cookies_token_sent_in_the_body_makes_no_cookie_and_keeps_its_own_rules(server):
    # Confused deputy between the two deliveries: within the window a cookie family stays, wherever its token comes from.
    async with server.browser() as client:
        await server.register(client)
        await server.login(client)
        token = client.cookies["watchword-refresh"]
        client.cookies.clear()
        answer = await client.post("/auth/refresh", json={"refresh_token": token})
        assert answer.json()["refresh_token"] == token
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "before",
    [
        b"\xe2\x80\x80watchword-refresh=%s",
        b"\xa0watchword-refresh=%s",
        b"\x85watchword-refresh=%s",
        b"\x0bwatchword-refresh=%s",
        b"Watchword-Refresh=%s",
        b"watchword-refresh =%s",
        b'watchword-refresh="%s"',
        b"watchword-refresh%%3D%s",
        b"=watchword-refresh=%s",
        b'$Version=1; x="; watchword-refresh=%s"',
    ],
)
async def test_no_other_spelling_of_the_cookies_name_is_taken_for_it(server, before):
    # Cookie prefixes are kept by browsers for the exact octets alone: a name trimmed of Unicode spaces, or read as of
    # RFC 2109, is one that any host of the domain may set.
    async with server.browser() as client:
        await server.register(client)
        token = (await server.login(client, delivery="body"))["refresh_token"]
        answer = await client.post("/auth/refresh", headers=[(b"Cookie", before % token.encode())])
        assert answer.status_code in {400, 401}
        assert (await client.post("/auth/refresh", json={"refresh_token": token})).status_code == 200
