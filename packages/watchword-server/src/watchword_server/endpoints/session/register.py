"""`POST /auth/register`: make an account.

Does not log in.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from watchword_server.accounts.results import Busy, Problems, Taken, Throttled
from watchword_server.accounts.service import Registration
from watchword_server.endpoints.session.services import NO_STORE, SessionServices
from watchword_server.store.records import Account
from watchword_server.web.body import read_json
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError, invalid


class RegisterRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body; anything else in it (`roles`) is refused."""

    email: str
    password: str
    username: str | None = None


class ShownAccount(msgspec.Struct, frozen=True):
    """An account as it is told to itself."""

    id: str
    email: str
    username: str | None
    roles: tuple[str, ...]
    email_verified: bool


def shown_account(account: Account) -> ShownAccount:
    """The members of http.md."""
    return ShownAccount(account.id, account.email, account.username, account.roles, account.email_verified)


class Registered(msgspec.Struct, frozen=True):
    """The answer."""

    account: ShownAccount


class Register:
    """The endpoint."""

    def __init__(self, services: SessionServices) -> None:
        self._services = services

    async def handle(self, request: Request) -> Response:
        """201 with the account; 403 when registration is closed, 409 for a name already taken, 422 with one entry a
        field, 429 after too many from one client address, 503 when too many passwords are being hashed.
        """
        services = self._services
        body = await read_json(request, RegisterRequest, services.limits)
        if not services.registration_open:
            raise ProblemError(403, "registration_closed", "Accounts are made by an administrator here.")
        registration = Registration(email=body.email, password=body.password, username=body.username)
        outcome = await services.accounts.register(registration, origin(request))
        services.metrics.registrations.labels(type(outcome).__name__.lower()).inc()
        match outcome:
            case Account():
                answer = msgspec.json.encode(Registered(shown_account(outcome)))
                return Response(answer, 201, NO_STORE, media_type="application/json")
            case Problems(errors=errors):
                raise invalid(errors)
            case Taken(field=field):
                raise ProblemError(409, f"{field}_taken", f"Another account has this {_NAMES[field]}.")
            case Throttled(retry_after=seconds):
                raise ProblemError(
                    429,
                    "too_many_registrations",
                    f"Too many registrations from here. Try again in {seconds} seconds.",
                    retry_after=seconds,
                )
            case Busy(retry_after=seconds):
                raise ProblemError(
                    503,
                    "busy",
                    f"Too many passwords to hash at once. Try again in {seconds} seconds.",
                    retry_after=seconds,
                )


_NAMES = {"email": "email address", "username": "username"}
