"""A certificate is a client's only when it names exactly what the client registered."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from watchword.clock import EpochSeconds
from watchword.jose.certificate import Certificate
from watchword_server.clients.metadata import ClientMetadata
from watchword_server.clients.tls_authentication import has_subject, is_self_signed_by, subject_fault

CERTIFICATE = Certificate(
    thumbprint="x5t",
    jkt="jkt-of-the-key",
    subject="CN=billing,O=Example\\, Inc.,C=DE",
    dns=("billing.example",),
    uri=("spiffe://example/billing",),
    ip=("192.0.2.7", "2001:db8::7"),
    email=("billing@example.test",),
    not_before=1000.0,
    not_after=2000.0,
)


def registered(**members: Any) -> ClientMetadata:
    return ClientMetadata(token_endpoint_auth_method="tls_client_auth", **members)


@pytest.mark.rfc("8705 §2.1.2")
@pytest.mark.parametrize(
    "member",
    [
        {"tls_client_auth_subject_dn": "CN=billing,O=Example\\, Inc.,C=DE"},
        {"tls_client_auth_subject_dn": " CN = billing, O=Example\\, Inc. , C=DE "},
        {"tls_client_auth_san_dns": "billing.example"},
        {"tls_client_auth_san_dns": "BILLING.example"},
        {"tls_client_auth_san_uri": "spiffe://example/billing"},
        {"tls_client_auth_san_ip": "192.0.2.7"},
        {"tls_client_auth_san_ip": "2001:0db8:0::7"},
        {"tls_client_auth_san_email": "billing@example.test"},
    ],
)
def test_the_registered_subject_is_found_in_the_certificate(member: dict[str, str]) -> None:
    assert has_subject(CERTIFICATE, registered(**member))


@pytest.mark.rfc("8705 §2.1.2")
@pytest.mark.parametrize(
    "member",
    [
        {"tls_client_auth_subject_dn": "CN=billing"},
        {"tls_client_auth_subject_dn": "CN=billing,O=Example"},
        {"tls_client_auth_subject_dn": "C=DE,O=Example\\, Inc.,CN=billing"},
        {"tls_client_auth_subject_dn": "CN=Billing,O=Example\\, Inc.,C=DE"},
        {"tls_client_auth_subject_dn": "CN=billing,O=Example, Inc.,C=DE"},
        {"tls_client_auth_san_dns": "example"},
        {"tls_client_auth_san_dns": "*.example"},
        {"tls_client_auth_san_uri": "spiffe://example/"},
        {"tls_client_auth_san_uri": "SPIFFE://example/billing"},
        {"tls_client_auth_san_ip": "192.0.2.70"},
        {"tls_client_auth_san_email": "Billing@example.test"},
    ],
)
def test_anything_else_is_another_client(member: dict[str, str]) -> None:
    assert not has_subject(CERTIFICATE, registered(**member))


@pytest.mark.rfc("8705 §2.1.2")
@pytest.mark.parametrize(
    "members",
    [
        {},
        {"tls_client_auth_san_dns": "billing.example", "tls_client_auth_san_ip": "192.0.2.7"},
        {"tls_client_auth_subject_dn": ""},
        {"tls_client_auth_san_ip": "not an address"},
        {"tls_client_auth_san_dns": "a\nb"},
        {"tls_client_auth_san_uri": "x" * 1025},
    ],
)
def test_metadata_that_does_not_name_exactly_one_subject_fits_no_certificate(members: dict[str, str]) -> None:
    assert subject_fault(registered(**members)) is not None
    assert not has_subject(CERTIFICATE, registered(**members))


def test_a_certificate_without_names_fits_nobody_who_registered_one() -> None:
    bare = msgspec.structs.replace(CERTIFICATE, subject="", dns=(), uri=(), ip=(), email=())
    for member in ("dns", "uri", "ip", "email"):
        assert not has_subject(bare, registered(**{f"tls_client_auth_san_{member}": "192.0.2.7"}))
    assert not has_subject(bare, registered(tls_client_auth_subject_dn="CN=x"))


@pytest.mark.rfc("8705 §2.2")
def test_a_self_signed_certificate_is_known_by_its_key() -> None:
    assert is_self_signed_by(CERTIFICATE, ["other", "jkt-of-the-key"], EpochSeconds(1500))
    assert not is_self_signed_by(CERTIFICATE, ["other"], EpochSeconds(1500))
    assert not is_self_signed_by(CERTIFICATE, [], EpochSeconds(1500))


@pytest.mark.parametrize("now", [999.0, 2000.0, 5000.0])
def test_a_self_signed_certificate_out_of_its_dates_is_refused(now: float) -> None:
    assert not is_self_signed_by(CERTIFICATE, ["jkt-of-the-key"], EpochSeconds(now))


def test_a_key_of_an_unknown_kind_is_nobodys() -> None:
    odd = msgspec.structs.replace(CERTIFICATE, jkt=None)
    assert not is_self_signed_by(odd, ["jkt-of-the-key", "None"], EpochSeconds(1500))
