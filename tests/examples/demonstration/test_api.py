"""The demonstration API: who may call what, what dead and foreign tokens get, and how it starts and stops."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from ports import free_port
from watchword.testing import FakeIssuer

APP = Path(__file__).resolve().parents[3] / "examples/demonstration/app.py"
PAGE = "http://localhost:8000"


@pytest.fixture(scope="module")
def demonstration() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demonstration_app", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
async def api(demonstration: ModuleType, issuer: FakeIssuer):
    app = demonstration.application(issuer.verifier(), [PAGE])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8001") as http:
        yield http


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("path", "nobody", "user", "reader", "admin"),
    [
        ("/api/posts/popular", 200, 200, 200, 200),
        ("/api/profile", 401, 200, 200, 200),
        ("/api/reports", 401, 403, 200, 403),
        ("/api/admin/users", 401, 403, 403, 200),
    ],
)
async def test_every_call_opens_to_those_it_is_for(api, issuer, path, nobody, user, reader, admin):
    assert (await api.get(path)).status_code == nobody
    assert (await api.get(path, headers=bearer(issuer.token()))).status_code == user
    assert (await api.get(path, headers=bearer(issuer.token(scope="reports:read")))).status_code == reader
    assert (await api.get(path, headers=bearer(issuer.token(roles=["admin"])))).status_code == admin


async def test_the_profile_says_who_calls(api, issuer):
    answer = await api.get("/api/profile", headers=bearer(issuer.token("ada", roles=["user"])))
    assert answer.json() == {"greeting": "Pass, friend.", "you": "ada", "roles": ["user"], "session": "session-ada"}


@pytest.mark.rfc("6750 §3/1")
async def test_without_a_token_the_challenge_names_no_error(api):
    assert (await api.get("/api/profile")).headers["www-authenticate"] == "Bearer"


async def test_a_token_dies_with_its_session(api, issuer):
    token = bearer(issuer.token("ada"))
    assert (await api.get("/api/profile", headers=token)).status_code == 200
    issuer.cut_off("session", "session-ada")
    refused = await api.get("/api/profile", headers=token)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize("claims", [{"aud": "billing"}, {"iss": "https://elsewhere.test"}, {"exp": 1}])
async def test_a_token_for_others_or_out_of_date_is_refused(api, issuer, claims):
    assert (await api.get("/api/profile", headers=bearer(issuer.token(**claims)))).status_code == 401


@pytest.mark.parametrize(("origin", "allowed"), [(PAGE, PAGE), ("http://evil.test", None), ("null", None)])
async def test_only_the_pages_named_may_read_answers(api, origin, allowed):
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    preflight = await api.options("/api/profile", headers=asked)
    answer = await api.get("/api/posts/popular", headers={"Origin": origin})
    assert preflight.headers.get("access-control-allow-origin") == allowed
    assert answer.headers.get("access-control-allow-origin") == allowed
    assert "access-control-allow-credentials" not in answer.headers


def test_the_verifier_follows_the_feed_of_the_issuer_it_is_told(demonstration):
    settings = demonstration.Settings.from_environment({"DEMO_ISSUER": "http://localhost:9000"})
    assert (settings.port, settings.audience, settings.origins) == (8001, "http://localhost:9000", [settings.issuer])
    policy = demonstration.verifier_for(settings).policy
    assert (policy.issuer, policy.audience) == ("http://localhost:9000", "http://localhost:9000")


def start(port: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "DEMO_PORT": str(port), "DEMO_ISSUER": "http://localhost:9"}
    return subprocess.Popen(
        [sys.executable, str(APP)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_taken_port_is_named_with_the_mend():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(port)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"port {port}" in said
    assert "DEMO_PORT=" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_asked_and_calls_that_no_failure(asked):
    port = free_port()
    process = start(port)
    try:
        answered = False
        while not answered and process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/posts/popular", timeout=30) as answer:
                    answered = answer.status == 200
            except (urllib.error.URLError, OSError):
                continue
        process.send_signal(asked)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in said
