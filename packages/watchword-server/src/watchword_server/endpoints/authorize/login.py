"""The pages of login and registration, posted: a password for a sign-on, and back to the hub.

Holds no rule about passwords; accounts/ does. Does not say which credential was wrong, nor whether an account exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from watchword_server.accounts.results import Authenticated, BadCredentials, Busy, Problems, Taken, Throttled
from watchword_server.accounts.service import Registration
from watchword_server.endpoints.authorize.hub import Hub
from watchword_server.endpoints.authorize.services import device_of
from watchword_server.endpoints.authorize.showing import Asking
from watchword_server.endpoints.authorize.visit import Visit
from watchword_server.store.records import Account, AccountView
from watchword_server.web.field_error import FieldError
from watchword_server.web.origin import origin, place_of
from watchword_server.web.problem import ProblemError
from watchword_server.web.ticket import renewed

_MAX_IDENTIFIER = 320
"""Characters; longer than any address (RFC 5321 §4.5.3.1) or username."""


class LoginPages:
    """The endpoints."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._services = hub.services

    async def show_login(self, request: Request) -> Response:
        """GET: the login page, for somebody else than who is signed in."""
        return await self._shown(request, self._hub.showing.login)

    async def show_register(self, request: Request) -> Response:
        """GET: the page on which an account is made."""
        self._require_open()
        return await self._shown(request, self._hub.showing.register)

    async def _shown(self, request: Request, page: Callable[[Visit, Asking], Response]) -> Response:
        visit = self._hub.visits.opened(request, request.query_params.get("ticket"))
        found = await self._hub.under_way(visit)
        return found if isinstance(found, Response) else page(visit, found)

    async def log_in(self, request: Request) -> Response:
        """POST: the password is checked as at `/auth/login`; signed on, the browser goes back to the hub."""
        visit, form = await self._hub.visits.posted(request)
        found = await self._hub.under_way(visit)
        if isinstance(found, Response):
            return found
        identifier = form.get("identifier", "")[:_MAX_IDENTIFIER]
        outcome = await self._services.accounts.authenticate(identifier, form.get("password", ""), origin(request))
        self._services.metrics.logins.labels(type(outcome).__name__.lower()).inc()
        if isinstance(outcome, Authenticated):
            signed_on = await self._sign_on(visit, outcome.view)
            if signed_on is not None:
                return signed_on
            # Disabled, or its password changed, while this password was being hashed.
            outcome = BadCredentials()
        return self._refused(visit, found, identifier, outcome)

    def _refused(
        self, visit: Visit, request: Asking, identifier: str, outcome: BadCredentials | Throttled | Busy
    ) -> Response:
        words = self._services.pages.translate(visit.language)
        match outcome:
            case BadCredentials():
                problem, status = words("The name or the password is wrong."), 422
            case Throttled():
                problem, status = words("Too many failed attempts. Please wait a while and try again."), 429
            case Busy():
                problem, status = words("Too many people are signing in at this moment. Please try again."), 503
        return self._hub.showing.login(
            visit, request, identifier=identifier, problem=problem, status=status, headers=_retry_after(outcome)
        )

    async def _sign_on(self, visit: Visit, view: AccountView) -> Response | None:
        services = self._services
        current = await services.sign_ons.find(services.sso.read(visit.request.headers))
        started = await services.sign_ons.log_in(
            view,
            current,
            device=device_of(visit.request),
            place=place_of(visit.request),
            origin=origin(visit.request, f"account:{view.account.id}"),
        )
        if started is None:
            return None
        visit.cookies.append(services.sso.set(started.secret, max_age=started.expires_in))
        # The store's clock told when the login was, ours when the request began: this login belongs to it in any case.
        began = min(visit.ticket.began, started.auth_time)
        return self._hub.back(visit, renewed(visit.ticket, services.clock.now(), began=began, selected=view.account.id))

    async def register(self, request: Request) -> Response:
        """POST: the account is made and signed on, as if it had logged in."""
        self._require_open()
        visit, form = await self._hub.visits.posted(request)
        found = await self._hub.under_way(visit)
        if isinstance(found, Response):
            return found
        email, password = form.get("email", "")[:_MAX_IDENTIFIER], form.get("password", "")
        made = await self._services.accounts.register(Registration(email=email, password=password), origin(request))
        self._services.metrics.registrations.labels(type(made).__name__.lower()).inc()
        if not isinstance(made, Account):
            return self._not_made(visit, found, email, made)
        outcome = await self._services.accounts.authenticate(email, password, origin(request))
        signed_on = await self._sign_on(visit, outcome.view) if isinstance(outcome, Authenticated) else None
        return signed_on or self._hub.showing.login(visit, found, identifier=email)

    def _not_made(
        self, visit: Visit, request: Asking, email: str, outcome: Problems | Taken | Throttled | Busy
    ) -> Response:
        words = self._services.pages.translate(visit.language)
        problem, faults, status = None, {}, 422
        match outcome:
            case Problems(errors=errors):
                faults = _faults(errors, words)
                problem = words("Please look at what you filled in.")
            case Taken():
                faults = {"email": words("Another account has this email address.")}
                problem, status = words("Please look at what you filled in."), 409
            case Throttled():
                problem, status = words("Too many attempts from here. Please wait a while and try again."), 429
            case Busy():
                problem, status = words("Too many people are signing in at this moment. Please try again."), 503
        return self._hub.showing.register(
            visit, request, email=email, problem=problem, faults=faults, status=status, headers=_retry_after(outcome)
        )

    def _require_open(self) -> None:
        if not self._services.registration_open:
            raise ProblemError(404, "registration_closed", "Accounts are made by an administrator here.")


def _retry_after(outcome: object) -> dict[str, str]:
    return {"Retry-After": str(outcome.retry_after)} if isinstance(outcome, Throttled | Busy) else {}


def _faults(errors: Sequence[FieldError], words: Callable[[str], str]) -> dict[str, str]:
    """What is wrong with each field, for people: by the code of the fault where there are words for it."""
    known = {
        ("email", "invalid"): words("This is not an email address."),
        ("password", "too_short"): words("This password is too short."),
        ("password", "too_long"): words("This password is too long."),
        ("password", "too_weak"): words("This password is too easy to guess."),
        ("password", "invalid"): words("This password has characters that cannot be used."),
    }
    return {error.field: known.get((error.field, error.code), error.detail) for error in errors}
