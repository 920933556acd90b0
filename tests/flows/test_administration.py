"""The administration API: who may, what it does, and how it refuses."""

import pytest
from story import PASSWORD, SAFARI, bearer
from watchword_server.store.delivery_records import NewDelivery

ADMIN = "root@example.test"


@pytest.fixture
async def admin(server):
    from watchword_server.store.records import Origin

    async with server.browser() as client:
        account = await server.register(client, ADMIN)
        await server.services.accounts.set_roles(account["id"], ("user", "admin"), Origin(actor="test"))
        tokens = await server.login(client, ADMIN)
        client.headers.update(bearer(tokens))
        yield client


async def test_an_ordinary_account_is_403_and_a_stranger_401(server):
    async with server.browser() as client:
        await server.register(client)
        tokens = await server.login(client)
        for path in ("/accounts", "/sessions", "/cut-offs", "/verifiers", "/keys", "/audit", "/outbox"):
            stranger = await client.get(f"/admin/api{path}")
            assert stranger.status_code == 401
            assert stranger.headers["www-authenticate"] == "Bearer"
            ordinary = await client.get(f"/admin/api{path}", headers=bearer(tokens))
            assert ordinary.status_code == 403
            assert 'error="insufficient_scope"' in ordinary.headers["www-authenticate"]
            assert 'scope="watchword:admin"' in ordinary.headers["www-authenticate"]


async def test_accounts_are_listed_found_shown_and_paged(server, admin):
    async with server.browser() as client:
        for number in range(3):
            await server.register(client, f"user{number}@example.test")
    found = (await admin.get("/admin/api/accounts", params={"search": "user1"})).json()["accounts"]
    assert [account["email"] for account in found] == ["user1@example.test"]
    page = (await admin.get("/admin/api/accounts", params={"limit": 2})).json()
    rest = (await admin.get("/admin/api/accounts", params={"limit": 200, "after": page["next_after"]})).json()
    assert len(page["accounts"]) == 2
    assert rest["next_after"] is None
    ids = [account["id"] for account in page["accounts"] + rest["accounts"]]
    assert ids == sorted(set(ids))
    shown = (await admin.get(f"/admin/api/accounts/{found[0]['id']}")).json()
    assert shown == found[0]
    assert "password" not in str(shown)


async def test_disabling_ends_everything_of_the_account_and_enabling_lets_it_log_in_again(server, admin):
    async with server.browser() as client:
        account = await server.register(client)
        tokens = await server.login(client)
        path = f"/admin/api/accounts/{account['id']}"
        assert (await admin.patch(path, json={"disabled": True})).json()["disabled_at"]
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
        assert (await client.post("/auth/refresh")).status_code == 401
        assert (await admin.patch(path, json={"disabled": False})).json()["disabled_at"] is None
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
        await server.login(client)


async def test_a_role_taken_away_kills_access_tokens_at_once_and_refresh_brings_the_new_roles(server, admin):
    async with server.browser() as client:
        account = await server.register(client)
        path = f"/admin/api/accounts/{account['id']}"
        await admin.patch(path, json={"roles": ["user", "admin"]})
        tokens = await server.login(client)
        assert (await client.get("/admin/api/keys", headers=bearer(tokens))).status_code == 200
        await admin.patch(path, json={"roles": ["user"]})
        assert (await client.get("/admin/api/keys", headers=bearer(tokens))).status_code == 401
        fresh = (await client.post("/auth/refresh")).json()
        assert (await client.get("/auth/me", headers=bearer(fresh))).status_code == 200
        assert (await client.get("/admin/api/keys", headers=bearer(fresh))).status_code == 403


async def test_a_role_that_the_settings_do_not_have_is_refused_by_field(server, admin):
    async with server.browser() as client:
        account = await server.register(client)
        refused = await admin.patch(f"/admin/api/accounts/{account['id']}", json={"roles": ["user", "emperor"]})
        assert refused.status_code == 422
        assert [error["field"] for error in refused.json()["errors"]] == ["roles"]
        assert (await admin.get(f"/admin/api/accounts/{account['id']}")).json()["roles"] == ["user"]


