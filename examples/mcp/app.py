"""An MCP server, by the MCP Python SDK. Run: python examples/mcp/app.py"""

import os

import uvicorn
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from watchword import Revocations, Verifier
from watchword.adapters.mcp import TokenVerifier

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
PORT = int(os.environ.get("PORT", "8001"))
RESOURCE = os.environ.get("RESOURCE", f"http://localhost:{PORT}/mcp")

# Tokens for an MCP server name that server, and no other, as their audience (RFC 8707).
revocations = Revocations(token=os.environ.get("FEED_TOKEN"))
verifier = Verifier(ISSUER, os.environ.get("AUDIENCE", RESOURCE), revocations=revocations)
tokens = TokenVerifier(verifier, resource=RESOURCE)
server = MCPServer(
    "Lanterns",
    token_verifier=tokens,
    auth=AuthSettings(issuer_url=ISSUER, resource_server_url=RESOURCE, validate_token_resource=True),
)


@server.tool()
async def profile() -> str:
    """Who is calling."""
    return (await tokens.require()).sub


@server.tool()
async def reports() -> str:
    """What the watch saw; for those with the scope reports:read."""
    await tokens.require(scopes=["reports:read"])
    return "Tuesday: 42 lanterns lit"


app = tokens.protect(server.streamable_http_app(stateless_http=True, json_response=True))

if __name__ == "__main__":
    uvicorn.run(app, port=PORT, ssl_certfile=os.environ.get("TLS_CERT"), ssl_keyfile=os.environ.get("TLS_KEY"))
