"""The certificate a client connected with: told by the server itself, or by a proxy that is trusted (RFC 8705, RFC 9440).

Verifies no chain: whoever ends TLS did. A header of a stranger counts for nothing, and is taken away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias

from watchword.jose.certificate import certificate_der, certificate_thumbprint
from watchword.jose.errors import JoseError

_Scope: TypeAlias = MutableMapping[str, Any]
_Application: TypeAlias = Callable[[_Scope, Any, Any], Awaitable[None]]


def thumbprint_of(certificate: str | bytes) -> str | None:
    """``x5t#S256`` of a certificate in any of the forms of `certificate_der`; None if it is none."""
    try:
        return certificate_thumbprint(certificate_der(certificate))
    except JoseError:
        return None


def thumbprint_in(scope: Mapping[str, Any]) -> str | None:
    """The thumbprint of the client's certificate out of an ASGI scope (its TLS extension); None without one."""
    tls = (scope.get("extensions") or {}).get("tls")
    if not tls or tls.get("client_cert_error"):
        return None
    # The first of the chain is the client's own.
    return next((thumbprint_of(certificate) for certificate in tls.get("client_cert_chain") or ()), None)


class TrustedProxies:
    """The addresses of proxies whose word is taken; given as addresses or networks.

    Raises: ValueError for what is neither, or for none at all.
    """

    def __init__(self, addresses: Collection[str]) -> None:
        if isinstance(addresses, str) or not addresses:
            raise ValueError("name the addresses of the proxies that are trusted")
        self._networks = [ip_network(address) for address in addresses]

    def __contains__(self, peer: object) -> bool:
        """Whether a peer is one of them. One without an address (a Unix socket) is none."""
        try:
            address = ip_address(str(peer))
        except ValueError:
            return False
        return any(address in network for network in self._networks)


class ClientCertificates:
    """ASGI middleware behind a proxy that ends TLS: what the proxy says of the client's certificate, in the scope.

    To be put outermost: ``ClientCertificates(app, header="x-client-cert", trusted=["10.0.0.2"])``. The header may hold
    any form of `certificate_der`: RFC 9440's ``Client-Cert``, nginx's ``$ssl_client_escaped_cert``, PEM, base64. From
    anyone else, or given twice, it is no certificate.
    """

    def __init__(self, app: _Application, *, header: str = "client-cert", trusted: Collection[str]) -> None:
        """``trusted`` are addresses or networks of proxies that always set or remove the header. Raises: ValueError."""
        self.app = app
        self._header = header.lower().encode("ascii")
        self._trusted = TrustedProxies(trusted)

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        """As ASGI asks for it."""
        if scope["type"] in {"http", "websocket"}:
            scope = self._informed(scope)
        await self.app(scope, receive, send)

    def _informed(self, scope: _Scope) -> _Scope:
        values = [value for name, value in scope["headers"] if name.lower() == self._header]
        # What came over the proxy's own connection says nothing about the client.
        extensions = {name: value for name, value in (scope.get("extensions") or {}).items() if name != "tls"}
        peer = (scope.get("client") or (None,))[0]
        if len(values) == 1 and values[0] and peer in self._trusted:
            extensions["tls"] = {"client_cert_chain": [values[0].decode("latin-1")]}
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != self._header]
        return {**scope, "extensions": extensions, "headers": headers}


class WsgiClientCertificates:
    """As `ClientCertificates`, for WSGI: sets ``SSL_CLIENT_CERT``, as mod_wsgi does by itself."""

    def __init__(self, app: Callable[..., Any], *, header: str = "client-cert", trusted: Collection[str]) -> None:
        """As `ClientCertificates`."""
        self.app = app
        self._key = f"HTTP_{header.upper().replace('-', '_')}"
        self._trusted = TrustedProxies(trusted)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """As WSGI asks for it."""
        value = environ.pop(self._key, "")
        environ.pop("SSL_CLIENT_CERT", None)
        # Given twice, servers join it by a comma, which no certificate holds.
        if value and environ.get("REMOTE_ADDR") in self._trusted:
            environ["SSL_CLIENT_CERT"] = value
        return self.app(environ, start_response)
