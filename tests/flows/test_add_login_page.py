"""The page "Add login to your app", by copy and paste: its settings, its code, a real server, a person in between."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from page_story import Page
from process import Process
from story import PASSWORD

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/add-login.md").read_text()
SHOP = "http://localhost:5000"


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture
def server(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "watchword.toml").write_text(block("toml"))
    process = Process(home)
    yield process
    process.stop()


async def test_the_page_works_by_copy_and_paste(server):
    scope: dict = {}
    exec(compile(block("python").replace("http://localhost:8000", server.url), "shop.py", "exec"), scope)
    transport = httpx.ASGITransport(app=scope["app"])
    async with httpx.AsyncClient(transport=transport, base_url=SHOP) as shop, server.client() as browser:
        account = {"email": "ada@example.test", "password": PASSWORD}
        made = (await browser.post("/auth/register", json=account)).json()["account"]
        assert (await shop.get("/")).json() is None
        answer = await shop.get("/login")
        assert answer.headers["location"].startswith(f"{server.url}/authorize?")
        page = Page((await browser.get(answer.headers["location"])).text)
        assert "to continue to The shop" in page.said
        form = page.forms[0].fields | {"identifier": account["email"], "password": PASSWORD}
        answer = await browser.post("/authorize/login", data=form)
        answer = await browser.get(answer.headers["location"])
        assert answer.status_code == 303, "an app of one's own asks for no consent"
        assert answer.headers["location"].startswith(f"{SHOP}/callback?")
        answer = await shop.get(answer.headers["location"])
        assert answer.status_code == 307, answer.text
        assert (await shop.get("/")).json() == {"sub": made["id"], "email": "ada@example.test"}


def test_the_app_is_about_ten_lines_of_its_own():
    code = block("python").partition("shop = ")[2]
    body = code.partition("async def home")[2]
    assert len([line for line in body.splitlines() if line.startswith("    ") and line.strip()]) <= 10
