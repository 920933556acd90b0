"""The configuration for the OpenID Foundation's conformance suite, put to use: the server runs by it, and the suite's own kind of
browser goes by its automation, module by module. The suite itself is not run here.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fapi_party import FapiParty, Variant
from joserfc import jwk
from process import Process, free_port
from relying_party import RelyingParty, Told
from watchword_server.keys.development_certificates import Issued

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/interop/htmlunit"
pytestmark = pytest.mark.timeout(400)
"""Fetching the browser may take as long as a test, on a machine that is busy."""
COMMAND = str(Path(sys.executable).parent / "watchword")
ARRIVED = b'<!doctype html><title>Arrived</title><p id="submission_complete">Done</p>'


class Suite(ThreadingHTTPServer):
    """Where the suite's clients are: it takes down what arrives."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Arriving)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls/server.pem", folder / "tls/server.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.arrived: list[tuple[str, str, dict[str, str]]] = []
        self.url = f"https://localhost:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def told(self, path: str) -> dict[str, str]:
        """What came to a path last."""
        return next(query for _, where, query in reversed(self.arrived) if where.endswith(path))


class _Arriving(BaseHTTPRequestHandler):
    server: Suite

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        self.server.arrived.append((self.command, parts.path, dict(parse_qsl(parts.query)) | dict(parse_qsl(body))))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(ARRIVED)))
        self.end_headers()
        self.wfile.write(ARRIVED)

    do_POST = do_GET  # noqa: N815 - the name that the standard library calls

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


class Configured(Process):
    """A server by the written configuration and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.trust = ssl.create_default_context(cafile=folder / "tls/ca.pem")
        issuer = tomllib.loads((folder / "watchword.toml").read_text())["issuer"]
        port = issuer.rpartition(":")[2]
        super().__init__(
            folder,
            WATCHWORD_ISSUER=issuer,
            WATCHWORD_PORT=port,
            WATCHWORD_OUTGOING__CA_FILE=str(folder / "tls/outgoing.pem"),
        )

    @property
    def url(self) -> str:
        return self.environ["WATCHWORD_ISSUER"]

    @property
    def metadata(self) -> dict[str, Any]:
        return httpx.get(f"{self.url}/.well-known/openid-configuration", verify=self.trust, timeout=60).json()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("conformance") / "suite"
    said(COMMAND, "dev-cert", "--folder", str(made / "tls"), "--client", "suite-1", "--client", "suite-2")
    return made


def said(*command: str, given: str | None = None, environ: dict[str, str] | None = None) -> str:
    ran = subprocess.run(command, input=given, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def suite(folder) -> Iterator[Suite]:
    serving = Suite(folder)
    yield serving
    serving.shutdown()
    serving.server_close()


@pytest.fixture(scope="module")
def server(folder, suite) -> Iterator[Configured]:
    issuer = f"https://localhost:{free_port()}"
    script = str(ROOT / "examples/conformance/configure.py")
    said(sys.executable, script, "--issuer", issuer, "--suite", suite.url, "--folder", str(folder))
    running = Configured(folder)
    password = (folder / "password").read_text()
    said(COMMAND, "accounts", "create", "ada@example.com", "--password-stdin", given=password, environ=running.environ)
    profile = str(folder / "profile.json")
    said(COMMAND, "accounts", "profile", "ada@example.com", "--replace", profile, environ=running.environ)
    yield running
    running.stop()


@pytest.fixture
def plan(folder, server):
    """plan("openid"): what is pasted into the suite."""
    return lambda name: json.loads((folder / f"{name}.json").read_text())


class Automated:
    """The suite's browser, in a process of its own that answers line by line."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def visits(self, blocks: list[dict[str, Any]], urls: tuple[str, ...], **how: Any) -> list[dict[str, Any]]:
        asked = {
            "browser": blocks,
            "same": how["same"],
            "visits": [{"url": url, "method": how["method"]} for url in urls],
        }
        killer = threading.Timer(300, self.process.kill)
        killer.start()
        try:
            print(json.dumps(asked), file=self.process.stdin, flush=True)
            told = next((line for line in self.process.stdout if line.startswith("told ")), None)
        finally:
            killer.cancel()
        assert told is not None, "the browser died, or was at it for too long"
        return json.loads(told.removeprefix("told "))


