"""What an access token says (RFC 9068 §2.2): terms read from a view, and the claims made of them. Pure.

Signs nothing and makes no jti: issuer.py does. Never says an email address, a name or a secret; a configured claim that
would is refused by custom_claims.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from msgspec.structs import replace
from watchword.clock import EpochSeconds

from watchword_server.clients.details import Details, meant_for
from watchword_server.clients.entitlement import TokenForm
from watchword_server.clients.metadata import Client
from watchword_server.sessions.status_numbers import status_reference
from watchword_server.store.records import Account, FamilyView, Record
from watchword_server.tokens import lineage
from watchword_server.tokens.custom_claims import ClaimSource, CustomClaim
from watchword_server.tokens.lineage import Ancestor
from watchword_server.tokens.terms import AuthorizationTerms, decode_terms

FIRST_PARTY: Final = "first-party"
"""The `client_id` of an application's own login form."""


class RoleGrant(Record, frozen=True):
    """What a role brings with it."""

    scopes: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()


class ClaimSettings(Record, frozen=True):
    """The settings that claims are made of."""

    issuer: str
    audience: str
    """Default audience; that of first-party tokens."""
    lifetime: int
    """Seconds an access token lives."""
    roles: Mapping[str, RoleGrant]
    custom: tuple[CustomClaim, ...] = ()
    acr: str | None = None
    """Said of tokens for which a person logged in."""
    status_lists: bool = False
    """Whether tokens of a session say where its status is listed."""


class AccessTerms(Record, frozen=True):
    """What one access token is to say, as read from one view."""

    sub: str
    client_id: str
    scope: tuple[str, ...]
    rev: int
    """Head of the revocation log in the snapshot all this was read from."""
    now: EpochSeconds
    """The store's time of that snapshot."""
    audience: str | tuple[str, ...] | None = None
    """None: the default audience."""
    sid: str | None = None
    auth_time: EpochSeconds | None = None
    amr: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    tenant: str | None = None
    not_after: EpochSeconds | None = None
    """End of the session; no access token outlives it."""
    confirmation: Mapping[str, str] | None = None
    """The `cnf` claim of a token bound to a key, such as ``{"jkt": …}`` (RFC 9449 §6.1)."""
    acr: str | None = None
    """None: the installation's, of tokens for which a person logged in."""
    details: tuple[dict[str, Any], ...] = ()
    """Authorization details granted (RFC 9396 §9.1)."""
    userinfo: tuple[str, ...] = ()
    """Names of claims that the token opens at /userinfo beside those of its scopes; never their values."""
    act: Mapping[str, Any] | None = None
    """Who acts for the subject (RFC 8693 §4.1)."""
    made_of: tuple[Ancestor, ...] = ()
    """The tokens that this one is made of (RFC 8693), with which it dies."""
    form: TokenForm = TokenForm()


class Snapshot(Protocol):
    """An account as read for a decision, whatever the view it came in."""

    @property
    def account(self) -> Account: ...
    @property
    def rev(self) -> int: ...
    @property
    def read_at(self) -> EpochSeconds: ...


