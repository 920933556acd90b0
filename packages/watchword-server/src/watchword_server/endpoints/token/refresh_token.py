"""The refresh token grant (RFC 6749 §6): a presented refresh token becomes tokens again, or is refused.

Holds no rule of rotation; tokens/refresh.py decides, tokens/rotation.py acts.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.oauth.scope import parse_scope

from watchword_server.endpoints.token.granting import granted_session
from watchword_server.endpoints.token.request import Granted, GrantRequest, TokenServices, invalid_grant
from watchword_server.tokens.id_token import Authentication
from watchword_server.tokens.refresh import Reason, Rules
from watchword_server.tokens.rotation import Refreshed, RefreshRequest, Refused
from watchword_server.tokens.terms import decode_terms

_CODES: Final = {
    Reason.SCOPE_EXCEEDED: (ErrorCode.INVALID_SCOPE, "more scope is asked for than was granted"),
    Reason.RESOURCE_EXCEEDED: (ErrorCode.INVALID_TARGET, "a resource is asked for that was not granted"),
    Reason.DETAILS_EXCEEDED: (
        ErrorCode.INVALID_AUTHORIZATION_DETAILS,
        "authorization details are asked for that were not granted",
    ),
    Reason.PROOF_MISSING: (ErrorCode.INVALID_DPOP_PROOF, "the refresh token is bound to a key; send a proof of it"),
}


async def refresh_token(request: GrantRequest, services: TokenServices) -> Granted:
    """New tokens, whose scope and resources may be a part of what was granted.

    Raises OAuthError ``invalid_grant``, ``invalid_scope``, ``invalid_target``, ``invalid_dpop_proof`` or
    ``temporarily_unavailable``.
    """
    client, form = request.client, request.form
    # All are judged before the token is looked at: what is wrong with the question changes nothing.
    asked = form.get("scope")
    scope = None if asked is None else parse_scope(asked)
    resource = services.entitlements.resources(client, form.resources) or None
    rules = services.entitlements.details
    details = rules.read(client, form.get("authorization_details")) or None
    holder = request.holder
    # Before the family moves on: a client whose key cannot be had is to come again with the same token.
    await services.sessions.ready(client)
    outcome = await services.rotation.refresh(
        RefreshRequest(
            token=form.require("refresh_token"),
            client_id=client.client_id,
            device_kind=request.device_kind,
            place=request.place,
            origin=request.origin,
            proof=holder.sender_key,
            scope=scope,
            resource=resource,
            details=details,
            confirmation=holder.confirmation,
            rules=_rules(request, services.rules),
            may_scope=frozenset(services.entitlements.allowed_scope(client)).__contains__,
            may_resource=lambda one: services.entitlements.may_target(client, one),
            may_detail=lambda one: rules.allows(client, one),
            form_for=lambda resources: services.entitlements.token_form(client, resources),
        )
    )
    if isinstance(outcome, Refused):
        services.metrics.refreshes.labels(outcome.reason.value).inc()
        raise _refusal(outcome.reason)
    services.metrics.refreshes.labels("odd_repeat" if outcome.odd else outcome.fate).inc()
    return await granted_session(request, services, outcome, id_token=await _id_token(request, services, outcome))


def _rules(request: GrantRequest, rules: Rules) -> Rules | None:
    """FAPI 2.0 Security Profile §5.3.2.1: refresh tokens are not rotated; they are bound, which is better."""
    return replace(rules, rotate_bound=False) if request.client.settings.profile == "fapi2" else None


def _refusal(reason: Reason) -> OAuthError:
    known = _CODES.get(reason)
    if known is not None:
        return OAuthError(*known)
    return invalid_grant(f"the refresh token is refused: {reason.value}")


async def _id_token(request: GrantRequest, services: TokenServices, outcome: Refreshed) -> str | None:
    view = outcome.view
    terms = decode_terms(view.family.terms)
    if not terms.is_openid or "openid" not in outcome.scope:
        return None
    seen = Authentication(
        account_id=view.account.id,
        sid=view.id_token_sid,
        auth_time=view.auth_time,
        amr=view.amr,
        acr=view.acr,
        now=view.read_at,
    )
    return await services.sessions.id_token(
        request.client, seen, view.account, terms, outcome.access_token, refreshed=True
    )
