"""Metadata of protected resources (RFC 9728)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import Dpop, SeveralIssuers
from watchword.oauth.metadata import MetadataError
from watchword.oauth.protected_resource import (
    ProtectedResource,
    metadata_url,
    parse_protected_resource,
    resource_of,
)
from watchword.testing import FakeIssuer


@pytest.mark.rfc("9728 §3")
@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://rs.example", "https://rs.example/.well-known/oauth-protected-resource"),
        ("https://rs.example/", "https://rs.example/.well-known/oauth-protected-resource"),
        ("https://rs.example/mcp", "https://rs.example/.well-known/oauth-protected-resource/mcp"),
        ("https://rs.example:8443/a/b", "https://rs.example:8443/.well-known/oauth-protected-resource/a/b"),
        ("https://rs.example/a?b=c", "https://rs.example/.well-known/oauth-protected-resource/a?b=c"),
    ],
)
def test_the_document_lies_between_host_and_path(resource, url):
    assert metadata_url(resource) == url
    assert ProtectedResource(resource=resource).metadata_url == url


@pytest.mark.rfc("9728 §3.2/2")
def test_the_document_holds_what_is_true_of_the_verifier():
    one, two = FakeIssuer("https://one.test"), FakeIssuer("https://two.test")
    verifier = one.verifier(dpop=Dpop(algorithms=["ES256"]))
    found = resource_of(verifier, "https://rs.example/", scopes=["a"], resource_name="Reports")
    assert json.loads(found.document()) == {
        "resource": "https://rs.example/",
        "authorization_servers": ["https://one.test"],
        "scopes_supported": ["a"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Reports",
        "dpop_signing_alg_values_supported": ["ES256"],
    }
    several = SeveralIssuers([one.verifier(), two.verifier()])
    assert resource_of(several, "https://rs.example").authorization_servers == (one.issuer, two.issuer)


@pytest.mark.rfc("9728 §3.3")
def test_a_document_about_another_resource_is_refused():
    raw = ProtectedResource(resource="https://rs.example/mcp", authorization_servers=("https://as.example",)).document()
    assert parse_protected_resource(raw, resource="https://rs.example/mcp").authorization_servers == (
        "https://as.example",
    )
    for other in ("https://rs.example/MCP", "https://rs.example/mcp/", "https://rs.example"):
        with pytest.raises(MetadataError):
            parse_protected_resource(raw, resource=other)


@pytest.mark.rfc("9728 §2")
@pytest.mark.parametrize(
    "members",
    [
        {"resource": "rs.example"},
        {"resource": "https://rs.example#x"},
        {"resource": "https://user@rs.example"},
        {"resource": "https://rs.example/ä"},
        {"resource": "https://rs.example/\n"},
        {"resource": "https://[rs"},
        {"resource": "https://rs.example", "authorization_servers": ("as",)},
        {"resource": "https://rs.example", "scopes_supported": ("a b",)},
    ],
)
def test_what_the_rfc_does_not_allow_is_refused(members):
    with pytest.raises(ValueError):
        ProtectedResource(**members)


@given(
    st.binary(max_size=60)
    | st.dictionaries(st.text(max_size=5), st.text(max_size=5)).map(lambda d: json.dumps(d).encode())
)
def test_whatever_comes_is_a_document_or_one_error(raw):
    with pytest.raises(MetadataError):
        parse_protected_resource(raw, resource="https://rs.example")


def test_a_huge_document_is_refused_unread():
    with pytest.raises(MetadataError):
        parse_protected_resource(b" " * 300_000, resource="https://rs.example")
