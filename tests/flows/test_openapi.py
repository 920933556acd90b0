"""The administration API by its own OpenAPI document: generated calls, each answered as the document says, never a 500."""

import subprocess
import sys

import httpx
import pytest
from process import Process

PASSWORD = "correct horse battery staple 9"
ADMIN = "root@example.test"
# What would end the very session or account that asks, and make everything else a 401.
ENDS_THE_CALLER = r"/cut-offs$|/disable$|/sessions|/password$|/roles$|distrust$"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Process(
        tmp_path_factory.mktemp("openapi") / "home",
        WATCHWORD_ADMIN_EMAIL=ADMIN,
        WATCHWORD_ADMIN_PASSWORD=PASSWORD,
        WATCHWORD_TOKENS__ACCESS_LIFETIME="3600",
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def token(server):
    body = {"identifier": ADMIN, "password": PASSWORD, "delivery": "body"}
    return httpx.post(f"{server.url}/auth/login", json=body, timeout=30).json()["access_token"]


@pytest.mark.parametrize("holder", ["administrator", "stranger"])
def test_generated_calls_are_answered_as_the_document_says(server, token, tmp_path, holder):
    headers = ["-H", f"Authorization: Bearer {token}"] if holder == "administrator" else []
    document = httpx.get(
        f"{server.url}/admin/api/openapi.json", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    (tmp_path / "openapi.json").write_bytes(document.content)
    # TRACE and the like are answered 501 before any call is looked at (RFC 9110 §9.1), which is no fault of one.
    (tmp_path / "schemathesis.toml").write_text("[phases.coverage]\nunexpected-methods = []\n")
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", str(tmp_path / "openapi.json")),
            *("--url", f"{server.url}/admin/api", *headers, "--no-color", "--checks", CHECKS),
            *("--phases", "coverage,fuzzing", "-n", "5", "--exclude-path-regex", ENDS_THE_CALLER),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "Tested: " in ran.stdout
