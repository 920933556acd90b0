"""Plain WSGI: a middleware before an application, whatever it is made with.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final, TypeAlias, Unpack
from urllib.parse import quote
from wsgiref.util import request_uri

from watchword.adapters.bearer import Refused
from watchword.adapters.client_certificate import thumbprint_of
from watchword.adapters.gate import Admitted, AnyVerifier, Gate, Presented, body_of, headers_of
from watchword.adapters.requirement import Asked, Requirement
from watchword.verify.access_token import AccessToken

__all__ = ["BearerMiddleware", "presented_by", "token_of"]

Environ: TypeAlias = dict[str, Any]
Application: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

KEY: Final = "watchword.token"
"""Where the environment holds how a request was let in."""


class BearerMiddleware:
    """An application behind bearer tokens: ``app = BearerMiddleware(app, verifier, scopes=["reports:read"])``.

    Every request needs a token, unless ``optional``; the application finds it by `token_of`. May be nested: what an
    outer one let in, an inner one asks for more. Asks for a `SyncVerifier`. Servers that fork after loading the
    application (``gunicorn --preload``) may share one: each process starts threads of its own with its first token.
    """

    def __init__(
        self,
        app: Application,
        verifier: AnyVerifier,
        *,
        realm: str | None = None,
        resource_metadata: str | None = None,
        optional: bool = False,
        **asked: Unpack[Asked],
    ) -> None:
        """Guard ``app``. ``asked`` as in `Requirement`; ``realm`` and ``resource_metadata`` (a URL, RFC 9728) go into challenges.

        Raises: TypeError or ValueError for what cannot be asked.
        """
        self.app = app
        self.gate: Gate = Gate(verifier, realm=realm, resource_metadata=resource_metadata)
        self._requirement = self.gate.announce(Requirement(**asked, optional=optional))

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """As WSGI asks for it."""
        try:
            admitted = self.gate.admit_sync(presented_by(environ), self._requirement, environ.get(KEY))
        except Refused as refused:
            start_response(f"{refused.status} {HTTPStatus(refused.status).phrase}", headers_of(refused))
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body_of(refused)]
        environ[KEY] = admitted
        return self.app(environ, start_response)


def token_of(environ: Environ) -> AccessToken:
    """The token of a request that `BearerMiddleware` let in. Raises: LookupError if there is none."""
    return Admitted.token_in(environ.get(KEY))


def presented_by(environ: Environ) -> Presented:
    """What a request presents. Servers join headers that come twice by a comma, which no credential holds."""
    authorization = [environ["HTTP_AUTHORIZATION"]] if "HTTP_AUTHORIZATION" in environ else []
    # No header: those are HTTP_…; servers that end TLS set it, and `WsgiClientCertificates`.
    certificate = thumbprint_of(environ["SSL_CLIENT_CERT"]) if environ.get("SSL_CLIENT_CERT") else None
    if "HTTP_DPOP" not in environ:
        return Presented(authorization, certificate=certificate)
    proofs = [environ["HTTP_DPOP"]]
    return Presented(authorization, (), proofs, environ["REQUEST_METHOD"], _url(environ), certificate)


def _url(environ: Environ) -> str:
    """The URL as the client sent it, where the server tells (gunicorn, uWSGI); else put together again (PEP 3333)."""
    sent = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if isinstance(sent, str) and sent.startswith("/"):
        host = environ.get("HTTP_HOST") or environ["SERVER_NAME"]
        return f"{environ['wsgi.url_scheme']}://{quote(host, safe=':[]')}{sent}"
    return request_uri(environ, include_query=False)
