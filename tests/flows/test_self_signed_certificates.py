"""Clients whose certificates nobody signed but they themselves (RFC 8705 §2.2), at the server's own TLS."""

import json
import ssl
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwk
from process import Process
from watchword.clock import system_clock
from watchword_server.keys.development_certificates import DevelopmentAuthority, Issued


class TlsProcess(Process):
    """A server process that ends TLS itself."""

    trust: ssl.SSLContext

    @property
    def url(self):
        return f"https://localhost:{self.port}"


def self_signed(folder, name: str) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.fromtimestamp(system_clock.now(), UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    made = Issued(folder / f"{name}.pem", folder / f"{name}.key")
    made.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


@pytest.mark.rfc("8705 §2.2")
def test_a_self_signed_certificate_is_one_of_the_authorities_that_the_servers_own_tls_believes(tmp_path):
    authority = DevelopmentAuthority(tmp_path / "tls", now=system_clock.now())
    served = authority.issue_server(["localhost"])
    known, unknown = self_signed(tmp_path, "known"), self_signed(tmp_path, "unknown")
    believed = tmp_path / "believed.pem"
    believed.write_text(authority.certificate.read_text() + known.certificate.read_text())
    public = jwk.ECKey.import_key(known.key.read_text(), {"use": "sig", "alg": "ES256"}).as_dict(private=False)
    client = {
        "client_id": "robot", "grant_types": ["client_credentials"], "jwks": {"keys": [public]},
        "token_endpoint_auth_method": "self_signed_tls_client_auth", "tls_client_certificate_bound_access_tokens": True,
    }  # fmt: skip
    TlsProcess.trust = ssl.create_default_context(cafile=authority.certificate)
    server = TlsProcess(
        tmp_path / "home",
        WATCHWORD_SERVER__TLS_CERT=str(served.certificate),
        WATCHWORD_SERVER__TLS_KEY=str(served.key),
        WATCHWORD_SERVER__TLS_CLIENT_CA=str(believed),
        WATCHWORD_CLIENTS=json.dumps([client]),
    )
    try:
        assert ask(server, authority, known).status_code == 200
        other = authority.issue_client("robot")
        assert ask(server, authority, other).status_code == 401, "believed by TLS, and not the client's"
        with pytest.raises((httpx.HTTPError, ssl.SSLError)):
            ask(server, authority, unknown)
    finally:
        server.stop()


def ask(server, authority, issued):
    trust = ssl.create_default_context(cafile=authority.certificate)
    trust.load_cert_chain(issued.certificate, issued.key)
    with httpx.Client(verify=trust, timeout=60) as http:
        return http.post(f"{server.url}/token", data={"grant_type": "client_credentials", "client_id": "robot"})
