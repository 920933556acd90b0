"""Sending a browser elsewhere by 303, and URLs with more in their query.

Does not judge where to: whoever calls has proven that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

# An application may wait for the answer in the window that opened this one.
_HEADERS = {"Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "unsafe-none"}


def redirect(location: str, cookies: Iterable[str] = ()) -> Response:
    """303, so that whatever the method was, the next is GET (RFC 9700 §4.12: a 307 would pass a password on)."""
    response = Response(status_code=303, headers={**_HEADERS, "Location": location})
    for cookie in cookies:
        response.headers.append("Set-Cookie", cookie)
    return response


def with_query(uri: str, fields: Mapping[str, str]) -> str:
    """The URI with more in its query; what is there stays (RFC 6749 §3.1.2)."""
    if not fields:
        return uri
    mark = "" if uri.endswith(("?", "&")) else "&" if urlsplit(uri).query else "?"
    return f"{uri}{mark}{urlencode(fields)}"
