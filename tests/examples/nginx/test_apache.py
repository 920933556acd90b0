"""Debian's Apache, really started from the example's file, before an application whose middleware checks signed URLs."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from front import Front, signing
from process import free_port
from watchword.adapters.signed_urls.asgi import SignedUrlMiddleware, signed_url_of

TEMPLATE = Path(__file__).resolve().parents[3] / "examples/nginx/apache.conf.template"
MODULES = Path("/usr/lib/apache2/modules")
APACHE = shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin")
LOADED = ("mpm_event", "authn_core", "authz_core", "headers", "mime", "proxy", "proxy_http", "xsendfile")
FILM = "/media/1/film.mp4"
pytestmark = pytest.mark.skipif(
    APACHE is None or not (MODULES / "mod_xsendfile.so").exists(),
    reason="NO APACHE with mod_xsendfile: apt-get install apache2-bin libapache2-mod-xsendfile",
)


def application(films):
    """Names the file that a verified path stands for, and leaves it to Apache."""

    async def named(scope, _receive, send):
        name = films / Path(signed_url_of(scope).path).name
        headers = [(b"x-sendfile", str(name).encode()), (b"content-type", b"video/mp4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return named


def configured(folder, films, port, app):
    known = {
        "@STATE@": folder,
        "@PORT@": port,
        "@APP_PORT@": app,
        "@ROOT@": films,
        "@USER@": "User nobody\nGroup nogroup" if os.geteuid() == 0 else "",
        "@MODULES@": "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED),
    }
    text = TEMPLATE.read_text()
    for word, value in known.items():
        text = text.replace(word, str(value))
    (folder / "apache.conf").write_text(text)
    return [APACHE, "-f", str(folder / "apache.conf"), "-DFOREGROUND"]


@asynccontextmanager
async def started():
    # Started by root, Apache serves as nobody, who may look into no folder of pytest's.
    folder = Path(tempfile.mkdtemp(prefix="watchword-apache-"))
    folder.chmod(0o755)
    films = folder / "films"
    films.mkdir()
    (films / "film.mp4").write_bytes(bytes(range(100)))
    (folder / "secret").write_text("outside of the films")
    port = free_port()
    issuer, urls = signing(port)
    app = SignedUrlMiddleware(application(films), urls, under="/media/")
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=0, log_config=None, lifespan="off", proxy_headers=True, forwarded_allow_ips="127.0.0.1"
        )
    )
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    inside = server.servers[0].sockets[0].getsockname()[1]
    with (folder / "out.log").open("wb") as told:
        process = subprocess.Popen(configured(folder, films, port, inside), stdout=told, stderr=told)
    apache = Front(port, urls, issuer)
    try:
        while True:
            assert process.poll() is None, (folder / "out.log").read_text()
            try:
                if (await apache.ask(FILM))[0] == 403:
                    break
            except (OSError, IndexError):
                pass
            await asyncio.sleep(0.05)
        yield apache
    finally:
        process.terminate()
        process.wait(60)
        server.should_exit = True
        await serving
        shutil.rmtree(folder)


async def test_what_is_signed_is_served_by_apache_and_nothing_else():
    async with started() as apache:
        film = apache.signed(FILM)
        assert await apache.ask(film) == (200, bytes(range(100)))
        assert await apache.ask(film, Range="bytes=10-19") == (206, bytes(range(10, 20)))
        assert await apache.ask(film, "HEAD") == (200, b"")
        for changed in (film + "&x=1", film.replace("film", "f%69lm"), film.replace("/1/", "/1//"), FILM):
            assert (await apache.ask(changed))[0] == 403
        # What Apache makes of it before it looks for a place is the signed request again.
        for same in ("/x/../media/", "/media//"):
            assert (await apache.ask(film.replace("/media/", same))) == (200, bytes(range(100)))
        elsewhere = apache.signed(FILM, clients=["192.0.2.1"])
        assert (await apache.ask(elsewhere, X_Forwarded_For="192.0.2.1"))[0] == 403
        assert (await apache.ask(apache.signed(FILM, clients=["127.0.0.1"])))[0] == 200
        once = apache.signed(FILM, once=True)
        assert [(await apache.ask(once))[0] for _ in range(2)] == [200, 403]


async def test_a_signed_prefix_opens_its_files_until_the_session_ends():
    async with started() as apache:
        token = apache.issuer.verifier().verify_now(apache.issuer.token("ada"))
        playlist = apache.signed("/media/1/index.m3u8", prefix="/media/1/", session=token)
        film = playlist.replace("index.m3u8", "film.mp4")
        assert await apache.ask(film) == (200, bytes(range(100)))
        for escape in ("../2/film.mp4", "..%2f2/film.mp4", "%2e%2e/2/film.mp4", "..%2f..%2fsecret"):
            status, body = await apache.ask(playlist.replace("index.m3u8", escape))
            assert status in {400, 403, 404}
            assert b"outside" not in body
        apache.issuer.cut_off("session", "session-ada")
        assert (await apache.ask(film))[0] == 403
