"""Access tokens of this server, verified by the libraries of Node, Go and Java; and theirs by ours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from story import PASSWORD
from watchword import RejectionReason, SyncVerifier, TokenRejected
from watchword.clock import system_clock
from watchword.jose.jwk import KeySet
from watchword_server.app import open_services
from watchword_server.endpoints.health import Health
from watchword_server.serving import http_app
from watchword_server.settings.load import load

HERE = Path(__file__).parent / "tokens"
ISSUER = "http://localhost:8000"
ALGORITHMS = ("ES256", "EdDSA", "RS256", "PS256")
NODE = ("jose", "jsonwebtoken", "fast-jwt")
GO = ("golang-jwt", "go-oidc")
LACKING = {("jsonwebtoken", "EdDSA")}
"""What a library has not."""
BUILD_SECONDS = 300
_NO_NETWORK = re.compile(
    r"ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|dial tcp|no such host|Could not transfer artifact|Unknown host"
)


def run_or_skip(command: list[str], folder: Path, what: str) -> None:
    """Fetch or build; a machine without a network skips, and says what was not tried."""
    try:
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{what} NOT tried: {command[0]} fetched nothing in time")
    if ran.returncode != 0 and _NO_NETWORK.search(ran.stdout + ran.stderr):
        pytest.skip(f"{what} NOT tried: packages cannot be fetched here")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def installed(*tools: str, what: str) -> list[str]:
    found = [shutil.which(tool) for tool in tools]
    if None in found:
        pytest.skip(f"{' and '.join(tools)} not installed: {what} NOT tried")
    return [one for one in found if one]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    what = "tokens at jose, jsonwebtoken and fast-jwt were"
    runtime, npm = installed("node", "npm", what=what)
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "tokens.mjs"):
        shutil.copy(HERE / name, folder)
    run_or_skip([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"], folder, what)
    return [runtime, str(folder / "tokens.mjs")]


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    what = "tokens at golang-jwt and go-oidc were"
    (compiler,) = installed("go", what=what)
    folder = tmp_path_factory.mktemp("go")
    for name in ("go.mod", "tokens.go"):
        shutil.copy(HERE / name, folder)
    run_or_skip([compiler, "mod", "tidy"], folder, what)
    run_or_skip([compiler, "build", "-o", "tokens", "."], folder, what)
    return [str(folder / "tokens")]


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    what = "tokens at Nimbus JOSE+JWT were"
    maven, runtime = installed("mvn", "java", what=what)
    folder = tmp_path_factory.mktemp("java")
    for name in ("pom.xml", "Tokens.java"):
        shutil.copy(HERE / name, folder)
    run_or_skip([maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"], folder, what)
    return [runtime, "-cp", str(folder / "jars" / "*"), str(folder / "Tokens.java")]


def ask(command: list[str], questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One process answers them all."""
    ran = subprocess.run(command, input=json.dumps(questions), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    answers = json.loads(ran.stdout)
    assert len(answers) == len(questions)
    return answers


@pytest.fixture(params=ALGORITHMS)
async def issued(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """A token of a server that signs by this algorithm, beside what its verifiers are told."""
    environ = {
        "WATCHWORD_ENVIRONMENT": "development",
        "WATCHWORD_HOME": str(tmp_path / "home"),
        "WATCHWORD_PASSWORDS__MEMORY_KIB": "8",
        "WATCHWORD_PASSWORDS__TIME_COST": "1",
        "WATCHWORD_TOKENS__ALGORITHM": request.param,
    }
    async with open_services(load({}, environ).settings, migrate=True) as services:
        health = Health(services.store.ping, services.metrics, token=None, open_metrics=True)
        transport = httpx.ASGITransport(app=http_app(services, health))
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
            await http.post("/auth/register", json={"email": "ada@example.test", "password": PASSWORD})
            told = await http.post("/auth/login", json={"identifier": "ada@example.test", "password": PASSWORD})
            jwks = (await http.get("/jwks.json")).json()
            return {
                "op": "verify", "alg": request.param, "token": told.json()["access_token"], "jwks": jwks,
                "issuer": ISSUER, "audience": ISSUER,
            }  # fmt: skip


def tampered(token: str) -> str:
    """With another subject under the old signature."""
    head, payload, signature = token.split(".")
    return f"{head}.{payload[:-4]}{'AAAA' if payload[-4:] != 'AAAA' else 'BBBB'}.{signature}"


def forged(token: str) -> str:
    """With a signature of zeros of the right length."""
    head, payload, signature = token.split(".")
    return f"{head}.{payload}.{'A' * len(signature)}"


def they_accept_ours(command: list[str], issued: dict[str, Any], libraries: tuple[str, ...]) -> None:
    alg = issued["alg"]
    libraries = tuple(one for one in libraries if (one, alg) not in LACKING)
    wrong: list[dict[str, Any]] = [
        {"audience": "https://billing.example.test"},
        {"issuer": "https://elsewhere.example.test"},
        {"alg": "ES384"},
        {"token": tampered(issued["token"])},
        {"token": forged(issued["token"])},
    ]
    good = ask(command, [issued | {"library": one} for one in libraries])
    for library, answer in zip(libraries, good, strict=True):
        assert "refused" not in answer, (library, answer)
        assert (answer["claims"]["client_id"], answer["claims"]["iss"]) == ("first-party", ISSUER)
        assert answer["claims"].keys() >= {"sub", "jti", "sid", "rev", "exp"}
    bad = ask(command, [issued | change | {"library": one} for one in libraries for change in wrong])
    assert all("refused" in answer for answer in bad), bad


def we_accept_theirs(command: list[str], libraries: tuple[str, ...]) -> None:
    wanted = [(library, alg) for library in libraries for alg in ALGORITHMS if (library, alg) not in LACKING]
    now = int(system_clock.now())
    claims = {
        "iss": "https://theirs.example.test", "aud": "https://api.example.test", "sub": "grace", "client_id": "app",
        "scope": "reports:read", "jti": "j1", "iat": now, "exp": now + 600,
    }  # fmt: skip
    asked = [{"op": "sign", "library": library, "alg": alg, "claims": claims} for library, alg in wanted]
    for (library, alg), answer in zip(wanted, ask(command, asked), strict=True):
        assert "refused" not in answer, (library, alg, answer)
        keys = KeySet.from_json(json.dumps({"keys": [answer["jwk"]]}).encode())
        verifier = SyncVerifier(claims["iss"], claims["aud"], keys=keys, algorithms=(alg,))
        token = verifier.verify(answer["token"], scopes=["reports:read"])
        assert (token.sub, token.client_id, token.jti) == ("grace", "app", "j1"), (library, alg)
        for bad in (tampered(answer["token"]), forged(answer["token"])):
            with pytest.raises(TokenRejected):
                verifier.verify(bad)
        other = SyncVerifier(claims["iss"], "https://billing.example.test", keys=keys, algorithms=(alg,))
        with pytest.raises(TokenRejected) as caught:
            other.verify(answer["token"])
        assert caught.value.reason is RejectionReason.AUDIENCE


@pytest.mark.rfc("7515 §5.2")
def test_node_accepts_our_tokens_and_no_others(node, issued):
    they_accept_ours(node, issued, NODE)


@pytest.mark.rfc("9068 §4/6")
def test_we_accept_the_tokens_of_node(node):
    we_accept_theirs(node, NODE)


@pytest.mark.rfc("7515 §5.2")
def test_go_accepts_our_tokens_and_no_others(go, issued):
    they_accept_ours(go, issued, GO)


def test_we_accept_the_tokens_of_go(go):
    we_accept_theirs(go, GO[:1])


@pytest.mark.soak
def test_java_accepts_our_tokens_and_no_others(java, issued):
    they_accept_ours(java, issued, ("nimbus",))


@pytest.mark.soak
def test_we_accept_the_tokens_of_java(java):
    we_accept_theirs(java, ("nimbus",))
