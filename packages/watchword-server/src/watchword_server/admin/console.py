"""The page `/admin/revocations` and its files, the same in production and development.

Holds no data and no rule: whoever opens it sees a login, and everything after comes from the administration API.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from watchword_server.web.headers import page_policy
from watchword_server.web.problem import ProblemError

PAGE: Final = "/admin/revocations"
FILES: Final = "/admin/static"
LOOK: Final = (
    "css/palette.css",
    "css/layout.css",
    "css/controls.css",
    "css/lists.css",
    "js/dom.js",
    "js/cell.js",
    "js/refresh_cookie.js",
    "js/theme.js",
    "js/first_paint.js",
    "mark.svg",
)
"""What the playground and this page share; the rest of the playground is for development alone."""

_OWN: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def console_routes(look: Path, *, home: str | None) -> list[Route]:
    """The routes of the page. ``look``: the folder of the shared files; ``home``: a path to link to, if there is one."""
    files = _files(look)
    html = (_OWN / "revocations.html").read_text(encoding="utf-8").replace("{{home}}", home or PAGE)
    # Scripts are files of this server, and none of them may make markup out of text.
    policy = page_policy().replace("script-src 'none'", "script-src 'self'")
    headers = {"Content-Security-Policy": f"{policy}; require-trusted-types-for 'script'; trusted-types 'none'"}

    async def page(_request: Request) -> Response:
        return HTMLResponse(html, headers=headers)

    async def file(request: Request) -> Response:
        found = files.get(request.path_params["name"])
        if found is None:
            raise ProblemError(404, "not_found", "There is no such file.")
        body, media_type = found
        # Asked about every time, so that an upgraded server never meets yesterday's script.
        return Response(body, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return [
        Route(PAGE, page, methods=["GET"]),
        Route(f"{FILES}/{{name:path}}", file, methods=["GET"]),
    ]


def _files(look: Path) -> Mapping[str, tuple[bytes, str]]:
    """All files by exact name, read once: no path of a request ever reaches the file system."""
    own = {path.relative_to(_OWN).as_posix(): path for path in _OWN.rglob("*") if path.suffix in {".css", ".js"}}
    shared = {name: look / name for name in LOOK}
    return {name: (path.read_bytes(), _TYPES[path.suffix]) for name, path in (shared | own).items()}
