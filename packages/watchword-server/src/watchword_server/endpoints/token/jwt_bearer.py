"""The JWT bearer grant (RFC 7523 §2.1, and its profile ID-JAG): the word of a trusted issuer about a person, for a token.

Gives no refresh token and no ID token: whoever wants more time brings another assertion. Says nothing of how and when the
person signed in, since that was elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
from watchword.clock import EpochSeconds
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.oauth.scope import parse_scope

from watchword_server.clients.details import Details, is_part, locations, meant_for
from watchword_server.clients.entitlement import Entitlements
from watchword_server.clients.trusted_issuers import Assertion, TrustedIssuers
from watchword_server.endpoints.token.granting import granted_token
from watchword_server.endpoints.token.request import Granted, GrantRequest, TokenServices, invalid_grant
from watchword_server.store.records import AccountView, AuditEvent, NewSession
from watchword_server.tokens.issuer import IssuedToken
from watchword_server.tokens.terms import AuthorizationTerms

_REFUSED: Final = "the account that the assertion is about cannot be used"
_OF_SIGN_ON: Final = frozenset({"openid", "offline_access"})
"""Scopes that need a sign-on here: they bring ID tokens and refresh tokens."""


class Opening(Protocol):
    """The part of the store that is used here."""

    async def account(self, account_id: str) -> AccountView | None: ...

    async def start_session(self, new: NewSession, audit: AuditEvent) -> bool: ...


@dataclass(frozen=True, slots=True)
class JwtBearer:
    """The grant, for installations that trust an issuer."""

    issuers: TrustedIssuers
    store: Opening
    longest: float
    """Seconds that a session may last; its token's life ends it earlier."""
    identifier: Callable[[], str]

    async def __call__(self, request: GrantRequest, services: TokenServices) -> Granted:
        """A token of the account that the assertion is about, in a session that lasts as long as the token.

        Raises OAuthError ``invalid_grant``, ``invalid_scope``, ``invalid_target`` or ``invalid_authorization_details``.
        """
        assertion = await self.issuers.check(request.form.require("assertion"), request.client)
        _check_held(assertion, request)
        details = _details(assertion, request, services.entitlements)
        resource = _resource(assertion, request, services.entitlements, details)
        scope = _scope(assertion, request, services.entitlements, resource)
        view = await self.store.account(assertion.account_id)
        if view is None or view.account.disabled_at is not None:
            raise invalid_grant(_REFUSED, detail="unknown or disabled account")
        # From the older head: the client was read before the account, and a cut-off of either is to reach the token.
        view = msgspec.structs.replace(view, rev=min(view.rev, request.head))
        sid = self.identifier()
        terms = services.issuer.claims.terms_of_login(
            view,
            sid=sid,
            client_id=request.client.client_id,
            auth_time=view.read_at,
            amr=(),
            not_after=EpochSeconds(view.read_at + self.longest),
            scope=scope,
            audience=resource or None,
            confirmation=request.holder.confirmation,
            granted=AuthorizationTerms(details=details),
            form=services.entitlements.token_form(request.client, resource),
        )
        # Nobody signed in here just now: a resource that wants a fresh sign-on (RFC 9470) must not be told so.
        issued = services.issuer.issue(msgspec.structs.replace(terms, auth_time=None))
        await self.issuers.use(assertion)
        await self._open(request, assertion, view, sid, issued)
        return await granted_token(request, services, issued, terms)

    async def _open(
        self, request: GrantRequest, assertion: Assertion, view: AccountView, sid: str, issued: IssuedToken
    ) -> None:
        new = NewSession(
            sid=sid,
            account_id=view.account.id,
            client_id=request.client.client_id,
            rev=view.rev,
            device=request.client.metadata.client_name or request.client.client_id,
            place=request.place,
            auth_time=view.read_at,
            amr=(),
            expires_at=EpochSeconds(issued.expires_at),
            family=None,
        )
        audit = AuditEvent(
            event="session.started",
            origin=request.origin,
            account_id=view.account.id,
            sid=sid,
            client_id=request.client.client_id,
            detail={"grant": "jwt_bearer", "place": request.place, "issuer": assertion.issuer},
        )
        if not await self.store.start_session(new, audit):
            raise invalid_grant(_REFUSED, detail="disabled or cut off since it was read")


def _check_held(assertion: Assertion, request: GrantRequest) -> None:
    """ID-JAG §8.6.1.2: one that names a key is nothing without it. By whatever means: what is not known here cannot be held."""
    shown: dict[str, str] = {}
    if request.proof is not None:
        shown["jkt"] = request.proof.jkt
    if request.certificate is not None:
        shown["x5t#S256"] = request.certificate
    if not assertion.confirmation.items() <= shown.items():
        raise invalid_grant("the assertion is bound to a key; send a proof of possession of that key")


def _details(assertion: Assertion, request: GrantRequest, entitlements: Entitlements) -> Details:
    """RFC 9396 §6.1: what is asked for, within the assertion; without a wish, what of it this client may have here."""
    client, asked = request.client, request.form.get("authorization_details")
    if asked is not None:
        details = entitlements.details.read(client, asked)
        if any(entitlements.details.asks_always(one) for one in details):
            raise OAuthError(ErrorCode.INVALID_AUTHORIZATION_DETAILS, "a type is one that people here are asked for")
        if not is_part(details, assertion.details):
            raise OAuthError(ErrorCode.INVALID_AUTHORIZATION_DETAILS, "more is asked for than the assertion allows")
        return details
    # ID-JAG §4.4.1: details may be left out by policy, as scopes are.
    rules = entitlements.details
    may = tuple(one for one in assertion.details if rules.allows(client, one))
    kept = rules.remembered(may)
    return meant_for(kept, request.form.resources) if request.form.resources else kept


def _resource(
    assertion: Assertion, request: GrantRequest, entitlements: Entitlements, details: Details
) -> tuple[str, ...]:
    """RFC 8707 §2.2: those asked for, or all that the assertion names; never one that it does not."""
    asked = request.form.resources
    if assertion.resource is not None:
        if not set(asked) <= set(assertion.resource):
            raise OAuthError(ErrorCode.INVALID_TARGET, "a resource is not among those of the assertion")
        asked = asked or assertion.resource
    return entitlements.resources(request.client, (*asked, *locations(details)))


def _scope(
    assertion: Assertion, request: GrantRequest, entitlements: Entitlements, resource: tuple[str, ...]
) -> tuple[str, ...]:
    """RFC 6749 §3.3: what is asked for, within the assertion and the client's registration; without a wish, what they share."""
    client, asked = request.client, request.form.get("scope")
    if asked is None:
        allowed = entitlements.allowed_scope(client)
        shared = tuple(one for one in assertion.scope or () if one in allowed and one not in _OF_SIGN_ON)
        return entitlements.meaningful(shared, resource)
    wanted = set(parse_scope(asked))
    if assertion.scope is not None and not wanted <= set(assertion.scope):
        raise OAuthError(ErrorCode.INVALID_SCOPE, "more scope is asked for than the assertion allows")
    if not _OF_SIGN_ON.isdisjoint(wanted):
        raise OAuthError(ErrorCode.INVALID_SCOPE, "openid and offline_access need a sign-on at this server")
    return entitlements.scope(client, asked, resource)
