"""FastAPI: dependencies that hand a route its verified access token, and show in OpenAPI.

Holds no rules; everything is asked of ``bearer`` and the verifier. Annotations are evaluated, for FastAPI reads them.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Annotated, Final, Unpack, cast

from fastapi import Security
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.openapi.models import SecurityBase as SecurityBaseModel
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from watchword.adapters.asgi import presented_by
from watchword.adapters.bearer import Refused
from watchword.adapters.gate import AnyVerifier, Gate
from watchword.adapters.requirement import Asked, Requirement
from watchword.adapters.starlette import (
    accepted_subprotocol,
    refuse,
    until_revoked,
    websocket_until_revoked,
)
from watchword.verify.access_token import AccessToken
from watchword.verify.staleness import WhenStale

__all__ = ["BearerAuth", "accepted_subprotocol", "until_revoked", "websocket_until_revoked"]

_DESCRIPTION: Final = "A JWT access token (RFC 9068) in `Authorization: Bearer`."


class BearerAuth(SecurityBase):
    """Authentication by bearer token, as a dependency::

        auth = BearerAuth(verifier)

        @app.get("/reports")
        def reports(token: Annotated[AccessToken, Security(auth, scopes=["reports:read"])]): ...

    All scopes named on the way to a route are required. Works for WebSockets too (accept with `accepted_subprotocol`).
    In tests, replace it: ``app.dependency_overrides[auth] = lambda: token``.
    """

    def __init__(
        self,
        verifier: AnyVerifier,
        *,
        realm: str | None = None,
        resource_metadata: str | None = None,
        scheme_name: str = "bearer",
        description: str = _DESCRIPTION,
        max_staleness: float | None = None,
        when_stale: WhenStale | None = None,
    ) -> None:
        """Make the dependency.

        ``realm`` and ``resource_metadata`` (a URL, RFC 9728) go into challenges; ``scheme_name`` and ``description``
        into OpenAPI; ``max_staleness`` and ``when_stale`` to `Verifier.verify`.

        Raises: ValueError for a ``max_staleness`` that the verifier cannot keep.
        """
        self.model: SecurityBaseModel = HTTPBearerModel(bearerFormat="JWT", description=description)
        self.scheme_name: str = scheme_name
        self.optional: _OptionalBearerAuth = _OptionalBearerAuth(self)
        """The same for routes that are open to all: None without credentials. Bad credentials are refused all the same,
        and so are good ones without the scopes named."""
        self.gate: Gate = Gate(
            verifier,
            realm=realm,
            resource_metadata=resource_metadata,
            max_staleness=max_staleness,
            when_stale=when_stale,
            waits=False,
        )
        self._siblings: dict[tuple[float, WhenStale | None], BearerAuth] = {}

    def within(self, max_staleness: float, when_stale: WhenStale | None = None) -> "BearerAuth":
        """The same for routes that ask for a fresher view of revocations: ``Security(auth.within(5), scopes=[...])``.

        Returns: one dependency for all calls with the same arguments, to be overridden in tests by itself.
        """
        sibling = self._siblings.get((max_staleness, when_stale))
        if sibling is None:
            sibling = self._siblings[max_staleness, when_stale] = BearerAuth(
                self.gate.verifier,
                realm=self.gate.bearer.realm,
                resource_metadata=self.gate.bearer.resource_metadata,
                scheme_name=self.scheme_name,
                description=self.model.description or _DESCRIPTION,
                max_staleness=max_staleness,
                when_stale=when_stale,
            )
        return sibling

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> AccessToken:
        """Verify the token of a request or WebSocket. Raises: HTTPException or WebSocketException."""
        return cast("AccessToken", await self._admit(connection, _requirement(tuple(security_scopes.scopes))))

    async def present(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> AccessToken | None:
        """As calling it, but None if the request carries no credentials."""
        return await self._admit(connection, _requirement(tuple(security_scopes.scopes), optional=True))

    async def _admit(self, connection: HTTPConnection, requirement: Requirement) -> AccessToken | None:
        try:
            return (await self.gate.admit(presented_by(connection.scope), requirement)).token
        except Refused as refused:
            refuse(connection, refused)

    def requires(self, **asked: Unpack[Asked]) -> Callable[..., Awaitable[AccessToken]]:
        """A dependency that asks more of the token: ``Depends(auth.requires(permissions=["orders:refund"]))``.

        ``tenants``, and a login of some ``acr_values`` or at most ``max_age`` seconds ago (RFC 9470), as `Requirement`
        says. It stands on this one, as `roles` does; a fresher view is asked for by `within`.

        Raises: TypeError or ValueError for what cannot be asked.
        """
        requirement = Requirement(**asked)
        if requirement.asks_freshly or requirement == Requirement():
            raise ValueError("name what the token must have; a fresher view is asked for by within()")
        return self._guard(lambda token: self.gate.check(token, requirement))

    def roles(self, *roles: str) -> Callable[..., Awaitable[AccessToken]]:
        """A dependency that requires all of these roles: ``Depends(auth.roles("admin"))``.

        It stands on this one, so an override of ``auth`` holds for it as well; the roles are looked at even then.
        """
        _require_some(roles)
        requirement = Requirement(roles=roles)
        return self._guard(lambda token: self.gate.check(token, requirement))

    def any_role(self, *roles: str) -> Callable[..., Awaitable[AccessToken]]:
        """A dependency that requires at least one of these roles; otherwise as `roles`."""
        _require_some(roles)

        requirement = Requirement(roles=roles)

        def check(token: AccessToken) -> None:
            if not set(roles).intersection(token.roles):
                self.gate.check(token, requirement)

        return self._guard(check)

    def _guard(self, check: Callable[[AccessToken], None]) -> Callable[..., Awaitable[AccessToken]]:
        async def guard(connection: HTTPConnection, token: Annotated[AccessToken, Security(self)]) -> AccessToken:
            try:
                check(token)
            except Refused as refused:
                refuse(connection, refused)
            return token

        return guard


@lru_cache(maxsize=1024)
def _requirement(scopes: tuple[str, ...], *, optional: bool = False) -> Requirement:
    """Of the scopes on the way to a route, which are the same for each request."""
    return Requirement(scopes=scopes, optional=optional)


def _require_some(roles: tuple[str, ...]) -> None:
    if not roles or not all(isinstance(role, str) and role for role in roles):
        raise ValueError("name at least one role, each a text: a guard without any would let everyone pass")


class _OptionalBearerAuth(SecurityBase):
    """`BearerAuth` for routes that are open to all; see there."""

    def __init__(self, required: BearerAuth) -> None:
        self.model: SecurityBaseModel = required.model
        self.scheme_name: str = required.scheme_name
        self._required = required

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> AccessToken | None:
        """The verified token, or None without credentials."""
        return await self._required.present(connection, security_scopes)
