"""`/logout`: asked for by a client with a good hint it is done; else the person is asked first.

Holds no rule of what a request may say; request.py does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.clock import Clock
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.directory import find_if_reachable
from watchword_server.clients.entitlement import came_by_itself
from watchword_server.clients.metadata import Client
from watchword_server.endpoints.logout.request import FindsClients, LogoutRequest, read_logout
from watchword_server.pages.answering import page_endpoint
from watchword_server.pages.rendering import Pages, is_framable, posting_back, shown_name
from watchword_server.sessions.sign_on import SignOnService
from watchword_server.store.authorization_port import SignOns
from watchword_server.store.authorization_records import SignOnView
from watchword_server.tokens.id_token_hint import IdTokenHint
from watchword_server.web.body import BodyLimits, parse_form, read_form
from watchword_server.web.cookies import Cookie
from watchword_server.web.cross_site import CrossSite
from watchword_server.web.metrics import Metrics
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError
from watchword_server.web.redirects import redirect, with_query
from watchword_server.web.ticket import LIFETIME, Ticket, Tickets

PATH: Final = "/logout"
CONFIRM: Final = "/logout/confirm"
PURPOSE: Final = "logout"
_FLOW_SECONDS: Final = 86_400.0
_FRAME_SECONDS: Final = 2
"""How long the frames of other clients are given before the browser goes on."""
_MOST_FRAMES: Final = 32
_MAX_URL: Final = 7_900
_log = logging.getLogger(__name__)
_TICKET_VALUES: Final = ("client_id", "post_logout_redirect_uri", "state", "ui_locales")


class SubjectOf(Protocol):
    """Who an account is to a client."""

    def __call__(self, client: Client, account_id: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutServices:
    """Filled by the composition root."""

    issuer: str
    clients: FindsClients
    sign_ons: SignOnService
    state: SignOns
    tickets: Tickets
    pages: Pages
    sso: Cookie
    flow: Cookie
    cross_site: CrossSite
    limits: BodyLimits
    metrics: Metrics
    clock: Clock
    read_hint: Callable[[str], IdTokenHint | None]
    subject_of: SubjectOf
    secret: Callable[[str], str]


class Logout:
    """The endpoint."""

    def __init__(self, services: LogoutServices) -> None:
        self._services = services

    def routes(self) -> list[Route]:
        """Where it is mounted."""
        pages = self._services.pages
        return [
            Route(PATH, page_endpoint(pages, self.begin), methods=["GET"]),
            Route(PATH, page_endpoint(pages, self.begin_posted), methods=["POST"]),
            Route(CONFIRM, page_endpoint(pages, self.confirm), methods=["POST"]),
        ]

    def metadata_members(self, issuer: str) -> dict[str, Any]:
        """What discovery says of it (RP-Initiated Logout §2.1, Front-Channel Logout §3)."""
        return {
            "end_session_endpoint": f"{issuer}{PATH}",
            "frontchannel_logout_supported": True,
            "frontchannel_logout_session_supported": True,
        }

    async def begin(self, request: Request) -> Response:
        """GET: done at once for a hint of who is signed in, for whom there is nothing to end, else asked."""
        values = self._values(request.scope["query_string"])
        asked = await read_logout(values, self._services.clients, self._services.read_hint)
        view = await self._signed_on(request)
        if view is None:
            return self._done(request, values, asked, frames=(), ended=False)
        if self._is_about(asked, view):
            return await self._end(request, values, asked, view)
        return self._ask(request, values, view, asked)

    async def begin_posted(self, request: Request) -> Response:
        """POST: sent round by GET, with which alone the browser sends its cookies here from another site."""
        if request.scope["query_string"]:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "a posted request has its parameters in the body alone")
        location = f"{PATH}?{urlencode(await read_form(request, self._services.limits))}"
        if len(location) > _MAX_URL:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "the request is too long")
        return redirect(location)

    async def confirm(self, request: Request) -> Response:
        """POST: the person said so."""
        services = self._services
        services.cross_site.check(request.headers, scheme=request.url.scheme)
        form = await read_form(request, services.limits)
        browser = services.flow.read(request.headers)
        ticket = services.tickets.open(form.get("ticket"), browser, purpose=PURPOSE)
        if services.clock.now() > ticket.expires_at:
            return redirect(f"{PATH}?{urlencode(ticket.values)}")
        asked = await read_logout(ticket.values, services.clients, services.read_hint)
        view = await self._signed_on(request)
        if view is None:
            return self._done(request, ticket.values, asked, frames=(), ended=True)
        return await self._end(request, ticket.values, asked, view)

    def _values(self, query: bytes) -> dict[str, str]:
        try:
            return parse_form(query)
        except ProblemError as refused:
            raise OAuthError(ErrorCode.INVALID_REQUEST, refused.detail) from None

    async def _signed_on(self, request: Request) -> SignOnView | None:
        return await self._services.sign_ons.find(self._services.sso.read(request.headers))

    def _is_about(self, asked: LogoutRequest, view: SignOnView) -> bool:
        """Whether the hint speaks of who is signed in. Without a hint anybody could have made the link (§6, forced
        logout), so the person is asked.
        """
        if asked.hint is None or asked.client is None:
            return False
        return self._services.subject_of(asked.client, view.account.id) == asked.hint.sub

    def _ask(self, request: Request, values: dict[str, str], view: SignOnView, asked: LogoutRequest) -> Response:
        services, now = self._services, self._services.clock.now()
        browser = services.flow.read(request.headers)
        cookies = {}
        if browser is None:
            browser = services.secret("wf")
            cookies["Set-Cookie"] = services.flow.set(browser, max_age=_FLOW_SECONDS)
        kept = {name: value for name, value in values.items() if name in _TICKET_VALUES}
        if asked.client is not None:
            # Where the hint alone named it: the hint does not fit into the ticket.
            kept["client_id"] = asked.client.client_id
        ticket = Ticket(purpose=PURPOSE, values=kept, began=now, expires_at=now + LIFETIME)
        try:
            sealed = services.tickets.seal(ticket, browser)
        except ValueError:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "the request is too long") from None
        return services.pages.show(
            "logout",
            services.pages.language(request, values.get("ui_locales")),
            posts_to=("'self'",) if asked.then is None else posting_back(asked.then),
            headers=cookies,
            account=shown_name(view.account.email),
            ticket=sealed,
        )

    async def _end(self, request: Request, values: dict[str, str], asked: LogoutRequest, view: SignOnView) -> Response:
        services, account_id = self._services, view.account.id
        frames = await self._frames(view)
        ended = await services.sign_ons.end(
            view.sign_on.id,
            account_id=account_id,
            reason="logout",
            origin=origin(request, f"account:{account_id}"),
        )
        if ended:
            services.metrics.revocations.labels("logout").inc()
        return self._done(request, values, asked, frames=frames, ended=True)

    async def _frames(self, view: SignOnView) -> tuple[str, ...]:
        """Where the browser tells clients that they are logged out (Front-Channel Logout §2), each with issuer and sid."""
        frames: dict[str, None] = {}
        sessions = await self._services.state.client_sessions(sign_on=view.sign_on.id, limit=_MOST_FRAMES)
        try:
            # Nobody waits to be signed out until strangers' hosts have told what their clients are.
            async with asyncio.timeout(_FRAME_SECONDS):
                for held in sessions:
                    client = await find_if_reachable(self._services.clients, held.session.client_id)
                    uri = client.metadata.frontchannel_logout_uri if client is not None else None
                    if uri is not None and is_framable(uri):
                        frames[with_query(uri, {"iss": self._services.issuer, "sid": held.session.sid})] = None
        except TimeoutError:
            _log.warning("not all clients are told of a logout by frames: the document of one did not come in time")
        return tuple(frames)

    def _done(
        self, request: Request, values: dict[str, str], asked: LogoutRequest, *, frames: tuple[str, ...], ended: bool
    ) -> Response:
        services = self._services
        cookies = [services.sso.clear()] if services.sso.values(request.headers) else []
        # With nobody to sign out, any stranger's client would make this server an open redirector (RFC 9700 §4.11).
        asks = not ended and asked.client is not None and came_by_itself(asked.client)
        if asked.then is not None and not frames and not asks:
            return redirect(asked.then, cookies)
        return services.pages.show(
            "signed_out",
            services.pages.language(request, values.get("ui_locales")),
            frames=frames,
            headers={"Set-Cookie": cookies[0]} if cookies else None,
            then=asked.then,
            wait=None if asks else _FRAME_SECONDS,
            shown_frames=frames,
        )
