"""Django: a decorator that lets a view, sync or async, be called by a good link only.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from watchword.adapters.bearer import Refused
from watchword.adapters.signed_urls import asgi, wsgi
from watchword.adapters.signed_urls.gate import KEY, admit, admit_async, url_in
from watchword.signedurl import SignedUrl, SignedUrls, UrlRequest

__all__ = ["signed", "signed_url_of"]

_View = TypeVar("_View", bound=Callable[..., Any])


def signed(urls: SignedUrls) -> Callable[[_View], _View]:
    """Guard a view::

    @signed(urls)
    def media(request, path):
        return FileResponse(FILMS[signed_url_of(request).path].open("rb"))
    """

    def guard(view: _View) -> _View:
        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
                try:
                    _keep(request, await admit_async(urls, _url_request(request)))
                except Refused as refused:
                    return _answer(refused)
                return cast("HttpResponseBase", await view(request, *args, **kwargs))

            return cast("_View", guarded_async)

        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                _keep(request, admit(urls, _url_request(request)))
            except Refused as refused:
                return _answer(refused)
            return cast("HttpResponseBase", view(request, *args, **kwargs))

        return cast("_View", guarded)

    return guard


def signed_url_of(request: HttpRequest) -> SignedUrl:
    """The URL a request was let in by. Raises: LookupError in a view that is not `signed`."""
    return url_in(request.META.get(KEY))


def _keep(request: HttpRequest, url: SignedUrl) -> None:
    request.META[KEY] = url


def _url_request(request: HttpRequest) -> UrlRequest:
    # Django on ASGI keeps the scope, which alone knows how the path was sent.
    scope = getattr(request, "scope", None)
    return wsgi.url_request(request.META) if scope is None else asgi.url_request(scope)


def _answer(refused: Refused) -> JsonResponse:
    return JsonResponse({"detail": refused.detail}, status=refused.status, headers=refused.headers)
