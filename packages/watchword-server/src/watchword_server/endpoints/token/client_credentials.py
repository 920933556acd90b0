"""The client credentials grant (RFC 6749 §4.4): a client's token about itself.

Gives no refresh token (§4.4.3) and opens no session.
"""

from __future__ import annotations

from typing import Final

from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.details import locations
from watchword_server.endpoints.token.granting import granted_token
from watchword_server.endpoints.token.request import Granted, GrantRequest, TokenServices
from watchword_server.settings.oauth import STANDARD_SCOPES

_OF_PEOPLE: Final = frozenset(STANDARD_SCOPES)


async def client_credentials(request: GrantRequest, services: TokenServices) -> Granted:
    """A token for the scopes asked for, or for all that the client may have. Scopes about a person are none of them.

    Raises OAuthError ``invalid_scope``, ``invalid_target`` or ``invalid_authorization_details``.
    """
    client, entitlements = request.client, services.entitlements
    details = entitlements.details.read(client, request.form.get("authorization_details"), without_person=True)
    resource = entitlements.resources(client, (*request.form.resources, *locations(details)))
    scope = entitlements.scope(client, request.form.get("scope"), resource)
    if not _OF_PEOPLE.isdisjoint(scope):
        raise OAuthError(ErrorCode.INVALID_SCOPE, "a scope is about a person, and there is none")
    if request.form.get("scope") is None and client.metadata.scope is not None:
        # RFC 6749 §3.3: without scope, a pre-defined default: what the client was registered with.
        allowed = entitlements.meaningful(entitlements.allowed_scope(client), resource)
        scope = tuple(one for one in allowed if one not in _OF_PEOPLE)
    terms = services.issuer.claims.terms_of_client(
        client,
        scope=scope,
        resource=resource,
        details=details,
        rev=request.head,
        now=services.clock.now(),
        confirmation=request.holder.confirmation,
        form=entitlements.token_form(client, resource),
    )
    if request.form.get("scope") is not None and set(scope) != set(terms.scope):
        raise OAuthError(ErrorCode.INVALID_SCOPE, "a scope needs a role that this client does not have")
    return await granted_token(request, services, services.issuer.issue(terms), terms)
