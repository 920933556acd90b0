"""X.509 certificates of clients: read in the forms in which proxies hand them on, and what is compared of them.

Builds no chain and trusts nobody: that a client holds the key of its certificate, the TLS handshake proved.
"""

from __future__ import annotations

import hashlib
from binascii import Error as _BinasciiError
from binascii import a2b_base64
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchword.jose import base64url, material
from watchword.jose.errors import JoseError, Reason
from watchword.jose.key import thumbprint_of

if TYPE_CHECKING:
    from cryptography import x509

MAX_CERTIFICATE_BYTES: Final = 16_384
"""Octets of one certificate, in whatever form it comes."""

_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"


class Certificate(msgspec.Struct, frozen=True):
    """What is compared of a certificate (RFC 8705 §2.1.2, §2.2, §3.1). Nothing of it is verified here."""

    thumbprint: str
    """``x5t#S256``: base64url of SHA-256 of the DER."""
    jkt: str | None
    """The thumbprint of its key as a JWK (RFC 7638), by which a self-signed one is known; None for keys of other kinds."""
    subject: str
    """The subject's distinguished name, as RFC 4514 writes it."""
    dns: tuple[str, ...]
    uri: tuple[str, ...]
    ip: tuple[str, ...]
    email: tuple[str, ...]
    not_before: float
    not_after: float
    """Seconds since the epoch."""


def certificate_thumbprint(der: bytes) -> str:
    """``x5t#S256`` of a certificate in DER (RFC 7515 §4.1.8, RFC 8705 §3.1). Does not look into it."""
    return base64url.encode(hashlib.sha256(der).digest())


def certificate_der(text: str | bytes) -> bytes:
    """One certificate out of a header: PEM (also percent-encoded, as nginx writes it, or with blanks for line breaks),
    base64 of DER (RFC 9440 with its colons as well), or DER itself.

    Returns: its DER, unread.
    Raises: JoseError ``malformed`` or ``too_long``. Of several certificates none is taken: which one is the client's?
    """
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if len(raw) > 2 * MAX_CERTIFICATE_BYTES:
        raise JoseError(Reason.TOO_LONG, "certificate is too long")
    if raw[:1] == b"\x30":
        return raw
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    raw = raw.strip()
    if raw.startswith(_BEGIN):
        body, end, rest = raw[len(_BEGIN) :].partition(_END)
        if not end or rest.strip():
            raise JoseError(Reason.MALFORMED, "not one certificate in PEM")
        raw = body
    elif len(raw) > 1 and raw[:1] == raw[-1:] == b":":
        raw = raw[1:-1]
    try:
        der = a2b_base64(b"".join(raw.split()), strict_mode=True)
    except _BinasciiError:
        der = b""
    if der[:1] != b"\x30":
        raise JoseError(Reason.MALFORMED, "not a certificate in PEM or base64")
    return der


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate in DER.

    Raises: JoseError ``malformed`` or ``too_long``; never another exception.
    """
    from cryptography import x509  # noqa: PLC0415 - half of what an adapter would take to import, and seldom needed

    if len(der) > MAX_CERTIFICATE_BYTES:
        raise JoseError(Reason.TOO_LONG, "certificate is too long")
    try:
        certificate = x509.load_der_x509_certificate(der)
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            names = x509.SubjectAlternativeName([])
        return Certificate(
            thumbprint=certificate_thumbprint(der),
            jkt=_key_thumbprint(certificate),
            subject=certificate.subject.rfc4514_string(),
            dns=tuple(names.get_values_for_type(x509.DNSName)),
            uri=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
            ip=tuple(str(address) for address in names.get_values_for_type(x509.IPAddress)),
            email=tuple(names.get_values_for_type(x509.RFC822Name)),
            not_before=_seconds(certificate.not_valid_before_utc),
            not_after=_seconds(certificate.not_valid_after_utc),
        )
    except Exception:  # noqa: BLE001 - whatever a stranger's certificate does to the parser, it is one kind of fault
        raise JoseError(Reason.MALFORMED, "not a certificate that can be read") from None


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _key_thumbprint(certificate: x509.Certificate) -> str | None:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey):
        return None
    try:
        return thumbprint_of(material.of_public(key))
    except JoseError:
        return None
