"""What may be registered as a client, and what of the configuration becomes one."""

import hashlib

import pytest
from watchword.jose.jwk import Key
from watchword.oauth.errors import OAuthError
from watchword_server.clients.configuration import ClientRefused, configured_clients
from watchword_server.clients.metadata import ClientSettings
from watchword_server.clients.registration import RegistrationRules, judge, judge_shared_secret, read_metadata

RULES = RegistrationRules(
    grant_types=("authorization_code", "refresh_token", "client_credentials"),
    auth_methods=("none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"),
    algorithms=("RS256", "ES256", "PS256", "EdDSA"),
)
URI = "https://app.example.test/cb"
PUBLIC_JWKS = {"keys": [Key.generate("ES256").public_jwk()]}


def accepted(settings=None, **members):
    metadata = read_metadata({"redirect_uris": [URI]} | members)
    judge(metadata, RULES, settings)
    return metadata


@pytest.mark.rfc("8252 §8.5")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
def test_a_secret_that_comes_with_an_app_to_many_people_is_none(method):
    app = {"client_id": "app", "redirect_uris": ["com.example.app:/cb"], "application_type": "native"}
    secret = {"client_secret": "a secret of forty characters, and no more"}
    with pytest.raises(ClientRefused, match="keeps no secret"):
        configured_clients([app | secret | {"token_endpoint_auth_method": method}], RULES, lambda _name, _raw: b"")
    with pytest.raises(OAuthError, match="keeps no secret"):
        judge_shared_secret(accepted(application_type="native", token_endpoint_auth_method=method))
    judge_shared_secret(accepted(application_type="native", token_endpoint_auth_method="none"))
    judge_shared_secret(accepted(token_endpoint_auth_method=method))


