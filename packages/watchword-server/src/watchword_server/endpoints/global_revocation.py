"""`POST /global-token-revocation` (draft-parecki-oauth-global-token-revocation-06): end all that one account has.

A draft: what it asks for may change. Ends sessions by the same verb as `logout-all`, and asks for nothing more.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchword_server.accounts.identifiers import login_keys
from watchword_server.sessions.ending import SessionEnding
from watchword_server.store.records import AccountView
from watchword_server.tokens.machines import Machines
from watchword_server.web.body import BodyLimits, read_json
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError

PATH: Final = "/global-token-revocation"
SCOPE: Final = "global_token_revocation"
REASON: Final = "global_revocation"


class _Asked(msgspec.Struct, frozen=True):
    sub_id: dict[str, Any]


class People(Protocol):
    """What is asked of a store."""

    async def account(self, account_id: str) -> AccountView | None: ...
    async def account_for_login(self, *, email_key: str | None, username_key: str | None) -> AccountView | None: ...


class GlobalRevocation:
    """The endpoint."""

    def __init__(
        self,
        machines: Machines,
        people: People,
        ending: SessionEnding,
        *,
        issuer: str,
        limits: BodyLimits,
    ) -> None:
        self._machines = machines
        self._people = people
        self._ending = ending
        self._issuer = issuer
        self._limits = limits

    def routes(self) -> list[Route]:
        """Where it is mounted."""
        return [Route(PATH, self.revoke, methods=["POST"])]

    async def revoke(self, request: Request) -> Response:
        """End all sessions of the account that `sub_id` names, refresh tokens and access tokens included, by one cut-off in
        one transaction. 204, also when there was nothing to end; 404 for no such account, 422 for a subject of another kind.
        """
        caller = await self._machines.caller(request.headers.getlist("authorization"), SCOPE)
        asked = await read_json(request, _Asked, self._limits)
        view = await self._named(asked.sub_id)
        if view is None:
            raise ProblemError(404, "account_unknown", "There is no such account.")
        await self._ending.end_all(view.account.id, reason=REASON, origin=origin(request, f"machine:{caller}"))
        return Response(status_code=204)

    async def _named(self, subject: dict[str, Any]) -> AccountView | None:
        match subject:
            case {"format": "iss_sub", "iss": self._issuer, "sub": str(account_id), **rest} if not rest:
                return await self._people.account(account_id)
            case {"format": "iss_sub", "iss": str(), "sub": str(), **rest} if not rest:
                return None
            case {"format": "opaque", "id": str(account_id), **rest} if not rest:
                return await self._people.account(account_id)
            case {"format": "email", "email": str(email), **rest} if not rest:
                key, _ = login_keys(email)
                return None if key is None else await self._people.account_for_login(email_key=key, username_key=None)
        raise ProblemError(422, "subject_unsupported", "sub_id is of the format iss_sub, opaque or email (RFC 9493).")
