"""Debian's nginx, really started, asking the checker: films by signed URL, an API by token, phantom tokens, and njs."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ports import free_port
from watchword.clock import system_clock
from watchword.edge import Checker, InsideTokens, serve
from watchword.jose import Key, KeySet
from watchword.signedurl import MemorySingleUse, SignedUrls
from watchword.signedurl.cdn import NginxSecureLink
from watchword.testing import FakeClock, FakeIssuer
from watchword.verify.check import check_access_token
from watchword.verify.policy import Policy

ROOT = Path(__file__).resolve().parents[3]
SPEC = importlib.util.spec_from_file_location("nginx_example", ROOT / "examples/nginx/run.py")
EXAMPLE = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = EXAMPLE
SPEC.loader.exec_module(EXAMPLE)
NO_NGINX = "NO NGINX: the tests at the edge are skipped. apt-get install nginx-light libnginx-mod-http-js"
pytestmark = pytest.mark.skipif(EXAMPLE.nginx_program() is None, reason=NO_NGINX)
FILM = (ROOT / "examples/demonstration/media/1/film.mp4").read_bytes()


class Answer:
    def __init__(self, raw: bytes):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}


class Edge:
    """nginx and what stands around it."""

    def __init__(self, port, issuer, urls, inside):
        self.port, self.issuer, self.urls, self.inside = port, issuer, urls, inside
        self.origin = urls.origin

    async def ask(self, target, method="GET", host=None, **headers):
        """One request, its target sent as it is."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'localhost:{self.port}'}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        # nginx waits a while for a body that was announced before it closes.
        body = b"x" * int(headers.get("Content-Length", 0))
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        raw = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        return Answer(raw)

    def signed(self, path, **bindings):
        return self.urls.sign(path, 600, **bindings)[len(self.origin) :]

    def token(self, **claims):
        return self.issuer.verifier().verify_now(self.issuer.token(**claims))


async def api(reader, writer):
    """What stands behind: says what it was told."""
    with_head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    told = {name.lower(): value for name, _, value in (line.partition(": ") for line in with_head[1:] if line)}
    body = json.dumps({"line": with_head[0], **told}).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    writer.close()


@asynccontextmanager
async def running(tmp_path, checker_for):
    port, api_server = free_port(), await asyncio.start_server(api, "127.0.0.1", 0)
    key = Key.generate("HS256", kid="k1")
    issuer = FakeIssuer(clock=system_clock)
    origin = f"http://localhost:{port}"
    urls = SignedUrls(key, origin=origin, cut_offs=issuer.view, single_use=MemorySingleUse())
    inside = InsideTokens(Key.generate("ES256"), issuer="https://edge.test", audience="inside")
    edge_socket, conf = tmp_path / "edge.sock", tmp_path / "nginx.conf"
    api_port = api_server.sockets[0].getsockname()[1]
    conf.write_text(
        EXAMPLE.configuration(
            state=tmp_path, port=port, api_port=api_port, edge=edge_socket, origin=origin, key=key.private_jwk()
        )
    )
    command = EXAMPLE.command(EXAMPLE.nginx_program(), tmp_path, conf)
    async with api_server, serve(checker_for(issuer, urls, inside), f"unix:{edge_socket}"):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            while process.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    await asyncio.sleep(0.01)
            assert process.poll() is None, process.stderr.read()
            yield Edge(port, issuer, urls, inside)
        finally:
            process.terminate()
            process.communicate(timeout=60)


@pytest.fixture
async def edge(tmp_path):
    def checker(issuer, urls, inside):
        return Checker(issuer.verifier(), urls, inside, realm="films")

    async with running(tmp_path, checker) as edge:
        yield edge


async def test_a_film_is_served_by_a_good_link_with_ranges_and_head(edge):
    target = edge.signed("/media/1/film.mp4")
    whole = await edge.ask(target)
    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, FILM, "video/mp4")
    part = await edge.ask(target, Range="bytes=100-199")
    assert (part.status, part.body) == (206, FILM[100:200])
    head = await edge.ask(target, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(FILM)))


async def test_segments_are_served_by_a_signed_prefix_until_the_session_ends(edge):
    target = edge.signed("/media/1/index.m3u8", prefix="/media/1/", session=edge.token())
    playlist = (await edge.ask(target)).body.decode()
    segments = [line for line in playlist.splitlines() if line.endswith(".m4s")]
    first = await edge.ask(target.replace("index.m3u8", segments[0]))
    assert (first.status, first.headers["content-type"]) == (200, "video/iso.segment")
    edge.issuer.cut_off("session", "session-ada")
    assert (await edge.ask(target.replace("index.m3u8", segments[1]))).status == 403


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.partition("?")[0],
        lambda t: t.replace("/1/", "/2/"),
        lambda t: t + "&x=1",
        lambda t: t[:-1],
        lambda t: t.replace("/media/", "//media/"),
        lambda t: t.replace("/media/", "/x/../media/"),
        lambda t: t.replace("/media/", "/media/x/%2e%2e/"),
        lambda t: t.replace("/media/", "/%6dedia/"),
        lambda t: t.replace("film.mp4", "film.mp4;x"),
        lambda t: t.replace("film.mp4", "film.mp4%00"),
    ],
)
async def test_a_changed_link_is_refused(edge, change):
    assert (await edge.ask(change(edge.signed("/media/1/film.mp4")))).status in {400, 403, 404}


