"""The page "Call the next service for a person", by copy and paste: its settings and code, a real server, and verifiers that only
follow its feed.
"""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from oauth_story import CALLBACK, CHALLENGE, VERIFIER
from page_story import Person
from process import Process
from revoking import FEED_TOKEN, finding, settled, until
from story import PASSWORD
from watchword import Revocations, SyncVerifier, TokenRejected

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/token-exchange.md").read_text()
STOCK = "https://stock.example.com"
SECRET = "the secret of the shop, which is of this test"
SHOP = f"""
[[clients]]
client_id = "shop"
client_secret = "{SECRET}"
redirect_uris = ["{CALLBACK}"]
grant_types = ["authorization_code"]
scope = "orders:read"
first_party = true
"""


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture
def server(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "watchword.toml").write_text(block("toml") + SHOP)
    process = Process(home, WATCHWORD_FEED__TOKEN=FEED_TOKEN)
    yield process
    process.stop()


@pytest.fixture
def stock(server):
    """The stock service: it follows the feed and asks nobody."""
    feed = Revocations(token=FEED_TOKEN, max_staleness=1.0, poll_interval=0.1, timeout=0.5)
    with SyncVerifier(server.url, STOCK, leeway=0, revocations=feed) as verifier:
        yield verifier


async def signs_in(server, http) -> str:
    """A person's token for the orders service, as the shop got it."""
    ada = Person(http, server.url)
    asked = {
        "client_id": "shop", "redirect_uri": CALLBACK, "response_type": "code", "scope": "orders:read", "state": "s",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": "https://orders.example.com",
    }  # fmt: skip
    await ada.goes_to(f"{server.url}/authorize", **asked)
    if ada.left is None:
        await ada.logs_in()
    form = {"grant_type": "authorization_code", "code": ada.told["code"], "redirect_uri": CALLBACK}
    answer = await http.post("/token", data=form | {"code_verifier": VERIFIER}, auth=("shop", SECRET))
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


async def test_the_page_works_by_copy_and_paste_and_what_it_says_of_the_end_holds_at_a_verifier(server, stock):
    scope: dict = {}
    exec(compile(block("python").replace("http://localhost:8000", server.url), "orders.py", "exec"), scope)
    async with server.client() as http:
        account = {"email": "ada@example.test", "password": PASSWORD}
        made = await http.post("/auth/register", json=account)
        assert made.status_code == 201, made.text
        revoked, kept = await signs_in(server, http), await signs_in(server, http)
    first, second = scope["token_for_stock"](revoked), scope["token_for_stock"](kept)
    until(lambda: settled(stock, second) is None)
    token = stock.verify(first)
    assert (token.sub, token.client_id, token.claims["act"]) == (
        made.json()["account"]["id"],
        "orders",
        {"sub": "orders"},
    )
    assert [one.client_id for one in token.made_of] == ["shop"]
    assert token.scope == {"orders:read"}
    answer = httpx.post(f"{server.url}/revoke", data={"token": revoked}, auth=("shop", SECRET))
    assert answer.status_code == 200, answer.text
    until(lambda: finding(stock, first) is TokenRejected)
    assert settled(stock, second) is None, "of another token of the same session"
