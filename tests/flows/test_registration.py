"""Clients that register themselves, over HTTP: off unless the operator says otherwise, and true to discovery."""

import pytest
from oauth_story import OAuth

METADATA = "/.well-known/oauth-authorization-server"
APP = {
    "client_name": "App",
    "redirect_uris": ["https://app.example/callback"],
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "id_token_signed_response_alg": "ES256",
}


@pytest.fixture
async def open_oauth(open_server):
    async with open_server(WATCHWORD_SELF_REGISTRATION__DYNAMIC="open") as server, server.browser() as http:
        yield OAuth(server, http)


def bearer(made):
    return {"Authorization": f"Bearer {made['registration_access_token']}"}


async def test_nobody_registers_and_discovery_says_nothing_of_it_unless_the_operator_opens_it(server):
    async with server.browser() as http:
        assert "registration_endpoint" not in (await http.get(METADATA)).json()
        assert (await http.post("/register", json=APP)).status_code == 404


@pytest.mark.rfc("7591 §3.2.1/1")
@pytest.mark.rfc("7591 §3.2.1/2")
@pytest.mark.rfc("7591 §3.2.1/3")
@pytest.mark.rfc("7591 §3/2")
@pytest.mark.rfc("7592 §2.1/1")
@pytest.mark.rfc("7592 §2.3")
@pytest.mark.rfc("7592 §3/1")
@pytest.mark.rfc("7592 §3/2")
async def test_a_registered_client_gets_tokens_at_once_and_can_look_after_itself(open_oauth):
    http = open_oauth.http
    endpoint = (await http.get(METADATA)).json()["registration_endpoint"]
    answer = await http.post(endpoint, json=APP)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert made["client_secret_expires_at"] == 0
    assert made["token_endpoint_auth_method"] == "client_secret_basic"
    assert APP.items() <= made.items()
    chosen = {"application_type": "web", "subject_type": "public", "response_types": ["code"]}
    assert chosen.items() <= made.items(), "what the server chose is told too"

    granted = await http.post(
        "/token", data={"grant_type": "client_credentials"}, auth=(made["client_id"], made["client_secret"])
    )
    assert granted.status_code == 200, granted.text

    shown = await http.get(made["registration_client_uri"], headers=bearer(made))
    assert shown.status_code == 200
    assert shown.json()["registration_access_token"] == made["registration_access_token"]
    assert "client_secret" not in shown.json()
    assert (APP | chosen).items() <= shown.json().items()

    changed = await http.put(
        made["registration_client_uri"],
        headers=bearer(made),
        json={"client_id": made["client_id"], **APP, "client_name": "Better App"},
    )
    assert changed.json()["client_name"] == "Better App"

    gone = await http.delete(made["registration_client_uri"], headers=bearer(made))
    assert gone.status_code == 204
    again = await http.post(
        "/token", data={"grant_type": "client_credentials"}, auth=(made["client_id"], made["client_secret"])
    )
    assert again.status_code == 401
    assert again.json()["error"] == "invalid_client"


@pytest.mark.rfc("7592 §2/1")
@pytest.mark.rfc("7592 §2.1/2")
@pytest.mark.rfc("7592 §3/1")
async def test_another_clients_registration_is_nobodys_business(open_oauth):
    http = open_oauth.http
    mine, other = [(await http.post("/register", json=APP)).json() for _ in range(2)]
    for method in ("GET", "PUT", "DELETE"):
        body = {"client_id": other["client_id"], **APP} if method == "PUT" else None
        for headers in (bearer(mine), {}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp4"}):
            answer = await http.request(method, other["registration_client_uri"], headers=headers, json=body)
            assert answer.status_code == 401
            assert answer.json()["error"] == "invalid_token"
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.rfc("7591 §2/2")
@pytest.mark.rfc("7591 §3.2.2")
@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"redirect_uris": ["https://app.example/#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://user@app.example/"]}, "invalid_redirect_uri"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks"}, "invalid_client_metadata"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}, "invalid_client_metadata"),
        (
            {"sector_identifier_uri": "https://169.254.169.254/latest", "subject_type": "pairwise"},
            "invalid_client_metadata",
        ),
        ({"sector_identifier_uri": "http://app.example/", "subject_type": "pairwise"}, "invalid_client_metadata"),
        ({"client_name": "\u202egnp.exe"}, "invalid_client_metadata"),
    ],
)
async def test_bad_metadata_is_refused_by_the_names_of_the_rfc(open_oauth, members, error):
    answer = await open_oauth.http.post("/register", json=APP | members)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.rfc("7591 §3/2")
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b'{"redirect_uris": ["https://a.example/"], "redirect_uris": []}', "application/json"),
        (b"redirect_uris=https://a.example/", "application/x-www-form-urlencoded"),
        (b"{" * 1000, "application/json"),
        (b"\xff", "application/json"),
    ],
)
async def test_what_is_no_registration_at_all_is_an_error_of_oauth_and_never_of_the_server(open_oauth, body, kind):
    answer = await open_oauth.http.post("/register", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"


async def test_a_flood_of_registrations_from_one_address_is_told_to_come_back(open_server):
    environ = {"WATCHWORD_SELF_REGISTRATION__DYNAMIC": "open", "WATCHWORD_THROTTLE__REGISTRATIONS": "3"}
    async with open_server(**environ) as server, server.browser() as http:
        statuses = [(await http.post("/register", json=APP)).status_code for _ in range(5)]
        assert statuses == [201, 201, 201, 503, 503]


@pytest.mark.rfc("7591 §3/3")
async def test_where_a_token_is_needed_a_stranger_is_challenged(open_server):
    async with open_server(WATCHWORD_SELF_REGISTRATION__DYNAMIC="token") as server, server.browser() as http:
        answer = await http.post("/register", json=APP)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.rfc("7591 §3.2.1/3")
async def test_a_self_registered_client_gets_no_scope_of_the_servers_own(open_oauth):
    answer = await open_oauth.http.post("/register", json=APP | {"scope": "openid watchword:admin reports:read"})
    assert answer.json()["scope"] == "openid"
