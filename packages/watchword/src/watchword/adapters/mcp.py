"""The MCP Python SDK: its ``TokenVerifier``, and what tools ask of their callers.

Holds no rules; everything is asked of ``gate``. Serves no metadata: the SDK does, by its ``AuthSettings``.
"""

from __future__ import annotations

import math
from typing import Any, Unpack

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken as McpAccessToken
from mcp.server.mcpserver.exceptions import ToolError
from starlette.authentication import AuthenticationError

from watchword.adapters.asgi import Application, BearerMiddleware
from watchword.adapters.bearer import Refused
from watchword.adapters.gate import AnyVerifier, Gate, Presented
from watchword.adapters.requirement import ANY_TOKEN, Asked, Requirement
from watchword.verify.access_token import AccessToken
from watchword.verify.policy import DEFAULT_LEEWAY_SECONDS

__all__ = ["TokenVerifier"]


class TokenVerifier:
    """What the SDK asks about tokens::

        tokens = TokenVerifier(verifier, resource="https://mcp.example.com/mcp")
        mcp = MCPServer("Notes", token_verifier=tokens, auth=AuthSettings(...))
        app = tokens.protect(mcp.streamable_http_app())

    The audience of the verifier must be this server: a token for another is refused whatever ``AuthSettings`` say.
    """

    def __init__(self, verifier: AnyVerifier, *, resource: str | None = None, metadata: str | None = None) -> None:
        """Make it. ``resource`` is the URL of this server, as in ``resource_server_url``; ``metadata`` where its own
        metadata is (RFC 9728), if not at the place the RFC derives from it.

        Raises: ValueError for a URL that cannot stand in a header.
        """
        url = metadata if metadata is not None or resource is None else metadata_url(resource)
        self.gate: Gate = Gate(verifier, resource_metadata=url, waits=False)
        self._resource = resource
        self._leeway = (
            DEFAULT_LEEWAY_SECONDS if (policy := getattr(verifier, "policy", None)) is None else policy.leeway
        )

    async def verify_token(self, token: str) -> McpAccessToken | None:
        """As the SDK asks for it. Returns: the token; None if it is not good.

        Raises: starlette's AuthenticationError if that cannot be told, so that no client throws a good token away.
        """
        try:
            found = (await self.gate.admit(Presented([f"Bearer {token}"]))).token
        except Refused as refused:
            if refused.status == 503:
                raise AuthenticationError(refused.detail) from refused
            return None
        return None if found is None else McpAccessToken(token=token, **self.members(found))

    def members(self, token: AccessToken) -> dict[str, Any]:
        """What the SDK's model holds of a verified token, its text aside."""
        return {
            "client_id": token.client_id,
            "scopes": sorted(token.scope),
            # The SDK looks at it again, with no leeway of its own. Its clients take a token for good until a little after
            # it expired, and send their person to the login page when it is refused, instead of refreshing.
            "expires_at": math.ceil(token.exp + self._leeway),
            "resource": self._resource if self._resource in token.aud else token.aud[0],
            "subject": token.sub,
            "claims": token.claims,
        }

    def protect(self, app: Application) -> BearerMiddleware:
        """The SDK's application, behind a gate that answers bad credentials as RFC 6750 says, and 503 when it cannot tell.

        The SDK alone answers every refusal alike, and would have clients log in again where the verifier is at fault.
        """
        bearer = self.gate.bearer
        guarded = BearerMiddleware(app, self.gate.verifier, resource_metadata=bearer.resource_metadata, optional=True)
        guarded.gate = self.gate
        return guarded

    async def require(self, **asked: Unpack[Asked]) -> AccessToken:
        """Inside a tool: the caller's token, if it is good still and does for this tool. ``asked`` as in `Requirement`.

        Raises: ToolError otherwise, which the client is shown.
        """
        return await self._required(get_access_token(), Requirement(**asked) if asked else ANY_TOKEN)

    async def _required(self, kept: McpAccessToken | None, requirement: Requirement) -> AccessToken:
        presented = Presented([] if kept is None else [f"Bearer {kept.token}"])
        try:
            token = (await self.gate.admit(presented, requirement)).token
        except Refused as refused:
            raise ToolError(refused.detail) from refused
        assert token is not None  # noqa: S101 - the requirement is not optional
        return token


def metadata_url(resource: str) -> str:
    """Where the metadata of a resource is (RFC 9728 §3.1): the well-known part goes between host and path."""
    scheme, _, rest = resource.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}/.well-known/oauth-protected-resource{slash + path if path else ''}"
