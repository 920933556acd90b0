"""`POST /auth/login`: credentials for tokens.

Does not say which credential was wrong, nor whether the account exists.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from watchword_server.accounts.results import Authenticated, BadCredentials, Busy, Throttled
from watchword_server.endpoints.session.services import SessionServices, token_answer
from watchword_server.store.records import Delivery
from watchword_server.tokens.opening import Opened
from watchword_server.web.body import read_json
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError

_MAX_IDENTIFIER = 320
"""Characters; longer than any address (RFC 5321 §4.5.3.1) or username."""


class LoginRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body."""

    identifier: str
    password: str
    delivery: Literal["cookie", "body"] = "cookie"


class TokenAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of login and refresh. The refresh token only with delivery `body`."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str | None = None


def credentials_refused(outcome: BadCredentials | Throttled | Busy) -> ProblemError:
    """The problem for a password that was not accepted: 401, 429 or 503, the last two saying when to come back."""
    match outcome:
        case BadCredentials():
            return ProblemError(401, "wrong_credentials", "The identifier or the password is wrong.")
        case Throttled(retry_after=seconds):
            return ProblemError(
                429,
                "too_many_failures",
                f"Too many failed logins. Try again in {seconds} seconds.",
                retry_after=seconds,
            )
        case Busy(retry_after=seconds):
            return ProblemError(
                503,
                "busy",
                f"Too many logins at once. Try again in {seconds} seconds.",
                retry_after=seconds,
            )


class Login:
    """The endpoint."""

    def __init__(self, services: SessionServices) -> None:
        self._services = services

    async def handle(self, request: Request) -> Response:
        """200 with tokens; 401, 429 or 503 as ``credentials_refused``."""
        services = self._services
        body = await read_json(request, LoginRequest, services.limits)
        if body.delivery == "cookie":
            # A foreign page must not be able to log its visitor in to the attacker's account.
            services.refuse_foreign(request)
        opened = await self._open(request, body)
        return self.answer(opened, body.delivery)

    async def _open(self, request: Request, body: LoginRequest) -> Opened:
        services = self._services
        came_from = origin(request)
        outcome = await services.accounts.authenticate(body.identifier[:_MAX_IDENTIFIER], body.password, came_from)
        services.metrics.logins.labels(type(outcome).__name__.lower()).inc()
        if not isinstance(outcome, Authenticated):
            raise credentials_refused(outcome)
        device = services.device(request)
        opened = await services.opener.open(
            outcome.view,
            delivery=body.delivery,
            device_kind=device.kind,
            device=device.label,
            place=device.place,
            origin=origin(request, f"account:{outcome.view.account.id}"),
        )
        if opened is None:
            # Disabled, or its password changed, while this password was being hashed.
            raise credentials_refused(BadCredentials())
        return opened

    def answer(self, opened: Opened, delivery: Delivery) -> Response:
        """Tokens in the body, or the refresh token in its cookie."""
        body = TokenAnswer(
            opened.access_token,
            "Bearer",
            opened.expires_in,
            opened.refresh_token if delivery == "body" else None,
        )
        cookie = None
        if delivery == "cookie":
            cookie = self._services.cookie.set(opened.refresh_token, max_age=opened.refresh_expires_in)
        return token_answer(msgspec.json.encode(body), cookie=cookie)
