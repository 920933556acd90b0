"""Plain WSGI: a middleware before an application that serves what signed URLs open.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from watchword.adapters.bearer import Refused
from watchword.adapters.gate import body_of, headers_of
from watchword.adapters.signed_urls.gate import KEY, admit, lies_elsewhere, request_of, sent_target, url_in
from watchword.adapters.wsgi import Application, Environ
from watchword.signedurl import SignedUrl, SignedUrls, UrlRequest

__all__ = ["SignedUrlMiddleware", "signed_url_of", "url_request"]


class SignedUrlMiddleware:
    """An application behind signed URLs; as the one of ASGI.

    The path is taken as it was sent where the server tells (gunicorn, uWSGI, mod_wsgi, Werkzeug); where it does not,
    URLs whose path needs percent-encoding are refused.
    """

    def __init__(self, app: Application, urls: SignedUrls, *, under: str = "/") -> None:
        """Guard ``app``, or what of it lies ``under`` a path; what certainly lies elsewhere passes unasked."""
        self.app = app
        self.urls = urls
        self._under = under

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """As WSGI asks for it."""
        script = environ.get("SCRIPT_NAME", "")
        # PEP 3333 has bytes in the disguise of latin-1.
        path = f"{script}{environ['PATH_INFO']}".encode("latin-1", "replace").decode("utf-8", "replace")
        if lies_elsewhere(path, self._under):
            return self.app(environ, start_response)
        try:
            url = admit(self.urls, url_request(environ))
        except Refused as refused:
            start_response(f"{refused.status} {HTTPStatus(refused.status).phrase}", headers_of(refused))
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body_of(refused)]
        served = unquote_to_bytes(url.path).decode("latin-1")
        return self.app({**environ, KEY: url, "PATH_INFO": served.removeprefix(script)}, start_response)


def signed_url_of(environ: Environ) -> SignedUrl:
    """The URL of a request that `SignedUrlMiddleware` let in. Raises: LookupError if there is none."""
    return url_in(environ.get(KEY))


def url_request(environ: Environ) -> UrlRequest:
    """A request as it is held against a URL. Raises: Refused, 403, where the server does not tell what was sent."""
    headers = {name[5:].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.lower().replace("_", "-")] = environ[name]
    path = f"{environ.get('SCRIPT_NAME', '')}{environ['PATH_INFO']}"
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    target = sent_target(raw, path, environ.get("QUERY_STRING", ""))
    return request_of(environ["REQUEST_METHOD"], target, headers, environ.get("REMOTE_ADDR"))
