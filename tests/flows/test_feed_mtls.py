"""A verifier that reads the feed by its client certificate, over the server's own TLS."""

import contextlib
import datetime as dt
import ssl
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from process import Process
from revoking import until
from watchword import Revocations, SyncVerifier
from watchword.transport import HttpTransport

NOW = dt.datetime.now(dt.UTC)


class Authority:
    """Makes certificates in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        made = self._signed(self.name, self.key, [], authority=True)
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *names: x509.GeneralName) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate, secret = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        made = self._signed(subject, key, list(names), authority=False)
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        secret.chmod(0o600)
        return certificate, secret

    def _signed(self, subject, key, names, *, authority):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(hours=1))
            .not_valid_after(NOW + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if authority:
            usage = x509.KeyUsage(
                digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
            )  # fmt: skip
            builder = builder.add_extension(usage, critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


class SecureProcess(Process):
    """One that speaks https itself, and asks clients for certificates."""

    ca: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def start(self) -> None:
        self.environ |= {"WATCHWORD_ISSUER": self.url, "SSL_CERT_FILE": str(self.ca)}
        super().start()


def trusting(authority: Authority, shown: tuple[Path, Path] | None = None) -> HttpTransport:
    context = ssl.create_default_context(cafile=authority.file)
    if shown is not None:
        context.load_cert_chain(*shown)
    return HttpTransport(tls=context)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("authorities")


@pytest.fixture(scope="module")
def ours(folder):
    return Authority(folder, "ours")


@pytest.fixture(scope="module")
def server(tmp_path_factory, ours):
    localhost = x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))
    certificate, key = ours.issue("server", *localhost)
    SecureProcess.ca = ours.file
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSL_CERT_FILE", str(ours.file))  # for the look whether it is ready
        process = SecureProcess(
            tmp_path_factory.mktemp("server") / "home",
            WATCHWORD_SERVER__TLS_CERT=str(certificate),
            WATCHWORD_SERVER__TLS_KEY=str(key),
            WATCHWORD_SERVER__TLS_CLIENT_CA=str(ours.file),
            WATCHWORD_FEED__CERTIFICATES="dns:orders.internal",
        )
    yield process
    process.kill()


@contextlib.contextmanager
def following(server, transport):
    settings = Revocations(max_staleness=5, poll_interval=0.5)
    with SyncVerifier(server.url, server.url, transport=transport, revocations=settings) as verifier:
        yield verifier


def test_with_a_certificate_of_the_settings_the_feed_is_followed_without_a_token(server, ours):
    shown = ours.issue("orders", x509.DNSName("orders.internal"))
    with following(server, trusting(ours, shown)) as verifier:
        assert verifier.health().ready, verifier.health()
        until(lambda: verifier.health().mode == "push")


def test_with_another_certificate_or_none_the_feed_says_401(server, ours):
    for shown in (ours.issue("billing", x509.DNSName("billing.internal")), None):
        with following(server, trusting(ours, shown)) as verifier:
            assert not verifier.health().ready
            assert verifier.health().revocations_error == "feed answered 401"


def test_a_certificate_of_another_authority_does_not_even_connect(server, ours, folder):
    stranger = Authority(folder, "theirs").issue("imposter", x509.DNSName("orders.internal"))
    with following(server, trusting(ours, stranger)) as verifier:
        health = verifier.health()
        assert not health.ready
        assert health.revocations_error not in {None, "feed answered 200"}
