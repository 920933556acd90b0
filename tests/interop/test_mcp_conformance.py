"""The conformance suite of the Model Context Protocol, run for real against the server: its scenarios for authorization servers."""

from __future__ import annotations

import json
import re
import subprocess
import threading

import httpx
import pytest
from process import free_port
from secure import child_environ, passes

RESOURCE = "https://mcp.example.test/mcp"
pytestmark = pytest.mark.timeout(300)
"""Fetching the suite may take as long as a test, on a machine that is busy."""


@pytest.fixture
def callback_port():
    return free_port()


@pytest.fixture
def server(start, callback_port):
    client = {
        "client_id": "suite", "application_type": "native", "token_endpoint_auth_method": "none",
        "redirect_uris": [f"http://127.0.0.1:{callback_port}/callback"], "grant_types": ["authorization_code", "refresh_token"],
    }  # fmt: skip
    running = start([client], WATCHWORD_RESOURCES=json.dumps({RESOURCE: {"name": "An MCP server"}}))
    running.register()
    return running


async def test_the_conformance_suite_of_mcp_passes(mcp_conformance, server, callback_port, trust, tmp_path):
    command = [
        *mcp_conformance, "authorization", "--url", server.url, "--client-id", "suite", "--resource", RESOURCE,
        "--port", str(callback_port), "--output-dir", str(tmp_path),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=child_environ(trust), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    killer = threading.Timer(300, process.kill)
    killer.start()
    said = ""
    try:
        for line in process.stdout:
            said += line
            if address := re.search(rf"{server.url}/authorize\S+", line):
                async with server.client() as browser, httpx.AsyncClient(timeout=60) as http:
                    back = await passes(server.person(browser), address.group())
                    assert (await http.get(back)).status_code == 200
        assert process.wait(timeout=30) == 0, said
    finally:
        killer.cancel()
        process.kill()
        process.wait()
    found = [one for path in tmp_path.glob("*/checks.json") for one in json.loads(path.read_text())]
    assert {one["id"]: one["status"] for one in found} == {
        "authorization-server-metadata": "SUCCESS",
        "authorization-server-metadata-cimd": "SUCCESS",
        "authorization-code-grant": "SUCCESS",
    }