def test_the_least_that_a_client_says_is_enough():
    metadata = accepted(client_name="My app", unknown_member={"x": 1})
    assert metadata.token_endpoint_auth_method == "client_secret_basic"
    assert metadata.grant_types == ("authorization_code",)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example.test/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [URI] * 65}, "invalid_redirect_uri"),
        ({"post_logout_redirect_uris": ["javascript:x"]}, "invalid_redirect_uri"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"jwks": PUBLIC_JWKS, "jwks_uri": URI}, "invalid_client_metadata"),
        ({"jwks": {"keys": [Key.generate("ES256").private_jwk()]}}, "invalid_client_metadata"),
        ({"jwks": {"keys": []}}, "invalid_client_metadata"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYw"}]}}, "invalid_client_metadata"),
        ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
        ({"id_token_signed_response_alg": "HS256"}, "invalid_client_metadata"),
        ({"logo_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
        ({"client_name": "Good\u202ebad"}, "invalid_client_metadata"),
        ({"client_name": "x" * 201}, "invalid_client_metadata"),
        ({"scope": 'a  "b"'}, "invalid_client_metadata"),
        ({"redirect_uris": "no list"}, "invalid_client_metadata"),
        ({"contacts": ["x" * 40_000]}, "invalid_client_metadata"),
        ({"subject_type": "pairwise", "redirect_uris": [URI, "https://b.example.test/cb"]}, "invalid_client_metadata"),
    ],
)  # fmt: skip
def test_what_a_client_may_not_say_of_itself(members, code):
    with pytest.raises(OAuthError) as caught:
        accepted(**members)
    assert caught.value.code == code


@pytest.mark.rfc("openid-frontchannel-logout §2/2")
def test_what_is_framed_at_logout_is_of_the_site_that_people_come_back_to():
    mixed = [URI, "https://other.example.test:8443/cb", "com.example.app:/cb"]
    for good in (
        "https://app.example.test/out?x=1",
        "https://app.example.test:443/out",
        "https://other.example.test:8443/",
    ):
        accepted(redirect_uris=mixed, application_type="native", frontchannel_logout_uri=good)
    for bad in (
        "http://app.example.test/out",
        "https://evil.example.test/",
        "https://app.example.test:8443/",
        "https://app.example.test.evil/",
    ):
        with pytest.raises(OAuthError, match="frontchannel_logout_uri"):
            accepted(redirect_uris=mixed, application_type="native", frontchannel_logout_uri=bad)


@pytest.mark.rfc("openid-backchannel-logout §2.2/1")
@pytest.mark.rfc("openid-frontchannel-logout §2/1")
@pytest.mark.parametrize("name", ["backchannel_logout_uri", "frontchannel_logout_uri"])
@pytest.mark.parametrize(
    "uri", ["https://app.example.test/out#x", "/out", "//app.example.test/out", "javascript:x", ""]
)
def test_an_address_of_logout_is_absolute_and_has_no_fragment(name, uri):
    with pytest.raises(OAuthError) as caught:
        accepted(**{name: uri})
    assert caught.value.code == "invalid_client_metadata"
    assert accepted(**{name: "https://app.example.test/out"})


def test_who_repeats_what_discovery_lists_needs_no_keys_for_it_until_requests_have_to_be_signed():
    assert accepted(request_object_signing_alg="ES256").jwks is None
    with pytest.raises(OAuthError, match="jwks"):
        accepted(request_object_signing_alg="ES256", require_signed_request_object=True)


def test_where_a_login_begins_is_reached_by_https():
    """OpenID Connect Registration §2: initiate_login_uri MUST use the https scheme."""
    with pytest.raises(OAuthError, match="initiate_login_uri"):
        accepted(initiate_login_uri="http://app.example.test/login")
    assert accepted(initiate_login_uri="https://app.example.test/login")


@pytest.mark.parametrize(
    ("settings", "members"),
    [
        (ClientSettings(pkce_exempt=True), {"token_endpoint_auth_method": "none"}),
        (ClientSettings(may_introspect=True), {"token_endpoint_auth_method": "none"}),
        (ClientSettings(profile="fapi2"), {}),
        (ClientSettings(profile="fapi2"), {"token_endpoint_auth_method": "private_key_jwt", "jwks": PUBLIC_JWKS}),
        (ClientSettings(access_token_format="jwe"), {}),
    ],
)
def test_settings_that_a_client_is_not_fit_for(settings, members):
    with pytest.raises(OAuthError):
        accepted(settings, **members)


def test_a_client_of_the_configuration():
    secret = "s" * 32
    found = configured_clients(
        [
            {"client_id": "web", "client_secret": secret, "redirect_uris": [URI], "first_party": True},
            {"client_id": "spa", "token_endpoint_auth_method": "none", "redirect_uris": [URI]},
            {
                "client_id": "api",
                "client_secret_sha256": hashlib.sha256(secret.encode()).hexdigest(),
                "grant_types": ["client_credentials"],
                "may_introspect": True,
            },
        ],
        RULES,
        lambda _name, raw: raw,
    )
    assert found["web"].secret_digests == found["api"].secret_digests == (hashlib.sha256(secret.encode()).digest(),)
    assert found["web"].settings.first_party
    assert not found["spa"].is_confidential
    assert secret not in repr(found)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"client_id": "a b", "first_parti": True},
        {"client_id": "a", "redirect_uris": [URI]},
        {"client_id": "a", "redirect_uris": [URI], "client_secret": "short"},
        {"client_id": "a", "redirect_uris": [URI], "client_secret_sha256": "zz"},
        {"client_id": "a", "redirect_uris": [URI], "client_secret": "s" * 32, "token_endpoint_auth_method": "none"},
        {"client_id": "a", "redirect_uris": [URI], "client_secret": "s" * 32, "first_party": "yes"},
        {"client_id": "a", "redirect_uris": [URI], "client_secret": "s" * 32, "redirect_uri": URI},
        {
            "client_id": "a",
            "redirect_uris": [URI],
            "client_secret": "s" * 63,
            "token_endpoint_auth_method": "client_secret_jwt",
            "token_endpoint_auth_signing_alg": "HS512",
        },
    ],
)
def test_a_configured_client_that_is_amiss_keeps_the_server_from_starting(table):
    with pytest.raises(ClientRefused) as caught:
        configured_clients([table], RULES, lambda _name, raw: raw)
    assert "s" * 32 not in str(caught.value)


def test_the_same_client_twice_is_refused():
    table = {"client_id": "a", "redirect_uris": [URI], "token_endpoint_auth_method": "none"}
    with pytest.raises(ClientRefused):
        configured_clients([table, table], RULES, lambda _name, raw: raw)
