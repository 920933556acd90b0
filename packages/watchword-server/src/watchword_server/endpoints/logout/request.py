"""A logout request: who asks, of whom it speaks, where the browser goes afterwards. PURE but for finding the client.

Ends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.directory import find_if_reachable
from watchword_server.clients.metadata import Client
from watchword_server.tokens.id_token_hint import ENCRYPTED, IdTokenHint, is_encrypted
from watchword_server.web.redirects import with_query

_STATE: Final = re.compile(r"[\x20-\x7e]{1,2048}", re.ASCII)


class FindsClients(Protocol):
    """Where clients are found."""

    async def find(self, client_id: str) -> Client | None:
        """The client of exactly that identifier; None for one that is unknown or disabled."""
        ...


class LogoutRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be followed."""

    client: Client | None
    hint: IdTokenHint | None
    then: str | None
    """Where the browser goes afterwards, proven to be the client's, with the state."""


async def read_logout(
    values: Mapping[str, str], clients: FindsClients, read_hint: Callable[[str], IdTokenHint | None]
) -> LogoutRequest:
    """Judge a request (RP-Initiated Logout §2, §3).

    Raises OAuthError, to be shown on a page: a redirect that is not proven would make this server an open redirector.
    """
    hint = None
    if (raw := values.get("id_token_hint")) is not None:
        if is_encrypted(raw):
            raise OAuthError(ErrorCode.INVALID_REQUEST, ENCRYPTED)
        hint = read_hint(raw)
        if hint is None:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "id_token_hint is not an ID token of this server")
    client_id = values.get("client_id")
    if client_id is not None and hint is not None and client_id != hint.client_id:
        # §2: when both are present, the OP MUST verify that the ID token was issued to that client.
        raise OAuthError(ErrorCode.INVALID_REQUEST, "client_id is not that of the id_token_hint")
    named = client_id or (hint.client_id if hint is not None else None)
    client = await find_if_reachable(clients, named) if named is not None else None
    if client_id is not None and client is None:
        raise OAuthError(ErrorCode.INVALID_CLIENT, "client_id is not known here")
    return LogoutRequest(client=client, hint=hint, then=_then(values, client))


def _then(values: Mapping[str, str], client: Client | None) -> str | None:
    uri, state = values.get("post_logout_redirect_uri"), values.get("state")
    if state is not None and not _STATE.fullmatch(state):
        raise OAuthError(ErrorCode.INVALID_REQUEST, "state is too long, or holds characters it may not hold")
    if uri is None:
        return None
    if client is None:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "post_logout_redirect_uri comes without a client")
    # §3: the value MUST have been previously registered, compared as exact strings.
    if uri not in client.metadata.post_logout_redirect_uris:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "post_logout_redirect_uri is not one that this client registered")
    return with_query(uri, {"state": state} if state is not None else {})
