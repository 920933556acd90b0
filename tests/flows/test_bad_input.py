"""Whatever is sent to the session API, the answer is a clear 4xx problem, never a 500, and nothing is half-written."""

import json

import pytest
from story import PASSWORD, bearer

CALLS = {
    "/auth/register": {"email": "eve@example.test", "password": PASSWORD, "username": "eve"},
    "/auth/login": {"identifier": "ada@example.test", "password": PASSWORD, "delivery": "body"},
    "/auth/refresh": {"refresh_token": "wr_a.b.0.c"},
    "/auth/logout": {"refresh_token": "wr_a.b.0.c"},
}
JSON = {"content-type": "application/json"}
RAW = {
    "not json": b"{",
    "empty text": b" ",
    "array": b"[]",
    "string": b'"x"',
    "null": b"null",
    "number": b"1",
    "nan": b'{"email": NaN}',
    "infinity": b'{"email": Infinity}',
    "huge number": b'{"email": 1e999999}',
    "long integer": b'{"email": ' + b"9" * 5000 + b"}",
    "duplicate members": b'{"identifier": "a", "identifier": "b", "password": "x", "refresh_token": "y"}',
    "invalid utf-8": b'{"email": "\xff\xfe"}',
    "overlong utf-8": b'{"email": "\xc0\xaf"}',
    "lone surrogate": b'{"email": "\\ud800@example.test", "password": "correct horse battery staple"}',
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "bom": b'\xef\xbb\xbf{"email": "a@b.test"}',
    "trailing": b'{"email": "a@b.test"} x',
}


def is_problem(answer) -> bool:
    body = answer.json()
    return (
        400 <= answer.status_code < 500
        and answer.headers["content-type"] == "application/problem+json"
        and body["status"] == answer.status_code
        and bool(body["code"])
        and bool(body["detail"])
    )


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("name", RAW)
async def test_what_is_not_one_json_object_is_refused(server, path, name):
    async with server.browser() as client:
        answer = await client.post(path, content=RAW[name], headers=JSON)
        assert is_problem(answer), (answer.status_code, answer.text)
        assert (await server.services.store.figures()).rows["accounts"] in {0, 1}  # the first administrator at most


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("wrong", [None, 1, 1.5, True, [], {}, ["x"], {"a": 1}], ids=repr)
async def test_a_wrong_type_in_any_member_is_refused_with_that_member_named(server, path, wrong):
    async with server.browser() as client:
        for member in CALLS[path]:
            if (member, wrong) == ("username", None):
                continue
            answer = await client.post(path, json=CALLS[path] | {member: wrong})
            assert answer.status_code == 422, (member, answer.text)
            assert [error["field"] for error in answer.json()["errors"]] == [member]


@pytest.mark.parametrize("path", CALLS)
async def test_an_unknown_member_is_refused(server, path):
    async with server.browser() as client:
        answer = await client.post(path, json=CALLS[path] | {"roles": ["admin"]})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "roles"


@pytest.mark.parametrize(
    "value",
    [
        "' OR 1=1 --",
        '"; DROP TABLE accounts; --',
        "x\x00y",
        "\r\nSet-Cookie: stolen=1",
        "${jndi:ldap://x}",
        "../../etc/passwd",
        "%00%0d%0a",
        "a" * 60000,
        "\u202e\u2066",
        "{{7*7}}",
        "<script>alert(1)</script>",
    ],
)
async def test_hostile_text_is_only_ever_text(server, value):
    async with server.browser() as client:
        await server.register(client)
        for path, member in (
            ("/auth/register", "email"),
            ("/auth/register", "username"),
            ("/auth/login", "identifier"),
            ("/auth/refresh", "refresh_token"),
            ("/auth/logout", "refresh_token"),
        ):
            answer = await client.post(path, json=CALLS[path] | {member: value})
            assert answer.status_code < 500, (path, member, answer.text)
            assert "stolen" not in str(answer.headers)
            assert answer.status_code in {204, 400, 401, 409, 422}, (path, member, answer.status_code)


async def test_a_password_over_the_limit_is_refused_before_it_is_hashed(server):
    async with server.browser() as client:
        await server.register(client)
        answer = await client.post("/auth/login", json={"identifier": "ada@example.test", "password": "a" * 60000})
        assert answer.status_code in {401, 422}


async def test_a_body_over_the_limit_is_413(server):
    async with server.browser() as client:
        for path in CALLS:
            answer = await client.post(path, content=b'{"email": "' + b"a" * 200_000 + b'"}', headers=JSON)
            assert answer.status_code == 413
            assert is_problem(answer)


