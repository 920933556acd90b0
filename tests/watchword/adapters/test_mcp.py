"""The MCP SDK and FastMCP: the same table for both, over HTTP as clients speak it."""

import json
from contextlib import asynccontextmanager

import httpx
import pytest
from fastmcp import FastMCP
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from starlette.authentication import AuthenticationError
from watchword import Revocations
from watchword.adapters import fastmcp, mcp

RESOURCE = "http://localhost:8000/mcp"
METADATA = "http://localhost:8000/.well-known/oauth-protected-resource/mcp"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "who", "arguments": {}}}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def by_sdk(verifier):
    tokens = mcp.TokenVerifier(verifier, resource=RESOURCE)
    settings = AuthSettings(
        issuer_url="https://issuer.test",
        resource_server_url=RESOURCE,
        required_scopes=["notes"],
        validate_token_resource=True,
    )
    server = MCPServer("notes", token_verifier=tokens, auth=settings)

    @server.tool()
    async def who() -> str:
        return (await tokens.require(roles=["admin"])).sub

    app = server.streamable_http_app(stateless_http=True, json_response=True)
    return app, tokens.protect(app)


def by_fastmcp(verifier):
    auth = fastmcp.BearerAuth(verifier, "http://localhost:8000", required_scopes=["notes"])
    server = FastMCP("notes", auth=auth)

    @server.tool
    async def who() -> str:
        return (await auth.require(roles=["admin"])).sub

    app = server.http_app(path="/mcp", stateless_http=True, json_response=True)
    return app, app


@pytest.fixture(params=[by_sdk, by_fastmcp])
def make(request):
    return request.param


@asynccontextmanager
async def served(made):
    inner, app = made
    async with (
        inner.router.lifespan_context(inner),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000") as client,
    ):

        async def call(*authorization, message=CALL):
            headers = [("Accept", "application/json, text/event-stream"), ("MCP-Protocol-Version", "2025-06-18")]
            headers += [("Authorization", value) for value in authorization]
            return await client.post("/mcp", json=message, headers=headers)

        call.client = client
        yield call


@pytest.fixture
def issuer(issuer):
    issuer.audience = RESOURCE
    return issuer


async def test_a_tool_knows_who_calls_it(make, issuer):
    async with served(make(issuer.verifier())) as call:
        token = issuer.token("ada", scope="notes", roles=["admin"])
        for scheme in ("Bearer", "bearer"):
            answer = await call(f"{scheme} {token}")
            assert answer.json()["result"]["content"][0]["text"] == "ada"


async def test_a_tool_asks_for_more_than_the_server_and_says_so(make, issuer):
    async with served(make(issuer.verifier())) as call:
        result = (await call(f"Bearer {issuer.token(scope='notes')}")).json()["result"]
        assert result["isError"] is True
        assert "lacks a role that is required here" in result["content"][0]["text"]


@pytest.mark.rfc("9728 §5.1")
async def test_clients_without_a_token_are_told_where_to_learn_of_one(make, issuer):
    async with served(make(issuer.verifier())) as call:
        answer = await call()
        assert answer.status_code == 401
        assert f'resource_metadata="{METADATA}"' in answer.headers["www-authenticate"]
        found = (await call.client.get(METADATA)).json()
        assert found["resource"] == RESOURCE
        assert found["authorization_servers"][0].rstrip("/") == issuer.issuer


@pytest.mark.rfc("6750 §3.1/1")
async def test_bad_tokens_are_told_what_is_wrong(make, issuer):
    revoked = issuer.token(scope="notes")
    issuer.revoke(revoked)
    table = {
        "x": "the access token is malformed",
        "a" * 100_000: "the access token is too long",
        issuer.token(scope="notes", aud="https://elsewhere.test/mcp"): "the access token is meant for another audience",
        issuer.token(scope="notes", exp=1): "the access token has expired",
        revoked: "the access token was revoked",
    }
    async with served(make(issuer.verifier())) as call:
        for raw, said in table.items():
            answer = await call(f"Bearer {raw}")
            challenge = f'Bearer error="invalid_token", error_description="{said}", resource_metadata="{METADATA}"'
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge)
        for values in (["Bearer a b"], ["Bearer a", "Bearer b"], ["Bearer a, Bearer b"]):
            assert (await call(*values)).status_code == 400


async def test_too_little_scope_is_forbidden(make, issuer):
    async with served(make(issuer.verifier())) as call:
        answer = await call(f"Bearer {issuer.token(scope='calendar')}")
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_a_verifier_that_cannot_tell_answers_503(make, issuer):
    issuer.transport.down = True
    verifier = issuer.verifier(revocations=Revocations(max_staleness=30), transport=issuer.transport)
    async with served(make(verifier)) as call:
        answer = await call(f"Bearer {issuer.token(scope='notes')}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_what_the_sdk_is_told_of_a_token(issuer):
    tokens = mcp.TokenVerifier(issuer.verifier(), resource=RESOURCE)
    raw = issuer.token("ada", scope="notes calendar", aud=["https://other.test", RESOURCE])
    found = await tokens.verify_token(raw)
    assert (found.subject, found.client_id, found.scopes) == ("ada", "first-party", ["calendar", "notes"])
    assert (found.resource, found.claims["iss"], found.token) == (RESOURCE, issuer.issuer, raw)
    assert found.expires_at >= found.claims["exp"] + 10, "the SDK grants no leeway, and has clients log in instead"
    assert await tokens.verify_token("x") is None
    assert await tokens.verify_token("a b") is None
    assert await tokens.verify_token("") is None


async def test_without_protect_a_good_token_is_not_thrown_away_while_nothing_can_be_told(issuer):
    issuer.transport.down = True
    tokens = mcp.TokenVerifier(issuer.verifier(keys=None, transport=issuer.transport))
    with pytest.raises(AuthenticationError):
        await tokens.verify_token(issuer.token())


async def test_a_tool_called_past_http_has_no_caller(issuer):
    auth = fastmcp.BearerAuth(issuer.verifier(), "http://localhost:8000")
    for tokens in (auth, mcp.TokenVerifier(issuer.verifier())):
        with pytest.raises(Exception, match="an access token is required"):
            await tokens.require()


@pytest.mark.rfc("9728 §3")
@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://a.test", "https://a.test/.well-known/oauth-protected-resource"),
        ("https://a.test/", "https://a.test/.well-known/oauth-protected-resource"),
        ("https://a.test:8443/x/mcp", "https://a.test:8443/.well-known/oauth-protected-resource/x/mcp"),
    ],
)
def test_metadata_lies_between_host_and_path(resource, url):
    assert mcp.metadata_url(resource) == url


def test_nothing_of_the_token_is_said_by_the_verifier_itself(issuer):
    tokens = mcp.TokenVerifier(issuer.verifier())
    assert json.dumps(issuer.token()) not in repr(vars(tokens))
