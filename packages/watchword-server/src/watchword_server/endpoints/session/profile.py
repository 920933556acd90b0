"""`GET` and `PUT /auth/profile`: what an account tells of its person.

Holds no rule; accounts/profiles.py does.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from watchword_server.accounts.profiles import Profile
from watchword_server.accounts.results import AccountRefused
from watchword_server.endpoints.session.services import NO_STORE, SessionServices
from watchword_server.web.body import read_json
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError, invalid

_encode = msgspec.json.Encoder().encode


class OwnProfile:
    """The endpoints."""

    def __init__(self, services: SessionServices) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """200 with the standard claims that are held."""
        caller = await self._services.caller(request)
        return _told(await self._services.profiles.read(caller.view.account.id))

    async def replace(self, request: Request) -> Response:
        """200 with what is held now; 422 with one entry a field. Whether a phone number was verified is not the person's to
        say.
        """
        caller = await self._services.caller(request)
        told = await read_json(request, Profile, self._services.limits)
        account_id = caller.view.account.id
        try:
            kept = await self._services.profiles.replace(
                account_id, told, origin(request, f"account:{account_id}"), by_itself=True
            )
        except AccountRefused as refused:
            raise invalid(refused.errors) from None
        if kept is None:
            raise ProblemError(404, "account_unknown", "There is no such account any more.")
        return _told(kept)


def _told(profile: Profile) -> Response:
    return Response(_encode({"profile": profile}), media_type="application/json", headers=NO_STORE)
