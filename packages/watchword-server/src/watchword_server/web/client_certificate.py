"""The client's certificate (RFC 8705), from the TLS connection itself or from a trusted proxy that ended it.

Verifies no certificate: the handshake, here or at the proxy, proved that the client holds its key, and the authorities
configured there judged its chain. Says nothing of which client it belongs to; clients/ does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send
from watchword.jose.certificate import Certificate, certificate_der, read_certificate
from watchword.jose.errors import JoseError

from watchword_server.web.client_address import Network, parse_address
from watchword_server.web.problem import ProblemError

CONNECTION_CERTIFICATE: Final = "watchword.connection_certificate"
"""Where the protocol leaves the DER of the certificate of the TLS connection itself."""
_CERTIFICATE: Final = "watchword.client_certificate"


class ClientCertificate:
    """ASGI middleware that settles whose word is taken for the client's certificate.

    With ``header`` only a trusted proxy's header counts, and a connection's own certificate is that of the proxy; a
    stranger's header is taken away unread. Stands outside ClientAddress, which replaces the peer by the client.
    """

    def __init__(self, app: ASGIApp, *, header: str | None, trusted: Sequence[Network]) -> None:
        self._app = app
        self._header = None if header is None else header.lower().encode("ascii")
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._settle(scope)
        await self._app(scope, receive, send)

    def _settle(self, scope: Scope) -> None:
        own = scope.pop(CONNECTION_CERTIFICATE, None)
        if self._header is None:
            if own is not None:
                scope[_CERTIFICATE] = own
            return
        given = [value for name, value in scope["headers"] if name == self._header]
        if not given:
            return
        scope["headers"] = [item for item in scope["headers"] if item[0] != self._header]
        peer = parse_address(scope["client"][0]) if scope.get("client") else None
        if peer is not None and any(peer in network for network in self._trusted):
            # A proxy that adds to what the client sent, instead of replacing it, must not be believed.
            scope[_CERTIFICATE] = given[0] if len(given) == 1 else b"several"


def client_certificate(scope: Scope) -> Certificate | None:
    """The certificate the client of this request has shown; None when it showed none.

    Raises: ProblemError 400 for one that cannot be read, rather than treating the client as one without.
    """
    given: bytes | None = scope.get(_CERTIFICATE)
    if not given:
        return None
    try:
        return read_certificate(certificate_der(given))
    except JoseError as error:
        raise ProblemError(400, "malformed_certificate", "The client certificate cannot be read.") from error
