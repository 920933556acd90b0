"""WWW-Authenticate: the right words, and no way out of the quotes."""

import re

import pytest
from watchword.oauth.challenge import challenge, plain_text, quoted
from watchword.oauth.names import ErrorCode, Scheme


@pytest.mark.rfc("6750 §3.1/2")
def test_without_credentials_the_challenge_is_bare():
    assert challenge() == "Bearer"


@pytest.mark.rfc("6750 §3/2")
def test_scheme_and_members_are_written_as_the_rfc_shows():
    assert (
        challenge(
            realm="example",
            error=ErrorCode.INSUFFICIENT_SCOPE,
            description="more is needed",
            scope=["reports:read", "openid"],
            resource_metadata="https://api.example/.well-known/oauth-protected-resource",
        )
        == 'Bearer realm="example", error="insufficient_scope", error_description="more is needed", '
        'scope="reports:read openid", '
        'resource_metadata="https://api.example/.well-known/oauth-protected-resource"'
    )


@pytest.mark.rfc("9449 §7.1/3")
def test_dpop_names_its_algorithms():
    assert (
        challenge(Scheme.DPOP, error=ErrorCode.INVALID_TOKEN, algorithms=["ES256", "EdDSA"])
        == 'DPoP error="invalid_token", algs="ES256 EdDSA"'
    )


@pytest.mark.rfc("9470 §3/2")
def test_step_up_names_what_would_do():
    assert (
        challenge(error=ErrorCode.INSUFFICIENT_USER_AUTHENTICATION, acr_values=["mfa"], max_age=0)
        == 'Bearer error="insufficient_user_authentication", acr_values="mfa", max_age="0"'
    )


@pytest.mark.rfc("6750 §3/3")
@pytest.mark.parametrize("nasty", ['x", error="none', "x\r\nSet-Cookie: a=b", "x\\", "ä\u2028", "\x00", "\x7f"])
def test_a_description_is_cleaned_and_stays_one_quoted_string(nasty):
    value = challenge(description=nasty)
    assert re.fullmatch(r'Bearer error_description="[\x20-\x21\x23-\x5b\x5d-\x7e]*"', value)


def test_a_description_is_cut():
    assert len(plain_text("x" * 10_000)) == 400


@pytest.mark.parametrize("nasty", ["x\r\nSet-Cookie: a=b", "\n", "ä", "\x00", "\x7f"])
@pytest.mark.parametrize("member", ["realm", "resource_metadata", "scope"])
def test_settings_that_could_split_a_header_are_refused(member, nasty):
    with pytest.raises(ValueError, match="printable ASCII"):
        challenge(**{member: [nasty] if member == "scope" else nasty})


@pytest.mark.rfc("9110 §5.6.4")
def test_quotes_and_backslashes_are_escaped():
    assert quoted('a "b" \\') == '"a \\"b\\" \\\\"'
