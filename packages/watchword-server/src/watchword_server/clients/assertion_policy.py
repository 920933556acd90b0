"""What an assertion about a person may say to an authorization server elsewhere, as the settings allow it. Pure.

Knows no person and signs nothing: tokens/identity_assertion.py does.
"""

from __future__ import annotations

from collections.abc import Mapping

from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.oauth.scope import parse_scope

from watchword_server.clients.details import Details, parse_details
from watchword_server.clients.entitlement import MAX_RESOURCES
from watchword_server.clients.metadata import Client
from watchword_server.settings.identity_assertions import AssertionAudience, AssertionClient
from watchword_server.store.records import Record


class AssertedGrant(Record, frozen=True, kw_only=True):
    """What a client is granted at another authorization server, as far as this one has a say in it."""

    audience: str
    """Issuer identifier of the other authorization server."""
    client_id: str
    """The client's identifier there."""
    policy: AssertionAudience
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    details: Details


class AssertionPolicy:
    """The authorization servers of one installation that take its word."""

    def __init__(self, audiences: Mapping[str, AssertionAudience], *, issuer: str) -> None:
        # The draft §8.3: a server gives no tokens for its own assertions, so none is made for itself.
        self._audiences = {name: one for name, one in audiences.items() if name != issuer}

    def grant(
        self,
        client: Client,
        *,
        audience: str,
        scope: str | None,
        resource: tuple[str, ...],
        details: str | None,
    ) -> AssertedGrant:
        """What this client is granted of what it asks for.

        Raises OAuthError ``invalid_target`` (RFC 8693 §2.2.2), ``invalid_scope`` or ``invalid_authorization_details``.
        Does not ask whether the person it is about may be told of.
        """
        policy = self._audiences.get(audience)
        allowed = None if policy is None else policy.clients.get(client.client_id)
        # One refusal for both: what else this server is connected to is not for every client to find out.
        if policy is None or allowed is None:
            raise OAuthError(ErrorCode.INVALID_TARGET, "no assertions are issued to that audience for this client")
        return AssertedGrant(
            audience=audience,
            client_id=allowed.id,
            policy=policy,
            scope=_scope(allowed, scope),
            resource=_resource(allowed, resource),
            details=_details(allowed, details),
        )


def _scope(allowed: AssertionClient, asked: str | None) -> tuple[str, ...]:
    if asked is None:
        return tuple(allowed.scopes)
    wanted = parse_scope(asked)
    if not set(wanted) <= set(allowed.scopes):
        raise OAuthError(ErrorCode.INVALID_SCOPE, "more scope is asked for than this client may have at that audience")
    return wanted


def _resource(allowed: AssertionClient, asked: tuple[str, ...]) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(asked))
    if len(unique) > MAX_RESOURCES or not set(unique) <= set(allowed.resources):
        raise OAuthError(ErrorCode.INVALID_TARGET, "a resource is not one that this client may have at that audience")
    return unique


def _details(allowed: AssertionClient, asked: str | None) -> Details:
    details = () if asked is None else parse_details(asked)
    # What else a detail may say is for the server that knows its type (RFC 9396 §5).
    if any(one.get("type") not in allowed.authorization_details for one in details):
        raise OAuthError(
            ErrorCode.INVALID_AUTHORIZATION_DETAILS, "a type is not one that this client may have at that audience"
        )
    return details
