"""The middlewares in the order that makes them safe, around the routes.

Each is plain ASGI; what each does stands in its own module.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from starlette.types import ASGIApp
from watchword.clock import Clock, system_clock

from watchword_server.settings.tree import Settings
from watchword_server.web.body import BodyLimits
from watchword_server.web.client_address import ClientAddress
from watchword_server.web.client_certificate import ClientCertificate
from watchword_server.web.cors import Cors
from watchword_server.web.errors import ErrorBoundary
from watchword_server.web.headers import SecurityHeaders
from watchword_server.web.limits import Limits, RequestLimits
from watchword_server.web.mutual_tls_host import MutualTlsHost
from watchword_server.web.request_log import RequestLog

QUIET_PATHS = ("/healthz", "/readyz", "/metrics", "/revocations", "/revocations/keys")
"""Asked for over and over by machines."""


def protect(
    app: ASGIApp,
    settings: Settings,
    *,
    public: Iterable[str] = (),
    untimed: Iterable[str] = (),
    aliased: Collection[str] = (),
    clock: Clock = system_clock,
) -> ASGIApp:
    """The routes behind all middlewares. From outside in: by which certificate and from where (the log needs it), the log, security headers (on
    refusals too), cross-origin grants (so that a browser can read a refusal), limits, and errors next to the routes.

    ``public``: paths of cors.Cors; ``untimed``: paths of limits.Limits; ``aliased``: of
    mutual_tls_host.MutualTlsHost.
    """
    server = settings.server
    if server.mtls_url is not None:
        app = MutualTlsHost(app, url=server.mtls_url, port=server.mtls_port, paths=aliased)
    app = ErrorBoundary(app)
    app = Limits(
        app, limits=RequestLimits(timeout=server.request_timeout, max_body_bytes=server.max_body_bytes), untimed=untimed
    )
    app = Cors(app, origins=settings.cors.origins, public=public)
    app = SecurityHeaders(app, https=settings.issuer.startswith("https://"))
    app = RequestLog(app, enabled=settings.log.requests, quiet=QUIET_PATHS, clock=clock)
    app = ClientAddress(app, trusted=server.trusted_proxies, header=server.forwarded_header)
    return ClientCertificate(app, trusted=server.trusted_proxies, header=server.client_certificate_header)


def body_limits(settings: Settings) -> BodyLimits:
    """Limits of bodies as configured, for body.read_json and body.read_form."""
    return BodyLimits(max_bytes=settings.server.max_body_bytes, timeout=settings.server.body_timeout)
