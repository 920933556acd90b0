"""What a client may ask for."""

import pytest
from watchword.oauth.errors import OAuthError
from watchword_server.clients.entitlement import Entitlements
from watchword_server.clients.metadata import Client, ClientMetadata, ClientSettings
from watchword_server.settings.load import load

API, BOOKS = "https://api.example.test", "https://books.example.test"


@pytest.fixture
def rules(tmp_path):
    settings = load(
        {},
        {
            "WATCHWORD_ENVIRONMENT": "development",
            "WATCHWORD_HOME": str(tmp_path),
            "WATCHWORD_SCOPES": '{"read": "Read your things"}',
            "WATCHWORD_RESOURCES": f'{{"{API}": {{"scopes": ["read"], "lifetime": 120}}, "{BOOKS}": {{"format": "opaque"}}}}',
        },
    ).settings
    return Entitlements(settings)


def client(*, settings=None, **metadata) -> Client:
    return Client(
        client_id="c",
        source="configuration",
        metadata=ClientMetadata(**metadata),
        settings=settings or ClientSettings(),
    )


def test_a_client_without_scope_may_ask_for_the_standard_ones_alone(rules):
    assert rules.scope(client(), "openid email") == ("openid", "email")
    with pytest.raises(OAuthError, match="invalid_scope"):
        rules.scope(client(), "read")
    assert rules.scope(client(scope="openid read"), "read openid") == ("read", "openid")
    with pytest.raises(OAuthError, match="invalid_scope"):
        rules.scope(client(scope="openid read"), "email")


def test_a_scope_that_nobody_knows_is_refused_even_if_registered(rules):
    with pytest.raises(OAuthError, match="invalid_scope"):
        rules.scope(client(scope="openid nonsense"), "nonsense")


def stranger(source: str, **metadata) -> Client:
    return Client(client_id="https://agent.example/me", source=source, metadata=ClientMetadata(**metadata))


@pytest.mark.parametrize("source", ["dynamic", "metadata_document"])
def test_who_came_by_itself_and_asks_for_all_that_there_is_gets_what_such_clients_may_have(rules, source):
    every = " ".join(rules.scopes)
    assert {"watchword:admin", "reports:read"} <= set(rules.scopes)
    granted = rules.scope(stranger(source), every)
    assert {"openid", "offline_access", "read"} <= set(granted)
    assert not {"watchword:admin", "reports:read"} & set(granted)
    assert rules.scope(stranger(source, scope="read"), every) == ("read",)
    assert rules.scope(stranger(source), "read nonsense watchword:admin", [API]) == ("read",)


@pytest.mark.parametrize("source", ["dynamic", "metadata_document"])
def test_attack_scope_escalation_who_came_by_itself_never_gets_what_a_role_brings(rules, source):
    for scope in ("watchword:admin", "nonsense", "watchword:admin nonsense"):
        with pytest.raises(OAuthError, match="invalid_scope"):
            rules.scope(stranger(source), scope)
        assert rules.allowed_scope(stranger(source, scope=scope)) == ()
    with pytest.raises(OAuthError, match="invalid_scope"):
        rules.scope(stranger(source, scope="openid"), "read")


@pytest.mark.rfc("8707 §2/1")
@pytest.mark.rfc("8707 §2/3")
@pytest.mark.parametrize(
    "resource", ["https://unknown.example.test", "/relative", f"{API}#x", f"{API}/", "not a uri", "", "x" * 3000]
)
def test_attack_audience_confusion_an_unknown_or_malformed_resource_is_invalid_target(rules, resource):
    with pytest.raises(OAuthError, match="invalid_target"):
        rules.resources(client(), [API, resource])


def test_resources_are_those_of_the_client(rules):
    narrow = client(settings=ClientSettings(audiences=(BOOKS,)))
    assert rules.resources(narrow, [BOOKS, BOOKS]) == (BOOKS,)
    with pytest.raises(OAuthError, match="invalid_target"):
        rules.resources(narrow, [API])
    with pytest.raises(OAuthError, match="invalid_target"):
        rules.resources(client(), [f"https://a{n}.test" for n in range(17)])


@pytest.mark.rfc("9068 §2.2.3")
def test_a_scope_must_mean_something_at_the_resource(rules):
    both = client(scope="openid read reports:read")
    assert rules.scope(both, "read openid", [API]) == ("read", "openid")
    with pytest.raises(OAuthError, match="invalid_scope"):
        rules.scope(both, "reports:read", [API])


def test_the_form_of_a_token_follows_resource_and_client(rules):
    assert not rules.token_form(client(), [API]).opaque
    assert rules.token_form(client(), [API]).lifetime == 120
    assert rules.token_form(client(), [API, BOOKS]).opaque
    assert rules.token_form(client(settings=ClientSettings(access_lifetime=60)), [API]).lifetime == 60
    assert rules.token_form(client(subject_type="pairwise"), []).opaque
    assert not rules.token_form(client(settings=ClientSettings(access_token_format="jwt")), [BOOKS]).opaque


def test_scopes_have_words_for_people(rules):
    assert rules.words("read") == "Read your things"
    assert rules.words("reports:read") == "reports:read"
