"""Who may use the administration API: a first-party bearer token with scope `watchword:admin`.

Holds no route.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from watchword_server.accounts.profiles import ProfileService
from watchword_server.accounts.service import AccountService
from watchword_server.clients.administration import ClientAdministration
from watchword_server.clients.directory import ConfiguredClients
from watchword_server.keys.ring import KeyRing
from watchword_server.revocation.verifiers import Verifiers
from watchword_server.sessions.ending import SessionEnding
from watchword_server.store.port import Store
from watchword_server.store.records import Origin
from watchword_server.tokens.api_keys import ApiKeyService
from watchword_server.tokens.caller import Caller, Callers
from watchword_server.web.origin import origin

ADMIN_SCOPE = "watchword:admin"


@dataclass(frozen=True, slots=True)
class AdminServices:
    """What the administration API stands on."""

    store: Store
    accounts: AccountService
    sessions: SessionEnding
    keys: KeyRing
    callers: Callers
    verifiers: Verifiers
    clients: ClientAdministration
    configured: ConfiguredClients
    profiles: ProfileService
    api_keys: ApiKeyService
    workers: int
    """Processes that share the port, each with verifiers of its own."""


bearer = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    description=f"A first-party access token with scope `{ADMIN_SCOPE}`.",
    auto_error=False,
)


def services(request: Request) -> AdminServices:
    """The services of this application."""
    return cast("AdminServices", request.app.state.services)


Services = Annotated[AdminServices, Depends(services)]


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who acts, and from where."""

    caller: Caller
    origin: Origin


async def administrator(
    request: Request, admin: Services, _shown: Annotated[object, Security(bearer)]
) -> Administrator:
    """The caller, refused by 401 or 403 (RFC 6750 §3.1) unless it holds the scope in a living session."""
    caller = await admin.callers.authenticate(request.headers.getlist("authorization"), scope=ADMIN_SCOPE)
    return Administrator(caller, origin(request, f"admin:{caller.view.account.id}"))


Admin = Annotated[Administrator, Depends(administrator)]
Guard: Callable[..., Awaitable[Administrator]] = administrator
