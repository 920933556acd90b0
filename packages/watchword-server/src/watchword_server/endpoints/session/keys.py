"""`/auth/keys`: personal access tokens of the account: make, list, revoke.

Holds no rule; tokens/api_keys.py does. The secret is in one answer and never again.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.clock import EpochSeconds

from watchword_server.endpoints.session.services import NO_STORE, SessionServices
from watchword_server.store.api_key_records import ApiKey
from watchword_server.tokens.api_keys import ApiKeyService, KeyRefused, MadeKey, Wish
from watchword_server.tokens.caller import Caller
from watchword_server.web.body import read_json
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError, invalid

_Text = Annotated[str, msgspec.Meta(max_length=2048)]
_encode = msgspec.json.Encoder().encode


class KeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for. ``expires_in`` in seconds; without: the installation's default."""

    name: Annotated[str, msgspec.Meta(max_length=256)]
    scope: Annotated[list[_Text], msgspec.Meta(max_length=64)] = []
    resource: Annotated[list[_Text], msgspec.Meta(max_length=16)] = []
    expires_in: float | None = None


class ListedKey(msgspec.Struct, frozen=True):
    """A key without its secret. ``expires_at`` and the other times in whole seconds."""

    id: str
    name: str
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    created_at: int
    expires_at: int
    last_used_at: int | None


class KeyList(msgspec.Struct, frozen=True):
    """The answer of the list. ``scopes``: what a new key may have now."""

    keys: list[ListedKey]
    scopes: tuple[str, ...]


class OwnKeys:
    """The endpoints."""

    def __init__(self, services: SessionServices, keys: ApiKeyService, *, login_within: float) -> None:
        """``login_within``: seconds since the login of who makes a key; 0: any."""
        self._services = services
        self._keys = keys
        self._login_within = login_within

    def routes(self) -> list[Route]:
        """Where they are mounted."""
        return [
            Route("/auth/keys", self.listed, methods=["GET"]),
            Route("/auth/keys", self.add, methods=["POST"]),
            Route("/auth/keys/{key_id}", self.revoke, methods=["DELETE"]),
        ]

    async def listed(self, request: Request) -> Response:
        """200 with the living keys of the account, newest first."""
        account = (await self._services.caller(request)).view.account
        found = await self._keys.of_account(account.id)
        return _json(KeyList([_listed(key) for key in found], self._keys.scopes_of_account(account.roles)))

    async def add(self, request: Request) -> Response:
        """201 with the key and its secret; 422 for what the account may not have; 403 unless it logged in of late."""
        caller = await self._services.caller(request)
        self._refuse_old_login(caller)
        asked = await read_json(request, KeyRequest, self._services.limits)
        account_id = caller.view.account.id
        wish = Wish(
            name=asked.name, scope=tuple(asked.scope), resource=tuple(asked.resource), expires_in=asked.expires_in
        )
        try:
            made = await self._keys.add_personal(account_id, wish, origin(request, f"account:{account_id}"))
        except KeyRefused as refused:
            raise invalid(refused.errors) from None
        return _json({"secret": made.secret, "key": _made(made, wish, caller.view.read_at)}, status=201)

    async def revoke(self, request: Request) -> Response:
        """204, and the key is dead wherever it was remembered; 404 for one that is not a living one of this account."""
        caller = await self._services.caller(request)
        account_id = caller.view.account.id
        by = origin(request, f"account:{account_id}")
        if not await self._keys.revoke(request.path_params["key_id"], account_id=account_id, origin=by):
            raise ProblemError(404, "key_unknown", "There is no living key with that id.")
        return Response(status_code=204, headers=NO_STORE)

    def _refuse_old_login(self, caller: Caller) -> None:
        """A stolen access token must not be turned into one that lives for months."""
        if not self._login_within:
            return
        logged_in = caller.token.auth_time
        if logged_in is None or caller.view.read_at > logged_in + self._login_within:
            raise ProblemError(403, "login_too_old", "Log in again to make a key.")


def _listed(key: ApiKey) -> ListedKey:
    return ListedKey(
        id=key.id,
        name=key.name,
        scope=key.scope,
        resource=key.audience,
        created_at=int(key.created_at),
        expires_at=int(key.expires_at),
        last_used_at=None if key.last_used_at is None else int(key.last_used_at),
    )


def _made(made: MadeKey, wish: Wish, now: EpochSeconds) -> ListedKey:
    return ListedKey(
        id=made.id,
        name=wish.name,
        scope=made.scope,
        resource=wish.resource,
        created_at=int(now),
        expires_at=int(made.expires_at),
        last_used_at=None,
    )


def _json(value: object, *, status: int = 200) -> Response:
    return Response(_encode(value), status, media_type="application/json", headers=NO_STORE)
