"""The MCP Python SDK's own client, from nothing: it knows the URL of an MCP server, and the person's password nobody but
the person.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import httpx
import pytest
from mcp.shared.auth import OAuthClientMetadata
from process import free_port
from secure import ADA, Secure, Trust, child_environ, passes
from story import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/how-to/protect-mcp.md").read_text()
EXAMPLE = ROOT / "examples/mcp"
FEED = "feed-token-of-the-mcp-tests"
LIFETIME = 3
"""Seconds an access token lives: the SDK refreshes when it is over."""
PATIENCE = 30.0


class Document(ThreadingHTTPServer):
    """An agent's maker, who serves the document about the agent over https."""

    daemon_threads = True

    def __init__(self, trust: Trust) -> None:
        super().__init__(("127.0.0.1", 0), _Serving)
        self.socket = trust.serving.wrap_socket(self.socket, server_side=True)
        self.asked = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_address[1]}/agent.json"

    @property
    def body(self) -> bytes:
        about = OAuthClientMetadata(
            client_name="Lantern agent", redirect_uris=["http://127.0.0.1/callback"], token_endpoint_auth_method="none"
        )
        return json.dumps(about.model_dump(mode="json", exclude_none=True) | {"client_id": self.url}).encode()


class _Serving(BaseHTTPRequestHandler):
    server: Document

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(200 if self.path == "/agent.json" else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


class Agent:
    """`examples/mcp/client.py` as a process."""

    def __init__(self, resource: str, trust: Trust, log: Path, document: str | None = None) -> None:
        environ = child_environ(trust, **({"CLIENT_METADATA_URL": document} if document else {}))
        self.log = log
        with log.open("wb") as told:
            self.process = subprocess.Popen(
                [sys.executable, str(EXAMPLE / "client.py"), resource],
                env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, text=True,
            )  # fmt: skip

    def says(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, self.log.read_text()
        return line

    def asks_to_open(self) -> str:
        said = self.says()
        assert said.startswith("Open "), said
        return said.removeprefix("Open ")

    def calls(self, tool: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{tool}\n")
        self.process.stdin.flush()
        return self.says()

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


@contextlib.contextmanager
def serving(command: list[str], trust: Trust, port: int, log: Path, **environ: str) -> Iterator[None]:
    """An MCP server as a process, until it listens."""
    with log.open("wb") as told:
        process = subprocess.Popen(
            command, env=child_environ(trust, **environ), cwd=log.parent, stdout=told, stderr=told
        )
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"https://localhost:{port}/mcp", verify=trust.context, timeout=30).status_code == 401:
                    break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        process.kill()  # uvicorn would wait for streams that the agent holds
        process.wait(20)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(start, port) -> Secure:
    running = start(
        WATCHWORD_SELF_REGISTRATION__DYNAMIC="open",
        WATCHWORD_TOKENS__ACCESS_LIFETIME=str(LIFETIME),
        WATCHWORD_TOKENS__LEEWAY="0",
        WATCHWORD_FEED__TOKEN=FEED,
        # What a role brings is not for agents; here everybody may read the reports who allows it.
        WATCHWORD_ROLES=json.dumps({"user": {}, "admin": {"scopes": ["watchword:admin"]}}),
        WATCHWORD_SCOPES=json.dumps({"reports:read": "Read the reports of the watch"}),
        WATCHWORD_RESOURCES=json.dumps(
            {
                f"https://localhost:{port}/mcp": {"name": "Lanterns", "scopes": ["reports:read"]},
                "https://api.example.test": {"scopes": ["orders:read"]},
            }
        ),
    )
    running.register()
    return running


@pytest.fixture(scope="module")
def lanterns(server, port, trust, tmp_path_factory) -> Iterator[str]:
    """`examples/mcp/app.py` over https; its URL."""
    resource = f"https://localhost:{port}/mcp"
    with serving(
        [sys.executable, str(EXAMPLE / "app.py")], trust, port, tmp_path_factory.mktemp("mcp") / "app.log",
        ISSUER=server.url, PORT=str(port), RESOURCE=resource, FEED_TOKEN=FEED,
        TLS_CERT=str(trust.server.certificate), TLS_KEY=str(trust.server.key),
    ):  # fmt: skip
        yield resource


@pytest.fixture
def document(trust) -> Iterator[Document]:
    serving = Document(trust)
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture(params=["metadata document", "dynamic registration"])
def agent(request, lanterns, trust, tmp_path) -> Iterator[Agent]:
    known = request.getfixturevalue("document").url if request.param == "metadata document" else None
    running = Agent(lanterns, trust, tmp_path / "agent.log", known)
    yield running
    running.stop()


async def test_from_nothing_to_a_tool_and_on_by_refresh_until_it_is_revoked(server, lanterns, agent, request):
    url = agent.asks_to_open()
    asked = {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}
    assert asked["resource"] == lanterns, "RFC 8707: the token is for that server"
    assert asked["code_challenge_method"] == "S256"
    assert "offline_access" in asked["scope"].split()
    by_document = "metadata document" in request.node.name
    assert (asked["client_id"].startswith("https://localhost:")) is by_document
    async with server.client() as http:
        ada = server.person(http)
        back = await passes(ada, url)
        assert dict(parse_qsl(urlsplit(back).query))["iss"] == server.url, "RFC 9207"
        assert httpx.get(back, timeout=30).text == "You may close this window."
        account = agent.calls("profile")
        assert re.fullmatch(r"said [\w-]{16,}", account)
        assert agent.calls("reports") == "said Tuesday: 42 lanterns lit"
        deadline = time.monotonic() + LIFETIME + PATIENCE
        while server.log.read_text().count("path=/token status=200") < 2:
            assert time.monotonic() < deadline, "its token ended, and it asked for no other"
            assert agent.calls("profile") == account, "refreshed in silence, without another page"
            time.sleep(0.1)
        assert agent.calls("profile") == account
        await cuts_off(server, http, "reports:read", asked["client_id"])
        assert await asks_to_log_in_again(agent, "profile")


async def cuts_off(server: Secure, http: httpx.AsyncClient, scope: str, client_id: str | None = None) -> None:
    """Ada looks at what she allowed, and takes it back."""
    login = await http.post("/auth/login", json={"identifier": ADA, "password": PASSWORD})
    bearer = {"Authorization": f"Bearer {login.json()['access_token']}"}
    allowed = (await http.get("/auth/authorizations", headers=bearer)).json()["authorizations"]
    [mine] = [one for one in allowed if client_id in {None, one["client_id"]}]
    assert scope in mine["scope"], mine
    gone = await http.delete(f"/auth/authorizations/{quote(mine['client_id'], safe='')}", headers=bearer)
    assert gone.status_code == 204, gone.text


async def asks_to_log_in_again(agent: Agent, tool: str) -> bool:
    """Whether the tool refuses from some moment on, so that the agent opens a page again."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if agent.calls(tool).startswith("Open "):
            return True
        time.sleep(0.05)
    return False


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


async def test_the_page_works_by_copy_and_paste(trust, tmp_path):
    port = free_port()
    resource = f"https://localhost:{port}/mcp"
    home = tmp_path / "home"
    home.mkdir()
    (home / "watchword.toml").write_text(block("toml").replace("http://localhost:8001/mcp", resource))
    token = tomllib.loads(block("toml"))["feed"]["token"]  # a server of the tests has another in its environment
    server = Secure(home, trust, WATCHWORD_FEED__TOKEN=token)
    agent = None
    try:
        account = server.register()
        code = block("python").replace("http://localhost:8001/mcp", resource)
        (tmp_path / "notes.py").write_text(code.replace("http://localhost:8000", server.url))
        files = ["--ssl-certfile", str(trust.server.certificate), "--ssl-keyfile", str(trust.server.key)]
        command = [sys.executable, "-m", "uvicorn", "notes:app", "--port", str(port), *files]
        with serving(command, trust, port, tmp_path / "notes.log"):
            agent = Agent(resource, trust, tmp_path / "agent.log")
            async with server.client() as http:
                ada = server.person(http)
                await ada.goes_to(agent.asks_to_open())
                await ada.logs_in()
                assert ada.sees("unverified", "allow")
                assert "Notes" in ada.page.said
                assert "Read your notes" in ada.page.said
                await ada.press("allow")
                assert httpx.get(ada.left, timeout=30).status_code == 200
                assert agent.calls("notes") == f"said notes of {account}"
                await cuts_off(server, http, "notes:read")
            assert await asks_to_log_in_again(agent, "notes")
    finally:
        if agent is not None:
            agent.stop()
        server.stop()


def test_the_server_of_the_page_is_about_ten_lines():
    body = block("python").partition("ISSUER, RESOURCE")[2]
    assert len([line for line in body.splitlines() if line.strip()]) <= 14
