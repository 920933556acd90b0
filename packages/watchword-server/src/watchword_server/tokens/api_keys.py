"""API keys and personal access tokens: who may have one, what it is good for now, and what introspection tells of it.

A key opens nothing at this server; resource servers ask `/introspect` about it. Does not read requests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
from watchword.clock import Clock, EpochSeconds

from watchword_server.clients.entitlement import MAX_RESOURCES, Entitlements
from watchword_server.clients.metadata import Client
from watchword_server.settings.api_keys import ApiKeys as ApiKeySettings
from watchword_server.settings.oauth import STANDARD_SCOPES
from watchword_server.store.api_key_port import ApiKeys as KeptKeys
from watchword_server.store.api_key_records import ApiKey, ApiKeyView, NewApiKey
from watchword_server.store.authorization_records import TokenFacts
from watchword_server.store.port import Accounts, Revocations
from watchword_server.store.records import AuditEvent, Origin, Record
from watchword_server.tokens.claims import FIRST_PARTY, AccessClaims, AccessTerms
from watchword_server.tokens.reading import ReadToken
from watchword_server.web.field_error import FieldError
from watchword_server.web.metrics import Metrics

PREFIX: Final = "wk_"
LONGEST_NAME: Final = 64
MOST_SCOPES: Final = 64
USE_NOTED_EVERY: Final = 60.0
"""Seconds: the last use is written at most so often."""
_FORM: Final = re.compile(r"wk_[A-Za-z0-9_-]{43}")
_OWN_SCOPES: Final = "watchword:"
"""Scopes that open this server, where no key is taken."""


class KeyStore(KeptKeys, Accounts, Revocations, Protocol):
    """What is kept of keys and their owners."""


class FindsClients(Protocol):
    """Where clients are found."""

    async def find(self, client_id: str) -> Client | None:
        """The client of exactly that identifier; None for one that is unknown or disabled."""
        ...


class KeyRefused(Exception):  # noqa: N818 - an answer
    """A key that cannot be made as asked, with one error a field."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field} {error.detail}" for error in errors))
        self.errors = errors


class Wish(Record, frozen=True, kw_only=True):
    """What is asked for."""

    name: str
    scope: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()
    """Empty: the default audience."""
    expires_in: float | None = None


class MadeKey(Record, frozen=True, kw_only=True):
    """A new key. Its secret is known now and never again."""

    id: str
    secret: str
    expires_at: EpochSeconds
    scope: tuple[str, ...]

    def __repr__(self) -> str:
        """Without the secret."""
        return f"MadeKey(id={self.id!r})"


