"""The parameters of an authorization request as they came, and where its answer goes; no judgement of what it asks for.

Reads no client and no store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, ResponseMode

from watchword_server.clients.metadata import Client
from watchword_server.endpoints.authorize.redirection import prove_redirect_uri
from watchword_server.web.body import parse_parameters
from watchword_server.web.problem import ProblemError

MAX_REQUEST_BYTES: Final = 5_120
"""Names and values together, of a request that travels in a URL: it has to fit in one again at every step."""
PUSHED: Final = "urn:ietf:params:oauth:request_uri:"
"""RFC 9126 §2.2: what begins the name of a pushed request."""
_VISIBLE: Final = re.compile(r"[\x20-\x7e]+", re.ASCII)
"""VSCHAR of RFC 6749 Appendix A: all that state and nonce may hold."""
_LONGEST: Final[Mapping[str, int]] = {"client_id": 2048, "state": 2048, "nonce": 1024, "request_uri": 512}


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """A request as sent."""

    values: dict[str, str]
    resource: tuple[str, ...] = ()
    """RFC 8707 §2: the one parameter that may come more than once."""
    signed: bool = False
    """Whether they come out of a request object that their client signed (RFC 9101); never read from the request."""

    def get(self, name: str) -> str | None:
        """The value of a parameter that comes once."""
        return self.values.get(name)

    def visible(self, name: str) -> str | None:
        """The value of a parameter that is short and of printable ASCII. Raises OAuthError ``invalid_request``."""
        value = self.values.get(name)
        if value is not None and (len(value) > _LONGEST[name] or not _VISIBLE.fullmatch(value)):
            raise OAuthError(ErrorCode.INVALID_REQUEST, f"{name} is too long, or holds characters it may not hold")
        return value


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where the answer goes, proven to be the client's."""

    redirect_uri: str
    mode: ResponseMode
    state: str | None
    client_id: str
    """Whom a signed answer (JARM) is for."""
    algorithm: str | None
    """What the client registered to have it signed by."""


def read_parameters(raw: bytes, *, max_bytes: int = MAX_REQUEST_BYTES) -> Parameters:
    """Parameters of a query or a form body.

    RFC 6749 §3.1: request parameters MUST NOT be included more than once.
    Raises OAuthError ``invalid_request``.
    """
    if len(raw) > 3 * max_bytes:
        raise _too_long()
    try:
        values, resource = parse_parameters(raw)
    except ProblemError as refused:
        raise OAuthError(ErrorCode.INVALID_REQUEST, refused.detail) from None
    return bounded(Parameters(values=values, resource=resource), max_bytes=max_bytes)


def bounded(parameters: Parameters, *, max_bytes: int = MAX_REQUEST_BYTES) -> Parameters:
    """The same, if they fit in a URL at every step. Raises OAuthError ``invalid_request``."""
    size = sum(len(name.encode()) + len(value.encode()) for name, value in parameters.values.items())
    if size + sum(len(value.encode()) for value in parameters.resource) > max_bytes:
        raise _too_long()
    return parameters


def _too_long() -> OAuthError:
    return OAuthError(ErrorCode.INVALID_REQUEST, "the request is too long for a URL; push it (RFC 9126)")


def destination(parameters: Parameters, client: Client) -> Destination:
    """Where the answer to this request goes; a faulty mode or state is left out here and refused by request.py.

    Raises OAuthError, to be shown on a page.
    """
    redirect_uri = prove_redirect_uri(parameters.get("redirect_uri"), client)
    try:
        state = parameters.visible("state")
    except OAuthError:
        state = None
    mode = parameters.get("response_mode")
    return Destination(
        redirect_uri=redirect_uri,
        mode=ResponseMode(mode) if mode in set(ResponseMode) else ResponseMode.QUERY,
        state=state,
        client_id=client.client_id,
        algorithm=client.metadata.authorization_signed_response_alg,
    )
