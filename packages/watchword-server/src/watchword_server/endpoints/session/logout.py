"""`POST /auth/logout` and `POST /auth/logout-all`.

Does not tell whether there was anything to end.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from watchword_server.endpoints.session.services import NO_STORE, SessionServices
from watchword_server.tokens.caller import Caller
from watchword_server.web.body import read_optional_json
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError

_MOST_COOKIES = 8
"""Cookies of one name that are looked at: ours, and what other hosts of the domain have put beside it."""


class LogoutRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body, if there is one."""

    refresh_token: str


class Logout:
    """The endpoints."""

    def __init__(self, services: SessionServices) -> None:
        self._services = services

    async def one(self, request: Request) -> Response:
        """204, and the session of each good credential is over: cookie, refresh token in the body, and Bearer.

        Idempotent. A cookie or refresh token that is wrong or dead is not an error; a Bearer alone that is not valid is
        401, so that the client can refresh and try again rather than believe it is logged out. All are looked at, or a
        cookie that another host of the domain has put in would keep the real session alive.
        """
        services = self._services
        cookies = services.cookie.values(request.headers)
        if cookies:
            services.refuse_foreign(request)
        body = await read_optional_json(request, LogoutRequest, services.limits)
        presented = [value for value in cookies[:_MOST_COOKIES] if value]
        presented += [body.refresh_token] if body else []
        for token in presented:
            owner = await services.rotation.owner(token)
            if owner is not None:
                await self._end(request, owner.sid, owner.account_id)
        await self._end_by_bearer(request, alone=not presented)
        # Never cleared unasked: a form of another site is sent without the cookie, and its answer may set one.
        return self._gone(clears=bool(cookies))

    async def everywhere(self, request: Request) -> Response:
        """204, and every session of the account is over by one cut-off."""
        caller: Caller = await self._services.caller(request)
        account_id = caller.view.account.id
        await self._services.ending.end_all(
            account_id, reason="logout_all", origin=origin(request, f"account:{account_id}")
        )
        self._services.metrics.revocations.labels("logout_all").inc()
        return self._gone(clears=True)

    async def _end_by_bearer(self, request: Request, *, alone: bool) -> None:
        authorization = request.headers.getlist("authorization")
        if not authorization:
            return
        try:
            access = self._services.callers.token(authorization)
        except ProblemError:
            if alone:
                raise
            return
        await self._end(request, access.sid or "", access.sub)

    async def _end(self, request: Request, sid: str, account_id: str) -> None:
        ended = await self._services.ending.end(
            sid, account_id=account_id, reason="logout", origin=origin(request, f"account:{account_id}")
        )
        if ended:
            self._services.metrics.revocations.labels("logout").inc()

    def _gone(self, *, clears: bool) -> Response:
        cleared = {"Set-Cookie": self._services.cookie.clear()} if clears else {}
        return Response(status_code=204, headers={**NO_STORE, **cleared})
