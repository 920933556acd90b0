"""The playground's page, its files, and the two calls that let it show what browsers hide.

Holds no login, refresh or session logic: the page uses the same public calls as any application. Mounted in development
only, because `stolen_token` hands out refresh tokens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from watchword_server.store.records import Family
from watchword_server.web.body import BodyLimits, read_json
from watchword_server.web.problem import FieldError, ProblemError, invalid

STATIC = Path(__file__).parent / "static"
LIMITS = BodyLimits(max_bytes=256)
NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundDeps:
    """What the composition root lends to the playground."""

    authenticate: Callable[[Request], Awaitable[tuple[str, str]]]
    """Session id and account id behind the Bearer token; raises what the application's error handler answers."""
    family_of: Callable[[str], Awaitable[Family | None]]
    """The refresh family of a session id, dead ones included while they are kept."""
    mint: Callable[[Family, int], str]
    """The refresh token of that family and generation, as it was issued."""
    demo_url: str
    """Origin of the demonstration API, such as `http://localhost:8001`."""
    window: float
    """Seconds after a rotation during which a repeat is taken for a lost answer."""


def playground_routes(deps: PlaygroundDeps) -> list[BaseRoute]:
    """The routes `/`, `/playground/static/*`, `/playground/family` and `/playground/stolen-token`.

    Raises ValueError when `demo_url` is not a bare http(s) origin: it is written into the content security policy.
    """
    page = _page(deps)

    async def index(_request: Request) -> Response:
        return page

    async def family(request: Request) -> Response:
        """GET: the family of the session that asks, without anything secret."""
        found = await _own_family(deps, request)
        return JSONResponse(_shown(found, deps.window), headers=NO_STORE)

    async def stolen_token(request: Request) -> Response:
        """POST `{"generation": n}`: a refresh token that this session's family has had. Only ever the asker's own."""
        found = await _own_family(deps, request)
        generation = (await read_json(request, _Wanted, LIMITS)).generation
        if not 0 <= generation <= found.generation:
            raise invalid([FieldError("generation", "out_of_range", f"must be from 0 to {found.generation}")])
        token = deps.mint(found, generation)
        return JSONResponse({"generation": generation, "refresh_token": token}, headers=NO_STORE)

    return [
        Route("/", index, methods=["GET"]),
        Route("/playground/family", family, methods=["GET"]),
        Route("/playground/stolen-token", stolen_token, methods=["POST"]),
        Mount("/playground/static", _Files(directory=STATIC)),
    ]


async def _own_family(deps: PlaygroundDeps, request: Request) -> Family:
    sid, account_id = await deps.authenticate(request)
    found = await deps.family_of(sid)
    if found is None or found.account_id != account_id:
        raise ProblemError(404, "no_family", "This session has no refresh family.")
    return found


class _Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    generation: int


def _shown(family: Family, window: float) -> dict[str, object]:
    return {
        "generation": family.generation,
        "rotated_at": family.rotated_at,
        "refresh_count": family.refresh_count,
        "odd_count": family.odd_count,
        "device_kind": family.device_kind,
        "idle_expires_at": family.idle_expires_at,
        "expires_at": family.expires_at,
        "revoked_at": family.revoked_at,
        "revoked_reason": family.revoked_reason,
        "window": window,
    }


def _page(deps: PlaygroundDeps) -> HTMLResponse:
    url = urlsplit(deps.demo_url)
    origin = f"{url.scheme}://{url.netloc}"
    if url.scheme not in {"http", "https"} or deps.demo_url.rstrip("/") != origin or set(origin) & set(" ;,'\"\\<>@"):
        raise ValueError(f"playground.demo_url must be an origin such as http://localhost:8001, not {deps.demo_url!r}")
    html = (STATIC / "index.html").read_text(encoding="utf-8").replace("{{demo_url}}", escape(origin))
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"connect-src 'self' {origin}; img-src 'self' data:; media-src blob:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(html, headers=headers)


class _Files(StaticFiles):
    """Static files that browsers ask about every time, so that an upgraded server never meets yesterday's script."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
