"""A form sent by a client: read once and strictly, its client authenticated (RFC 6749 §3.2).

What every endpoint does that clients call with a form; knows no endpoint.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.authentication import AuthenticatedClient, ClientAuthenticator, PresentedCredentials
from watchword_server.store.records import Record
from watchword_server.web.body import BodyLimits, header_values, read_parameters


class ClientForm(Record, frozen=True):
    """The parameters of a form."""

    values: dict[str, str]
    resources: tuple[str, ...]
    """`resource`, the one parameter that may be repeated (RFC 8707 §2)."""

    def get(self, name: str) -> str | None:
        """The value of a parameter; None without."""
        return self.values.get(name)

    def require(self, name: str) -> str:
        """The value of a parameter. Raises OAuthError ``invalid_request``."""
        value = self.values.get(name)
        if value is None:
            raise OAuthError(ErrorCode.INVALID_REQUEST, f"{name} is missing")
        return value

    def __repr__(self) -> str:
        """Without values."""
        return f"ClientForm({sorted(self.values)})"


class ClientRequests:
    """Reads the requests of clients."""

    def __init__(
        self,
        authenticator: ClientAuthenticator,
        limits: BodyLimits,
        certificate: Callable[[Request], object | None] = lambda _request: None,
    ) -> None:
        """``certificate`` finds the client's certificate of a request (RFC 8705); nothing, unless one is given."""
        self._authenticator = authenticator
        self._limits = limits
        self._certificate = certificate

    async def form(self, request: Request) -> ClientForm:
        """The form of a POST.

        Raises OAuthError ``invalid_request`` when anything stands in the URL: a secret or code there would be in logs and
        histories (RFC 6749 §2.3.1, RFC 9700 §4.3); ProblemError as ``read_parameters``.
        """
        if request.scope.get("query_string"):
            raise OAuthError(ErrorCode.INVALID_REQUEST, "parameters belong in the body, and nothing in the query")
        return ClientForm(*await read_parameters(request, self._limits))

    def certificate(self, request: Request) -> object | None:
        """The certificate that came with the request (RFC 8705); None without one."""
        return self._certificate(request)

    async def authenticate(self, request: Request, form: ClientForm) -> AuthenticatedClient:
        """Its client. Raises OAuthError as ``ClientAuthenticator.authenticate``."""
        return await self._authenticator.authenticate(self.presented(request, form))

    def presented(self, request: Request, form: ClientForm) -> PresentedCredentials:
        """What the request says of its client. Raises OAuthError ``invalid_request``."""
        authorization = header_values(request, b"authorization")
        if len(authorization) > 1:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "more than one Authorization header")
        return PresentedCredentials.of(
            authorization[0] if authorization else None, form.values, self._certificate(request)
        )
