"""The demonstration API: all that an application writes to accept Watchword's access tokens, and to refuse dead ones.

Issues no tokens, stores nothing, and asks nobody while it answers: keys and revocations are fetched in the background.
It signs links to its films, which die with the session they were signed for.

Started by `make run` beside the server; by hand: `DEMO_FEED_TOKEN=... python examples/demonstration/app.py`.
"""

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response, Security
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse
from watchword import AccessToken, Key, Revocations, Verifier, system_clock
from watchword.adapters.fastapi import BearerAuth
from watchword.adapters.signed_urls.fastapi import SignedUrlAuth
from watchword.signedurl import SignedUrls

POSTS = [
    {"title": "How a sentry tells a friend from a stranger", "readers": 4120},
    {"title": "Thirty seconds of grace: a short history of the retry", "readers": 2877},
    {"title": "The night the denylist overslept", "readers": 1964},
]
ROSTER = [
    {"name": "Ada", "post": "north gate", "awake": True},
    {"name": "Grace", "post": "harbour", "awake": True},
    {"name": "Linus", "post": "cellar", "awake": False},
]
MEDIA = Path(__file__).with_name("media")
FILMS = (1, 2, 3)
"""Each a folder of `MEDIA`: one MP4, and the same in segments."""
FILES = {f"/media/{path.relative_to(MEDIA).as_posix()}": path for path in MEDIA.glob("[1-3]/*.*")}
TYPES = {".mp4": "video/mp4", ".m4s": "video/iso.segment", ".m3u8": "application/vnd.apple.mpegurl"}
LINK_SECONDS = 600
REPORTS = [{"night": "Tuesday", "lanterns_lit": 42, "strangers_turned_away": 3}]


@dataclass(frozen=True)
class Settings:
    """Where this API is, and whose tokens it takes."""

    port: int
    issuer: str
    """The authorization server: compared with `iss`, and asked for its keys."""
    audience: str
    """What this API is called in `aud`. A token for somebody else is refused."""
    feed_token: str | None
    """Opens the feed of revocations."""
    origins: list[str]
    """Pages that may call this API from a browser."""
    url_key: Key
    """Signs links: of a file that an edge server shares, or made anew at every start, which ends all links."""
    media_origin: str | None
    """Where the films are served, if an edge server stands before this API."""

    @classmethod
    def from_environment(cls, given: Mapping[str, str]) -> "Settings":
        issuer = given.get("DEMO_ISSUER") or "http://localhost:8000"
        return cls(
            port=int(given.get("DEMO_PORT") or 8001),
            issuer=issuer,
            audience=given.get("DEMO_AUDIENCE") or issuer,
            feed_token=given.get("DEMO_FEED_TOKEN"),
            origins=(given.get("DEMO_ALLOWED_ORIGINS") or issuer).split(","),
            url_key=url_key(given.get("DEMO_URL_KEY_FILE")),
            media_origin=given.get("DEMO_MEDIA_ORIGIN"),
        )


def verifier_for(settings: Settings) -> Verifier:
    """One for the whole process: it keeps keys and revocations at hand, and verifies without a question to anyone."""
    return Verifier(
        settings.issuer,
        settings.audience,
        leeway=0,  # one machine has one clock
        # Ten questions a second rather than one, so that in the playground "at once" looks like it.
        revocations=Revocations(token=settings.feed_token, poll_interval=0.1, name="demonstration-api"),
    )


def url_key(file: str | None) -> Key:
    """The key of links: a JWK from a file, or a new one."""
    return Key.generate("HS256", kid="demo") if file is None else Key.from_jwk(json.loads(Path(file).read_bytes()))


def links(verifier: Verifier, origin: str, key: Key) -> dict[str, SignedUrls]:
    """What signs and verifies links, by the host they are for. A link says where it is good, and only there it is."""
    # One machine goes by two names; whoever asked by one of them gets links for that one.
    here = [origin, origin.replace("localhost", "127.0.0.1")]
    return {place.partition("://")[2]: SignedUrls(key, origin=place, cut_offs=verifier) for place in here}


def application(verifier: Verifier, origins: list[str], signed: dict[str, SignedUrls] | None = None) -> FastAPI:
    auth = BearerAuth(verifier)
    signed = signed or links(verifier, "http://localhost:8001", url_key(None))

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with verifier:
            yield

    app = FastAPI(title="Watchword demonstration", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_headers=["Authorization", "Range"],
        expose_headers=["WWW-Authenticate", "Retry-After", "Accept-Ranges", "Content-Range"],
    )

    @app.get("/api/posts/popular")
    async def popular() -> dict[str, object]:
        """Open to all: no token is asked for, and none is looked at."""
        return {"posts": POSTS}

    @app.get("/api/profile")
    async def profile(token: Annotated[AccessToken, Depends(auth)]) -> dict[str, object]:
        """For any account. The verified token says who is calling."""
        return {"greeting": "Pass, friend.", "you": token.sub, "roles": token.roles, "session": token.sid}

    @app.get("/api/reports")
    async def reports(_token: Annotated[AccessToken, Security(auth, scopes=["reports:read"])]) -> dict[str, object]:
        """For tokens with the scope `reports:read`."""
        return {"reports": REPORTS}

    @app.get("/api/admin/users", dependencies=[Depends(auth.roles("admin"))])
    async def users() -> dict[str, object]:
        """For accounts with the role `admin`."""
        return {"users": ROSTER}

    def of_host(request: Request) -> SignedUrls:
        return signed.get(request.headers.get("host", ""), next(iter(signed.values())))

    @app.get("/api/videos/{number}")
    async def video(
        number: int, request: Request, token: Annotated[AccessToken, Depends(auth)], *, stream: bool = False
    ) -> dict[str, object]:
        """A link to a film, for any account. It is good for ten minutes, unless the session ends before.

        With `?stream=true`, to its playlist, and good for every segment beside it.
        """
        if number not in FILMS:
            raise HTTPException(404, "no such video")
        urls, place = of_host(request), f"/media/{number}/"
        if stream:
            url = urls.sign(f"{place}index.m3u8", LINK_SECONDS, prefix=place, session=token)
        else:
            url = urls.sign(f"{place}film.mp4", LINK_SECONDS, session=token)
        return {"url": url, "expires_at": int(system_clock.now()) + LINK_SECONDS}

    @app.api_route("/media/{_:path}", methods=["GET", "HEAD"])
    async def media(request: Request) -> Response:
        """A film, or a part of it, byte ranges included, for whoever has a good link. No token is looked at."""
        url = await SignedUrlAuth(of_host(request))(request)
        file = FILES.get(url.path)
        if file is None:
            raise HTTPException(404, "no such file")
        return FileResponse(file, media_type=TYPES[file.suffix], headers={"Cache-Control": "private, no-store"})

    return app


def main() -> int:
    settings = Settings.from_environment(os.environ)
    try:
        listener = socket.create_server(("127.0.0.1", settings.port))
    except OSError as error:
        mend = f"stop what listens there, or choose another port: DEMO_PORT={settings.port + 10}"
        print(
            f"demonstration API: port {settings.port} cannot be used ({os.strerror(error.errno or 0)}): {mend}",
            file=sys.stderr,
        )
        return 1
    # uvicorn finishes the running requests, then raises the signal again; to stop when asked is no failure.
    for asked in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked, lambda *_: sys.exit(0))
    verifier = verifier_for(settings)
    signed = links(verifier, settings.media_origin or f"http://localhost:{settings.port}", settings.url_key)
    app = application(verifier, settings.origins, signed)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
