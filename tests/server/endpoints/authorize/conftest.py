"""A client, and requests of its, for the rules of the authorization endpoint."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from watchword_server.clients.entitlement import Entitlements
from watchword_server.clients.metadata import Client, ClientMetadata, ClientSettings
from watchword_server.endpoints.authorize.parameters import Parameters, destination
from watchword_server.endpoints.authorize.request import AuthorizationRequest, read_request
from watchword_server.settings.load import load

CALLBACK = "https://app.example.com/callback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
API = "https://api.example.com"


@pytest.fixture(scope="session")
def entitlements() -> Entitlements:
    """Of an installation with one scope and one resource of its own."""
    environ = {
        "WATCHWORD_ENVIRONMENT": "development",
        "WATCHWORD_SCOPES": '{"posts:read": "Read your posts", "posts:write": "Write posts for you"}',
        "WATCHWORD_RESOURCES": f'{{"{API}": {{"name": "Posts"}}}}',
        "WATCHWORD_MASTER_KEY": "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210",
    }
    return Entitlements(load({}, environ).settings)


@pytest.fixture
def make_client() -> Callable[..., Client]:
    """A confidential web client; members of its metadata, and ``settings``, as the test wants them."""

    def make(*, settings: dict | None = None, source: str = "admin", client_id: str = "app", **members) -> Client:
        metadata = {
            "redirect_uris": (CALLBACK,),
            "grant_types": ("authorization_code", "refresh_token"),
            "scope": "openid profile email offline_access posts:read",
            "client_name": "Example",
        }
        return Client(
            client_id=client_id,
            source=source,
            metadata=ClientMetadata(**metadata | members),
            settings=ClientSettings(**settings or {}),
        )

    return make


@pytest.fixture
def sent() -> Callable[..., Parameters]:
    """The parameters of a good request; None takes one away."""

    def make(resource: tuple[str, ...] = (), **values) -> Parameters:
        good = {
            "client_id": "app",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile",
            "state": "af0ifjsldkj",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        merged = {name: value for name, value in (good | values).items() if value is not None}
        return Parameters(values=merged, resource=resource)

    return make


@pytest.fixture
def ask(sent, make_client, entitlements) -> Callable[..., AuthorizationRequest]:
    """A good request, read."""

    def make(client: Client | None = None, *, hinted: str | None = None, pushed: bool = False, **values):
        client = client or make_client()
        parameters = sent(**values)
        where = destination(parameters, client)
        return read_request(parameters, client, where, entitlements, hinted=hinted, pushed=pushed)

    return make
