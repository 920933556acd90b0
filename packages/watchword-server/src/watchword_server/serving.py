"""The server as one ASGI application: routes over the services, background work, start and drain.

Puts together what app.py has composed; holds no rule.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from watchword.clock import Clock
from watchword.verify.policy import Policy

from watchword_server.accounts.results import AccountRefused
from watchword_server.admin.console import console_routes
from watchword_server.admin.lazy import LazyApplication
from watchword_server.app import VERSION, Services, denylist_writer, open_services
from watchword_server.clients.configuration import ClientRefused
from watchword_server.deliveries import deliveries, delivery_members, global_revocation, ssf_transmitter, status_lists
from watchword_server.endpoints.discovery import Discovery, mutual_tls_aliases
from watchword_server.endpoints.feed.access import FeedAccess
from watchword_server.endpoints.feed.routes import KEYS_PATH, PATH, Feed
from watchword_server.endpoints.health import Health
from watchword_server.endpoints.session.keys import OwnKeys
from watchword_server.endpoints.session.routes import session_routes
from watchword_server.endpoints.session.services import SessionServices
from watchword_server.endpoints.signed_urls import KEYS_PATH as SIGNED_URL_KEYS_PATH
from watchword_server.endpoints.signed_urls import PATH as SIGNED_URLS_PATH
from watchword_server.endpoints.signed_urls import SignedUrlEndpoint, signed_url_members
from watchword_server.endpoints.ssf.routes import CONFIGURATION_PATH as SSF_PATH
from watchword_server.keys.ring import ALGORITHMS
from watchword_server.keys.sealing import MasterKeyError, SealError
from watchword_server.oauth_serving import PUBLIC_PATHS as OAUTH_PUBLIC_PATHS
from watchword_server.oauth_serving import oauth_endpoints
from watchword_server.page_serving import own_authorizations, page_endpoints
from watchword_server.revocation.node import FeedNode
from watchword_server.revocation.own_view import OwnView
from watchword_server.sessions.sweeping import Sweeper
from watchword_server.settings.tree import Settings
from watchword_server.store.denylist import DriverMissing
from watchword_server.store.port import SchemaMismatch, StoreUnavailable
from watchword_server.store.records import Family
from watchword_server.tokens import refresh_token
from watchword_server.tokens.custom_claims import ClaimRefused
from watchword_server.web.cookies import refresh_cookie
from watchword_server.web.cross_site import CrossSite
from watchword_server.web.metrics import RequestDurations
from watchword_server.web.stack import body_limits, protect

LOOK = Path(__file__).parent / "playground" / "static"
"""What pages look like; the routes of the playground itself exist in development only."""
TEND_INTERVAL = 1.0
"""Seconds between looks at the key ring: how long another process's emergency distrust can go unseen here."""
PUBLIC_PATHS = (
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/jwks.json",
    KEYS_PATH,
    SSF_PATH,
    SIGNED_URL_KEYS_PATH,
    *OAUTH_PUBLIC_PATHS,
)

_NOT_STARTED = (
    StoreUnavailable,
    SchemaMismatch,
    SealError,
    MasterKeyError,
    ClaimRefused,
    ClientRefused,
    AccountRefused,
    DriverMissing,
)
"""What can be amiss with a store, a key or a setting, in words for the operator."""

_log = logging.getLogger("watchword_server")


def asgi_app(settings: Settings, *, clock: Clock | None = None) -> Serving:
    """The application, which opens its services when the server starts it and drains when the server stops it."""
    return Serving(settings, clock)


