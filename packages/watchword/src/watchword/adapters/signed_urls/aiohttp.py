"""aiohttp: a decorator that lets a handler be called by a good link only.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from aiohttp import web

from watchword.adapters.bearer import Refused
from watchword.adapters.gate import body_of
from watchword.adapters.signed_urls.gate import admit_async, request_of, sent_target, url_in
from watchword.signedurl import SignedUrl, SignedUrls

__all__ = ["signed", "signed_url_of"]

_Handler = TypeVar("_Handler", bound=Callable[..., Awaitable[web.StreamResponse]])
_KEY: Final = web.RequestKey("watchword_signed_url", SignedUrl)
_EXCEPTIONS: Final[dict[int, type[web.HTTPException]]] = {403: web.HTTPForbidden, 503: web.HTTPServiceUnavailable}


def signed(urls: SignedUrls) -> Callable[[_Handler], _Handler]:
    """Guard a handler::

    @routes.get("/media/{path:.*}")
    @signed(urls)
    async def media(request):
        return web.FileResponse(FILMS[signed_url_of(request).path])
    """

    def guard(handler: _Handler) -> _Handler:
        @functools.wraps(handler)
        async def guarded(request: web.Request, *args: Any, **kwargs: Any) -> web.StreamResponse:
            headers: dict[str, str] = {}
            for name, value in request.headers.items():
                key = name.lower()
                headers[key] = f"{headers[key]},{value}" if key in headers else value
            # aiohttp's raw_path is path and query as they were sent.
            target = sent_target(request.raw_path, "", "")
            try:
                request[_KEY] = await admit_async(urls, request_of(request.method, target, headers, request.remote))
            except Refused as refused:
                raise _EXCEPTIONS[refused.status](
                    text=body_of(refused).decode(), content_type="application/json", headers=refused.headers
                ) from None
            return await handler(request, *args, **kwargs)

        return cast("_Handler", guarded)

    return guard


def signed_url_of(request: web.Request) -> SignedUrl:
    """The URL a request was let in by. Raises: LookupError in a handler that is not `signed`."""
    return url_in(request.get(_KEY))
