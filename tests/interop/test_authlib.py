"""Authlib over https: the page "Add login to your app" by copy and paste, and the same app in Flask, with logout and a
refresh.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from flask import Flask, redirect, session, url_for
from secure import ADA, Secure, passes

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/add-login.md").read_text()
SHOP = "http://localhost:5000"
SECRET = "5a0d1f6c2b7e4938aa1c9d3e7f50b2648c1d9e0f3a7b6c52"


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture(autouse=True)
def trusting(trust, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(trust.authority))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trust.authority))


@pytest.fixture
def server(trust, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "watchword.toml").write_text(block("toml"))
    running = Secure(home, trust)
    running.account = running.register()
    yield running
    running.stop()


async def test_the_page_works_over_https_too(server):
    scope: dict = {}
    exec(compile(block("python").replace("http://localhost:8000", server.url), "shop.py", "exec"), scope)
    transport = httpx.ASGITransport(app=scope["app"])
    async with httpx.AsyncClient(transport=transport, base_url=SHOP) as shop, server.client() as browser:
        ada = server.person(browser)
        back = await passes(ada, (await shop.get("/login")).headers["location"])
        assert back.startswith(f"{SHOP}/callback?")
        assert {name for name in browser.cookies if name.startswith("__Host-watchword-")}
        assert (await shop.get(back)).status_code == 307
        assert (await shop.get("/")).json() == {"sub": server.account, "email": ADA}
        forged = back.replace("state=", "state=x")
        with pytest.raises(Exception, match="mismatching_state"):
            await shop.get(forged)


def flask_app(server: Secure) -> Flask:
    """What the page shows, in Flask, with a way out."""
    from authlib.integrations.flask_client import OAuth

    app = Flask("shop")
    app.secret_key = "another secret"
    watchword = OAuth(app).register(
        "watchword",
        client_id="shop",
        client_secret=SECRET,
        server_metadata_url=f"{server.url}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256", "leeway": 5},
    )

    @app.get("/login")
    def login():
        return watchword.authorize_redirect(url_for("callback", _external=True))

    @app.get("/callback")
    def callback():
        token = watchword.authorize_access_token()
        session["id_token"], session["refresh"] = token["id_token"], token.get("refresh_token")
        return {"claims": token["userinfo"], "person": watchword.userinfo(token=token)}

    @app.get("/logout")
    def logout():
        metadata = watchword.load_server_metadata()
        query = {"id_token_hint": session.pop("id_token"), "post_logout_redirect_uri": f"{SHOP}/", "state": "bye"}
        return redirect(f"{metadata['end_session_endpoint']}?{urlencode(query)}")

    return app


async def test_a_flask_app_logs_in_and_out(server):
    shop = flask_app(server).test_client()
    async with server.client() as browser:
        ada = server.person(browser)
        to = await asyncio.to_thread(shop.get, "/login", base_url=SHOP)
        back = await passes(ada, to.headers["location"])
        answer = (await asyncio.to_thread(shop.get, back)).json
        assert answer["claims"]["sub"] == answer["person"]["sub"] == server.account
        assert answer["claims"]["nonce"]
        assert abs(answer["claims"]["iat"] - time.time()) < 60
        out = await asyncio.to_thread(shop.get, "/logout", base_url=SHOP)
        bye = await passes(ada, out.headers["location"])
        assert parse_qs(urlsplit(bye).query) == {"state": ["bye"]}
        to = await asyncio.to_thread(shop.get, "/login", base_url=SHOP)
        await ada.goes_to(to.headers["location"])
        assert ada.sees("sign-in"), "nobody is signed in any more"
