"""Attacks on what administrators and operators use: the admin API, the playground, metrics, logs."""

import asyncio
import io
import json
import logging
from urllib.parse import quote

import pytest
from story import PASSWORD, bearer
from watchword_server.store.records import Origin
from watchword_server.web import logs

TEST = Origin(actor="test")
JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"


@pytest.fixture
async def admin(server):
    async with server.browser() as client:
        account = await server.register(client, "root@example.test")
        await server.services.accounts.set_roles(account["id"], ("user", "admin"), TEST)
        client.headers.update(bearer(await server.login(client, "root@example.test", delivery="body")))
        client.account_id = account["id"]
        yield client


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer x"}])
async def test_no_call_of_the_admin_api_does_anything_for_strangers_or_ordinary_accounts(server, header):
    # CVE-2024-3656 (Keycloak): administrative calls that ask for a token, and not for the right.
    async with server.browser() as client:
        account = await server.register(client)
        ordinary = bearer(await server.login(client))
        document = (await client.get("/admin/api/openapi.json")).json()
        head = (await server.services.store.head()).position
        bodies = {"/cut-offs": {"axis": "everything"}, "/keys/rotate": {"at_once": True}}
        called = 0
        for path, methods in document["paths"].items():
            for method in methods:
                url = f"/admin/api{path}".replace("{account_id}", account["id"]).replace("{kid}", "x")
                body = bodies.get(path, {"roles": ["admin"]}) if method in {"post", "patch", "put"} else None
                stranger = await client.request(method, url.replace("{sid}", "x"), json=body, headers=header)
                assert stranger.status_code == 401, (method, url)
                known = await client.request(method, url.replace("{sid}", "x"), json=body, headers=ordinary)
                assert known.status_code == 403, (method, url)
                called += 1
        assert called >= 12
        assert (await server.services.store.head()).position == head
        assert (await client.get("/auth/me", headers=ordinary)).json()["account"]["roles"] == ["user"]


@pytest.mark.parametrize("raw", ["/%61dmin/api/keys", "/admin%2Fapi/keys", "/admin/api/%6Beys", "/admin/api//keys"])
async def test_another_spelling_of_the_path_asks_for_the_same_right(server, raw):
    async with server.browser() as client:
        assert (await client.get(raw)).status_code in {401, 404}


async def test_nothing_an_administrator_sends_is_a_server_error_or_gets_half_done(server, admin):
    account = f"/accounts/{admin.account_id}"
    tries = [
        ("PATCH", account, b'{"roles": ["user", "admin", "nope"]}'),
        ("PATCH", account, b'{"roles": ["admin", "nope"], "disabled": true}'),
        ("PATCH", account, b'{"\\ud800": 1}'),
        ("PATCH", account, b'{"roles": ["\\ud800"]}'),
        ("PATCH", account, b'{"roles": ["\\u0000"]}'),
        ("PATCH", account, json.dumps({"roles": [f"r{n}" for n in range(33)]}).encode()),
        ("POST", "/cut-offs", b'{"axis": "account", "value": "\\udfff"}'),
        ("POST", "/cut-offs", b'{"axis": "account", "value": "a", "cause": "\\ud800"}'),
        ("POST", "/cut-offs", json.dumps({"axis": "account", "value": "a", "cause": "x\r\ny"}).encode()),
        ("POST", "/cut-offs", b"[" * 60_000),
        ("POST", "/cut-offs", b'{"axis": ' + b"9" * 50_000 + b"}"),
        ("POST", "/cut-offs", b'{"axis": NaN}'),
        ("POST", "/cut-offs", b"\xff\xfe"),
        ("POST", "/cut-offs", b'{"axis": "session", "value": "x"}'),
        ("POST", "/cut-offs", b'{"axis": "key", "value": "x"}'),
        ("GET", "/accounts?search=%00", None),
        ("GET", "/accounts?limit=%D9%A1", None),
        ("GET", "/accounts?limit=201", None),
        ("GET", "/accounts?limit=-1", None),
        ("GET", "/audit?before=99999999999999999999999", None),
        ("GET", "/audit?limit=501", None),
        ("GET", "/cut-offs?after=a.99999999999999999999.b", None),
        ("POST", "/keys/%00/distrust", None),
        ("POST", "/keys/" + "x" * 600 + "/distrust", None),
        ("DELETE", "/sessions/" + quote("\U0001f600"), None),
        ("DELETE", "/accounts/nobody/sessions", None),
    ]
    for method, path, content in tries:
        answer = await admin.request(method, f"/admin/api{path}", content=content, headers=JSON)
        assert 400 <= answer.status_code < 500, (path, content and content[:60], answer.text)
        assert answer.headers["content-type"] == PROBLEM
    for path in ("/accounts?search=%ff%ed%a0%80", "/accounts?search=%25_&after=%F0%9F%98%80", "/sessions?after=~"):
        assert (await admin.get(f"/admin/api{path}")).status_code == 200
    shown = (await admin.get(f"/admin/api{account}")).json()
    assert (shown["roles"], shown["disabled_at"]) == (["user", "admin"], None)


