"""Global Token Revocation on both stores: trusted machines end all that one account has, and nobody else does."""

import contextlib

import pytest
from story import ISSUER, bearer

TOKEN = "machine-token-of-the-tests"
ON = {
    "WATCHWORD_GLOBAL_REVOCATION__ENABLED": "true",
    "WATCHWORD_GLOBAL_REVOCATION__CALLERS": f'{{"incidents": "{TOKEN}"}}',
}
PATH = "/global-token-revocation"


@contextlib.asynccontextmanager
async def machine(server, token=TOKEN):
    async with server.browser() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


async def test_it_is_served_and_told_only_when_it_is_on(open_server):
    async with open_server() as server, machine(server) as client:
        assert (await client.post(PATH, json={"sub_id": {}})).status_code == 404
        told = (await client.get("/.well-known/oauth-authorization-server")).json()
        assert "global_token_revocation_endpoint" not in told
    async with open_server(**ON) as server, machine(server) as client:
        told = (await client.get("/.well-known/oauth-authorization-server")).json()
        assert told["global_token_revocation_endpoint"] == f"{ISSUER}{PATH}"


@pytest.mark.parametrize("form", ["iss_sub", "opaque", "email"])
async def test_all_that_the_account_has_ends_by_one_cut_off_and_it_can_log_in_again(open_server, form):
    async with (
        open_server(**ON) as server,
        machine(server) as client,
        server.browser() as ada,
        server.browser() as phone,
        server.browser() as bob,
    ):
        account = await server.register(ada)
        await server.register(bob, "bob@example.test")
        others = await server.login(bob, "bob@example.test")
        tokens = [await server.login(ada), await server.login(phone)]
        before = (await server.services.store.head()).position
        subject = {
            "iss_sub": {"format": "iss_sub", "iss": ISSUER, "sub": account["id"]},
            "opaque": {"format": "opaque", "id": account["id"]},
            "email": {"format": "email", "email": "ADA@example.test"},
        }[form]
        answered = await client.post(PATH, json={"sub_id": subject})
        assert (answered.status_code, answered.content) == (204, b"")
        assert (await server.services.store.head()).position == before + 1
        for browser, mine in zip((ada, phone), tokens, strict=True):
            assert (await browser.get("/auth/me", headers=bearer(mine))).status_code == 401
            assert (await browser.post("/auth/refresh")).status_code == 401
        assert (await bob.get("/auth/me", headers=bearer(others))).status_code == 200
        fresh = await server.login(ada)
        assert (await ada.get("/auth/me", headers=bearer(fresh))).status_code == 200
        (line,) = await server.services.store.audit_entries(
            before=None, limit=9, account_id=account["id"], event="sessions.ended_all"
        )
        assert (line.event.origin.actor, line.event.reason) == ("machine:incidents", "global_revocation")


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "é" * 20, "x" * 10_000])
async def test_strangers_end_nothing(open_server, token):
    async with open_server(**ON) as server, server.browser() as ada:
        account = await server.register(ada)
        tokens = await server.login(ada)
        headers = {"Authorization": f"Bearer {token}".encode()}
        body = {"sub_id": {"format": "opaque", "id": account["id"]}}
        assert (await ada.post(PATH, json=body, headers=headers)).status_code == 401
        assert (await ada.get("/auth/me", headers=bearer(tokens))).status_code == 200


async def test_an_account_ends_nobody_by_its_own_token_whatever_its_scope(open_server):
    roles = '{"user": {"scopes": ["global_token_revocation"]}, "admin": {}}'
    on = ON | {"WATCHWORD_GLOBAL_REVOCATION__ACCESS_TOKENS": "true", "WATCHWORD_ROLES": roles}
    async with open_server(**on) as server, server.browser() as ada:
        account = await server.register(ada)
        tokens = await server.login(ada)
        body = {"sub_id": {"format": "opaque", "id": account["id"]}}
        assert (await ada.post(PATH, json=body, headers=bearer(tokens))).status_code == 403


@pytest.mark.parametrize(
    ("subject", "status"),
    [
        ({"format": "opaque", "id": "nobody"}, 404),
        ({"format": "opaque", "id": "\u0000"}, 404),
        ({"format": "email", "email": "nobody@example.test"}, 404),
        ({"format": "email", "email": "no address"}, 404),
        ({"format": "iss_sub", "iss": "https://other.example", "sub": "x"}, 404),
        ({"format": "iss_sub", "iss": ISSUER + "/", "sub": "x"}, 404),
        ({"format": "phone_number", "phone_number": "+1"}, 422),
        ({"format": "opaque", "id": 1}, 422),
        ({"format": "opaque", "id": "x", "more": 1}, 422),
        ({}, 422),
        ([], 422),
        ("x", 422),
    ],
)
async def test_a_subject_that_is_none_here_ends_nothing(open_server, subject, status):
    async with open_server(**ON) as server, machine(server) as client:
        before = (await server.services.store.head()).position
        assert (await client.post(PATH, json={"sub_id": subject})).status_code == status
        assert (await server.services.store.head()).position == before


async def test_a_body_that_is_none_is_refused(open_server):
    async with open_server(**ON) as server, machine(server) as client:
        assert (await client.post(PATH, content=b"x")).status_code == 415
        json = {"Content-Type": "application/json"}
        assert (await client.post(PATH, content=b"{", headers=json)).status_code == 400
        twice = b'{"sub_id":{},"sub_id":{}}'
        assert (await client.post(PATH, content=twice, headers=json)).status_code == 400
        assert (
            await client.post(PATH, content=b'{"sub_id":' + b"[" * 99 + b"]" * 99 + b"}", headers=json)
        ).status_code == 400
        assert (await client.post(PATH, json={"sub_id": {}, "more": 1})).status_code == 422
        assert (await client.get(PATH)).status_code == 405
