"""oauth4webapi and openid-client, as they come from npm, over https: every flow, by every way to authenticate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from node_library import KEY, LIBRARIES, REDIRECT, SCOPE, SECRET, Node
from process import free_port
from secure import ADA, Secure

BYE = "https://app.example.test/bye"
API, ORDERS = "https://api.example.test", "https://orders.example.test"
BACK_CHANNEL = free_port()
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"

WAYS = {
    "client_secret_basic": "RS256",
    "client_secret_post": "ES256",
    "client_secret_jwt": "EdDSA",
    "private_key_jwt": "PS256",
    "none": "ES256",
}
"""How clients authenticate, and by which algorithm each has its ID tokens signed."""


def client(client_id: str, method: str, algorithm: str = "ES256", **more: Any) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "client_name": f"The client {client_id}",
        "redirect_uris": [REDIRECT],
        "post_logout_redirect_uris": [BYE],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": method,
        "id_token_signed_response_alg": algorithm,
        "scope": f"{SCOPE} read orders",
        **({"client_secret": SECRET} if method.startswith("client_secret") else {}),
        **({"jwks": {"keys": [KEY.public_jwk()]}} if method == "private_key_jwt" else {}),
        **more,
    }


CLIENTS = [
    *(client(method, method, algorithm) for method, algorithm in WAYS.items()),
    client("bound", "private_key_jwt", dpop_bound_access_tokens=True),
    client("robot", "client_secret_basic", redirect_uris=[], grant_types=["client_credentials"], scope="read"),
    client("orders", "client_secret_basic", grant_types=["authorization_code", EXCHANGE := "urn:ietf:params:oauth:grant-type:token-exchange"], exchange=True),
    client("television", "none", redirect_uris=[], grant_types=[DEVICE], application_type="native"),
    client("told", "client_secret_basic", backchannel_logout_uri=f"https://localhost:{BACK_CHANNEL}/out"),
]  # fmt: skip


@pytest.fixture(scope="module", params=LIBRARIES)
def node(request, packages, trust) -> Iterator[Node]:
    running = Node(request.param, packages, trust, CLIENTS)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def strict(packages, trust) -> Iterator[Node]:
    """What oauth4webapi alone has."""
    running = Node("oauth4webapi", packages, trust, CLIENTS)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def server(start) -> Secure:
    running = start(
        CLIENTS,
        WATCHWORD_OAUTH__DPOP_NONCE="true",
        WATCHWORD_SELF_REGISTRATION__DYNAMIC="open",
        WATCHWORD_TOKENS__ACCESS_LIFETIME="300",
        WATCHWORD_SCOPES=json.dumps({"read": "Read your things", "orders": "See your orders"}),
        WATCHWORD_RESOURCES=json.dumps({API: {"scopes": ["read"]}, ORDERS: {"scopes": ["orders"]}}),
    )
    running.account = running.register()
    return running


@pytest.mark.parametrize("method", WAYS)
async def test_code_userinfo_refresh_introspection_and_revocation(node, server, method):
    told = await node.tells("everything", server, method)
    assert told["sub"] == server.account
    assert told["person"]["email"] == ADA
    assert told["alg"] == WAYS[method]
    assert told["token_type"] == "bearer"
    if method != "none":
        assert (told["active"], told["after"]) == (True, False)
    if node.library == "openid_client":
        assert told["back"] == BYE


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
async def test_tokens_bound_by_dpop_with_a_nonce_of_the_server(node, server, algorithm):
    told = await node.tells("everything", server, "bound", dpop=algorithm)
    assert (told["token_type"], told["active"], told["after"]) == ("dpop", True, False)


@pytest.mark.parametrize("more", [{"par": True}, {"par": True, "dpop": "ES256"}], ids=["plain", "dpop"])
async def test_pushed_requests(node, server, more):
    assert (await node.tells("everything", server, "private_key_jwt", **more))["sub"] == server.account


@pytest.mark.parametrize("mode", ["form_post", "query"])
async def test_response_modes(node, server, mode):
    told = await node.tells("everything", server, "client_secret_basic", response_mode=mode)
    assert told["sub"] == server.account


async def test_a_television_is_signed_in_by_a_person_elsewhere(packages, trust, server):
    """By openid-client, which waits between its questions for as long as it was told."""
    node = Node("openid_client", packages, trust, CLIENTS)
    try:
        assert (await node.tells("device", server, "television", scope="openid profile"))["sub"] == server.account
    finally:
        node.stop()


@pytest.mark.soak
async def test_a_television_that_asks_early_is_told_to_wait(strict, server):
    told = await strict.tells("device", server, "television", scope="openid profile")
    assert (told["early"], told["sub"]) == ("authorization_pending", server.account)


async def test_both_documents_of_discovery_say_the_same(strict, server):
    openid, oauth = await strict.tells("both_documents", server)
    assert openid == oauth
    assert openid["issuer"] == server.url


async def test_a_machine_gets_a_token_for_one_resource(node, server):
    told = await node.tells("client_credentials", server, "robot", scope="read", resource=API)
    assert told["token_type"] == "bearer"
    if node.library == "oauth4webapi":
        assert (told["claims"]["aud"], told["claims"]["scope"]) == (API, "read")
        assert told["claims"]["sub"] == "robot"


async def test_a_token_is_exchanged_for_one_of_another_service(strict, server):
    told = await strict.tells(
        "token_exchange", server, "orders", scope="openid orders", resource=ORDERS, narrow="orders"
    )
    assert (told["claims"]["aud"], told["claims"]["sub"]) == (ORDERS, server.account)
    assert told["answer"]["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"


@pytest.mark.parametrize("method", ["client_secret_basic", "private_key_jwt", "none"])
async def test_a_client_registers_itself_and_signs_somebody_in(strict, server, method):
    metadata = {
        "token_endpoint_auth_method": method,
        "client_name": "Came by itself",
        **({"jwks": {"keys": [KEY.public_jwk()]}} if method == "private_key_jwt" else {}),
    }
    told = await strict.tells("registration", server, metadata=metadata)
    assert told["sub"] == server.account
    assert told["client"]["token_endpoint_auth_method"] == method


async def test_a_logout_brings_the_browser_back_and_tells_the_client(strict, server, trust):
    tls = {"cert": str(trust.server.certificate), "key": str(trust.server.key)}
    told = await strict.tells("logout", server, "told", scope="openid", tls=tls, port=BACK_CHANNEL)
    assert told["back"] == f"{BYE}?state=s-1"
    logout = told["logout"]
    assert logout["sid"] == told["sid"]
    assert logout["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert "nonce" not in logout
    assert httpx.get(f"{server.url}/readyz", verify=server.trust, timeout=30).status_code == 200
