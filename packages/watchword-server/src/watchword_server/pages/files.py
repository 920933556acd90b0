"""The files that pages are drawn with: style sheets, the theme of the installation, the mark, one small script.

Holds no page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchword_server.web.problem import ProblemError

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def page_files(theme: Mapping[str, str]) -> list[Route]:
    """Where they are served, all by exact name: no path of a request ever reaches the file system."""
    declarations = "".join(f"  --{name}: {value};\n" for name, value in theme.items())
    bodies = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}
    # As one, so that a page that names the sheet alone has its colours; the palette by itself is for other pages of ours.
    bodies["pages.css"] = bodies["palette.css"] + bodies["pages.css"]
    bodies["theme.css"] = f":root {{\n{declarations}}}\n".encode()
    files = {
        name: (body, _TYPES[Path(name).suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        for name, body in bodies.items()
    }

    async def file(request: Request) -> Response:
        found = files.get(request.path_params["name"])
        if found is None:
            raise ProblemError(404, "not_found", "There is no such file.")
        body, media_type, etag = found
        # Asked about every time, so that an upgraded server never meets yesterday's style.
        headers = {"Cache-Control": "no-cache", "ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media_type, headers=headers)

    return [Route("/pages/{name}", file, methods=["GET"])]
