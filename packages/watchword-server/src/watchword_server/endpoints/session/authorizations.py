"""What an account allowed clients, and where it is signed on: `/auth/authorizations`, `/auth/sign-ons`.

Gives no authorization; the person does, on the page of endpoints/authorize/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchword_server.clients.directory import find_if_reachable
from watchword_server.clients.metadata import Client
from watchword_server.endpoints.session.services import NO_STORE, SessionServices
from watchword_server.sessions.listing import HOUR
from watchword_server.sessions.sign_on import SignOnService
from watchword_server.store.authorization_port import Authorizations, SignOns
from watchword_server.store.authorization_records import Authorization, SignOn
from watchword_server.store.records import AuditEvent
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError

_MOST = 100
"""Authorizations in one answer; `next_after` leads to more."""
_MAX_CLIENT_ID = 2048

_encode = msgspec.json.Encoder().encode


class FindsClients(Protocol):
    """Where clients are found."""

    async def find(self, client_id: str) -> Client | None:
        """The client of exactly that identifier; None for one that is unknown or disabled."""
        ...


class AuthorizationState(Authorizations, SignOns, Protocol):
    """What is kept of both."""


@dataclass(frozen=True, slots=True)
class AuthorizationServices:
    """Filled by the composition root, beside SessionServices."""

    state: AuthorizationState
    sign_ons: SignOnService
    clients: FindsClients


class ListedAuthorization(msgspec.Struct, frozen=True):
    """One client of the list."""

    client_id: str
    client_name: str
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    granted_at: int
    updated_at: int


class AuthorizationList(msgspec.Struct, frozen=True):
    """The answer of `/auth/authorizations`. ``next_after``: what to ask for next as ``after``; null at the end."""

    authorizations: list[ListedAuthorization]
    next_after: str | None


class ListedSignOn(msgspec.Struct, frozen=True):
    """One browser of the list."""

    id: str
    device: str
    place: str
    created_at: int
    auth_time: int
    last_used_at: int


class SignOnList(msgspec.Struct, frozen=True):
    """The answer of `/auth/sign-ons`."""

    sign_ons: list[ListedSignOn]


class OwnAuthorizations:
    """The endpoints."""

    def __init__(self, services: SessionServices, authorization: AuthorizationServices) -> None:
        self._services = services
        self._state = authorization.state
        self._sign_ons = authorization.sign_ons
        self._clients = authorization.clients

    def routes(self) -> list[Route]:
        """Where they are mounted. A client_id may be a URL, with slashes."""
        return [
            Route("/auth/authorizations", self.authorizations, methods=["GET"]),
            Route("/auth/authorizations/{client_id:path}", self.withdraw, methods=["DELETE"]),
            Route("/auth/sign-ons", self.sign_ons, methods=["GET"]),
            Route("/auth/sign-ons/{sign_on}", self.end_sign_on, methods=["DELETE"]),
        ]

    async def authorizations(self, request: Request) -> Response:
        """200 with what the account allowed, by client_id, after that of the query."""
        caller = await self._services.caller(request)
        after = request.query_params.get("after")
        if after is not None and len(after) > _MAX_CLIENT_ID:
            raise ProblemError(400, "invalid_cursor", "after is a client_id of an earlier answer.")
        found = await self._state.authorizations(caller.view.account.id, after=after, limit=_MOST)
        shown = [await self._shown(one) for one in found]
        return _json(AuthorizationList(shown, found[-1].client_id if len(found) == _MOST else None))

    async def _shown(self, authorization: Authorization) -> ListedAuthorization:
        client = await find_if_reachable(self._clients, authorization.client_id)
        return ListedAuthorization(
            client_id=authorization.client_id,
            client_name=client.name if client is not None else authorization.client_id,
            scope=authorization.scope,
            resource=authorization.resource,
            granted_at=int(authorization.granted_at),
            updated_at=int(authorization.updated_at),
        )

    async def withdraw(self, request: Request) -> Response:
        """204, and the client is asked about again; its sessions of the account are over, tokens included. 404 for a client
        that was allowed nothing.
        """
        caller = await self._services.caller(request)
        account_id, client_id = caller.view.account.id, request.path_params["client_id"]
        audit = AuditEvent(
            event="authorization.withdrawn",
            origin=origin(request, f"account:{account_id}"),
            account_id=account_id,
            client_id=client_id[:_MAX_CLIENT_ID],
        )
        if not await self._state.withdraw_authorization(account_id, client_id[:_MAX_CLIENT_ID], audit):
            raise ProblemError(404, "authorization_unknown", "Nothing is allowed to a client of that client_id.")
        self._services.metrics.revocations.labels("authorization_withdrawn").inc()
        return Response(status_code=204, headers=NO_STORE)

    async def sign_ons(self, request: Request) -> Response:
        """200 with the browsers that are signed on at the server's own pages, newest first."""
        caller = await self._services.caller(request)
        found = await self._state.list_sign_ons(caller.view.account.id)
        return _json(SignOnList([_listed(one) for one in found]))

    async def end_sign_on(self, request: Request) -> Response:
        """204, and every session of a client in it is over; 404 for one that is not a living one of this account."""
        caller = await self._services.caller(request)
        account_id = caller.view.account.id
        ended = await self._sign_ons.end(
            request.path_params["sign_on"],
            account_id=account_id,
            reason="ended_by_account",
            origin=origin(request, f"account:{account_id}"),
        )
        if not ended:
            raise ProblemError(404, "sign_on_unknown", "There is no living sign-on with that id.")
        self._services.metrics.revocations.labels("sign_on_ended").inc()
        return Response(status_code=204, headers=NO_STORE)


def _listed(sign_on: SignOn) -> ListedSignOn:
    """Last use to the hour, as of sessions (sessions/listing.py)."""
    used = int(sign_on.last_used_at)
    return ListedSignOn(
        id=sign_on.id,
        device=sign_on.device,
        place=sign_on.place,
        created_at=int(sign_on.created_at),
        auth_time=int(sign_on.auth_time),
        last_used_at=used - used % HOUR,
    )


def _json(value: object) -> Response:
    return Response(_encode(value), media_type="application/json", headers=NO_STORE)
