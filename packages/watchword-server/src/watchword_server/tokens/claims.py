"""What an access token says (RFC 9068 §2.2): terms read from a view, and the claims made of them. Pure.

Signs nothing and makes no jti: issuer.py does. Never says an email address, a name or a secret; a configured claim that
would is refused by custom_claims.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from watchword.clock import EpochSeconds

from watchword_server.store.records import Account, AccountView, FamilyView, Record
from watchword_server.tokens.custom_claims import ClaimSource, CustomClaim

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
        confirmation: Mapping[str, str] | None = None,
    ) -> AccessTerms:
        """The terms of a refreshed token: the account's roles as they are now, the scope as it was granted or, with
        `scope`, a part of it (RFC 6749 §6).
        """
        family = view.family
        return self._terms(
            view.account,
            client_id=family.client_id,
            scope=family.scope if scope is None else scope,
            narrowed=scope is not None,
            rev=view.rev,
            now=view.read_at,
            audience=family.resource or None,
            sid=family.sid,
            auth_time=view.auth_time,
            amr=view.amr,
            not_after=family.expires_at,
            confirmation=confirmation,
        )

    def terms_of_login(
        self,
        view: AccountView,
        *,
        sid: str,
        client_id: str,
        auth_time: EpochSeconds,
        amr: tuple[str, ...],
        not_after: EpochSeconds,
        scope: tuple[str, ...] = (),
        audience: str | tuple[str, ...] | None = None,
        confirmation: Mapping[str, str] | None = None,
    ) -> AccessTerms:
        """The terms of the first token of a session; a first party's scope comes from the account's roles."""
        return self._terms(
            view.account,
            client_id=client_id,
            scope=scope,
            narrowed=False,
            rev=view.rev,
            now=view.read_at,
            audience=audience,
            sid=sid,
            auth_time=auth_time,
            amr=amr,
            not_after=not_after,
            confirmation=confirmation,
        )

    def effective_scope(self, client_id: str, scope: Iterable[str], roles: tuple[str, ...]) -> tuple[str, ...]:
        """The part of a granted scope that these roles still carry, sorted.

        A scope that some role brings needs such a role at every issue, whoever the client is: taking the role away takes
        the scope from tokens already authorized. A first party is granted all its account's roles bring.
        """
        carried = self._rights(roles)[0]
        if client_id == FIRST_PARTY:
            return tuple(sorted(carried))
        return tuple(sorted({one for one in scope if one not in self._role_scopes or one in carried}))

    def claims(self, terms: AccessTerms, jti: str) -> dict[str, Any]:
        """The claims set (RFC 9068 §2.2), times in whole seconds."""
        settings = self._settings
        issued_at = int(terms.now)
        expires_at = issued_at + settings.lifetime
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
        if terms.auth_time is not None:
            claims["auth_time"] = int(terms.auth_time)
            if settings.acr is not None:
                claims["acr"] = settings.acr
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
        if settings.custom:
            _add_custom(claims, terms, settings.custom)
        return claims

    def _terms(
        self,
        account: Account,
        *,
        client_id: str,
        scope: tuple[str, ...],
        narrowed: bool,
        rev: int,
        now: EpochSeconds,
        audience: str | tuple[str, ...] | None,
        sid: str,
        auth_time: EpochSeconds,
        amr: tuple[str, ...],
        not_after: EpochSeconds,
        confirmation: Mapping[str, str] | None,
    ) -> AccessTerms:
        effective = self.effective_scope(client_id, scope, account.roles)
        if narrowed:
            effective = tuple(one for one in effective if one in scope)
        permissions = self._rights(account.roles)[1].union(account.permissions)
        return AccessTerms(
            sub=account.id,
            client_id=client_id,
            scope=effective,
            rev=rev,
            now=now,
            audience=audience,
            sid=sid,
            auth_time=auth_time,
            amr=amr,
            roles=account.roles,
            permissions=tuple(sorted(permissions)),
            tenant=account.tenant,
            not_after=not_after,
            confirmation=confirmation,
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
