"""FastMCP: a token verifier, and a provider that tells clients where tokens come from.

Holds no rules; what tokens are is said in ``mcp``, which this stands on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Unpack

from fastmcp.exceptions import ToolError
from fastmcp.server.auth import AccessToken as FastMcpAccessToken
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth import TokenVerifier as FastMcpTokenVerifier
from fastmcp.server.dependencies import get_access_token
from pydantic import AnyHttpUrl
from starlette.middleware import Middleware

from watchword.adapters import mcp
from watchword.adapters.asgi import Application, BearerMiddleware
from watchword.adapters.bearer import Refused
from watchword.adapters.gate import AnyVerifier, Gate, Presented
from watchword.adapters.requirement import Asked, Requirement
from watchword.verify.access_token import AccessToken

__all__ = ["BearerAuth", "TokenVerifier"]


class TokenVerifier(FastMcpTokenVerifier):
    """What FastMCP asks about tokens, to be combined with providers of its own: ``RemoteAuthProvider(TokenVerifier(...))``.

    `BearerAuth` is that combination.
    """

    def __init__(
        self,
        verifier: AnyVerifier,
        *,
        base_url: str | None = None,
        required_scopes: list[str] | None = None,
        resource: str | None = None,
    ) -> None:
        """Make it. ``resource`` is the URL of the server as tokens name it, if their audience is one."""
        super().__init__(base_url=base_url, required_scopes=required_scopes)
        self.tokens: mcp.TokenVerifier = mcp.TokenVerifier(verifier, resource=resource)

    async def verify_token(self, token: str) -> FastMcpAccessToken | None:
        """As FastMCP asks for it; otherwise as `watchword.adapters.mcp.TokenVerifier.verify_token`."""
        found = await self.tokens.verify_token(token)
        return None if found is None else FastMcpAccessToken(**dict(found))


class BearerAuth(RemoteAuthProvider):
    """Tokens of one issuer for one server::

        auth = BearerAuth(verifier, "https://mcp.example.com", required_scopes=["notes"])
        mcp = FastMCP("Notes", auth=auth)

    Serves the server's metadata (RFC 9728), which names the issuer, so that clients find their way to a token. Refusals
    are answered as RFC 6750 says, and with 503 where the verifier cannot tell.
    """

    def __init__(self, verifier: AnyVerifier, base_url: str, *, required_scopes: list[str] | None = None) -> None:
        """Make it. ``base_url`` is where clients reach the server, without the path of MCP."""
        tokens = TokenVerifier(verifier, base_url=base_url, required_scopes=required_scopes)
        issuer: str = verifier.policy.issuer  # type: ignore[attr-defined]
        super().__init__(tokens, authorization_servers=[AnyHttpUrl(issuer)], base_url=base_url)
        self.tokens: mcp.TokenVerifier = tokens.tokens
        self.gate: Gate = self.tokens.gate

    def get_middleware(self) -> list[Any]:
        """As FastMCP asks for it: its own, behind a gate."""
        # Made with the application, when the path of MCP is known.
        return [Middleware(self._gate_before), *super().get_middleware()]

    def _gate_before(self, app: Application) -> BearerMiddleware:
        resource = self._get_resource_url(self._mcp_path)
        if resource is not None:
            self.gate.bearer = replace(self.gate.bearer, resource_metadata=mcp.metadata_url(str(resource)))
        return self.tokens.protect(app)

    async def require(self, **asked: Unpack[Asked]) -> AccessToken:
        """Inside a tool: the caller's token, if it is good still and does for this tool. ``asked`` as in `Requirement`.

        Raises: ToolError otherwise, which the client is shown.
        """
        kept = get_access_token()
        presented = Presented([] if kept is None else [f"Bearer {kept.token}"])
        try:
            token = (await self.gate.admit(presented, Requirement(**asked))).token
        except Refused as refused:
            raise ToolError(refused.detail) from refused
        assert token is not None  # noqa: S101 - the requirement is not optional
        return token
