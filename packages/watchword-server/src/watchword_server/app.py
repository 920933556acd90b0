"""The composition root: the only file that knows all, and puts one service into another.

Holds no rule and no route: it is read to see what stands on what.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from watchword.clock import Clock, system_clock
from watchword.verify.policy import Policy

from watchword_server import entropy
from watchword_server.accounts.hasher import PasswordHasher
from watchword_server.accounts.service import AccountService
from watchword_server.accounts.throttle import LoginThrottle
from watchword_server.clients.entitlement import longest_lifetime
from watchword_server.keys.installation import derived_key, sealer_of
from watchword_server.keys.ring import ALGORITHMS, KeyRing
from watchword_server.keys.schedule import KeySchedule
from watchword_server.oauth_composition import OAuthServices, compose_oauth
from watchword_server.revocation.denylist import heartbeat_key, place_key
from watchword_server.revocation.denylist_writer import DenylistWriter
from watchword_server.revocation.node import FeedNode
from watchword_server.revocation.verifiers import Verifiers
from watchword_server.revocation.wire import SIGNED_TYPE
from watchword_server.sessions.ending import SessionEnding
from watchword_server.sessions.status_numbers import NumberedSessions
from watchword_server.settings.tree import Settings
from watchword_server.store.open import denylist_from_url, store_from_url
from watchword_server.store.port import Store
from watchword_server.tokens.caller import Callers
from watchword_server.tokens.claims import AccessClaims, ClaimSettings, RoleGrant
from watchword_server.tokens.custom_claims import custom_claims
from watchword_server.tokens.issuer import AccessTokenIssuer
from watchword_server.tokens.opening import SessionOpener
from watchword_server.tokens.refresh import Rules
from watchword_server.tokens.rotation import Rotation
from watchword_server.web.metrics import Metrics
from watchword_server.web.outgoing import AllowList, Limits, OutgoingRequests, tls_trust

VERSION = "0.1.0"
_ACCESS_TOKENS = "access_token"
_SIGNED_URLS = "signed_url"
_CACHE_MARGIN = 60.0
"""Seconds beyond the longest life of a token for which its key stays published: leeway of verifiers."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a front stands on: the HTTP application and the command line alike."""

    settings: Settings
    clock: Clock
    store: Store
    metrics: Metrics
    keys: KeyRing
    hasher: PasswordHasher
    accounts: AccountService
    sessions: SessionEnding
    issuer: AccessTokenIssuer
    rotation: Rotation
    opener: SessionOpener
    callers: Callers
    feed: FeedNode
    verifiers: Verifiers
    outgoing: OutgoingRequests
    numbered: NumberedSessions | None
    """What gives sessions their numbers in status lists; None when there are none. To be tended by who opens sessions."""
    oauth: OAuthServices


@asynccontextmanager
async def open_services(
    settings: Settings, *, clock: Clock | None = None, migrate: bool | None = None
) -> AsyncIterator[Services]:
    """Open the store and put the services together; close all on leaving.

    ``clock`` None: this machine's, and for PostgreSQL the database's. ``migrate`` None: as the settings say.

    Raises StoreUnavailable, the store's SchemaError when a migration is due and not allowed, and SealError when the keys
    on record belong to another environment or master key.
    """
    store = store_from_url(settings.store.url, clock=clock, connections=settings.store.pool_size)
    await store.open(migrate=settings.store.migrate_on_start if migrate is None else migrate)
    services = None
    try:
        # With the leeway that verifiers grant: a cut-off must outlive what they accept, not only what was issued.
        lives = longest_lifetime(settings) + settings.tokens.leeway
        longest = await store.declare_lifetime(_ACCESS_TOKENS, lives)
        await store.declare_lifetime(_SIGNED_URLS, settings.signed_urls.bound_lifetime + settings.tokens.leeway)
        services = compose(settings, store, clock or system_clock, longest_lifetime=longest)
        await services.keys.start()
        yield services
    finally:
        if services is not None:
            services.hasher.close()
        await store.close()