async def test_a_body_without_end_is_refused_before_anybody_asks_who_sends_it(server):
    async def endless():
        for _ in range(4096):
            yield b"[" * 65_536

    async with server.browser() as client:
        answer = await client.post("/admin/api/cut-offs", content=endless(), headers=JSON)
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == PROBLEM


async def test_an_administrator_who_is_disabled_is_out_at_once(server, admin):
    path = f"/admin/api/accounts/{admin.account_id}"
    assert await server.services.accounts.disable(admin.account_id, TEST)
    assert (await admin.get(path)).status_code == 401
    assert (await admin.patch(path, json={"disabled": False})).status_code == 401


async def test_administrators_who_disable_each_other_at_once_are_each_disabled_once(server, admin):
    from watchword_server.store.records import AuditEntry

    async with server.browser() as other:
        account = await server.register(other, "second@example.test")
        await server.services.accounts.set_roles(account["id"], ("user", "admin"), TEST)
        other.headers.update(bearer(await server.login(other, "second@example.test", delivery="body")))
        await asyncio.gather(
            *(admin.patch(f"/admin/api/accounts/{account['id']}", json={"disabled": True}) for _ in range(3)),
            *(other.patch(f"/admin/api/accounts/{admin.account_id}", json={"disabled": True}) for _ in range(3)),
        )
        entries: list[AuditEntry] = list(
            await server.services.store.audit_entries(before=None, limit=50, account_id=None, event="account.disabled")
        )
        disabled = [entry.event.account_id for entry in entries]
        assert len(disabled) == len(set(disabled)) >= 1


async def test_the_playground_hands_out_only_tokens_of_the_asking_session(server):
    async with server.browser() as ada, server.browser() as eve:
        await server.register(ada)
        await server.register(eve, "eve@example.test")
        hers = await server.login(ada, delivery="body")
        his = await server.login(eve, "eve@example.test", delivery="body")
        answer = await eve.post("/playground/stolen-token", json={"generation": 0}, headers=bearer(his))
        assert answer.json()["refresh_token"] == his["refresh_token"]
        assert answer.json()["refresh_token"] != hers["refresh_token"]
        for generation in (-1, 1, 10**30, "0", None, 0.5):
            answer = await eve.post("/playground/stolen-token", json={"generation": generation}, headers=bearer(his))
            assert 400 <= answer.status_code < 500
        assert (await eve.post("/playground/stolen-token", json={"generation": 0})).status_code == 401
        await ada.post("/auth/logout", json={"refresh_token": hers["refresh_token"]})
        assert (await ada.get("/playground/family", headers=bearer(hers))).status_code == 401


@pytest.mark.parametrize(
    "path", ["..%2Froutes.py", "%2e%2e/routes.py", "..%5Croutes.py", "/etc/passwd", "%00", "a" * 4000, "%ff%ed%a0%80"]
)
async def test_no_file_outside_of_the_playground_is_served(server, path):
    async with server.browser() as client:
        answer = await client.get(f"/playground/static/{path}")
        assert answer.status_code in {404, 400}
        assert "import" not in answer.text


async def test_a_thousand_ranges_of_a_file_cost_no_thousand_answers(server):
    # CVE-2025-62727 (Starlette): ranges merged in quadratic time.
    async with server.browser() as client:
        ranges = ",".join(f"{2 * n}-{2 * n}" for n in range(1500))
        answer = await client.get("/playground/static/index.html", headers={"Range": f"bytes={ranges}"})
        assert answer.status_code in {200, 206, 400, 416}
        assert len(answer.content) < 200_000


