"""An MCP server, by FastMCP. Run: python examples/fastmcp/app.py"""

import os

from fastmcp import FastMCP
from watchword import Revocations, Verifier
from watchword.adapters.fastmcp import BearerAuth

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
PORT = int(os.environ.get("PORT", "8001"))

# Tokens for an MCP server name that server, and no other, as their audience (RFC 8707).
audience = os.environ.get("AUDIENCE", f"http://localhost:{PORT}/mcp")
verifier = Verifier(ISSUER, audience, revocations=Revocations())
auth = BearerAuth(verifier, f"http://localhost:{PORT}")
server = FastMCP("Lanterns", auth=auth)


@server.tool
async def profile() -> str:
    """Who is calling."""
    return (await auth.require()).sub


@server.tool
async def reports() -> str:
    """What the watch saw; for those with the scope reports:read."""
    await auth.require(scopes=["reports:read"])
    return "Tuesday: 42 lanterns lit"


if __name__ == "__main__":
    server.run("http", host="127.0.0.1", port=PORT, show_banner=False, stateless_http=True, json_response=True)
