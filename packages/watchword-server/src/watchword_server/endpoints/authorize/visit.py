"""One browser at one step: its request, its language, its flow cookie, and the ticket of what it came for.

Knows no rule of authorization.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from watchword.clock import EpochSeconds
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.endpoints.authorize.parameters import Parameters
from watchword_server.endpoints.authorize.services import AuthorizeServices
from watchword_server.web.body import read_form
from watchword_server.web.ticket import LIFETIME, Ticket, TicketRefused

PURPOSE = "authorize"
DEVICE_PURPOSE = "device"
"""Of a visit that decides about a device (RFC 8628): what it carries was no client's request."""
FLOW_SECONDS = 86_400.0
"""How long a browser keeps the cookie that ties its pages to it."""


@dataclass(slots=True)
class Visit:
    """A step of a request under way."""

    request: Request
    ticket: Ticket
    language: str
    browser: str
    first: bool = False
    """Whether the client has just sent it."""
    cookies: list[str] = field(default_factory=list)
    """``Set-Cookie`` that the answer is to carry."""

    @property
    def parameters(self) -> Parameters:
        """The authorization request, as it was sent."""
        return Parameters(values=self.ticket.values, resource=self.ticket.resource, signed=self.ticket.signed)

    @property
    def user_code(self) -> str | None:
        """The code of the device that the person decides about; None where a client has sent the browser here."""
        return self.ticket.values.get("user_code", "") if self.ticket.purpose == DEVICE_PURPOSE else None

    def carrying(self, response: Response) -> Response:
        """The answer, with the cookies."""
        for cookie in self.cookies:
            response.headers.append("Set-Cookie", cookie)
        return response


class Visits:
    """Reads them."""

    def __init__(self, services: AuthorizeServices) -> None:
        self._services = services

    def begin(self, request: Request, parameters: Parameters, *, purpose: str = PURPOSE) -> Visit:
        """The first step: the ticket is made, and the flow cookie where there is none yet."""
        services = self._services
        now = self._now()
        browser = services.flow.read(request.headers)
        cookies = []
        if browser is None:
            browser = services.secret("wf")
            cookies.append(services.flow.set(browser, max_age=FLOW_SECONDS))
        ticket = Ticket(
            purpose=purpose,
            values=parameters.values,
            resource=parameters.resource,
            signed=parameters.signed,
            began=now,
            expires_at=now + LIFETIME,
        )
        return Visit(request, ticket, self._language(request, ticket), browser, first=True, cookies=cookies)

    def opened(self, request: Request, sealed: str | None) -> Visit:
        """A later step. Raises TicketRefused for a ticket of another browser, and for none."""
        browser = self._services.flow.read(request.headers)
        if browser is None:
            raise TicketRefused
        ticket = self._services.tickets.open(sealed, browser, purpose=PURPOSE, also=DEVICE_PURPOSE)
        return Visit(request, ticket, self._language(request, ticket), browser)

    async def posted(self, request: Request) -> tuple[Visit, dict[str, str]]:
        """A step taken by posting a page, and what was filled in.

        Raises ProblemError 403 for a post of another site's page, TicketRefused as ``opened``: whoever would forge one
        has neither the origin nor a ticket of this browser.
        """
        self._services.cross_site.check(request.headers, scheme=request.url.scheme)
        form = await read_form(request, self._services.limits)
        return self.opened(request, form.pop("ticket", None)), form

    def is_over(self, visit: Visit) -> bool:
        """Whether its page was left open for too long."""
        return self._now() > visit.ticket.expires_at

    def seal(self, visit: Visit, ticket: Ticket) -> str:
        """The ticket as text, for this browser. Raises OAuthError for a request that grew too long to be carried on."""
        try:
            return self._services.tickets.seal(ticket, visit.browser)
        except ValueError:
            raise OAuthError(
                ErrorCode.INVALID_REQUEST, "the request is too long for a URL; push it (RFC 9126)"
            ) from None

    def _now(self) -> EpochSeconds:
        return self._services.clock.now()

    def _language(self, request: Request, ticket: Ticket) -> str:
        return self._services.pages.language(request, ticket.values.get("ui_locales"))
