"""The playground's routes: the page under its policy, and the two calls that show what a browser hides."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from watchword_server.playground import routes
from watchword_server.playground.routes import PlaygroundDeps, playground_routes
from watchword_server.store.records import Family
from watchword_server.web.errors import handle
from watchword_server.web.problem import ProblemError

FAMILY = Family(
    id="f1",
    sid="s1",
    account_id="a1",
    client_id="first-party",
    scope=(),
    resource=(),
    sender_key=None,
    delivery="cookie",
    salt=b"salt-never-shown",
    key_id="k1",
    rev=4,
    generation=3,
    rotated_at=1_000.5,
    device_kind="chrome/linux",
    odd_count=1,
    odd_marked=False,
    refresh_count=7,
    idle_expires_at=2_000.0,
    expires_at=3_000.0,
    revoked_at=None,
    revoked_reason=None,
)
BEARERS = {"Bearer one": ("s1", "a1"), "Bearer two": ("s2", "a2"), "Bearer wrong": ("s1", "a2")}


async def authenticate(request: Request) -> tuple[str, str]:
    found = BEARERS.get(request.headers.get("authorization", ""))
    if found is None:
        raise ProblemError(401, "unauthenticated", "no")
    return found


async def family_of(sid: str) -> Family | None:
    return FAMILY if sid == "s1" else None


def client(**changes: object) -> httpx.AsyncClient:
    given = {
        "authenticate": authenticate,
        "family_of": family_of,
        "mint": lambda family, generation: f"wr_{family.id}.{generation}",
        "demo_url": "http://localhost:8001",
        "window": 30.0,
    }
    served = playground_routes(PlaygroundDeps(**(given | changes)))
    app = Starlette(routes=served, exception_handlers={ProblemError: handle})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


async def test_the_page_carries_the_api_origin_and_a_policy_that_names_no_other():
    async with client() as http:
        page = await http.get("/")
    policy = page.headers["content-security-policy"]
    assert page.status_code == 200
    assert 'data-demo="http://localhost:8001"' in page.text
    assert "default-src 'none'" in policy
    assert "connect-src 'self' http://localhost:8001;" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


async def test_the_page_has_no_inline_script_style_or_handler_and_nothing_external():
    async with client() as http:
        text = (await http.get("/")).text
    assert re.search(r"<script(?![^>]*\bsrc=)", text) is None
    assert re.search(r"<style|\sstyle=|\son\w+=", text) is None
    assert set(re.findall(r"https?://[^\"'\s<]+", text)) == {"http://localhost:8001"}


async def test_every_file_the_page_and_its_modules_name_is_served():
    seen: set[str] = set()
    async with client() as http:
        wanted = set(re.findall(r'(?:src|href)="(/playground/static/[^"]+)"', (await http.get("/")).text))
        while wanted - seen:
            path = (wanted - seen).pop()
            seen.add(path)
            answer = await http.get(path)
            assert answer.status_code == 200, path
            assert answer.headers["cache-control"] == "no-cache"
            folder = path.rpartition("/")[0]
            wanted |= {f"{folder}/{name}" for name in re.findall(r'from "\./([\w.]+)"', answer.text)}
    served = {f"/playground/static/{file.relative_to(routes.STATIC)}" for file in routes.STATIC.rglob("*.*")}
    assert served - seen == {"/playground/static/index.html"}


def test_no_script_parses_markup_or_evaluates_text():
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|sessionStorage"
    )
    for script in Path(routes.STATIC).rglob("*.js"):
        assert forbidden.search(script.read_text()) is None, script.name


async def test_the_family_is_shown_without_anything_secret():
    async with client() as http:
        answer = await http.get("/playground/family", headers=bearer("one"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    shown = answer.json()
    assert shown["generation"] == 3
    assert shown["refresh_count"] == 7
    assert shown["window"] == 30.0
    assert shown["revoked_reason"] is None
    assert "salt" not in answer.text


@pytest.mark.parametrize(("method", "path"), [("GET", "/playground/family"), ("POST", "/playground/stolen-token")])
async def test_without_a_token_neither_call_answers(method: str, path: str):
    async with client() as http:
        assert (await http.request(method, path, json={"generation": 0})).status_code == 401


@pytest.mark.parametrize("who", ["two", "wrong"])
async def test_a_family_that_is_not_the_askers_own_is_not_shown_nor_minted(who: str):
    async with client() as http:
        seen = await http.get("/playground/family", headers=bearer(who))
        minted = await http.post("/playground/stolen-token", headers=bearer(who), json={"generation": 0})
    assert seen.status_code == minted.status_code == 404
    assert "wr_" not in minted.text


@pytest.mark.parametrize("generation", [0, 3])
async def test_a_generation_the_family_has_had_is_minted(generation: int):
    async with client() as http:
        answer = await http.post("/playground/stolen-token", headers=bearer("one"), json={"generation": generation})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"generation": generation, "refresh_token": f"wr_f1.{generation}"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"generation": 4}', 422),
        (b'{"generation": -1}', 422),
        (b'{"generation": 1.5}', 422),
        (b'{"generation": true}', 422),
        (b'{"generation": "1"}', 422),
        (b'{"generation": 1, "sid": "s2"}', 422),
        (b'{"generation": 1, "generation": 2}', 400),
        (b"{}", 422),
        (b"[1]", 400),
        (b"", 400),
        (b'{"generation": ' + b"1" * 300 + b"}", 413),
    ],
)
async def test_whatever_else_is_asked_for_is_refused(body: bytes, status: int):
    async with client() as http:
        headers = bearer("one") | {"Content-Type": "application/json"}
        answer = await http.post("/playground/stolen-token", headers=headers, content=body)
    assert answer.status_code == status
    assert "wr_" not in answer.text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8001",
        "javascript:alert(1)",
        "http://localhost:8001/path",
        "http://localhost:8001; script-src *",
        "http://localhost:8001 https://elsewhere.example",
        "http://user@localhost:8001",
        'http://localhost"8001',
    ],
)
def test_an_api_address_that_could_widen_the_policy_stops_the_start(url: str):
    with pytest.raises(ValueError, match="must be an origin"):
        client(demo_url=url)


async def test_a_dead_family_is_shown_with_its_reason():
    dead: Callable[[str], object] = lambda _sid: _found(  # noqa: E731
        msgspec.structs.replace(FAMILY, revoked_at=1_500.0, revoked_reason="reuse")
    )
    async with client(family_of=dead) as http:
        shown = (await http.get("/playground/family", headers=bearer("one"))).json()
    assert (shown["revoked_at"], shown["revoked_reason"]) == (1_500.0, "reuse")


async def _found(family: Family) -> Family:
    return family
