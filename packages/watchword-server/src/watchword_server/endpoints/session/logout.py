"""`POST /auth/logout` and `POST /auth/logout-all`.

Does not tell whether there was anything to end.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from watchword_server.endpoints.session.services import NO_STORE, SessionServices, origin
from watchword_server.tokens.caller import Caller
from watchword_server.web.body import read_optional_json


class LogoutRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body, if there is one."""

    refresh_token: str


class Logout:
    """The endpoints."""

    def __init__(self, services: SessionServices) -> None:
        self._services = services

    async def one(self, request: Request) -> Response:
        """204, and the session of each good credential is over: cookie, refresh token in the body, or Bearer.

        Idempotent. A cookie or refresh token that is wrong or dead is not an error; a Bearer alone that is not valid is
        401, so that the client can refresh and try again rather than believe it is logged out.
        """
        services = self._services
        cookie = services.cookie.read(request.headers)
        if cookie is not None:
            services.refuse_foreign(request)
        body = await read_optional_json(request, LogoutRequest, services.limits)
        presented = [token for token in (cookie, body.refresh_token if body else None) if token is not None]
        authorization = request.headers.getlist("authorization")
        for token in presented:
            owner = await services.rotation.owner(token)
            if owner is not None:
                await self._end(request, owner.sid, owner.account_id)
        if authorization and not presented:
            access = services.callers.token(authorization)
            await self._end(request, access.sid or "", access.sub)
        return self._gone()

    async def everywhere(self, request: Request) -> Response:
        """204, and every session of the account is over by one cut-off."""
        caller: Caller = await self._services.caller(request)
        account_id = caller.view.account.id
        await self._services.ending.end_all(
            account_id, reason="logout_all", origin=origin(request, f"account:{account_id}")
        )
        self._services.metrics.revocations.labels("logout_all").inc()
        return self._gone()

    async def _end(self, request: Request, sid: str, account_id: str) -> None:
        ended = await self._services.ending.end(
            sid, account_id=account_id, reason="logout", origin=origin(request, f"account:{account_id}")
        )
        if ended:
            self._services.metrics.revocations.labels("logout").inc()

    def _gone(self) -> Response:
        return Response(status_code=204, headers={**NO_STORE, "Set-Cookie": self._services.cookie.clear()})