async def test_an_administrator_sees_and_ends_sessions(server, admin):
    async with server.browser() as laptop, server.browser(SAFARI) as phone:
        account = await server.register(laptop)
        here, there = await server.login(laptop), await server.login(phone)
        path = f"/admin/api/accounts/{account['id']}/sessions"
        sessions = (await admin.get(path)).json()["sessions"]
        assert {session["device"] for session in sessions} == {"Firefox on Linux", "Safari on iPhone"}
        sid = next(session["sid"] for session in sessions if session["device"] == "Safari on iPhone")
        assert (await admin.delete(f"/admin/api/sessions/{sid}")).status_code == 204
        assert (await admin.delete(f"/admin/api/sessions/{sid}")).status_code == 404
        assert (await phone.get("/auth/me", headers=bearer(there))).status_code == 401
        assert (await laptop.get("/auth/me", headers=bearer(here))).status_code == 200
        assert (await admin.delete(path)).status_code == 204
        assert (await laptop.get("/auth/me", headers=bearer(here))).status_code == 401


async def test_a_single_token_can_be_cut_off(server, admin):
    import base64
    import json

    async with server.browser() as client:
        await server.register(client)
        tokens = await server.login(client)
        jti = json.loads(base64.urlsafe_b64decode(tokens["access_token"].split(".")[1] + "=="))["jti"]
        written = await admin.post("/admin/api/cut-offs", json={"axis": "token", "value": jti, "cause": "leaked"})
        assert written.status_code == 201
        assert written.json()["axis"] == "token"
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
        assert (await client.post("/auth/refresh")).status_code == 200
        listed = (await admin.get("/admin/api/cut-offs")).json()["cut_offs"]
        assert written.json() in listed


async def test_everything_can_be_cut_off_and_people_log_in_again(server, admin):
    async with server.browser() as client:
        await server.register(client)
        tokens = await server.login(client)
        answer = await admin.post("/admin/api/cut-offs", json={"axis": "everything", "cause": "incident"})
        assert answer.status_code == 201
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
        assert (await client.post("/auth/refresh")).status_code == 401
        assert (await admin.get("/admin/api/keys")).status_code == 401
        fresh = await server.login(client)
        assert (await client.get("/auth/me", headers=bearer(fresh))).status_code == 200


async def test_a_distrusted_key_is_gone_at_once_and_tokens_by_the_next_one_live(server, admin):
    async with server.browser() as client:
        await server.register(client)
        tokens = await server.login(client)
        keys = (await admin.get("/admin/api/keys")).json()["keys"]
        assert "sealed" not in str(keys)
        active = next(key for key in keys if key["purpose"] == "access_token" and key["state"] == "active")
        answer = await admin.post(f"/admin/api/keys/{active['kid']}/distrust")
        assert answer.status_code == 200
        published = (await client.get("/jwks.json")).json()["keys"]
        assert active["kid"] not in {key["kid"] for key in published}
        assert all("d" not in key for key in published)
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
        fresh = (await client.post("/auth/refresh")).json()
        assert (await client.get("/auth/me", headers=bearer(fresh))).status_code == 200


async def test_rotating_early_is_409_unless_said_at_once(server, admin):
    early = await admin.post("/admin/api/keys/rotate", json={})
    assert early.status_code == 409
    assert int(early.headers["retry-after"]) > 0
    before = {key["kid"]: key["state"] for key in (await admin.get("/admin/api/keys")).json()["keys"]}
    answer = await admin.post("/admin/api/keys/rotate", json={"at_once": True})
    assert answer.status_code == 200
    after = {key["kid"]: key["state"] for key in answer.json()["keys"] if key["purpose"] == "access_token"}
    assert {kid for kid, state in after.items() if state == "retired"} <= {
        kid for kid, state in before.items() if state == "active"
    }
    assert (await admin.get("/admin/api/keys")).status_code == 200


