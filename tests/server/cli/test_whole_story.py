"""The command line beside a running server, each in a process of its own, over one SQLite file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from .conftest import environment, in_a_process

PASSWORD = "correct horse battery"


@contextmanager
def started(home: Path, *arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "watchword_server.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(home) | {"PYTHONUNBUFFERED": "1"} | more,
    )
    guard = threading.Timer(300, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def call(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Host": f"localhost:{port}"} | headers,
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            raw = answer.read()
            return answer.status, json.loads(raw) if raw.startswith(b"{") else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def wait_until_ready(process: subprocess.Popen[str], port: int) -> None:
    while process.poll() is None:
        try:
            if call(port, "GET", "/readyz")[0] == 200:
                return
        except OSError:
            threading.Event().wait(0.05)
    raise AssertionError(f"the server ended: {process.stdout.read() if process.stdout else ''}")


def test_a_session_ended_at_the_command_line_is_refused_by_the_running_server(home: Path) -> None:
    port = free_port()
    more = {"WATCHWORD_PORT": str(port)}
    with started(home, "serve", "--port", str(port)) as server:
        wait_until_ready(server, port)
        made = in_a_process(
            home, "accounts", "create", "ada@example.test", "--password-stdin", stdin=PASSWORD + "\n", **more
        )
        assert made.code == 0, made.err
        credentials = {"identifier": "ada@example.test", "password": PASSWORD, "delivery": "body"}
        status, tokens = call(port, "POST", "/auth/login", credentials)
        assert status == 200
        verified = in_a_process(home, "tokens", "inspect", "--verify", stdin=tokens["access_token"], **more)
        assert verified.code == 0, verified.out

        [session] = in_a_process(home, "sessions", "list", "--json", **more).json["sessions"]
        assert in_a_process(home, "sessions", "end", session["sid"], **more).code == 0

        status, problem = call(port, "POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
        assert status == 401
        assert problem["code"] == "refresh_refused"
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert call(port, "GET", "/auth/me", **bearer)[0] == 401

        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=120) == 0


def test_the_server_process_imports_no_command_line_library() -> None:
    program = "import sys, watchword_server.process, watchword_server.serving; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    for library in ("typer", "rich", "click", "watchword_server.cli"):
        assert f"'{library}'" not in loaded


def test_a_taken_port_is_named_with_the_mend(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = in_a_process(home, "serve", "--port", str(port))
    assert refused.code == 1
    assert str(port) in refused.err
    assert "--port" in refused.err
    assert "Traceback" not in refused.err


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_the_audit_log_is_followed_until_interrupted(home: Path, number: signal.Signals) -> None:
    assert in_a_process(home, "migrate").code == 0
    with started(home, "audit", "tail", "--json") as follower:
        assert follower.stdout is not None
        first = json.loads(follower.stdout.readline())
        assert first["event"] == "key.added"
        made = in_a_process(home, "accounts", "create", "ada@example.test", "--password-stdin", stdin=PASSWORD + "\n")
        assert made.code == 0, made.err
        while (entry := json.loads(follower.stdout.readline()))["event"] != "account.created":
            pass
        assert entry["actor"] == "cli"
        follower.send_signal(number)
        rest, _ = follower.communicate()
        assert follower.returncode == 130
        assert "Traceback" not in rest


def test_no_password_is_seen_in_the_list_of_processes(home: Path) -> None:
    assert in_a_process(home, "migrate").code == 0
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "watchword_server.cli", "accounts", "create", "ada@example.test", "--password-stdin"],
        stdin=read,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(home),
    )
    os.close(read)
    proc = Path(f"/proc/{process.pid}")
    if proc.exists():
        seen = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
        assert PASSWORD.encode() not in seen
    os.write(write, PASSWORD.encode() + b"\n")
    os.close(write)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert PASSWORD.encode() not in out
