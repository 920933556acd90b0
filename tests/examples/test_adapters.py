"""Every example of an adapter, run as its first line says, against an issuer on a loopback port: told apart by tokens,
and deaf to a token that was cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import httpx
import pytest
from ports import free_port
from watchword import system_clock
from watchword.testing import FakeIssuer
from watchword.transport import Request

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HTTP = ("asgi", "wsgi", "starlette", "fastapi", "litestar", "flask", "django", "drf", "ninja", "aiohttp")
MCP = ("mcp", "fastmcp")
EVERY = {*HTTP, *MCP, "grpc", "graphql"}
PATIENCE = 120.0


class Served:
    """A `FakeIssuer` behind a port, with discovery, keys and a feed of revocations as a real one has."""

    def __init__(self) -> None:
        served = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = served.issuer.transport.fetch(Request(served.issuer.issuer + self.path))
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.issuer = FakeIssuer(f"http://127.0.0.1:{self.server.server_port}", clock=system_clock)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    served = Served()
    yield served.issuer
    served.server.shutdown()


@contextlib.contextmanager
def running(issuer: FakeIssuer, *command: str, cwd: Path | None = None) -> Iterator[int]:
    """An example as a process of its own; its port, once it listens."""
    port = free_port()
    environment = {**os.environ, "ISSUER": issuer.issuer, "AUDIENCE": issuer.audience, "PORT": str(port)}
    command = tuple(part.replace("{port}", str(port)) for part in command)
    process = subprocess.Popen([sys.executable, *command], env=environment, cwd=cwd, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, f"{command} ended by itself"
            assert time.monotonic() < deadline, f"{command} does not listen"
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def until(condition, what: str) -> None:
    """Wait for what comes over the feed."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def tell_the_story(issuer: FakeIssuer, port: int) -> None:
    """Who gets what from the two routes that every example has."""
    token = issuer.token("grace", scope="reports:read")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        refused = client.get("/profile")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get("/profile", headers=bearer(token)).json()["sub"] == "grace"
        assert client.get("/reports", headers=bearer(token)).json() == {"reports": ["Tuesday: 42 lanterns lit"]}
        lacking = client.get("/reports", headers=bearer(issuer.token()))
        assert lacking.status_code == 403
        assert 'scope="reports:read"' in lacking.headers["www-authenticate"]
        assert client.get("/profile", headers=bearer(issuer.token(aud="billing"))).status_code == 401
        assert client.get("/profile", headers={"Authorization": "Bearer a, Bearer b"}).status_code == 400
        issuer.revoke(token)
        until(
            lambda: client.get("/profile", headers=bearer(token)).status_code == 401,
            "a token that was cut off is accepted",
        )


def test_no_example_is_left_out() -> None:
    others = {"demonstration"}
    named = {folder.name for folder in EXAMPLES.iterdir() if (folder / "app.py").exists()}
    assert named >= EVERY
    assert (EXAMPLES / "demonstration").is_dir()
    assert not EVERY & others


@pytest.mark.parametrize("name", HTTP)
def test_an_example_over_http(name: str, issuer: FakeIssuer) -> None:
    with running(issuer, str(EXAMPLES / name / "app.py")) as port:
        tell_the_story(issuer, port)


@pytest.mark.parametrize("name", ["wsgi", "flask"])
def test_an_example_loaded_before_gunicorn_forks(name: str, issuer: FakeIssuer) -> None:
    """Each worker starts threads of its own: a cut-off reaches them all."""
    command = ("-m", "gunicorn", "--workers", "2", "--preload", "--bind", "127.0.0.1:{port}", "app:app")
    with running(issuer, *command, cwd=EXAMPLES / name) as port:
        tell_the_story(issuer, port)
        revoked = issuer.token("eve")
        issuer.revoke(revoked)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            refusals = 0

            def refused_often() -> bool:
                nonlocal refusals
                status = client.get("/profile", headers={**bearer(revoked), "Connection": "close"}).status_code
                refusals = refusals + 1 if status == 401 else 0
                return refusals >= 20

            until(refused_often, "a worker accepts a token that was cut off")


def test_an_example_of_graphql(issuer: FakeIssuer) -> None:
    token = issuer.token("grace", scope="reports:read")
    with (
        running(issuer, str(EXAMPLES / "graphql/app.py")) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):

        def ask(query: str, **headers: str) -> dict:
            return client.post("/", json={"query": query}, headers=headers).json()

        assert ask("{profile reports}", **bearer(token))["data"] == {
            "profile": "grace",
            "reports": ["Tuesday: 42 lanterns lit"],
        }
        assert ask("{profile}")["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert ask("{reports}", **bearer(issuer.token()))["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        issuer.revoke(token)
        until(lambda: "errors" in ask("{profile}", **bearer(token)), "a token that was cut off is accepted")


async def test_an_example_of_grpc(issuer: FakeIssuer) -> None:
    token = issuer.token("grace", scope="reports:read")

    def metadata(raw: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {raw}"),)

    with running(issuer, str(EXAMPLES / "grpc/app.py")) as port:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            profile = channel.unary_unary("/watch.Reports/Profile")
            assert await profile(b"", metadata=metadata(token)) == b"grace"
            nights = [
                night async for night in channel.unary_stream("/watch.Reports/List")(b"", metadata=metadata(token))
            ]
            assert nights[0] == b"Tuesday: 42 lanterns lit"
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await profile(b"")
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                async for _ in channel.unary_stream("/watch.Reports/List")(b"", metadata=metadata(issuer.token())):
                    pass
            assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
            ticks = channel.unary_stream("/watch.Reports/Ticks")(b"", metadata=metadata(token))
            assert await ticks.read() == b"all is well"
            issuer.revoke(token)
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await asyncio.wait_for(drained(ticks), PATIENCE)
            assert ended.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def drained(stream) -> None:
    while await stream.read() is not grpc.aio.EOF:
        pass


@pytest.mark.parametrize("name", MCP)
def test_an_example_of_mcp(name: str, issuer: FakeIssuer) -> None:
    with (
        running(issuer, str(EXAMPLES / name / "app.py")) as port,
        httpx.Client(base_url=f"http://localhost:{port}", timeout=60) as client,
    ):
        resource = f"http://localhost:{port}/mcp"

        def call(tool: str, *raw: str) -> httpx.Response:
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
            headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
            return client.post("/mcp", json=message, headers=headers | (bearer(raw[0]) if raw else {}))

        def good(**claims: str) -> str:
            return issuer.token("grace", aud=[resource, issuer.audience], **claims)

        token = good(scope="reports:read")
        assert call("profile", token).json()["result"]["content"][0]["text"] == "grace"
        assert call("reports", token).json()["result"]["content"][0]["text"] == "Tuesday: 42 lanterns lit"
        assert call("reports", good()).json()["result"]["isError"] is True
        refused = call("profile")
        assert refused.status_code == 401
        found = refused.headers["www-authenticate"].partition('resource_metadata="')[2].partition('"')[0]
        assert client.get(found).json()["resource"] == resource
        issuer.revoke(token)
        until(lambda: call("profile", token).status_code == 401, "a token that was cut off is accepted")