async def test_the_audit_log_tells_who_did_what(server, admin):
    async with server.browser() as client:
        account = await server.register(client)
        await client.post("/auth/login", json={"identifier": "ada@example.test", "password": "wrong " + PASSWORD})
        await admin.patch(f"/admin/api/accounts/{account['id']}", json={"disabled": True})
    page = (await admin.get("/admin/api/audit", params={"account_id": account["id"]})).json()["entries"]
    events = [entry["event"] for entry in page]
    assert "account.disabled" in events
    assert "account.registered" in events
    disabled = page[events.index("account.disabled")]
    assert disabled["actor"].startswith("admin:")
    assert PASSWORD not in str(page)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/accounts?limit=0", None, 422),
        ("GET", "/accounts?limit=x", None, 422),
        ("GET", "/accounts/nobody", None, 404),
        ("PATCH", "/accounts/nobody", {"disabled": True}, 404),
        ("PATCH", "/accounts/nobody", {"admin": True}, 422),
        ("PATCH", "/accounts/nobody", {"roles": "admin"}, 422),
        ("POST", "/cut-offs", {"axis": "session", "value": "x"}, 404),
        ("POST", "/cut-offs", {"axis": "key", "value": "x"}, 404),
        ("POST", "/cut-offs", {"axis": "family", "value": "x"}, 422),
        ("POST", "/cut-offs/preview", {"axis": "account", "value": ""}, 422),
        ("POST", "/cut-offs/preview", {"axis": "account", "value": "x", "cause": "y"}, 422),
        ("POST", "/cut-offs/preview", {"axis": "client", "value": "x" * 513}, 422),
        ("GET", "/verifiers?since=-1", None, 422),
        ("POST", "/cut-offs", {"axis": "account", "value": ""}, 422),
        ("POST", "/cut-offs", {"axis": "everything", "value": "x"}, 422),
        ("POST", "/cut-offs", {"axis": "token", "value": "a\u0000b"}, 422),
        ("POST", "/cut-offs", {}, 422),
        ("POST", "/keys/nokey/distrust", None, 404),
        ("GET", "/cut-offs?after=x", None, 400),
        ("GET", "/audit?before=-1", None, 422),
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/sessions/nobody", None, 404),
        ("PUT", "/accounts", None, 405),
    ],
)
async def test_bad_input_is_a_problem_that_names_it(server, admin, method, path, body, status):
    answer = await admin.request(method, f"/admin/api{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"]


async def test_the_reference_page_shows_every_call_and_needs_no_script(server):
    async with server.browser() as client:
        document = (await client.get("/admin/api/openapi.json")).json()
        page = await client.get("/admin/api/docs")
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for path in document["paths"]:
            assert f"/admin/api{path}" in page.text
        assert (await client.get("/admin/api/docs.css")).headers["content-type"].startswith("text/css")


async def test_an_administrator_cannot_lock_themself_out(server, admin):
    account = (await admin.get("/admin/api/accounts", params={"search": ADMIN})).json()["accounts"][0]
    for change in ({"disabled": True}, {"roles": ["user"]}):
        answer = await admin.patch(f"/admin/api/accounts/{account['id']}", json=change)
        assert answer.status_code == 409
        assert answer.json()["code"] == "own_account"
    assert (await admin.get("/admin/api/keys")).status_code == 200


async def test_dead_letters_are_shown_without_their_content_retried_and_dropped(server, admin):
    store = server.services.store
    for number in range(2):
        await store.enqueue([NewDelivery(kind="mail", destination="ada", payload=b"secret", dedupe=str(number))])
    for one in await store.lease_deliveries("w", seconds=60, limit=9, per_destination=9):
        await store.give_up(one.id, "w", error="410")
    shown = await admin.get("/admin/api/outbox")
    assert "secret" not in shown.text
    first, second = shown.json()["deliveries"]
    assert (first["state"], first["last_error"], first["due_at"]) == ("dead", "410", None)
    assert (shown.json()["dead"], shown.json()["waiting"]) == (2, 0)
    assert (await admin.post(f"/admin/api/outbox/{first['id']}/retry")).status_code == 204
    assert (await admin.post(f"/admin/api/outbox/{first['id']}/retry")).status_code == 404
    assert (await admin.delete(f"/admin/api/outbox/{second['id']}")).status_code == 204
    assert (await admin.delete(f"/admin/api/outbox/{second['id']}")).json()["code"] == "delivery_unknown"
    waiting = (await admin.get("/admin/api/outbox", params={"state": "waiting"})).json()
    assert [one["id"] for one in waiting["deliveries"]] == [first["id"]]
    for wrong in ("0", "-1", "x", "9" * 30):
        assert (await admin.post(f"/admin/api/outbox/{wrong}/retry")).status_code == 422
