"""What an account sees and does about itself: `/auth/me`, `/auth/sessions`, `/auth/password`, `/auth/notices/read`.

Holds no rule about passwords; accounts/ does.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from watchword_server.accounts.results import BadCredentials, Busy, PasswordChanged, Problems, Throttled
from watchword_server.endpoints.session.login import credentials_refused
from watchword_server.endpoints.session.register import ShownAccount, shown_account
from watchword_server.endpoints.session.services import NO_STORE, SessionServices
from watchword_server.sessions.listing import ListedSession, listed
from watchword_server.web.body import read_json
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError, invalid

_encode = msgspec.json.Encoder().encode


class ShownNotice(msgspec.Struct, frozen=True):
    """A notice that has not been read."""

    id: int
    kind: str
    at: int
    detail: dict[str, str]


class Me(msgspec.Struct, frozen=True):
    """The answer of `/auth/me`."""

    account: ShownAccount
    notices: list[ShownNotice]


class SessionList(msgspec.Struct, frozen=True):
    """The answer of `/auth/sessions`."""

    sessions: list[ListedSession]


class PasswordRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `/auth/password`."""

    current_password: str
    new_password: str


class NoticesRead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `/auth/notices/read`: all notices up to this id."""

    up_to: Annotated[int, msgspec.Meta(ge=1, le=2**62)]


class OwnAccount:
    """The endpoints."""

    def __init__(self, services: SessionServices) -> None:
        self._services = services

    async def me(self, request: Request) -> Response:
        """200 with the account and its unread notices."""
        caller = await self._services.caller(request)
        notices = await self._services.audit.notices(caller.view.account.id)
        shown = [ShownNotice(notice.id, notice.kind, int(notice.at), notice.detail) for notice in notices]
        return _json(Me(shown_account(caller.view.account), shown))

    async def read_notices(self, request: Request) -> Response:
        """204, and the notices are not shown again."""
        caller = await self._services.caller(request)
        body = await read_json(request, NoticesRead, self._services.limits)
        await self._services.audit.read_notices(caller.view.account.id, body.up_to)
        return Response(status_code=204, headers=NO_STORE)

    async def sessions(self, request: Request) -> Response:
        """200 with the living sessions, newest first."""
        caller = await self._services.caller(request)
        found = await self._services.sessions.list_sessions(caller.view.account.id)
        return _json(SessionList([listed(session, current_sid=caller.sid) for session in found]))

    async def end_session(self, request: Request) -> Response:
        """204; 404 for a session that is not a living one of this account, whosesoever it is."""
        caller = await self._services.caller(request)
        account_id = caller.view.account.id
        ended = await self._services.ending.end(
            request.path_params["sid"],
            account_id=account_id,
            reason="ended_by_account",
            origin=origin(request, f"account:{account_id}"),
        )
        if not ended:
            raise ProblemError(404, "session_unknown", "There is no living session with that sid.")
        self._services.metrics.revocations.labels("session_ended").inc()
        return Response(status_code=204, headers=NO_STORE)

    async def change_password(self, request: Request) -> Response:
        """204, and every other session is over; 401, 422, 429 or 503 when the password was not changed."""
        caller = await self._services.caller(request)
        body = await read_json(request, PasswordRequest, self._services.limits)
        outcome = await self._services.accounts.change_password(
            caller.view,
            current=body.current_password,
            new=body.new_password,
            sid=caller.sid,
            origin=origin(request, f"account:{caller.view.account.id}"),
        )
        match outcome:
            case PasswordChanged():
                self._services.metrics.revocations.labels("password_changed").inc()
                return Response(status_code=204, headers=NO_STORE)
            case Problems(errors=errors):
                raise invalid(errors)
            case BadCredentials():
                # Not 401: the access token is good, and a client that refreshes on 401 would guess twice.
                raise ProblemError(403, "wrong_password", "The current password is wrong.")
            case Throttled() | Busy():
                raise credentials_refused(outcome)


def _json(value: object) -> Response:
    return Response(_encode(value), media_type="application/json", headers=NO_STORE)
