"""Certificates, in the forms in which proxies hand them on."""

import base64
import datetime as dt
import ipaddress
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from watchword.jose.certificate import (
    MAX_CERTIFICATE_BYTES,
    certificate_der,
    certificate_thumbprint,
    read_certificate,
)
from watchword.jose.errors import JoseError
from watchword.jose.half_hash import half_hash
from watchword.jose.key import thumbprint_of
from watchword.jose.material import of_public

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name(
    [x509.NameAttribute(NameOID.COMMON_NAME, "client, one"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme")]
)
NAMES = x509.SubjectAlternativeName(
    [
        x509.DNSName("client.example"),
        x509.UniformResourceIdentifier("https://client.example/id"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
        x509.RFC822Name("ops@client.example"),
    ]
)


def certificate(names=NAMES, key=KEY):
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=30))
    )
    return (builder.add_extension(names, critical=False) if names else builder).sign(KEY, hashes.SHA256())


CERTIFICATE = certificate()
DER = CERTIFICATE.public_bytes(serialization.Encoding.DER)
PEM = CERTIFICATE.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.rfc("8705 §3.1")
def test_what_is_compared_is_read():
    seen = read_certificate(DER)
    assert seen.thumbprint == certificate_thumbprint(DER)
    assert seen.jkt == thumbprint_of(of_public(KEY.public_key()))
    assert seen.subject == r"O=Acme,CN=client\, one"
    assert (seen.dns, seen.uri) == (("client.example",), ("https://client.example/id",))
    assert (seen.ip, seen.email) == (("192.0.2.1",), ("ops@client.example",))
    assert seen.not_after - seen.not_before == 30 * 86400


def test_a_certificate_without_other_names_has_none_and_odd_curves_no_thumbprint():
    odd = ec.generate_private_key(ec.SECP256K1())
    seen = read_certificate(certificate(None, odd).public_bytes(serialization.Encoding.DER))
    assert seen.dns == ()
    assert seen.jkt is None


@pytest.mark.parametrize(
    "text",
    [
        DER,
        PEM,
        PEM.encode(),
        quote(PEM),
        PEM.replace("\n", " "),
        PEM.replace("\n", "\n\t"),
        base64.b64encode(DER).decode(),
        f":{base64.b64encode(DER).decode()}:",
    ],
)
def test_every_form_gives_the_same_bytes(text):
    assert certificate_der(text) == certificate_der(DER) == DER


@pytest.mark.parametrize(
    "text",
    ["", "-", PEM + PEM, PEM[:-30], "-----BEGIN CERTIFICATE-----", ":", "ä", "%", "AAAA=AAAA", 50_000 * "A"],
)
def test_what_is_no_certificate_or_two_is_refused(text):
    with pytest.raises(JoseError):
        read_certificate(certificate_der(text))


def test_a_huge_certificate_is_refused_unread():
    with pytest.raises(JoseError):
        read_certificate(b"\x30" + MAX_CERTIFICATE_BYTES * b"\0")


@given(st.binary(max_size=80) | st.binary(max_size=300).map(lambda noise: DER[: len(noise)] + noise))
def test_whatever_comes_is_a_certificate_or_one_error(raw):
    with pytest.raises(JoseError):
        read_certificate(certificate_der(raw))


@pytest.mark.rfc("openid-core §3.1.3.6")
def test_half_hashes_follow_the_algorithm():
    # OpenID Connect Core 1.0, appendix A.4: the at_hash of this token under RS256.
    assert half_hash("RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y") == "77QmUPtjPfzWtF2AnpK9RQ"
    assert len(half_hash("Ed25519", "x")) == 43
    with pytest.raises(JoseError):
        half_hash("none", "x")