@pytest.mark.parametrize(
    "path", ["/", "/playground/family", "/playground/stolen-token", "/playground/static/index.html"]
)
async def test_without_the_playground_none_of_its_paths_is_there(open_server, path):
    async with open_server(WATCHWORD_PLAYGROUND__ENABLED="false") as server, server.browser() as client:
        assert (await client.get(path)).status_code == 404
        assert (await client.post(path, json={"generation": 0})).status_code == 404


async def test_hostile_requests_make_no_new_series_of_metrics(server):
    async with server.browser() as client:

        async def series() -> set[str]:
            text = (await client.get("/metrics")).text
            return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}

        async def attack(mark: str) -> None:
            for path in (f"/{mark}", f"/auth/{mark}", f"/auth/sessions/{mark}", f"/admin/api/accounts/{mark}"):
                await client.get(path)
                await client.delete(path)
                await client.get(path, headers=[(b"Authorization", f"Bearer {mark}.{mark}.{mark}".encode())])
                await client.request(mark.upper() if mark.isascii() else "PURGE", path)
            await client.post("/auth/refresh", json={"refresh_token": mark})
            await client.post("/auth/login", json={"identifier": mark, "password": mark})

        await attack("first")
        await series()  # which is itself one of the requests counted
        before = await series()
        for mark in ("second", "x" * 500, "\u00e9\u2028"):
            await attack(mark)
        assert {line for line in await series() - before if "_created" not in line} == set()
        assert "first" not in str(before)


@pytest.fixture
def written():
    """All that is logged at debug level, as it would be written."""
    root = logging.getLogger()
    kept = root.level, root.handlers[:]
    stream = io.StringIO()
    logs.configure("debug", "json", stream=stream)
    yield stream
    root.setLevel(kept[0])
    root.handlers[:] = kept[1]


async def test_no_secret_is_in_the_log_the_audit_or_a_problem_whatever_happens(server, admin, written, monkeypatch):
    secrets = [PASSWORD, "another secret phrase", "guessed wrongly here"]
    shown = []
    async with server.browser() as client:
        tokens = await server.login(client, "root@example.test")
        cookie = client.cookies["watchword-refresh"]
        secrets += [tokens["access_token"], cookie, cookie.rpartition(".")[2]]
        secrets += [server.services.settings.master_key.get_secret_value(), "feed-token-of-the-tests"]
        secrets += [server.services.keys.mac_secret(server.services.keys.active_mac_key).hex()]
        body = {"current_password": PASSWORD, "new_password": secrets[1]}
        for call in (
            client.post("/auth/login", json={"identifier": "root@example.test", "password": secrets[2]}),
            client.post("/auth/login", json={"identifier": secrets[2], "password": secrets[2]}),
            client.post("/auth/register", json={"email": "a@b.test", "password": secrets[2], "x": PASSWORD}),
            client.get(f"/auth/me?access_token={tokens['access_token']}", headers=bearer(tokens)),
            client.get(f"/auth/{cookie}/{tokens['access_token']}"),
            client.delete(f"/auth/sessions/{tokens['access_token']}", headers=bearer(tokens)),
            client.get(f"/revocations?cursor={cookie}", headers={"Authorization": "Bearer feed-token-of-the-tests"}),
            client.post("/auth/refresh", headers={"Cookie": f"watchword-refresh={cookie}; watchword-refresh=b"}),
            client.post("/auth/password", json=body, headers=bearer(tokens)),
        ):
            shown.append((await call).text)

        async def broken(*given, **named):
            raise RuntimeError(f"{given} {named} Authorization: Bearer {tokens['access_token']} {cookie}")

        for verb in ("family", "session_view", "account_for_login"):
            monkeypatch.setattr(server.services.store, verb, broken)
        for call in (
            client.post("/auth/refresh"),
            client.get("/auth/me", headers=bearer(tokens)),
            client.post("/auth/login", json={"identifier": "root@example.test", "password": secrets[2]}),
        ):
            answer = await call
            assert answer.status_code == 500
            shown.append(answer.text)
        monkeypatch.undo()
    audited = await server.services.store.audit_entries(before=None, limit=200, account_id=None, event=None)
    log = written.getvalue()
    assert log.count("RuntimeError") >= 3
    for secret in secrets:
        for text in (log, str(audited), *shown):
            assert secret not in text, secret[:8]
