"""Plain ASGI: a middleware before an application that serves what signed URLs open.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

from urllib.parse import unquote

from watchword.adapters.asgi import Application, Receive, Scope, Send
from watchword.adapters.bearer import Refused
from watchword.adapters.gate import body_of, headers_of
from watchword.adapters.signed_urls.gate import KEY, admit_async, lies_elsewhere, request_of, sent_target, url_in
from watchword.signedurl import SignedUrl, SignedUrls, UrlRequest

__all__ = ["SignedUrlMiddleware", "signed_url_of", "url_request"]


class SignedUrlMiddleware:
    """An application behind signed URLs: ``app = SignedUrlMiddleware(StaticFiles(directory="films"), urls)``.

    The application sees the path without a signature that stood in it, so that it may be one that serves files.
    WebSockets are refused: a URL is verified once, and nobody would notice its end.
    """

    def __init__(self, app: Application, urls: SignedUrls, *, under: str = "/") -> None:
        """Guard ``app``, or what of it lies ``under`` a path; what certainly lies elsewhere passes unasked."""
        self.app = app
        self.urls = urls
        self._under = under

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI asks for it."""
        if scope["type"] not in {"http", "websocket"} or lies_elsewhere(scope["path"], self._under):
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": 1008, "reason": "the link is not valid"})
            return
        try:
            url = await admit_async(self.urls, url_request(scope))
        except Refused as refused:
            await _refuse(scope, send, refused)
            return
        await self.app({**scope, KEY: url, "path": unquote(url.path), "raw_path": url.path.encode()}, receive, send)


def signed_url_of(scope: Scope) -> SignedUrl:
    """The URL of a request that `SignedUrlMiddleware` let in. Raises: LookupError if there is none."""
    return url_in(scope.get(KEY))


def url_request(scope: Scope) -> UrlRequest:
    """A request as it is held against a URL. The client is who connected: let the server mind the proxies before it.

    Raises: Refused, 403, for a server that does not tell how the path was sent where that matters.
    """
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    query = scope["query_string"].decode("latin-1")
    raw = scope.get("raw_path")
    sent = None if raw is None else raw.decode("latin-1").partition("?")[0] + (f"?{query}" if query else "")
    client = scope.get("client")
    target = sent_target(sent, scope["path"], query)
    return request_of(scope["method"], target, headers, None if client is None else client[0])


async def _refuse(scope: Scope, send: Send, refused: Refused) -> None:
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers_of(refused)]
    body = b"" if scope["method"] == "HEAD" else body_of(refused)
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