class ApiKeyService:
    """Makes, lists, revokes and reads keys."""

    def __init__(
        self,
        store: KeyStore,
        clients: FindsClients,
        entitlements: Entitlements,
        claims: AccessClaims,
        settings: ApiKeySettings,
        metrics: Metrics,
        clock: Clock,
        *,
        secret: Callable[[], str],
        identifier: Callable[[], str],
    ) -> None:
        """``secret`` makes one of 256 unpredictable bits, beginning with PREFIX."""
        self._store = store
        self._clients = clients
        self._entitlements = entitlements
        self._claims = claims
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._secret = secret
        self._identifier = identifier

    async def add_personal(self, account_id: str, wish: Wish, origin: Origin) -> MadeKey:
        """A personal access token. Raises KeyRefused for what the account may not have, or does not have now."""
        view = await self._store.account(account_id)
        if view is None or view.account.disabled_at is not None:
            raise KeyRefused(FieldError("account", "unknown", "is not an account that may have keys"))
        allowed = self.scopes_of_account(view.account.roles)
        resources = self._resources(wish, self._entitlements.knows)
        new, made = self._new(wish, allowed, resources, rev=view.rev, now=view.read_at, client_id=FIRST_PARTY)
        return await self._record(msgspec.structs.replace(new, account_id=account_id), made, origin)

    async def add_for_client(self, client_id: str, wish: Wish, origin: Origin) -> MadeKey:
        """A client's API key. Raises KeyRefused for what the client may not have."""
        # Before the client is read: what ends it from here on is newer than the key.
        rev = (await self._store.head()).position
        client = await self._clients.find(client_id)
        if client is None:
            raise KeyRefused(FieldError("client_id", "unknown", "is not a client that may have keys"))
        resources = self._resources(wish, lambda one: self._entitlements.may_target(client, one))
        new, made = self._new(
            wish, self._scopes_of_client(client), resources, rev=rev, now=self._clock.now(), client_id=client_id
        )
        return await self._record(msgspec.structs.replace(new, tenant=client.tenant), made, origin)

    def scopes_of_account(self, roles: tuple[str, ...]) -> tuple[str, ...]:
        """Scopes that keys of an account with these roles may have now."""
        return tuple(one for one in self._claims.carried_scope(self._entitlements.scopes, roles) if _for_keys(one))

    async def of_account(self, account_id: str) -> Sequence[ApiKey]:
        """The living keys of an account, newest first."""
        found = await self._store.api_keys(account_id=account_id, limit=1000)
        return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)

    async def revoke(self, key_id: str, *, account_id: str | None, origin: Origin) -> bool:
        """End a key, of that account where one is named, and what verifiers remember of it. True for exactly one caller."""
        audit = AuditEvent(event="api_key.revoked", origin=origin, detail={"id": key_id})
        done = await self._store.revoke_api_key(key_id, account_id=account_id, audit=audit)
        if done:
            self._metrics.api_keys.labels("revoked").inc()
            self._metrics.revocations.labels("api_key_revoked").inc()
        return done

    async def read(self, raw: str) -> ReadToken | None:
        """The living key of that secret as an access token would be: scope as its owner's rights are now, ``rev`` and ``exp``
        of this answer. None for any other text, and for a dead key.
        """
        if _FORM.fullmatch(raw) is None:
            return None
        view = await self._store.api_key(_digest(raw))
        terms = None if view is None or not view.alive else await self._terms(view)
        if view is None or terms is None:
            self._metrics.api_keys.labels("refused").inc()
            return None
        key = view.key
        facts = TokenFacts(
            jti=key.id, client_id=key.client_id, account_id=key.account_id, sid=None, tenant=terms.tenant, rev=view.rev
        )
        return ReadToken(claims=self._claims.claims(terms, key.id), facts=facts, alive=True)

    async def used(self, token: ReadToken) -> None:
        """Note that somebody to whom it was shown asked about it."""
        self._metrics.api_keys.labels("used").inc()
        await self._store.use_api_key(token.facts.jti, every=USE_NOTED_EVERY)

    async def _terms(self, view: ApiKeyView) -> AccessTerms | None:
        """What is told of a key. Roles and permissions are not: a key is good for its scope alone."""
        key = view.key
        if view.account is not None:
            sub, tenant = view.account.id, view.account.tenant
            allowed = self.scopes_of_account(view.account.roles)
            audience = tuple(one for one in key.audience if self._entitlements.knows(one))
        else:
            client = await self._clients.find(key.client_id)
            if client is None:
                return None
            sub, tenant = client.client_id, client.tenant
            allowed = self._scopes_of_client(client)
            audience = tuple(one for one in key.audience if self._entitlements.may_target(client, one))
        if key.audience and not audience:
            return None
        return AccessTerms(
            sub=sub,
            client_id=key.client_id,
            scope=tuple(one for one in key.scope if one in allowed),
            rev=view.rev,
            now=view.read_at,
            audience=audience or None,
            tenant=tenant,
            not_after=key.expires_at,
        )

    def _scopes_of_client(self, client: Client) -> tuple[str, ...]:
        allowed = self._entitlements.allowed_scope(client)
        return tuple(one for one in self._claims.carried_scope(allowed, client.settings.roles) if _for_keys(one))

    def _resources(self, wish: Wish, known: Callable[[str], bool]) -> tuple[str, ...]:
        resources = tuple(dict.fromkeys(wish.resource))
        if len(resources) > MAX_RESOURCES or not all(known(one) for one in resources):
            raise KeyRefused(FieldError("resource", "unknown", "is not known here, or not for this owner"))
        return resources

    def _new(
        self,
        wish: Wish,
        allowed: Sequence[str],
        resources: tuple[str, ...],
        *,
        rev: int,
        now: EpochSeconds,
        client_id: str,
    ) -> tuple[NewApiKey, MadeKey]:
        scope = tuple(dict.fromkeys(wish.scope))
        lifetime = self._lifetime(wish)
        errors = []
        if not 0 < len(wish.name) <= LONGEST_NAME or not wish.name.isprintable() or wish.name != wish.name.strip():
            errors.append(FieldError("name", "invalid", f"is 1 to {LONGEST_NAME} printable characters"))
        if len(scope) > MOST_SCOPES or not set(scope) <= set(allowed):
            errors.append(FieldError("scope", "not_allowed", "holds a scope that is unknown, or not this owner's"))
        elif self._entitlements.meaningful(scope, resources) != scope:
            errors.append(FieldError("scope", "not_allowed", "holds a scope that means nothing at these resources"))
        if not 0 < lifetime <= self._settings.max_lifetime:
            most = f"is more than 0 and at most {self._settings.max_lifetime:g} seconds"
            errors.append(FieldError("expires_in", "invalid", most))
        if errors:
            raise KeyRefused(*errors)
        secret, key_id, expires_at = self._secret(), self._identifier(), EpochSeconds(now + lifetime)
        new = NewApiKey(
            id=key_id,
            digest=_digest(secret),
            account_id=None,
            client_id=client_id,
            tenant=None,
            name=wish.name,
            scope=scope,
            audience=resources,
            rev=rev,
            expires_at=expires_at,
        )
        return new, MadeKey(id=key_id, secret=secret, expires_at=expires_at, scope=scope)

    def _lifetime(self, wish: Wish) -> float:
        if wish.expires_in is not None:
            return wish.expires_in
        return min(self._settings.default_lifetime, self._settings.max_lifetime)

    async def _record(self, new: NewApiKey, made: MadeKey, origin: Origin) -> MadeKey:
        audit = AuditEvent(
            event="api_key.added",
            origin=origin,
            account_id=new.account_id,
            client_id=new.client_id,
            detail={"id": new.id, "name": new.name, "scope": " ".join(new.scope)},
        )
        match await self._store.add_api_key(new, most=self._settings.most, audit=audit):
            case "too_many":
                raise KeyRefused(FieldError("name", "too_many", "would be one key too many: revoke one, or wait"))
            case "refused":
                raise KeyRefused(FieldError("account", "unknown", "was ended a moment ago"))
            case "added":
                self._metrics.api_keys.labels("issued").inc()
        return made


def _for_keys(scope: str) -> bool:
    """Keys are for resource servers: they log nobody in, and do not open this server."""
    return scope not in STANDARD_SCOPES and not scope.startswith(_OWN_SCOPES)


def _digest(secret: str) -> bytes:
    # 256 unpredictable bits: a plain digest tells nobody anything, and is found by an index.
    return hashlib.sha256(secret.encode()).digest()