class AccessClaims:
    """Makes terms and claims by one installation's settings."""

    def __init__(self, settings: ClaimSettings) -> None:
        self._settings = settings
        self._role_scopes = frozenset(scope for grant in settings.roles.values() for scope in grant.scopes)
        self._rights = lru_cache(maxsize=1024)(self._rights_of)

    def terms_of_refresh(
        self,
        view: FamilyView,
        *,
        scope: tuple[str, ...] | None = None,
        resource: tuple[str, ...] | None = None,
        details: Details | None = None,
        confirmation: Mapping[str, str] | None = None,
        form: TokenForm | None = None,
    ) -> AccessTerms:
        """The terms of a refreshed token: the account's roles as they are now, scope and resources as they were granted or,
        with `scope` and `resource`, a part of them (RFC 6749 §6, RFC 8707 §2.2); with `details` a part of the authorization details.
        """
        family = view.family
        granted = decode_terms(family.terms)
        if details is not None:
            granted = replace(granted, details=details)
        return self._terms(
            view,
            client_id=family.client_id,
            scope=family.scope if scope is None else scope,
            narrowed=scope is not None,
            audience=(family.resource if resource is None else resource) or None,
            sid=family.sid,
            auth_time=view.auth_time,
            amr=view.amr,
            acr=view.acr,
            not_after=family.expires_at,
            confirmation=confirmation,
            granted=granted,
            form=form,
        )

    def terms_of_login(
        self,
        view: Snapshot,
        *,
        sid: str,
        client_id: str,
        auth_time: EpochSeconds,
        amr: tuple[str, ...],
        not_after: EpochSeconds,
        acr: str | None = None,
        scope: tuple[str, ...] = (),
        audience: str | tuple[str, ...] | None = None,
        confirmation: Mapping[str, str] | None = None,
        granted: AuthorizationTerms | None = None,
        form: TokenForm | None = None,
    ) -> AccessTerms:
        """The terms of the first token of a session; a first party's scope comes from the account's roles."""
        return self._terms(
            view,
            client_id=client_id,
            scope=scope,
            narrowed=False,
            audience=audience,
            sid=sid,
            auth_time=auth_time,
            amr=amr,
            acr=acr,
            not_after=not_after,
            confirmation=confirmation,
            granted=granted or AuthorizationTerms(),
            form=form,
        )

    def terms_of_client(
        self,
        client: Client,
        *,
        scope: tuple[str, ...],
        resource: tuple[str, ...],
        rev: int,
        now: EpochSeconds,
        details: Details = (),
        confirmation: Mapping[str, str] | None = None,
        form: TokenForm | None = None,
    ) -> AccessTerms:
        """The terms of a client's own token (RFC 6749 §4.4, RFC 9068 §2.2: `sub` is the client). A scope that a role brings
        needs that role among the client's.
        """
        roles = client.settings.roles
        return AccessTerms(
            sub=client.client_id,
            client_id=client.client_id,
            scope=self.effective_scope(client.client_id, scope, roles),
            rev=rev,
            now=now,
            audience=resource or None,
            roles=roles,
            permissions=tuple(sorted(self._rights(roles)[1])),
            tenant=client.tenant,
            details=details,
            confirmation=confirmation,
            form=form or TokenForm(),
        )

    def may_target(self, granted: tuple[str, ...], scope: tuple[str, ...], asked: tuple[str, ...]) -> bool:
        """Whether a part of what was granted is asked for (RFC 8707 §2.2). Without any resource it was the default audience;
        with `openid`, a token for this server's own /userinfo may be asked for as well.
        """
        settings = self._settings
        allowed = set(granted) or {settings.audience, settings.issuer}
        if "openid" in scope:
            allowed.add(settings.issuer)
        return set(asked) <= allowed

    def effective_scope(self, client_id: str, scope: Iterable[str], roles: tuple[str, ...]) -> tuple[str, ...]:
        """The part of a granted scope that these roles still carry, sorted.

        A scope that some role brings needs such a role at every issue, whoever the client is: taking the role away takes
        the scope from tokens already authorized. A first party is granted all its account's roles bring.
        """
        if client_id == FIRST_PARTY:
            return tuple(sorted(self._rights(roles)[0]))
        return self.carried_scope(scope, roles)

    def carried_scope(self, scope: Iterable[str], roles: tuple[str, ...]) -> tuple[str, ...]:
        """The part of a scope that needs no role, or one of these, sorted."""
        carried = self._rights(roles)[0]
        return tuple(sorted({one for one in scope if one not in self._role_scopes or one in carried}))

    def claims(self, terms: AccessTerms, jti: str, *, kid: str | None = None) -> dict[str, Any]:
        """The claims set (RFC 9068 §2.2), times in whole seconds. ``kid`` names the key that will sign it, if one will."""
        settings = self._settings
        issued_at = int(terms.now)
        lifetime = settings.lifetime if terms.form.lifetime is None else terms.form.lifetime
        expires_at = issued_at + lifetime
        if terms.not_after is not None and expires_at > terms.not_after:
            expires_at = max(int(terms.not_after), issued_at + 1)
        claims: dict[str, Any] = {
            "iss": settings.issuer,
            "sub": terms.sub,
            "aud": _aud(terms.audience or settings.audience),
            "exp": expires_at,
            "iat": issued_at,
            "jti": jti,
            "client_id": terms.client_id,
            "rev": terms.rev,
        }
        if terms.scope:
            claims["scope"] = " ".join(terms.scope)
        if terms.sid is not None:
            claims["sid"] = terms.sid
            if settings.status_lists and (status := status_reference(terms.sid, issuer=settings.issuer)) is not None:
                claims["status"] = status
        if terms.auth_time is not None:
            claims["auth_time"] = int(terms.auth_time)
            acr = settings.acr if terms.acr is None else terms.acr
            if acr is not None:
                claims["acr"] = acr
        if terms.amr:
            claims["amr"] = terms.amr
        if terms.roles:
            claims["roles"] = terms.roles
        if terms.permissions:
            claims["permissions"] = terms.permissions
        if terms.tenant is not None:
            claims["tenant"] = terms.tenant
        if terms.confirmation is not None:
            claims["cnf"] = dict(terms.confirmation)
        if terms.act is not None:
            claims["act"] = dict(terms.act)
        if terms.made_of:
            claims[lineage.CLAIM] = lineage.told(terms.made_of, claims, kid)
        if terms.details:
            claims["authorization_details"] = terms.details
        if terms.userinfo:
            claims["userinfo"] = terms.userinfo
        if settings.custom:
            _add_custom(claims, terms, settings.custom)
        return claims

    def _terms(
        self,
        view: Snapshot,
        *,
        client_id: str,
        scope: tuple[str, ...],
        narrowed: bool,
        audience: str | tuple[str, ...] | None,
        sid: str,
        auth_time: EpochSeconds,
        amr: tuple[str, ...],
        acr: str | None,
        not_after: EpochSeconds,
        confirmation: Mapping[str, str] | None,
        granted: AuthorizationTerms,
        form: TokenForm | None,
    ) -> AccessTerms:
        account = view.account
        effective = self.effective_scope(client_id, scope, account.roles)
        if narrowed:
            effective = tuple(one for one in effective if one in scope)
        permissions = self._rights(account.roles)[1].union(account.permissions)
        return AccessTerms(
            sub=account.id,
            client_id=client_id,
            scope=effective,
            rev=view.rev,
            now=view.read_at,
            audience=audience,
            sid=sid,
            auth_time=auth_time,
            amr=amr,
            acr=acr,
            roles=account.roles,
            permissions=tuple(sorted(permissions)),
            tenant=account.tenant,
            not_after=not_after,
            confirmation=confirmation,
            details=meant_for(granted.details, audience) if granted.details else (),
            userinfo=granted.userinfo_claims if "openid" in effective else (),
            form=form or TokenForm(),
        )

    def _rights_of(self, roles: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
        """Scopes and permissions that the roles bring; a role without a grant brings nothing."""
        grants = [self._settings.roles[role] for role in roles if role in self._settings.roles]
        scopes = frozenset(scope for grant in grants for scope in grant.scopes)
        return scopes, frozenset(permission for grant in grants for permission in grant.permissions)


def _aud(audience: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """One audience as a string, which every verifier understands (RFC 7519 §4.1.3); several as an array."""
    return audience[0] if isinstance(audience, tuple) and len(audience) == 1 else audience


def _add_custom(claims: dict[str, Any], terms: AccessTerms, custom: tuple[CustomClaim, ...]) -> None:
    source = ClaimSource(
        account_id=terms.sub if terms.sid is not None else None,
        tenant=terms.tenant,
        roles=terms.roles,
        permissions=terms.permissions,
        sid=terms.sid,
        client_id=terms.client_id,
    )
    for claim in custom:
        value = claim.value(source)
        if value is not None:
            claims[claim.name] = value
