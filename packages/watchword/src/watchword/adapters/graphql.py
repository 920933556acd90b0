"""Strawberry GraphQL: permissions for fields and subscriptions, whatever serves them.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn, Unpack

import msgspec
from strawberry.exceptions import StrawberryGraphQLError
from strawberry.permission import BasePermission
from strawberry.types import Info

from watchword.adapters import asgi, wsgi
from watchword.adapters.bearer import Refused
from watchword.adapters.gate import Admitted, AnyVerifier, Gate, Presented
from watchword.adapters.open_streams import until_revoked
from watchword.adapters.requirement import Asked, Requirement
from watchword.verify.access_token import AccessToken
from watchword.verify.staleness import WhenStale

__all__ = ["BearerAuth", "token_of", "until_revoked"]

_KEY: Final = "watchword_token"
_CODES: Final = {400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 403: "FORBIDDEN", 503: "SERVICE_UNAVAILABLE"}


class BearerAuth:
    """Authentication by bearer token::

        auth = BearerAuth(verifier)

        @strawberry.field(permission_classes=[auth.require(scopes=["reports:read"])])
        def reports(self, info: strawberry.Info) -> list[str]:
            return [token_of(info).sub]

    The token is looked for in the request, and for GraphQL over WebSocket in the member ``Authorization`` of what the
    connection was begun with. A refusal is an error of the field, with ``code`` and ``status`` in its extensions; its
    challenge stands in ``WWW-Authenticate`` where the answer has headers. To refuse whole requests by status, put a
    middleware before all of it as well.
    """

    def __init__(
        self,
        verifier: AnyVerifier,
        *,
        realm: str | None = None,
        resource_metadata: str | None = None,
        max_staleness: float | None = None,
        when_stale: WhenStale | None = None,
    ) -> None:
        """Make it: a `Verifier` for async servers, a `SyncVerifier` for others.

        ``realm`` and ``resource_metadata`` (a URL, RFC 9728) go into challenges, the others to `Verifier.verify`.

        Raises: ValueError for a ``max_staleness`` that the verifier cannot keep.
        """
        self.gate: Gate = Gate(
            verifier,
            realm=realm,
            resource_metadata=resource_metadata,
            max_staleness=max_staleness,
            when_stale=when_stale,
            waits=False,
        )

    def require(self, **asked: Unpack[Asked]) -> type[BasePermission]:
        """A permission; ``asked`` as in `Requirement`. For fields, mutations and subscriptions."""
        return self._permission(self.gate.announce(Requirement(**asked)))

    def optional(self, **asked: Unpack[Asked]) -> type[BasePermission]:
        """As `require`, but open to requests without credentials: `token_of` raises LookupError then."""
        return self._permission(self.gate.announce(Requirement(**asked, optional=True)))

    def _permission(self, requirement: Requirement) -> type[BasePermission]:
        gate = self.gate

        class TokenRequired(BasePermission):
            def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002 - Strawberry's
                try:
                    anew = _stays_open(info)
                    _keep(info, gate.admit_sync(presented_by(info), requirement, _kept(info), anew=anew))
                except Refused as refused:
                    _refuse(info, refused)
                return True

        class AsyncTokenRequired(BasePermission):
            async def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002 - Strawberry's
                try:
                    anew = _stays_open(info)
                    _keep(info, await gate.admit(presented_by(info), requirement, _kept(info), anew=anew))
                except Refused as refused:
                    _refuse(info, refused)
                return True

        return AsyncTokenRequired if gate.is_async else TokenRequired


def token_of(info: Info) -> AccessToken:
    """The token with which a field was let in. Raises: LookupError if there is none."""
    return Admitted.token_in(_item(info, _KEY))


def presented_by(info: Info) -> Presented:
    """What the request presents, or the message with which a WebSocket was begun."""
    presented = _of_request(_item(info, "request") or _item(info, "ws"))
    begun = _item(info, "connection_params")
    if not isinstance(begun, dict):
        return presented
    given = [value for name, value in begun.items() if str(name).lower() == "authorization"]
    # What is no text is no token, and must not pass for none.
    given = [value if isinstance(value, str) else "" for value in given]
    return msgspec.structs.replace(presented, authorization=[*presented.authorization, *given])


def _of_request(request: Any) -> Presented:
    if hasattr(request, "scope"):  # Starlette, FastAPI, Litestar; Django's under ASGI has META as well
        return asgi.presented_by(request.scope)
    if hasattr(request, "META"):
        from watchword.adapters.django.requests import presented_by as by_django  # noqa: PLC0415 - where it is Django

        return by_django(request)
    if hasattr(request, "environ"):  # Flask
        return wsgi.presented_by(request.environ)
    if hasattr(request, "match_info"):
        from watchword.adapters.aiohttp import presented_by as by_aiohttp  # noqa: PLC0415 - where it is aiohttp

        return by_aiohttp(request)
    raise TypeError("the context of GraphQL holds no request that is known here")


def _item(info: Info, name: str) -> Any:
    context = info.context
    return context.get(name) if isinstance(context, dict) else getattr(context, name, None)


def _kept(info: Info) -> object:
    """How the request was let in before: by another field, or by a middleware."""
    kept = _item(info, _KEY)
    if kept is None:
        request = _item(info, "request") or _item(info, "ws")
        kept = getattr(request, "scope", getattr(request, "environ", {})).get(asgi.KEY)
    return kept


def _stays_open(info: Info) -> bool:
    """Whether it is a WebSocket, whose operations share one context however long after one another they come."""
    request = _item(info, "request") or _item(info, "ws")
    if hasattr(request, "scope"):
        return bool(request.scope["type"] == "websocket")
    return bool(getattr(request, "headers", {}).get("Upgrade", "").lower() == "websocket")  # aiohttp


def _keep(info: Info, admitted: Admitted) -> None:
    context = info.context
    if isinstance(context, dict):
        context[_KEY] = admitted
    else:
        setattr(context, _KEY, admitted)


def _refuse(info: Info, refused: Refused) -> NoReturn:
    response = _item(info, "response")
    if hasattr(response, "status_code") or hasattr(response, "set_status"):  # no WebSocket, which is answered already
        for name, value in refused.headers.items():
            response.headers[name] = value
    extensions = {"code": _CODES[refused.status], "status": refused.status}
    raise StrawberryGraphQLError(refused.detail, extensions=extensions) from refused
