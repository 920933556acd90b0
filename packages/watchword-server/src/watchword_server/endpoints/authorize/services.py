"""What the authorization endpoint stands on, and what it knows of a visit.

Holds no route and no rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from watchword.clock import Clock

from watchword_server.accounts.service import AccountService
from watchword_server.clients.client_keys import ClientKeys
from watchword_server.clients.entitlement import Entitlements
from watchword_server.clients.metadata import Client
from watchword_server.clients.request_decryption import RequestDecryption
from watchword_server.pages.rendering import Pages
from watchword_server.sessions.sign_on import SignOnService
from watchword_server.store.authorization_port import Authorizations, Codes, Replays
from watchword_server.tokens.device_throttle import DeviceThrottle
from watchword_server.web.body import BodyLimits
from watchword_server.web.cookies import Cookie
from watchword_server.web.cross_site import CrossSite
from watchword_server.web.device import device_label
from watchword_server.web.metrics import Metrics
from watchword_server.web.ticket import Tickets


class FindsClients(Protocol):
    """Where clients are found."""

    async def find(self, client_id: str) -> Client | None:
        """The client of exactly that identifier; None for one that is unknown or disabled."""
        ...


class AuthorizationState(Authorizations, Codes, Replays, Protocol):
    """What is kept of authorizations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeServices:
    """Filled by the composition root."""

    issuer: str
    clients: FindsClients
    client_keys: ClientKeys
    entitlements: Entitlements
    state: AuthorizationState
    accounts: AccountService
    sign_ons: SignOnService
    tickets: Tickets
    pages: Pages
    sso: Cookie
    flow: Cookie
    cross_site: CrossSite
    limits: BodyLimits
    metrics: Metrics
    clock: Clock
    devices: DeviceThrottle
    registration_open: bool
    shortest_password: int
    """Characters, told to whoever makes an account."""
    hinted_subject: Callable[[str, Client], str | None]
    """The ``sub`` of an ``id_token_hint`` that this server issued to that client, expired or not; None for any other."""
    subject_of: Callable[[Client, str], str]
    """The ``sub`` of an account at a client."""
    effective_scope: Callable[[str, tuple[str, ...], tuple[str, ...]], tuple[str, ...]]
    """The part of a scope that an account with these roles may have at that client."""
    sign: Callable[[Mapping[str, Any], str], Awaitable[str]]
    """Claims, signed by that algorithm of the key ring."""
    algorithms: tuple[str, ...]
    """Those that answers can be signed by."""
    request_decryption: RequestDecryption
    request_encryption: tuple[str, ...]
    """Algorithms by which clients may encrypt requests."""
    ask_before_errors: bool
    """Whether a fault is shown before it is redirected, whoever the client is."""
    secret: Callable[[str], str]
    """An unpredictable text with that prefix."""


def device_of(request: Request) -> str:
    """For people: `Firefox on Linux`."""
    return device_label(request.headers.get("user-agent", ""))
