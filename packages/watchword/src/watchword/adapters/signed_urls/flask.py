"""Flask: a decorator that lets a view be called by a good link only.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import make_response, request
from werkzeug.exceptions import default_exceptions
from werkzeug.local import LocalProxy

from watchword.adapters.bearer import Refused
from watchword.adapters.signed_urls.gate import KEY, admit
from watchword.adapters.signed_urls.wsgi import signed_url_of, url_request
from watchword.signedurl import SignedUrl, SignedUrls

__all__ = ["current_url", "signed"]

_View = TypeVar("_View", bound=Callable[..., Any])

current_url: SignedUrl = cast("SignedUrl", LocalProxy(lambda: signed_url_of(request.environ)))
"""The URL this request was let in by. LookupError in a view that is not `signed`."""


def signed(urls: SignedUrls) -> Callable[[_View], _View]:
    """Guard a view::

        @app.get("/media/<path:_>")
        @signed(urls)
        def media(_):
            return send_file(FILMS[current_url.path])

    Refusals are werkzeug's ``Forbidden`` and ``ServiceUnavailable``: what ``app.errorhandler(403)`` returns is the answer.
    """

    def guard(view: _View) -> _View:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                request.environ[KEY] = admit(urls, url_request(request.environ))
            except Refused as refused:
                error = default_exceptions[refused.status](refused.detail)
                error.response = make_response({"detail": refused.detail}, refused.status, refused.headers)
                raise error from None
            return view(*args, **kwargs)

        return cast("_View", guarded)

    return guard