@pytest.mark.parametrize(
    "escape",
    [
        "../2/film.mp4",
        "%2e%2e/2/film.mp4",
        "..%2f2/film.mp4",
        "x/../../2/film.mp4",
        "..;/2/film.mp4",
        "%2E%2E%2F2%2Ffilm.mp4",
        "//2/film.mp4",
    ],
)
async def test_no_step_leaves_a_signed_prefix(edge, escape):
    target = edge.signed("/media/1/index.m3u8", prefix="/media/1/")
    assert (await edge.ask(target.replace("index.m3u8", escape))).status in {400, 403}


async def test_what_a_client_says_of_itself_is_not_believed(edge):
    good = edge.signed("/media/1/film.mp4", clients=["192.0.2.7"])
    forged = {"X_Real_IP": "192.0.2.7", "X_Original_URI": good, "X_Forwarded_For": "192.0.2.7"}
    assert (await edge.ask(good, **{name.replace("_", "-"): value for name, value in forged.items()})).status == 403
    honest = edge.signed("/media/2/film.mp4")
    headers = {"X-Original-URI": honest, "X-Original-Method": "GET", "X-Watchword-Subject": "root"}
    assert (await edge.ask("/media/1/film.mp4", **headers)).status == 403


async def test_another_host_is_another_place(edge):
    assert (await edge.ask(edge.signed("/media/1/film.mp4"), host="evil.example")).status == 403


async def test_one_use_is_one_use(edge):
    target = edge.signed("/media/1/film.mp4", once=True)
    assert [(await edge.ask(target)).status for _ in range(3)] == [200, 403, 403]


async def test_of_many_at_once_one_uses_it(edge):
    target = edge.signed("/media/1/film.mp4", once=True)
    answers = await asyncio.gather(*(edge.ask(target) for _ in range(16)))
    assert sorted(answer.status for answer in answers) == [200] + [403] * 15


async def test_an_upload_is_held_to_its_length_though_the_checker_never_sees_it(edge):
    target = edge.signed("/media/1/new", method="PUT", content_type="image/png", content_length=4)
    asked = {"Content-Type": "image/png", "Content-Length": "4"}
    # nginx-light serves no PUT here: 405 is what comes after the checker has let it pass.
    assert (await edge.ask(target, "PUT", **asked)).status == 405
    assert (await edge.ask(target, "PUT", **{**asked, "Content-Length": "5"})).status == 403
    assert (
        await edge.ask(target, "PUT", **{**asked, "X-Original-Content-Length": "4", "Content-Length": "9"})
    ).status == 403


