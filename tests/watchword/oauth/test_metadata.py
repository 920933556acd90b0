"""Metadata of authorization servers: where it lies, and whose it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.oauth.metadata import MAX_METADATA_BYTES, MetadataError, metadata_urls, parse_metadata

ISSUER = "https://as.example/tenant"


def document(**members):
    return json.dumps({"issuer": ISSUER, "jwks_uri": "https://as.example/jwks", **members}).encode()


@pytest.mark.rfc("8414 §3")
@pytest.mark.rfc("openid-discovery §4")
def test_the_well_known_part_stands_after_the_path_for_openid_and_before_it_for_oauth():
    assert metadata_urls(ISSUER) == (
        "https://as.example/tenant/.well-known/openid-configuration",
        "https://as.example/.well-known/oauth-authorization-server/tenant",
    )
    assert metadata_urls("https://as.example/") == (
        "https://as.example/.well-known/openid-configuration",
        "https://as.example/.well-known/oauth-authorization-server",
    )


def test_the_members_used_are_read_and_others_ignored():
    metadata = parse_metadata(document(token_endpoint="https://as.example/token", new_thing=[1]), issuer=ISSUER)
    assert metadata.jwks_uri == "https://as.example/jwks"
    assert metadata.token_endpoint == "https://as.example/token"


@pytest.mark.rfc("openid-discovery §4.3")
@pytest.mark.rfc("8414 §3.3")
@pytest.mark.parametrize(
    "claimed", ["https://as.example", "https://as.example/tenant/", "https://AS.example/tenant", "https://evil.example"]
)
def test_metadata_that_names_another_issuer_is_refused(claimed):
    with pytest.raises(MetadataError, match="another issuer"):
        parse_metadata(document(issuer=claimed), issuer=ISSUER)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"x":' * 50_000,
        json.dumps({"issuer": ISSUER}).encode(),
        document(jwks_uri=1),
        document(jwks_uri=None),
        document(scopes_supported="openid"),
        document() + b" " * MAX_METADATA_BYTES,
    ],
)
def test_anything_else_is_one_kind_of_error(raw):
    with pytest.raises(MetadataError):
        parse_metadata(raw, issuer=ISSUER)


@given(st.binary(max_size=200))
def test_bytes_give_metadata_or_a_metadata_error(raw):
    try:
        parse_metadata(raw, issuer=ISSUER)
    except MetadataError:
        return
    raise AssertionError("random bytes are no metadata")
