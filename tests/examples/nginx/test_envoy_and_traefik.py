"""Envoy and Traefik, really started from the example's files, asking the checker before an application."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from front import signing
from process import free_port
from watchword.edge import Checker, Told, serve

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/nginx"
SCRIPTS = Path(sys.executable).parent
FILM = "/media/1/film.mp4"
SAID = ("X-Watchword-Subject", "X-Watchword-Session", "X-Watchword-Roles", "x_watchword_roles", "X_Watchword_Subject")


class Proxy(SimpleNamespace):
    """A proxy that has been started, and what it asks."""

    def signed(self, path, **bindings):
        return self.urls.sign(path, 60, **bindings)[len(self.urls.origin) :]

    async def ask(self, target, method="GET", *, body=b"", **headers):
        """Ask as written, without a client that would tidy it: status, and what the application was told."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"{method} {target} HTTP/1.1", f"Host: localhost:{self.port}", "Connection: close"]
        lines += [f"{name.replace('__', '-')}: {value}" for name, value in headers.items()]
        if method == "PUT" and "Transfer__Encoding" not in headers:
            lines.append(f"Content-Length: {len(body)}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head, _, text = (await asyncio.wait_for(reader.read(), 60)).partition(b"\r\n\r\n")
        writer.close()
        status = int(head.split()[1])
        return status, json.loads(text) if status == 200 else {}


async def application(reader, writer):
    """Answers with the request as it came."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = head.split("\r\n")
    told = {"target": lines[0].split()[1], "headers": [line.lower() for line in lines[1:] if line]}
    body = json.dumps(told).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    writer.close()


def command(name, folder, port, edge, app):
    """Fill in the example's file as its first lines say."""
    known = {"@PORT@": port, "@EDGE@": edge, "@EDGE_PORT@": edge.rpartition(":")[2], "@APP_PORT@": app}
    text = (EXAMPLE / f"{name}.yaml.template").read_text()
    for word, value in known.items():
        text = text.replace(word, str(value))
    file = folder / f"{name}.yaml"
    file.write_text(text)
    if name == "envoy":
        return [str(SCRIPTS / "envoy"), "-c", str(file), "--use-dynamic-base-id", "--concurrency", "1", "-l", "error"]
    web = "--entryPoints.web"
    return [
        str(SCRIPTS / "traefik"),
        f"{web}.address=127.0.0.1:{port}",
        f"{web}.http.sanitizePath=false",
        f"--providers.file.filename={file}",
        "--global.checkNewVersion=false",
        "--log.level=ERROR",
    ]


async def answers(port, process):
    """Wait until the proxy has read its routes: then nobody comes in, and nothing is not found."""
    for _ in range(1200):
        assert process.poll() is None
        try:
            if (await Proxy(port=port).ask("/api/"))[0] == 401:
                return
        except (OSError, ValueError, IndexError):
            pass
        await asyncio.sleep(0.05)
    raise AssertionError("the proxy does not ask the checker")


@asynccontextmanager
async def started(name, folder):
    port = free_port()
    issuer, urls = signing(port)
    told = Told.ENVOY if name == "envoy" else Told.FORWARDED
    app = await asyncio.start_server(application, "127.0.0.1", 0)
    async with app, serve(Checker(issuer.verifier(), urls), "127.0.0.1:0", told) as edge:
        process = subprocess.Popen(
            command(name, folder, port, edge, app.sockets[0].getsockname()[1]),
            stderr=(folder / "log").open("w"),
            stdout=subprocess.DEVNULL,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        )
        try:
            await answers(port, process)
            yield Proxy(name=name, port=port, urls=urls, issuer=issuer)
        finally:
            process.kill()
            process.wait(60)


@pytest.fixture(params=["envoy", "traefik"])
def name(request):
    if not (SCRIPTS / request.param).exists():
        pytest.skip(f"NO {request.param.upper()} for this machine: its wheel is not in the environment")
    return request.param


async def test_what_is_signed_is_served_and_nothing_else(name, tmp_path):
    async with started(name, tmp_path) as proxy:
        film = proxy.signed(FILM)
        assert (await proxy.ask(film))[1]["target"] == film
        for changed in (film + "&x=1", film.replace("film", "f%69lm"), film.replace("/media/", "/x/../media/"), FILM):
            status, told = await proxy.ask(changed)
            # Traefik decodes what needs no encoding before it routes and asks: then it is the signed request again.
            assert status in {403, 404} or (name == "traefik" and "%69" in changed and told["target"] == film)
        # What a client says of the request is overwritten by what the proxy says.
        said = {"X__Forwarded__Uri": film, "X__Forwarded__Method": "GET", "X__Original__URI": film}
        assert (await proxy.ask(FILM, **said))[0] == 403
        elsewhere = proxy.signed(FILM, clients=["192.0.2.1"])
        for said in ("X__Forwarded__For", "X__Real__IP", "X__Envoy__External__Address"):
            assert (await proxy.ask(elsewhere, **{said: "192.0.2.1"}))[0] == 403
        assert (await proxy.ask(proxy.signed(FILM, clients=["127.0.0.1"])))[0] == 200
        once = proxy.signed(FILM, once=True)
        assert [(await proxy.ask(once))[0] for _ in range(2)] == [200, 403]


async def test_a_signed_prefix_opens_its_segments_until_the_session_ends(name, tmp_path):
    async with started(name, tmp_path) as proxy:
        token = proxy.issuer.verifier().verify_now(proxy.issuer.token("ada"))
        playlist = proxy.signed("/media/1/index.m3u8", prefix="/media/1/", session=token)
        status, told = await proxy.ask(playlist.replace("index.m3u8", "0.m4s"))
        assert (status, told["target"]) == (200, "/media/1/0.m4s")
        assert "x-watchword-subject: ada" in told["headers"]
        for escape in ("../2/film.mp4", "..%2f2/film.mp4", "%2e%2e/2/film.mp4"):
            assert (await proxy.ask(playlist.replace("index.m3u8", escape)))[0] in {400, 403, 404}
        proxy.issuer.cut_off("session", "session-ada")
        assert (await proxy.ask(playlist.replace("index.m3u8", "1.m4s")))[0] == 403


async def test_the_api_is_for_whoever_has_a_token_that_is_good(name, tmp_path):
    async with started(name, tmp_path) as proxy:
        token = proxy.issuer.token("ada", roles=["reader"])
        status, told = await proxy.ask("/api/notes?q=1", Authorization=f"Bearer {token}")
        assert (status, told["target"]) == (200, "/api/notes?q=1")
        assert {"x-watchword-subject: ada", "x-watchword-roles: reader"} <= set(told["headers"])
        assert (await proxy.ask("/api/notes", Authorization="Bearer x"))[0] == 401
        assert (await proxy.ask(proxy.signed("/api/notes")))[0] == 401
        assert (await proxy.ask("/elsewhere", Authorization=f"Bearer {token}"))[0] in {403, 404}
        proxy.issuer.revoke(token)
        assert (await proxy.ask("/api/notes", Authorization=f"Bearer {token}"))[0] == 401


async def test_a_client_cannot_say_itself_what_the_checker_leaves_empty(name, tmp_path):
    async with started(name, tmp_path) as proxy:
        said = {header.replace("-", "__"): "admin" for header in SAID}
        status, told = await proxy.ask(proxy.signed(FILM), **said)  # bound to nobody
        assert status == 200
        assert "admin" not in str(told)


async def test_an_upload_is_held_to_its_length_or_refused_where_the_proxy_cannot_tell_it(name, tmp_path):
    async with started(name, tmp_path) as proxy:
        target = proxy.signed("/media/1/new", method="PUT", content_type="image/png", content_length=4)
        typed = {"Content__Type": "image/png"}
        fits = 200 if name == "envoy" else 403
        assert (await proxy.ask(target, "PUT", body=b"four", **typed))[0] == fits
        assert (await proxy.ask(target, "PUT", body=b"four", Content__Type="image/gif"))[0] == 403
        assert (await proxy.ask(target, "PUT", body=b"five!", **typed))[0] == 403
        assert (await proxy.ask(target, "PUT", body=b"five!", X__Original__Content__Length="4", **typed))[0] == 403
        chunked = {"Transfer__Encoding": "chunked", "X__Original__Content__Length": "4"}
        assert (await proxy.ask(target, "PUT", body=b"5\r\nfive!\r\n0\r\n\r\n", **chunked, **typed))[0] == 403


async def test_nobody_comes_in_when_the_checker_is_away(name, tmp_path):
    folder = tmp_path
    async with started(name, folder) as proxy:
        proxy.issuer.transport.down = True
        film, token = proxy.signed(FILM), proxy.issuer.token()
        assert (await proxy.ask(film))[0] == 200
        app = await asyncio.start_server(application, "127.0.0.1", 0)
        port, gone = free_port(), f"127.0.0.1:{free_port()}"
        process = subprocess.Popen(
            command(name, folder, port, gone, app.sockets[0].getsockname()[1]),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        )
        try:
            alone = Proxy(port=port)
            status = 0
            while status not in {500, 503}:
                try:
                    status = (await alone.ask(film))[0]
                except (OSError, IndexError):
                    await asyncio.sleep(0.05)
                assert status in {0, 404, 500, 503}
            assert (await alone.ask("/api/", Authorization=f"Bearer {token}"))[0] in {500, 503}
        finally:
            process.kill()
            process.wait(60)
            app.close()