async def test_the_api_learns_who_calls_from_a_good_token_alone(edge):
    token = edge.issuer.token("ada")
    answer = await edge.ask("/protected/profile", Authorization=f"Bearer {token}", **{"X-Watchword-Subject": "root"})
    assert (answer.status, json.loads(answer.body)["x-watchword-subject"]) == (200, "ada")
    nobody = await edge.ask("/protected/profile")
    assert (nobody.status, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="films"')
    bad = await edge.ask("/protected/profile", Authorization="Bearer nonsense")
    assert (bad.status, 'error="invalid_token"' in bad.headers["www-authenticate"]) == (401, True)
    edge.issuer.revoke(token)
    assert (await edge.ask("/protected/profile", Authorization=f"Bearer {token}")).status == 401


@pytest.mark.parametrize("place", ["/protected/profile", "/inside/profile"])
async def test_a_client_cannot_say_itself_what_the_checker_says(edge, place):
    names = ("Subject", "Session", "Scope", "Roles", "Path", "Token")
    spelled = [name for kind in names for name in (f"X-Watchword-{kind}", f"x-watchword-{kind.lower()}")]
    for name in spelled:
        answer = await edge.ask(place, Authorization=f"Bearer {edge.issuer.token('ada')}", **{name: "admin"})
        assert answer.status == 200
        said = {key: value for key, value in json.loads(answer.body).items() if key.startswith("x-watchword")}
        assert "admin" not in said.values(), name


async def test_inside_travels_a_token_of_the_edges_own(edge):
    outside = edge.issuer.token("ada", scope="reports:read")
    answer = await edge.ask("/inside/reports", Authorization=f"Bearer {outside}")
    scheme, _, inside = json.loads(answer.body)["authorization"].partition(" ")
    assert (scheme, inside != outside) == ("Bearer", True)
    keys = KeySet.from_json(edge.inside.jwks)
    token = check_access_token(inside, keys, Policy("https://edge.test", "inside"), system_clock.now())
    assert (token.sub, token.sid, token.scope) == ("ada", "session-ada", {"reports:read"})
    assert token.exp <= system_clock.now() + 60


async def test_nobody_passes_while_the_checker_cannot_say_or_is_away(tmp_path):
    class Unsure:
        def kills(self, url):
            raise OSError("no view")

    def checker(issuer, urls, inside):
        key = Key.generate("HS256", kid="k2")
        checker.urls = SignedUrls(key, origin=urls.origin, cut_offs=Unsure())
        return Checker(urls=checker.urls)

    async with running(tmp_path, checker) as edge:
        target = checker.urls.sign("/media/1/film.mp4", 60, account="ada")[len(edge.origin) :]
        unsure = await edge.ask(target)
        assert (unsure.status, unsure.headers["retry-after"]) == (503, "5")
        (tmp_path / "edge.sock").unlink()
        away = await edge.ask("/protected/profile", Authorization="Bearer x")
        assert away.status in {401, 503}
        assert (await edge.ask("/media/1/film.mp4")).status in {403, 503}


async def test_njs_verifies_the_same_form_without_any_process(edge):
    if not (EXAMPLE.MODULES / "ngx_http_js_module.so").exists():
        pytest.skip("NO NJS: apt-get install libnginx-mod-http-js")
    plain = edge.signed("/njs/media/1/film.mp4?x=1")
    assert (await edge.ask(plain.replace("x=1", "x=2"))).status == 403
    prefix = edge.signed("/njs/media/1/index.m3u8", prefix="/njs/media/1/")
    assert (await edge.ask(prefix.replace("index.m3u8", "0.m4s"))).status == 200
    assert (await edge.ask(prefix)).status == 200
    for escape in ("../2/film.mp4", "%2e%2e/2/film.mp4", ".hidden", "a//b"):
        assert (await edge.ask(prefix.replace("index.m3u8", escape))).status in {400, 403}
    assert (await edge.ask(prefix.replace(".k1.", ".constructor."))).status == 403
    bound = edge.signed("/njs/media/1/index.m3u8", prefix="/njs/media/1/", session=edge.token())
    assert (await edge.ask(bound)).status == 403
    assert (await edge.ask(prefix, host="evil.example")).status == 403


VECTORS = json.loads((ROOT / "tests/vectors/signed-urls/version-1.json").read_text())
UNKNOWN_TO_NJS = {"e1"}
KNOWN_TO_NJS = {"prefix", "query", "nbf"}


def test_njs_agrees_with_the_published_vectors_or_refuses_more(tmp_path):
    """Run by Node, whose language njs is a part of; what nginx itself does is above."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("NO NODE: the script is run by nginx alone")
    keys = {jwk["kid"]: jwk["k"] for jwk in VECTORS["keys"] if jwk["kty"] == "oct"}
    cases = [
        {"target": one["request"]["target"], "method": one["request"]["method"], "name": one["name"]}
        for one in [*VECTORS["good"], *(bad for bad in VECTORS["bad"] if "host" not in bad["request"])]
    ]
    source = (
        (ROOT / "examples/nginx/watchword.js")
        .read_text()
        .replace('const crypto = require("crypto");', 'import crypto from "crypto";')
    )
    (tmp_path / "watchword.mjs").write_text(source)
    (tmp_path / "run.mjs").write_text(
        'import watchword from "./watchword.mjs"; import fs from "fs"; const g = JSON.parse(fs.readFileSync(0));'
        "console.log(JSON.stringify(g.cases.map((c) => watchword.verify(c.target, c.method, g.origin, g.keys, g.now))));"
    )
    given = json.dumps({"cases": cases, "origin": VECTORS["origin"], "keys": keys, "now": VECTORS["now"]})
    done = subprocess.run([node, str(tmp_path / "run.mjs")], input=given, capture_output=True, text=True, check=True)
    found = dict(zip([case["name"] for case in cases], json.loads(done.stdout), strict=True))
    for one in VECTORS["good"]:
        listed = isinstance(one["caveats"].get("query"), list)
        understood = one["kid"] not in UNKNOWN_TO_NJS and set(one["caveats"]) <= KNOWN_TO_NJS and not listed
        assert found[one["name"]] is understood, one["name"]
    for one in VECTORS["bad"]:
        assert found.get(one["name"], False) is False, one["name"]


async def test_secure_link_is_made_as_nginx_reads_it(edge):
    signer = NginxSecureLink("for-measuring-only")
    target = signer.sign(f"{edge.origin}/secure_link/1/film.mp4", 60)[len(edge.origin) :]
    assert (await edge.ask(target)).body == FILM
    assert (await edge.ask(target.replace("/1/", "/2/"))).status == 403
    expired = NginxSecureLink("for-measuring-only", FakeClock(system_clock.now() - 600))
    assert (await edge.ask(expired.sign(f"{edge.origin}/secure_link/1/film.mp4", 60)[len(edge.origin) :])).status == 410
