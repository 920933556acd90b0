"""Where a request comes from: as the audit log keeps it, and as failures and people's sessions are told apart by it.

Believes no header: the address is the one that client_address.py has found.
"""

from __future__ import annotations

from starlette.requests import Request

from watchword_server.store.records import Origin
from watchword_server.web.client_address import client_address, throttle_network

_LONGEST_AGENT = 256


def origin(request: Request, actor: str = "anonymous") -> Origin:
    """Who acts from where, for the audit log; the user agent cut to 256 characters."""
    agent = user_agent(request)
    return Origin(
        actor=actor, address=client_address(request.scope), user_agent=agent[:_LONGEST_AGENT] if agent else None
    )


def user_agent(request: Request) -> str | None:
    """What the client says it is; None when it says nothing. Starlette's headers cost several times the search."""
    for name, value in request.scope["headers"]:
        if name == b"user-agent":
            return bytes(value).decode("latin-1")
    return None


def place_of(request: Request) -> str:
    """The network that a request comes from, such as sessions are shown with."""
    return throttle_network(client_address(request.scope))
