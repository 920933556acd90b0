"""Whether a client certificate is that of a client (RFC 8705 §2).

Trusts no authority: the TLS connection, here or at the proxy, was made with those of the operator. Reads no header;
web/client_certificate.py does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from watchword.clock import Clock, EpochSeconds
from watchword.jose.certificate import Certificate
from watchword.oauth.names import ClientAuthentication

from watchword_server.clients.client_keys import ClientKeys
from watchword_server.clients.metadata import Client, ClientMetadata

SUBJECT_MEMBERS: Final = (
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
)
_BLANKS: Final = re.compile(r"(?<!\\)\s*([,+=])\s*")


class CertificateAuthentication:
    """Mutual TLS as a way for clients to authenticate: `authentication.TlsAuthentication`."""

    def __init__(self, keys: ClientKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def proves(self, client: Client, certificate: object) -> bool:
        """Whether the certificate is the client's, by the method it registered."""
        if not isinstance(certificate, Certificate):
            return False
        if client.metadata.token_endpoint_auth_method == ClientAuthentication.TLS_CLIENT_AUTH:
            return has_subject(certificate, client.metadata)
        keys = await self._keys.of(client, kid=None)
        return is_self_signed_by(certificate, (key.thumbprint() for key in keys), self._clock.now())


def subject_fault(metadata: ClientMetadata) -> str | None:
    """What keeps metadata from naming one subject (RFC 8705 §2.1.2); None when it names exactly one."""
    named = [name for name in SUBJECT_MEMBERS if getattr(metadata, name) is not None]
    # §2.1.2: a client using tls_client_auth MUST use exactly one of the parameters below.
    if len(named) != 1:
        return "tls_client_auth needs exactly one of " + ", ".join(SUBJECT_MEMBERS)
    value = getattr(metadata, named[0])
    if not 0 < len(value) <= 1024 or not value.isprintable():
        return f"{named[0]} is empty, too long or holds characters that cannot be shown"
    if named[0] == "tls_client_auth_san_ip" and _address(value) is None:
        return "tls_client_auth_san_ip is not an address"
    return None


def has_subject(certificate: Certificate, metadata: ClientMetadata) -> bool:
    """Whether the certificate names the subject that the client registered (``tls_client_auth``).

    False also when the client registered none, or several.
    """
    if subject_fault(metadata) is not None:
        return False
    if metadata.tls_client_auth_subject_dn is not None:
        return _dn(certificate.subject) == _dn(metadata.tls_client_auth_subject_dn)
    if metadata.tls_client_auth_san_dns is not None:
        return metadata.tls_client_auth_san_dns.lower() in {name.lower() for name in certificate.dns}
    if metadata.tls_client_auth_san_uri is not None:
        return metadata.tls_client_auth_san_uri in certificate.uri
    if metadata.tls_client_auth_san_ip is not None:
        return _address(metadata.tls_client_auth_san_ip) in {_address(one) for one in certificate.ip}
    return metadata.tls_client_auth_san_email in certificate.email


def is_self_signed_by(certificate: Certificate, thumbprints: Iterable[str], now: EpochSeconds) -> bool:
    """Whether the certificate's key is one that the client registered (``self_signed_tls_client_auth``, RFC 8705 §2.2).

    ``thumbprints`` of the public keys in its JWK Set (RFC 7638). Whoever signed it does not matter, its dates do: no
    authority looked at them.
    """
    if certificate.jkt is None or not certificate.not_before <= now < certificate.not_after:
        return False
    return certificate.jkt in set(thumbprints)


def _dn(text: str) -> str:
    """A distinguished name without the blanks that RFC 4514 §4 lets writers add; values are compared as they are."""
    return _BLANKS.sub(r"\1", text.strip())


def _address(text: str) -> object:
    try:
        return ip_address(text)
    except ValueError:
        return None