class Serving:
    """Routes exist from the start-up on; before, and after a failed one, nothing is served."""

    def __init__(self, settings: Settings, clock: Clock | None) -> None:
        self._settings = settings
        self._clock = clock
        self._app: ASGIApp | None = None
        self._health: Health | None = None
        self._feed: FeedNode | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is not None and scope["type"] != "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    def drain(self) -> None:
        """Let go of the readers that are held. To be called when the server begins to stop: the lifespan ends only when all
        connections are done, and a stream is never done by itself.
        """
        if self._health is not None and self._feed is not None:
            self._health.draining = True
            self._feed.drain()

    async def _live(self, receive: Receive, send: Send) -> None:
        """The server's life (ASGI's lifespan). What keeps it from starting is told in a line that names the mend."""
        await receive()
        async with AsyncExitStack() as stack:
            try:
                await self._start(stack)
            except _NOT_STARTED as fault:
                await send({"type": "lifespan.startup.failed", "message": str(fault)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.drain()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self, stack: AsyncExitStack) -> None:
        services = await stack.enter_async_context(open_services(self._settings, clock=self._clock))
        await first_administrator(services)
        self._health = Health(
            services.store.ping,
            services.metrics,
            token=_secret(self._settings.metrics.token),
            open_metrics=self._settings.is_development,
        )
        self._app = http_app(services, self._health)
        self._feed = services.feed
        await stack.enter_async_context(services.feed.following())
        sweeper = Sweeper(services.store, retention=self._settings.rotation.retention, metrics=services.metrics)
        if services.numbered is not None:
            await services.numbered.tend()
        follower, worker = deliveries(services)
        for work in (_tending(services), sweeper.run(), follower.run(), worker.run()):
            stack.push_async_callback(_cancelled, asyncio.create_task(work))
        if (denylist := denylist_writer(services)) is not None:
            stack.push_async_callback(_cancelled, asyncio.create_task(denylist.run()))


def http_app(services: Services, health: Health) -> ASGIApp:
    """All routes behind all middlewares, over open services."""
    settings = services.settings
    feed = Feed(
        services.feed,
        services.metrics,
        access=feed_access(services),
        keys=lambda: services.keys.feed_jwks,
        issuer=settings.issuer,
        settings=settings.feed,
        patience=settings.server.request_timeout,
        verifiers=services.verifiers,
    )
    oauth_routes, members = oauth_endpoints(services)
    page_routes, page_members = page_endpoints(services)
    members |= page_members
    aliases: dict[str, str] = {}
    if (mtls_url := settings.server.mtls_url) is not None:
        aliases = mutual_tls_aliases(settings.issuer, mtls_url, members)
        members["mtls_endpoint_aliases"] = aliases
    sessions = session_services(services)
    discovery = Discovery(
        settings.issuer,
        lambda: services.keys.jwks,
        jwks_max_age=min(300, int(settings.keys.announce_before)),
        members=members | delivery_members(settings) | signed_url_members(settings),
    )
    routes: list[BaseRoute] = [
        *oauth_routes,
        *page_routes,
        *session_routes(sessions, idle=settings.sessions.idle),
        *own_authorizations(services, sessions),
        *OwnKeys(sessions, services.oauth.api_keys, login_within=settings.api_keys.login_within).routes(),
        *feed.routes(),
        *discovery.routes(),
        *health.routes(),
        Mount("/admin/api", LazyApplication(lambda: _admin(services))),
        *console_routes(LOOK, home="/" if settings.playground.enabled else None),
    ]
    if settings.signed_urls.origins:
        routes += signed_url_endpoint(services).routes()
    if settings.global_revocation.enabled:
        routes += global_revocation(services).routes()
    if settings.status_lists.enabled:
        routes += status_lists(services).routes()
    if settings.ssf.enabled:
        routes += ssf_transmitter(services).routes()
    if settings.playground.enabled:
        routes += _playground(services)
    return RequestDurations(
        protect(
            _Routes(routes),
            settings,
            public=PUBLIC_PATHS,
            untimed=(PATH,),
            aliased=[urlsplit(url).path for url in aliases.values()],
            clock=services.clock,
        ),
        services.metrics,
    )


def feed_access(services: Services) -> FeedAccess:
    """Who reads the feed, by these settings. A client may ask for a token that is meant for the feed alone (RFC 8707)."""
    settings = services.settings
    return FeedAccess(
        settings.feed,
        services.feed,
        policy=Policy(
            issuer=settings.issuer,
            audience=(settings.audience, f"{settings.issuer.rstrip('/')}{PATH}"),
            algorithms=tuple(sorted(ALGORITHMS)),
            leeway=settings.tokens.leeway,
        ),
        trusted_keys=lambda: services.keys.key_set,
        clock=services.clock,
        patience=settings.server.request_timeout,
    )


def signed_url_endpoint(services: Services) -> SignedUrlEndpoint:
    """What signs links for applications without a key. A client may ask for a token that is meant for it alone (RFC 8707)."""
    settings = services.settings
    policy = Policy(
        issuer=settings.issuer,
        audience=(settings.audience, f"{settings.issuer.rstrip('/')}{SIGNED_URLS_PATH}"),
        algorithms=tuple(sorted(ALGORITHMS)),
        leeway=settings.tokens.leeway,
    )
    return SignedUrlEndpoint(
        settings.signed_urls,
        key=services.keys.signed_url_key,
        jwks=lambda: services.keys.signed_url_jwks,
        policy=policy,
        trusted_keys=lambda: services.keys.key_set,
        cut_offs=OwnView(services.feed, services.clock, leeway=policy.leeway),
        clock=services.clock,
        patience=settings.server.request_timeout,
        keys_max_age=min(300, int(settings.keys.announce_before)),
    )


class _Routes:
    """The routes and nothing around them: exceptions go on to the one place that answers them (web/errors.py).

    A path without parameters is found in a table, which spares the hot calls a walk over all routes.
    """

    def __init__(self, routes: list[BaseRoute]) -> None:
        self._router = Router(routes, redirect_slashes=False)
        self._table = {
            (method, route.path): (route, route.endpoint)
            for route in routes
            if isinstance(route, Route) and not route.param_convertors
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._table.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if found is None:
            scope["app"] = self  # makes the router raise its 404 and 405 instead of answering them in plain text
            await self._router(scope, receive, send)
            return
        scope["route"], endpoint = found
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def session_services(services: Services) -> SessionServices:
    """What the session endpoints stand on."""
    settings = services.settings
    return SessionServices(
        accounts=services.accounts,
        opener=services.opener,
        rotation=services.rotation,
        ending=services.sessions,
        callers=services.callers,
        sessions=services.store,
        audit=services.store,
        cookie=refresh_cookie(secure=settings.secure_cookies),
        cross_site=CrossSite(settings.issuer, settings.cors.origins),
        limits=body_limits(settings),
        metrics=services.metrics,
        registration_open=settings.registration.open,
        profiles=services.oauth.profiles,
    )


async def first_administrator(services: Services) -> None:
    """Make the administrator of the settings when there is none; a password that was made is printed once."""
    admin = services.settings.admin
    if not (services.settings.is_development or admin.password):
        return
    made = await services.accounts.ensure_administrator(admin.email, _secret(admin.password))
    if made is not None:
        # Printed, not logged: log collectors must not see it.
        print(f"\n  Administrator: {admin.email}\n  Password:      {made}   (shown once)\n", flush=True)  # noqa: T201


def _admin(services: Services) -> ASGIApp:
    from watchword_server.admin.access import AdminServices  # noqa: PLC0415 - FastAPI is loaded on first use
    from watchword_server.admin.api import admin_api  # noqa: PLC0415

    return admin_api(
        AdminServices(
            store=services.store,
            accounts=services.accounts,
            sessions=services.sessions,
            keys=services.keys,
            callers=services.callers,
            verifiers=services.verifiers,
            clients=services.oauth.administration,
            configured=services.oauth.configured,
            profiles=services.oauth.profiles,
            api_keys=services.oauth.api_keys,
            workers=services.settings.server.workers,
        ),
        version=VERSION,
    )


def _playground(services: Services) -> list[BaseRoute]:
    from watchword_server.playground.routes import PlaygroundDeps, playground_routes  # noqa: PLC0415 - development only

    async def authenticate(request: Request) -> tuple[str, str]:
        caller = await services.callers.authenticate(request.headers.getlist("authorization"))
        return caller.sid, caller.view.account.id

    async def family_of(sid: str) -> Family | None:
        families = await services.store.families_of(sid)
        return families[0] if families else None

    def mint(family: Family, generation: int) -> str:
        secret = services.keys.mac_secret(family.key_id)
        if secret is None:
            raise StoreUnavailable("the key of this family's refresh tokens is gone")
        return refresh_token.mint(
            secret, key_id=family.key_id, family_id=family.id, salt=family.salt, generation=generation
        )

    settings = services.settings
    return playground_routes(
        PlaygroundDeps(
            authenticate=authenticate,
            family_of=family_of,
            mint=mint,
            demo_url=settings.playground.demo_url,
            window=settings.rotation.window,
        )
    )


async def _tending(services: Services) -> None:
    while True:
        await asyncio.sleep(TEND_INTERVAL)
        try:
            await services.keys.tend()
            if services.numbered is not None:
                await services.numbered.tend()
        except StoreUnavailable as error:
            _log.warning("key ring not read", extra={"error": str(error)})


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _secret(value: object) -> str | None:
    reveal = getattr(value, "get_secret_value", None)
    return reveal() if reveal is not None else None
