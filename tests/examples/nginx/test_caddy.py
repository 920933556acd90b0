"""Debian's Caddy, really started, asking the checker by forward-auth."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from front import Front, signing
from ports import free_port
from watchword.edge import Checker, Told, serve

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = ROOT / "examples/nginx/Caddyfile.template"
pytestmark = pytest.mark.skipif(shutil.which("caddy") is None, reason="NO CADDY: apt-get install caddy")


class Caddy(Front):
    async def ask(self, target, method="GET", **headers):
        return (await super().ask(target, method, **headers))[0]


@asynccontextmanager
async def started(tmp_path, behind="file_server"):
    port = free_port()
    issuer, urls = signing(port)
    async with serve(Checker(issuer.verifier(), urls), "127.0.0.1:0", Told.FORWARDED) as where:
        text = TEMPLATE.read_text().replace("file_server", behind).replace("@PORT@", str(port)).replace("@EDGE@", where)
        (tmp_path / "Caddyfile").write_text(text.replace("@ROOT@", str(ROOT / "examples/demonstration")))
        process = subprocess.Popen(
            ["caddy", "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"],
            stderr=subprocess.DEVNULL,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
        try:
            while process.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    await asyncio.sleep(0.02)
            assert process.poll() is None
            yield Caddy(port, urls, issuer)
        finally:
            process.terminate()
            process.wait(60)


async def test_what_is_signed_is_served_and_nothing_else(tmp_path):
    async with started(tmp_path) as caddy:
        film = caddy.signed("/media/1/film.mp4")
        assert await caddy.ask(film) == 200
        assert await caddy.ask(film, "HEAD") == 200
        assert await caddy.ask(film, Range="bytes=0-9") == 206
        for changed in (
            film + "&x=1",
            film.replace("film", "f%69lm"),
            film.replace("/media/", "/x/../media/"),
            "/media/1/film.mp4",
        ):
            assert await caddy.ask(changed) == 403
        # What a client says of the request is overwritten by what Caddy says.
        assert await caddy.ask("/media/1/film.mp4", X_Forwarded_Uri=film, X_Forwarded_Method="GET") == 403
        elsewhere = caddy.signed("/media/1/film.mp4", clients=["192.0.2.1"])
        assert await caddy.ask(elsewhere, X_Forwarded_For="192.0.2.1") == 403
        assert await caddy.ask(caddy.signed("/media/1/film.mp4", clients=["127.0.0.1"])) == 200


async def test_a_signed_prefix_opens_its_segments_until_the_session_ends(tmp_path):
    async with started(tmp_path) as caddy:
        token = caddy.issuer.verifier().verify_now(caddy.issuer.token("ada"))
        playlist = caddy.signed("/media/1/index.m3u8", prefix="/media/1/", session=token)
        assert await caddy.ask(playlist.replace("index.m3u8", "0.m4s")) == 200
        for escape in ("../2/film.mp4", "..%2f2/film.mp4", "%2e%2e/2/film.mp4"):
            assert await caddy.ask(playlist.replace("index.m3u8", escape)) == 403
        caddy.issuer.cut_off("session", "session-ada")
        assert await caddy.ask(playlist.replace("index.m3u8", "1.m4s")) == 403


async def test_a_client_cannot_say_itself_what_the_checker_leaves_empty(tmp_path):
    names = ("X-Watchword-Subject", "X-Watchword-Session", "X-Watchword-Roles", "X_Watchword_Subject")
    shown = "|".join(f"{{http.request.header.{name}}}" for name in names)
    async with started(tmp_path, f'respond "said {shown}"') as caddy:
        target = caddy.signed("/media/1/film.mp4")  # bound to nobody
        reader, writer = await asyncio.open_connection("127.0.0.1", caddy.port)
        lines = [f"GET {target} HTTP/1.1", f"Host: localhost:{caddy.port}", "Connection: close"]
        writer.write("\r\n".join([*lines, *(f"{name}: admin" for name in names), "", ""]).encode())
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"said " in answer
        assert b"admin" not in answer