@pytest.fixture(scope="module")
def automated(tmp_path_factory) -> Iterator[Automated]:
    maven, java, compiler = (shutil.which(name) for name in ("mvn", "java", "javac"))
    if maven is None or java is None or compiler is None:
        pytest.skip("the conformance suite's browser was NOT tried: Maven or Java is not installed")
    folder = tmp_path_factory.mktemp("htmlunit")
    for name in ("pom.xml", "Browser.java"):
        shutil.copy(HERE / name, folder)
    fetch = [maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
    try:
        ran = subprocess.run(fetch, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the conformance suite's browser was NOT tried: Maven fetched nothing in time")
    if ran.returncode != 0:
        pytest.skip("the conformance suite's browser was NOT tried: its packages cannot be fetched here")
    path = os.pathsep.join((str(folder), str(folder / "jars/*")))
    said(compiler, "-cp", path, "-d", str(folder), str(folder / "Browser.java"))
    running = Automated([java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", path, "Browser"])
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture
def browser(automated):
    """browser(config, module, url…): each address visited in turn, in one browser. Returns where each visit ended."""

    def visits(config: dict[str, Any], module: str, *urls: str, **how: Any) -> list[dict[str, Any]]:
        blocks = config["override"].get(module, config)["browser"]
        ended = automated.visits(blocks, urls, **{"method": "GET", "same": False} | how)
        assert [one.get("failure") for one in ended] == [None] * len(urls), ended
        return ended

    return visits


def client_of(server, config: dict[str, Any], which: str = "client", **more: Any) -> RelyingParty:
    back = f"{config['browser'][1]['tasks'][-1]['match'].rpartition('/')[0]}/callback"
    return RelyingParty(server, config[which] | {"redirect_uris": [back], "pkce_exempt": True} | more)


def answered(rp: RelyingParty, suite: Suite, parameters: dict[str, str]) -> dict[str, Any]:
    """The claims of the ID token for what arrived at the client."""

    told = suite.told("/callback")
    assert told["state"] == parameters["state"]
    asked = Told(told, parameters["state"], parameters.get("nonce"), rp.verifier)
    answer = rp.exchange(asked)
    assert answer.status_code == 200, answer.text
    return rp.id_token(answer.json(), asked) | {"raw": answer.json()["id_token"]}


def test_every_client_of_the_plans_is_known_to_the_server(plan, folder, server):
    clients = tomllib.loads((folder / "watchword.toml").read_text())["clients"]
    known = {one["client_id"]: one for one in clients}
    for path in folder.glob("*.json"):
        if path.stem in {"profile", "openid-dynamic"}:
            continue
        config = plan(path.stem)
        for name in ("client", "client2", "client_secret_post"):
            if name in config:
                mine = known[config[name]["client_id"]]
                assert config[name].get("client_secret") == mine.get("client_secret")
                for key in config[name].get("jwks", {}).get("keys", []):
                    assert {"kid", "alg", "use", "d"} <= key.keys(), "the suite wants to be told all of it"
                    assert jwk.import_key(key).thumbprint() in {
                        jwk.import_key(one).thumbprint() for one in mine["jwks"]["keys"]
                    }
    assert {path.name for path in folder.iterdir() if path.stat().st_mode & 0o077 and path.name != "tls"} <= {
        "suite.log"
    }


def test_the_suites_browser_signs_in_consents_and_arrives(plan, browser, server, suite):
    config = plan("openid")
    rp = client_of(server, config)
    first, second = rp.request(), rp.request(prompt="none")
    ended = browser(config, "oidcc-prompt-none-logged-in", rp.address(first), rp.address(second))
    assert ended[0]["done"] == ["Sign in", "Allow", "Arrive"]
    assert ended[1]["done"] == ["Arrive"]
    assert answered(rp, suite, second)["sub"]


def test_the_suites_browser_signs_in_again_by_the_same_automation(plan, browser, server, suite):
    config = plan("openid")
    rp = client_of(server, config)
    first, second = rp.request(), rp.request(prompt="login")
    ended = browser(config, "oidcc-prompt-login", rp.address(first), rp.address(second))
    assert "Sign in" in ended[1]["done"], "the login page is filled in as the first time, who is signed in or not"
    assert answered(rp, suite, second)["auth_time"] <= time.time()


def test_the_suites_browser_posts_a_request_and_posts_an_answer(plan, browser, server, suite):
    config = plan("openid")
    rp = client_of(server, config)
    parameters = rp.request(response_mode="form_post")
    browser(config, "oidcc-ensure-post-request-succeeds", rp.address(parameters), method="POST")
    assert suite.arrived[-1][0] == "POST"
    assert answered(rp, suite, parameters)


@pytest.mark.parametrize("which", ["client2", "client_secret_post"])
def test_the_other_clients_of_the_plan_sign_in(plan, browser, server, suite, which):
    config = plan("openid")
    post = {"token_endpoint_auth_method": "client_secret_post"} if which == "client_secret_post" else {}
    rp = client_of(server, config, which, **post)
    parameters = rp.request()
    browser(config, "oidcc-server", rp.address(parameters))
    assert answered(rp, suite, parameters)


def test_modules_that_end_on_a_page_find_it(plan, browser, server):
    config = plan("openid")
    rp = client_of(server, config)
    wrong = rp.address(rp.request(redirect_uri="https://suite.example.test/elsewhere"))
    [ended] = browser(config, "oidcc-ensure-registered-redirect-uri", wrong)
    assert ended["url"].startswith(server.url)
    [ended] = browser(config, "oidcc-registration-policy-uri", rp.address(rp.request()))
    assert 'id="sign-in"' in ended["page"]


def test_modules_of_logout_go_their_way(plan, browser, server, suite):
    config = plan("openid")
    rp = client_of(server, config)
    parameters = rp.request()
    browser(config, "oidcc-server", rp.address(parameters))
    hint = answered(rp, suite, parameters)["raw"]
    end, there = (
        rp.op["end_session_endpoint"],
        f"{rp.client['redirect_uris'][0].rpartition('/')[0]}/post_logout_redirect",
    )
    whole = httpx.QueryParams(id_token_hint=hint, post_logout_redirect_uri=there, state="s" * 128)
    [_, left] = browser(config, "oidcc-rp-initiated-logout", rp.address(rp.request()), f"{end}?{whole}")
    assert left["url"] == f"{there}?state={'s' * 128}"
    [_, out] = browser(config, "oidcc-rp-initiated-logout-no-params", rp.address(rp.request()), end)
    assert 'id="signed-out"' in out["page"]
    bad = httpx.QueryParams(id_token_hint=hint, post_logout_redirect_uri=f"{there}?foo=bar")
    name = "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri"
    [_, asked] = browser(config, name, rp.address(rp.request()), f"{end}?{bad}")
    assert 'id="error"' in asked["page"], "an address that is not registered"
    [_, asked] = browser(
        config, "oidcc-rp-initiated-logout-no-id-token-hint", rp.address(rp.request()), f"{end}?state=s"
    )
    assert 'id="sign-out"' in asked["page"]


def test_frontchannel_logout_reaches_the_client_in_a_frame(plan, browser, server, suite):
    config = plan("openid-frontchannel")
    rp = client_of(server, config)
    parameters = rp.request()
    browser(config, "oidcc-server", rp.address(parameters))
    claims = answered(rp, suite, parameters)
    there = f"{rp.client['redirect_uris'][0].rpartition('/')[0]}/post_logout_redirect"
    whole = httpx.QueryParams(id_token_hint=claims["raw"], post_logout_redirect_uri=there, state="s-1")
    end = f"{rp.op['end_session_endpoint']}?{whole}"
    [ended] = browser(config, "oidcc-frontchannel-rp-initiated-logout", end, same=True)
    assert ended["url"] == f"{there}?state=s-1"
    assert suite.told("/frontchannel_logout") == {"iss": server.url, "sid": claims["sid"]}
    again = rp.request(prompt="none")
    browser(config, "oidcc-frontchannel-rp-initiated-logout", rp.address(again), same=True)
    assert suite.told("/callback")["error"] == "login_required"


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("binding", ["dpop", "mtls"])
@pytest.mark.parametrize("authentication", ["private_key_jwt", "mtls"])
def test_each_variant_of_fapi_2_signs_in(plan, browser, server, suite, folder, authentication, binding, signed):
    name = "-".join(("fapi2", authentication, binding, *(["signed"] if signed else [])))
    config = plan(name)
    variant = Variant(authentication, binding, signed=signed)
    key = jwk.import_key(config["client"]["jwks"]["keys"][0])
    back = client_of(server, config).client["redirect_uris"][0]
    certificate = Issued(folder / "tls/client-suite-1.pem", folder / "tls/client-suite-1.key")
    metadata = config["client"] | {
        "redirect_uris": [back], "token_endpoint_auth_method": authentication, "id_token_signed_response_alg": "ES256",
    }  # fmt: skip
    client = FapiParty(server, metadata, key, variant, certificate)
    parameters = client.request()
    browser(
        config,
        "fapi2-security-profile-final-happy-flow",
        client.beginning(client.push(parameters).json()["request_uri"]),
    )
    claims = answered(client, suite, parameters)
    assert claims["sub"]
    if (authentication, binding) == ("private_key_jwt", "dpop"):
        refused = client.request()
        pushed = client.push(refused).json()["request_uri"]
        browser(config, "fapi2-security-profile-final-user-rejects-authentication", client.beginning(pushed))
        assert suite.told("/callback")["error"] == "access_denied"
