"""A certificate authority of a developer's own, and the certificates it signs: for https and client certificates on one's own machine and in tests.

Is no public key infrastructure: there is no revocation and no renewal, and production asks for certificates that others
trust. Reads no clock: the caller says when.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from watchword.clock import EpochSeconds

DAYS: Final = 397
"""Life of a certificate; browsers refuse longer ones."""
CA_DAYS: Final = 3650
_SKEW: Final = timedelta(hours=1)


class CertificateRefused(Exception):  # noqa: N818 - named as its outcome
    """A host name or file cannot be used; the message says which."""


@dataclass(frozen=True, slots=True)
class Issued:
    """Where a certificate and its key were written."""

    certificate: Path
    key: Path


class DevelopmentAuthority:
    """An authority in a folder: ``ca.pem``, which is to be trusted, and ``ca.key``, which signs. Made when there is none."""

    def __init__(self, folder: Path, *, now: EpochSeconds) -> None:
        """Raises CertificateRefused when the folder holds one of the two only, or something else under those names."""
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self._now = datetime.fromtimestamp(now, UTC)
        key_file = folder / "ca.key"
        if self.certificate.exists() != key_file.exists():
            raise CertificateRefused(f"{folder} holds only one of ca.pem and ca.key: delete it, and both are made anew")
        if not key_file.exists():
            self._make(key_file)
        try:
            key = load_pem_private_key(key_file.read_bytes(), password=None)
            self._issuer = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except (ValueError, TypeError) as error:
            raise CertificateRefused(
                f"{folder} holds no authority that can be read: delete ca.pem and ca.key"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != self._issuer.public_key():
            raise CertificateRefused(f"ca.key in {folder} is not the key of ca.pem: delete both")
        self._key = key

    def issue_server(self, hosts: Sequence[str], *, name: str = "server") -> Issued:
        """A certificate for these host names and addresses. Raises CertificateRefused for a name no certificate can hold."""
        if not hosts:
            raise CertificateRefused("name at least one host")
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        return self._issue(name, hosts[0], names, ExtendedKeyUsageOID.SERVER_AUTH)

    def issue_client(self, common_name: str) -> Issued:
        """A client certificate (RFC 8705 §2), its subject and DNS name that one."""
        names = x509.SubjectAlternativeName([_general_name(common_name)])
        return self._issue(f"client-{common_name}", common_name, names, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _make(self, key_file: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Watchword development authority")
        builder = (
            _dated(name, name, key.public_key(), self._now, CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_key(key_file, key)
        self.certificate.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))

    def _issue(
        self, file_name: str, common_name: str, names: x509.SubjectAlternativeName, usage: x509.ObjectIdentifier
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _dated(_name(common_name), self._issuer.subject, key.public_key(), self._now, DAYS)
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, SHA256())
        )
        issued = Issued(self.folder / f"{file_name}.pem", self.folder / f"{file_name}.key")
        _write_key(issued.key, key)
        issued.certificate.write_bytes(certificate.public_bytes(Encoding.PEM) + self._issuer.public_bytes(Encoding.PEM))
        return issued


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    labels = host.split(".")
    if host.isascii() and len(host) <= 64 and all(part.replace("-", "").isalnum() for part in labels):
        return x509.DNSName(host)
    raise CertificateRefused(f"{host!r} is neither a host name in ASCII of 64 characters at most nor an address")


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - _SKEW).not_valid_after(now + timedelta(days=days))


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Readable by its owner alone from the first byte on."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