async def test_a_body_of_another_type_is_415(server):
    async with server.browser() as client:
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
        ):
            for path, body in CALLS.items():
                answer = await client.post(path, content=json.dumps(body), headers={"content-type": kind})
                assert answer.status_code == 415


async def test_a_compressed_body_is_refused(server):
    async with server.browser() as client:
        answer = await client.post("/auth/login", content=b"\x1f\x8b", headers=JSON | {"content-encoding": "gzip"})
        assert answer.status_code == 415


@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8000.evil.example"},
        {"Origin": "http://localhost:8001"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
async def test_a_call_with_the_cookie_from_another_site_is_refused_and_changes_nothing(server, path, headers):
    async with server.browser() as client:
        await server.register(client)
        tokens = await server.login(client)
        body = {"identifier": "ada@example.test", "password": PASSWORD} if path == "/auth/login" else None
        answer = (
            await client.post(path, json=body, headers=headers) if body else await client.post(path, headers=headers)
        )
        assert answer.status_code == 403
        assert answer.json()["code"] == "cross_site"
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 200
        assert (await client.post("/auth/refresh", headers={"Origin": "http://localhost:8000"})).status_code == 200


async def test_a_token_in_cookie_and_body_is_400(server):
    async with server.browser() as client:
        await server.register(client)
        await server.login(client)
        answer = await client.post("/auth/refresh", json={"refresh_token": client.cookies["watchword-refresh"]})
        assert answer.status_code == 400


async def test_no_refresh_token_at_all_is_401(server):
    async with server.browser() as client:
        answer = await client.post("/auth/refresh")
        assert answer.status_code == 401
        assert answer.json()["reason"] == "missing"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer x y",
        "Basic YTpi",
        "bearer eyJhbGciOiJub25lIn0.e30.",
        "Bearer " + "a" * 7000,
        "Bearer a.b.c, Bearer d.e.f",
        "Bearer \u00e9".encode("latin-1").decode("latin-1"),
    ],
)
async def test_a_broken_authorization_header_is_401(server, header):
    async with server.browser() as client:
        for method, path in (
            ("GET", "/auth/me"),
            ("GET", "/auth/sessions"),
            ("POST", "/auth/logout-all"),
            ("POST", "/auth/logout"),
            ("DELETE", "/auth/sessions/x"),
            ("GET", "/admin/api/accounts"),
        ):
            answer = await client.request(method, path, headers={"Authorization": header.encode("latin-1")})
            assert answer.status_code == 401, (path, answer.text)
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_two_authorization_headers_are_refused(server):
    async with server.browser() as client:
        await server.register(client)
        tokens = await server.login(client)
        value = f"Bearer {tokens['access_token']}"
        answer = await client.get("/auth/me", headers=[("Authorization", value), ("Authorization", value)])
        assert answer.status_code == 400


async def test_a_forged_forwarded_header_changes_neither_address_nor_scheme(server):
    forged = {
        "X-Forwarded-For": "9.9.9.9",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=9.9.9.9;proto=https",
        "X-Real-IP": "9.9.9.9",
    }
    async with server.browser() as client:
        await server.register(client)
        await client.post("/auth/login", json={"identifier": "ada@example.test", "password": PASSWORD}, headers=forged)
        entries = await server.services.store.audit_entries(before=None, limit=10, account_id=None, event=None)
        assert {entry.event.origin.address for entry in entries} <= {"127.0.0.1", None}


async def test_the_host_header_does_not_reach_the_metadata(server):
    async with server.browser() as client:
        answer = await client.get("/.well-known/openid-configuration", headers={"Host": "evil.example"})
        assert "evil" not in answer.text
        assert answer.json()["issuer"] == "http://localhost:8000"


@pytest.mark.parametrize(
    "path", ["/auth/login/", "/AUTH/login", "/auth//login", "/auth/../auth/login", "/nowhere", "/auth"]
)
async def test_only_the_exact_path_is_the_call(server, path):
    async with server.browser() as client:
        answer = await client.post(path, json=CALLS["/auth/login"])
        assert answer.status_code in {404, 405, 401}
        if path != "/auth/../auth/login":  # the client library itself resolves this one
            assert answer.status_code == 404


async def test_another_method_is_405(server):
    async with server.browser() as client:
        answer = await client.get("/auth/login")
        assert answer.status_code == 405
        assert is_problem(answer)
