"""Clients by the administration API, clients of the configuration, and what accounts tell of their person."""

import json

import pytest
from oauth_story import OAuth, Registered, refused
from story import PASSWORD, bearer
from watchword_server.store.records import Origin

URI = "https://app.example.test/callback"


async def administrator(server, client):
    account = await server.register(client, "root@example.test")
    await server.services.accounts.set_roles(account["id"], ("user", "admin"), Origin(actor="test"))
    client.headers.update(bearer(await server.login(client, "root@example.test")))


@pytest.fixture
async def admin(server):
    async with server.browser() as client:
        await administrator(server, client)
        yield client


async def test_a_client_is_put_on_record_used_changed_and_deleted(server, admin):
    made = await admin.post(
        "/admin/api/clients",
        json={"client_id": "robot", "metadata": {"grant_types": ["client_credentials"], "client_name": "Robot"}},
    )
    assert made.status_code == 201, made.text
    secret = made.json()["client_secret"]
    async with server.browser() as http:
        oauth = OAuth(server, http)
        robot = Registered("robot", secret)
        assert (await oauth.token(robot, "client_credentials")).status_code == 200
        renewed = (await admin.post("/admin/api/clients/robot/secret", json={"keep_former": True})).json()
        for good in (secret, renewed["client_secret"]):
            assert (await oauth.token(Registered("robot", good), "client_credentials")).status_code == 200
        last = (await admin.post("/admin/api/clients/robot/secret", json={"keep_former": False})).json()
        refused(await oauth.token(robot, "client_credentials"), "invalid_client", 401)
        newest = Registered("robot", last["client_secret"])
        assert (await admin.patch("/admin/api/clients/robot", json={"disabled": True})).json()["client"]["disabled_at"]
        refused(await oauth.token(newest, "client_credentials"), "invalid_client", 401)
        await admin.patch("/admin/api/clients/robot", json={"disabled": False, "settings": {"access_lifetime": 30}})
        assert (await oauth.token(newest, "client_credentials")).json()["expires_in"] == 30
        assert (await admin.delete("/admin/api/clients/robot")).status_code == 204
        refused(await oauth.token(newest, "client_credentials"), "invalid_client", 401)
    assert (await admin.get("/admin/api/clients/robot")).status_code == 404
    assert (await admin.delete("/admin/api/clients/robot")).status_code == 404


async def test_clients_are_listed_in_pages_and_never_with_a_secret(admin):
    secrets = []
    for number in range(3):
        made = await admin.post(
            "/admin/api/clients", json={"client_id": f"c{number}", "metadata": {"redirect_uris": [URI]}}
        )
        secrets.append(made.json()["client_secret"])
    first = (await admin.get("/admin/api/clients", params={"limit": 2})).json()
    rest = (await admin.get("/admin/api/clients", params={"after": first["next_after"]})).json()
    assert [client["client_id"] for client in first["clients"] + rest["clients"]] == ["c0", "c1", "c2"]
    assert not any(secret in json.dumps([first, rest]) for secret in secrets)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": {}},
        {"metadata": {"redirect_uris": ["http://evil.example.test/cb"]}},
        {"metadata": {"redirect_uris": [URI]}, "settings": {"first_parti": True}},
        {"metadata": {"redirect_uris": [URI]}, "client_id": "a b"},
        {"metadata": {"redirect_uris": [URI]}, "client_id": "first-party"},
        {"metadata": {"redirect_uris": [URI]}, "extra": 1},
    ],
)
async def test_what_may_not_be_registered_is_422(admin, body):
    assert (await admin.post("/admin/api/clients", json=body)).status_code == 422


async def test_only_administrators_see_or_make_clients(server):
    async with server.browser() as client:
        await server.register(client)
        tokens = await server.login(client)
        for headers, status in (({}, 401), (bearer(tokens), 403)):
            assert (await client.get("/admin/api/clients", headers=headers)).status_code == status
            made = await client.post("/admin/api/clients", json={"metadata": {"redirect_uris": [URI]}}, headers=headers)
            assert made.status_code == status


async def test_clients_of_the_configuration_work_and_are_not_changed_by_the_api(open_server):
    table = {
        "client_id": "configured",
        "client_secret": "c" * 40,
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
    }
    async with open_server(WATCHWORD_CLIENTS=json.dumps([table])) as server, server.browser() as client:
        oauth = OAuth(server, client)
        answer = await oauth.token(Registered("configured", "c" * 40), "client_credentials")
        assert answer.status_code == 200, answer.text
        async with server.browser() as admin:
            await administrator(server, admin)
            listed = (await admin.get("/admin/api/clients")).json()["clients"]
            assert [(one["client_id"], one["source"]) for one in listed] == [("configured", "configuration")]
            assert "c" * 40 not in json.dumps(listed)
            for call in (
                admin.patch("/admin/api/clients/configured", json={"disabled": True}),
                admin.delete("/admin/api/clients/configured"),
                admin.post(
                    "/admin/api/clients", json={"client_id": "configured", "metadata": {"redirect_uris": [URI]}}
                ),
            ):
                assert (await call).status_code in {404, 409}


async def test_an_account_tells_of_its_person_and_cannot_call_its_phone_verified(server, admin):
    async with server.browser() as client:
        account = await server.register(client, "ada@example.test")
        tokens = await server.login(client)
        headers = bearer(tokens)
        assert (await client.get("/auth/profile", headers=headers)).json() == {"profile": {}}
        told = {"name": "Ada", "phone_number": "+43 1 234", "phone_number_verified": True, "address": {"country": "AT"}}
        kept = await client.put("/auth/profile", json=told, headers=headers)
        assert kept.json()["profile"]["phone_number_verified"] is False
        path = f"/admin/api/accounts/{account['id']}/profile"
        verified = await admin.put(path, json={"profile": told})
        assert verified.json()["profile"]["phone_number_verified"] is True
        again = await client.put("/auth/profile", json={**told, "name": "Ada L."}, headers=headers)
        assert again.json()["profile"]["phone_number_verified"] is True
        assert (await admin.get(path)).json()["profile"]["name"] == "Ada L."
        for wrong in (
            {"email": "x@example.test"}, {"name": 1}, {"name": ""}, {"name": "a\nb"}, {"picture": "javascript:x"},
            {"birthdate": "yesterday"}, {"zoneinfo": "../etc"}, {"address": {"planet": "Mars"}}, {"name": "x" * 300},
        ):  # fmt: skip
            assert (await client.put("/auth/profile", json=wrong, headers=headers)).status_code == 422, wrong
        assert (await client.put("/auth/profile", json=told)).status_code == 401
        assert (await admin.put("/admin/api/accounts/nobody/profile", json={"profile": {}})).status_code == 404
        assert PASSWORD not in (await client.get("/auth/profile", headers=headers)).text
