"""What a grant is given, what it stands on, and what it gives.

Holds no rule and no route.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from watchword.clock import Clock
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.verify.dpop import DpopProof

from watchword_server.clients.authentication import AuthenticatedClient
from watchword_server.clients.client_request import ClientForm
from watchword_server.clients.details import Details, is_part
from watchword_server.clients.entitlement import Entitlements
from watchword_server.clients.metadata import Client
from watchword_server.store.authorization_port import Codes, OpaqueTokens
from watchword_server.store.records import Origin, Record
from watchword_server.tokens.client_sessions import ClientSessions, Holder
from watchword_server.tokens.issuer import AccessTokenIssuer
from watchword_server.tokens.reading import TokenReader
from watchword_server.tokens.refresh import Rules
from watchword_server.tokens.rotation import Rotation
from watchword_server.tokens.terms import AuthorizationTerms
from watchword_server.web.metrics import Metrics


class GrantRequest(Record, frozen=True):
    """A token request whose client is authenticated, and whose proof of possession, if there is one, is good."""

    form: ClientForm
    authenticated: AuthenticatedClient
    proof: DpopProof | None
    head: int
    """Head of the revocation log, read before the client was: what tokens are issued from that no view of a session decides
    on; 0 for the others.
    """
    device_kind: str
    place: str
    origin: Origin
    certificate: str | None = None
    """``x5t#S256`` of the certificate that the client's tokens are to be bound to (RFC 8705 §3)."""

    @property
    def client(self) -> Client:
        """Who asks."""
        return self.authenticated.client

    @property
    def holder(self) -> Holder:
        """Who the tokens are handed to."""
        jkt = None if self.proof is None else self.proof.jkt
        return Holder(
            binding=self.authenticated.binding, jkt=jkt, device_kind=self.device_kind, certificate=self.certificate
        )


class Granted(Record, frozen=True):
    """A successful answer (RFC 6749 §5.1)."""

    access_token: str
    expires_in: int
    scope: tuple[str, ...]
    bound: bool
    """Whether the access token is bound to the key of a DPoP proof."""
    refresh_token: str | None = None
    id_token: str | None = None
    details: Details = ()
    """Authorization details of the access token (RFC 9396 §7)."""
    issued_token_type: str | None = None
    """Of an exchanged token (RFC 8693 §2.2.1)."""
    token_type: str | None = None
    """None: that of an access token, as it is bound."""

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"Granted(scope={self.scope!r})"


@dataclass(frozen=True, slots=True)
class TokenServices:
    """Filled by the composition root."""

    codes: Codes
    opaque: OpaqueTokens
    reader: TokenReader
    issuer: AccessTokenIssuer
    rotation: Rotation
    rules: Rules
    sessions: ClientSessions
    entitlements: Entitlements
    clock: Clock
    metrics: Metrics
    identity_assertions: Callable[[GrantRequest, TokenServices], Awaitable[Granted]] | None = None
    """The exchange for assertions to servers elsewhere; None where the settings name none."""


Grant = Callable[[GrantRequest, TokenServices], Awaitable[Granted]]
"""A function for one ``grant_type``. Raises OAuthError."""


def narrowed(request: GrantRequest, services: TokenServices, granted: Details) -> Details | None:
    """The part of granted authorization details that is asked for (RFC 9396 §6.1); None: all of them.

    Raises OAuthError ``invalid_authorization_details``.
    """
    text = request.form.get("authorization_details")
    if text is None:
        return None
    asked = services.entitlements.details.read(request.client, text)
    if not is_part(asked, granted):
        raise OAuthError(ErrorCode.INVALID_AUTHORIZATION_DETAILS, "more is asked for than was granted")
    return asked


def targeted(request: GrantRequest, services: TokenServices, granted: AuthorizationTerms) -> tuple[str, ...]:
    """The part of the granted resources that is asked for (RFC 8707 §2.2); without a wish all of them.

    Raises OAuthError ``invalid_target``.
    """
    asked = services.entitlements.resources(request.client, request.form.resources)
    if not asked:
        return granted.resource
    if not services.issuer.claims.may_target(granted.resource, granted.scope, asked):
        raise OAuthError(ErrorCode.INVALID_TARGET, "a resource is asked for that was not granted")
    return asked


def invalid_grant(description: str, *, detail: str | None = None) -> OAuthError:
    """The refusal of a code or refresh token (RFC 6749 §5.2)."""
    return OAuthError(ErrorCode.INVALID_GRANT, description, detail=detail)