def compose(settings: Settings, store: Store, clock: Clock, *, longest_lifetime: float) -> Services:
    """The services over an open store. ``longest_lifetime`` in seconds: of any access token that may still live."""
    metrics = Metrics()
    keys = key_ring(settings, store, clock, longest_lifetime=longest_lifetime)
    issuer = AccessTokenIssuer(AccessClaims(claim_settings(settings)), keys, entropy.random_bytes)
    rotation = Rotation(
        families=store,
        mac_keys=keys,
        issuer=issuer,
        rules=Rules(
            window=settings.rotation.window,
            odd_limit_same=settings.rotation.odd_limit_same,
            odd_limit_other=settings.rotation.odd_limit_other,
            overtaken=settings.rotation.overtaken,
        ),
        idle=settings.sessions.idle,
        random_bytes=entropy.random_bytes,
    )
    numbered = NumberedSessions(store, entropy.identifier) if settings.status_lists.enabled else None
    session_identifier = entropy.identifier if numbered is None else numbered.session_identifier
    opener = SessionOpener(
        store,
        issuer,
        rotation,
        idle=settings.sessions.idle,
        absolute=settings.sessions.absolute,
        identifier=session_identifier,
    )
    hasher = PasswordHasher(settings.passwords, clock=clock)
    metrics.watch_hashing(
        waiting=lambda: hasher.waiting, running=lambda: hasher.running, refused=lambda: hasher.refused
    )
    throttle = LoginThrottle(store, settings.throttle, secret=derived_key(settings, "throttle"), clock=clock)
    policy = Policy(
        issuer=settings.issuer,
        audience=settings.audience,
        algorithms=tuple(sorted(ALGORITHMS)),
        leeway=settings.tokens.leeway,
    )
    outgoing = outgoing_requests(settings)
    return Services(
        settings=settings,
        clock=clock,
        store=store,
        metrics=metrics,
        keys=keys,
        hasher=hasher,
        accounts=AccountService(store=store, hasher=hasher, throttle=throttle, settings=settings, clock=clock),
        sessions=SessionEnding(store),
        issuer=issuer,
        rotation=rotation,
        opener=opener,
        callers=Callers(store, lambda: keys.key_set, policy, clock, metrics),
        feed=FeedNode(
            store, lambda payload: keys.feed_signer(SIGNED_TYPE).sign(payload), metrics, issuer=settings.issuer
        ),
        verifiers=Verifiers(clock),
        outgoing=outgoing,
        numbered=numbered,
        oauth=compose_oauth(
            settings,
            store,
            clock,
            keys=keys,
            issuer=issuer,
            rotation=rotation,
            outgoing=outgoing,
            metrics=metrics,
            admit=lambda address: throttle.registering(address, of="clients"),
            session_identifier=session_identifier,
        ),
    )


def outgoing_requests(settings: Settings) -> OutgoingRequests:
    """The one way to URLs that strangers name. In development http passes to loopback addresses that are listed."""
    outgoing = settings.outgoing
    return OutgoingRequests(
        allow=AllowList.of(outgoing.allow),
        limits=Limits(timeout=outgoing.timeout, max_bytes=outgoing.max_bytes),
        tls=None if outgoing.ca_file is None else tls_trust(outgoing.ca_file),
        http_on_loopback=settings.is_development,
    )


def denylist_writer(services: Services) -> DenylistWriter | None:
    """What keeps the denylist of these settings, not begun yet; None when they name none. Raises DriverMissing."""
    settings = services.settings.denylist
    if settings.url is None:
        return None
    prefix = settings.prefix
    return DenylistWriter(
        services.store,
        denylist_from_url(settings.url.get_secret_value(), place=place_key(prefix), heartbeat=heartbeat_key(prefix)),
        services.metrics,
        prefix=prefix,
        max_staleness=settings.max_staleness,
        clock=services.clock,
    )


def key_ring(settings: Settings, store: Store, clock: Clock, *, longest_lifetime: float) -> KeyRing:
    """The key ring of these settings; keys stay published at least as long as what they signed may live."""
    schedule = settings.keys
    return KeyRing(
        store=store,
        sealer=sealer_of(settings),
        clock=clock,
        random_bytes=entropy.random_bytes,
        algorithm=settings.tokens.algorithm,
        offered=settings.oauth.id_token_algorithms,
        access_token=KeySchedule(
            rotate_every=schedule.rotate_every,
            announce_before=schedule.announce_before,
            retire_after=max(schedule.retire_after, longest_lifetime + _CACHE_MARGIN),
        ),
        refresh_mac=KeySchedule(
            rotate_every=schedule.rotate_every,
            announce_before=0,
            retire_after=settings.sessions.absolute + _CACHE_MARGIN,
        ),
        feed=KeySchedule(
            rotate_every=schedule.rotate_every,
            announce_before=schedule.announce_before,
            retire_after=max(schedule.retire_after, _CACHE_MARGIN),
        ),
        signed_url=KeySchedule(
            rotate_every=schedule.rotate_every,
            announce_before=schedule.announce_before,
            retire_after=max(schedule.retire_after, settings.signed_urls.max_lifetime + _CACHE_MARGIN),
        )
        if settings.signed_urls.origins
        else None,
        # Clients encrypt to what they once fetched: what is retired opens for as long as it may be remembered.
        request_object=KeySchedule(
            rotate_every=schedule.rotate_every,
            announce_before=0,
            retire_after=max(schedule.retire_after, _CACHE_MARGIN),
        ),
        encrypted_by=settings.oauth.request_object_encryption,
    )


def claim_settings(settings: Settings) -> ClaimSettings:
    """What access tokens say, by these settings."""
    return ClaimSettings(
        issuer=settings.issuer,
        audience=settings.audience,
        lifetime=settings.tokens.access_lifetime,
        roles={
            name: RoleGrant(scopes=role.scopes, permissions=role.permissions) for name, role in settings.roles.items()
        },
        custom=custom_claims(settings.tokens.custom_claims),
        acr=settings.tokens.acr,
        status_lists=settings.status_lists.enabled,
    )
