"""The demonstration API: all that an application writes to accept Watchword's access tokens, and to refuse dead ones.

Issues nothing, stores nothing, and asks nobody while it answers: keys and revocations are fetched in the background.

Started by `make run` beside the server; by hand: `DEMO_FEED_TOKEN=... python examples/demonstration/app.py`.
"""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Security
from fastapi.middleware.cors import CORSMiddleware
from watchword import AccessToken, Revocations, Verifier
from watchword.adapters.fastapi import BearerAuth

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

    @classmethod
    def from_environment(cls, given: Mapping[str, str]) -> "Settings":
        issuer = given.get("DEMO_ISSUER") or "http://localhost:8000"
        return cls(
            port=int(given.get("DEMO_PORT") or 8001),
            issuer=issuer,
            audience=given.get("DEMO_AUDIENCE") or issuer,
            feed_token=given.get("DEMO_FEED_TOKEN"),
            origins=(given.get("DEMO_ALLOWED_ORIGINS") or issuer).split(","),
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


def application(verifier: Verifier, origins: list[str]) -> FastAPI:
    auth = BearerAuth(verifier)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with verifier:
            yield

    app = FastAPI(title="Watchword demonstration", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_headers=["Authorization"],
        expose_headers=["WWW-Authenticate", "Retry-After"],
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
    config = uvicorn.Config(
        application(verifier_for(settings), settings.origins), log_level="warning", timeout_graceful_shutdown=5
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
