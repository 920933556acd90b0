"""Security headers on every answer, and content security policies for pages.

An answer's own header wins: pages loosen what they must, by name.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from watchword_server.web.answering import Headers, answer_of

HSTS_SECONDS = 2 * 365 * 86400
_REMEMBERED = 256

_EVERYWHERE = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cache-control": b"no-store",
}


class SecurityHeaders:
    """ASGI middleware that adds what an answer does not say itself. ``https``: whether the issuer is https; then
    browsers are told to keep to it (RFC 6797).
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        headers = dict(_EVERYWHERE)
        if https:
            headers[b"strict-transport-security"] = f"max-age={HSTS_SECONDS}".encode()
        self._headers = tuple(headers.items())
        self._missing: dict[tuple[bytes, ...], tuple[tuple[bytes, bytes], ...]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer, send = answer_of(scope, send)
        answer.shape(self._secure)
        await self._app(scope, receive, send)

    def _secure(self, headers: Headers) -> None:
        names = tuple([name for name, _ in headers])
        missing = self._missing.get(names)
        if missing is None:
            # The same few sets of names come again and again; none of them is a client's choice.
            given = {name.lower() for name in names}
            missing = tuple(item for item in self._headers if item[0] not in given)
            if len(self._missing) < _REMEMBERED:
                self._missing[names] = missing
        headers.extend(missing)


def page_policy(*, nonce: str | None = None, connect: tuple[str, ...] = (), form_action: tuple[str, ...] = ()) -> str:
    """Content-Security-Policy for a page of the server: own styles and images, scripts only with the nonce.

    ``connect`` and ``form_action`` name origins beyond the server itself. Raises ValueError for a text that could end
    the directive.
    """
    for source in (*connect, *form_action, nonce or ""):
        if any(c in ";, '\"" or not c.isprintable() for c in source):
            msg = f"not a source of a content security policy: {source!r}"
            raise ValueError(msg)
    script = f"'nonce-{nonce}'" if nonce else "'none'"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {script}",
            "style-src 'self'" + (f" 'nonce-{nonce}'" if nonce else ""),
            "img-src 'self' data:",
            "font-src 'self'",
            " ".join(("connect-src 'self'", *connect)),
            " ".join(("form-action 'self'", *form_action)),
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )
