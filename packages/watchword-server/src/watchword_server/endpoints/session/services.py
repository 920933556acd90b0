"""What the session endpoints stand on, and how they read who is asking.

Holds no route.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from watchword_server.accounts.profiles import ProfileService
from watchword_server.accounts.service import AccountService
from watchword_server.sessions.ending import SessionEnding
from watchword_server.store.port import Audit, Sessions
from watchword_server.store.records import Delivery
from watchword_server.tokens.caller import Caller, Callers
from watchword_server.tokens.opening import SessionOpener
from watchword_server.tokens.rotation import Rotation
from watchword_server.web.body import BodyLimits
from watchword_server.web.cookies import Cookie
from watchword_server.web.cross_site import CrossSite
from watchword_server.web.device import device_kind, device_label
from watchword_server.web.metrics import Metrics
from watchword_server.web.origin import place_of

NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Device:
    """What a request tells of the device it comes from."""

    user_agent: str
    place: str
    """For people: the client's network address, as far as it is known."""

    @property
    def kind(self) -> str:
        """User-agent family and platform, such as `firefox/linux`: what rotation compares."""
        return device_kind(self.user_agent)

    @property
    def label(self) -> str:
        """For people: `Firefox on Linux`."""
        return device_label(self.user_agent)


@dataclass(frozen=True, slots=True)
class SessionServices:
    """Filled by the composition root."""

    accounts: AccountService
    opener: SessionOpener
    rotation: Rotation
    ending: SessionEnding
    callers: Callers
    sessions: Sessions
    audit: Audit
    cookie: Cookie
    cross_site: CrossSite
    limits: BodyLimits
    metrics: Metrics
    registration_open: bool
    profiles: ProfileService

    def device(self, request: Request) -> Device:
        """The device of a request, from its User-Agent and address."""
        return Device(request.headers.get("user-agent", ""), place_of(request))

    def refuse_foreign(self, request: Request) -> None:
        """Raises ProblemError 403 for a call that a page of another site makes."""
        self.cross_site.check(request.headers, scheme=request.url.scheme)

    async def caller(self, request: Request) -> Caller:
        """The bearer of a living first-party session. Raises ProblemError 401."""
        return await self.callers.authenticate(request.headers.getlist("authorization"))


def token_answer(encoded: bytes, *, cookie: str | None = None, status: int = 200) -> Response:
    """A token response: never cached (RFC 6749 §5.1), with the refresh cookie where there is one."""
    headers = dict(NO_STORE)
    if cookie is not None:
        headers["Set-Cookie"] = cookie
    return Response(encoded, status, headers, media_type="application/json")


def delivery_of(value: str | None) -> Delivery:
    """The delivery asked for; a cookie unless `body` is said."""
    return "body" if value == "body" else "cookie"
