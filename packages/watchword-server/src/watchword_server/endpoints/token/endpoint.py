"""`POST /token`: the pipeline every grant shares. Parse, authenticate, may it, does it hold its key, grant.

Holds no grant; each has its own file, and GRANTS names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.jose.certificate import Certificate
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, GrantType

from watchword_server.clients.authentication import AuthenticatedClient
from watchword_server.clients.client_request import ClientRequests
from watchword_server.clients.details import Details
from watchword_server.endpoints.token.authorization_code import authorization_code
from watchword_server.endpoints.token.client_credentials import client_credentials
from watchword_server.endpoints.token.device_code import device_code
from watchword_server.endpoints.token.refresh_token import refresh_token
from watchword_server.endpoints.token.request import Grant, Granted, GrantRequest, TokenServices
from watchword_server.endpoints.token.token_exchange import token_exchange
from watchword_server.store.port import Revocations
from watchword_server.tokens.checks import Check, Place, applies
from watchword_server.tokens.proofs import Proofs, check_proof_algorithm
from watchword_server.web.body import header_values
from watchword_server.web.device import device_kind
from watchword_server.web.documents import EncodedJson
from watchword_server.web.errors import as_oauth, oauth_response
from watchword_server.web.mutual_tls_host import mutual_tls_origin
from watchword_server.web.origin import origin, place_of, user_agent

PATH: Final = "/token"

GRANTS: Final[Mapping[str, tuple[Place, Grant]]] = MappingProxyType(
    {
        GrantType.CLIENT_CREDENTIALS: (Place.CLIENT_CREDENTIALS, client_credentials),
        GrantType.REFRESH_TOKEN: (Place.REFRESH_TOKEN, refresh_token),
        GrantType.AUTHORIZATION_CODE: (Place.AUTHORIZATION_CODE, authorization_code),
        GrantType.DEVICE_CODE: (Place.DEVICE_CODE, device_code),
        GrantType.TOKEN_EXCHANGE: (Place.TOKEN_EXCHANGE, token_exchange),
    }
)
"""By ``grant_type``: the column of the table of checks, and the function. Those that settings switch on are joined to them by
the composition.
"""

_FROM_HEAD: Final = frozenset({Place.CLIENT_CREDENTIALS, Place.JWT_BEARER})

_NEVER: Final = {
    "password": "the password grant is not offered (RFC 9700 §2.4)",
    "implicit": "there is no implicit grant (RFC 9700 §2.1.2)",
}


class TokenAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a successful answer (RFC 6749 §5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str = ""
    refresh_token: str | None = None
    id_token: str | None = None
    issued_token_type: str | None = None
    authorization_details: Details = ()


_encode = msgspec.json.Encoder().encode
_HEADERS: Final = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))


class TokenEndpoint:
    """The endpoint."""

    def __init__(
        self,
        services: TokenServices,
        requests: ClientRequests,
        proofs: Proofs,
        log: Revocations,
        *,
        grants: Mapping[str, tuple[Place, Grant]] = GRANTS,
    ) -> None:
        self._services = services
        self._count_granted = services.metrics.tokens.labels("granted").inc
        self._requests = requests
        self._proofs = proofs
        self._log = log
        self._grants = grants

    def routes(self) -> list[Route]:
        """Where it is mounted."""
        return [Route(PATH, self.handle, methods=["POST"])]

    def metadata_members(self, issuer: str) -> dict[str, Any]:
        """What discovery says of it (RFC 8414 §2)."""
        return {
            "token_endpoint": issuer + PATH,
            "grant_types_supported": list(self._grants),
            "dpop_signing_alg_values_supported": list(self._proofs.algorithms),
        }

    async def handle(self, request: Request) -> Response:
        """200 with tokens, or an error of RFC 6749 §5.2; with a DPoP nonce where nonces are asked for."""
        try:
            granted = await self._grant(request)
        except Exception as error:  # noqa: BLE001 - every exception becomes an answer here
            refused = as_oauth(error)
            self._services.metrics.tokens.labels(refused.code.value).inc()
            response = oauth_response(refused)
        else:
            self._count_granted()
            response = EncodedJson(_encode(_answer(granted)), _HEADERS)
        if nonces := self._proofs.nonce_headers():
            response.headers.update(nonces)
        return response

    async def _grant(self, request: Request) -> Granted:
        form = await self._requests.form(request)
        grant_type = form.require("grant_type")
        known = self._grants.get(grant_type)
        if known is None:
            words = _NEVER.get(grant_type, "this grant_type is not offered")
            raise OAuthError(ErrorCode.UNSUPPORTED_GRANT_TYPE, words)
        place, grant = known
        # Before the client is read: a token from an older head dies by more cut-offs, never by fewer.
        head = (await self._log.head()).position if place in _FROM_HEAD else 0
        authenticated = await self._requests.authenticate(request, form)
        _check_client(authenticated, grant_type, place)
        proof = await self._proofs.dpop(
            header_values(request, b"dpop"), method="POST", path=PATH, origin=mutual_tls_origin(request.scope)
        )
        check_proof_algorithm(authenticated.client, proof)
        if proof is None and applies(Check.DPOP_REQUIRED, place) and _needs_dpop(authenticated):
            raise OAuthError(
                ErrorCode.INVALID_DPOP_PROOF, "this client's tokens are bound to a key; send a proof of it"
            )
        asked = GrantRequest(
            form=form,
            authenticated=authenticated,
            proof=proof,
            head=head,
            device_kind=device_kind(user_agent(request)),
            place=place_of(request),
            origin=origin(request, f"client:{authenticated.client.client_id}"),
            certificate=_bound_certificate(authenticated, self._requests.certificate(request)),
        )
        return await grant(asked, self._services)


def _check_client(authenticated: AuthenticatedClient, grant_type: str, place: Place) -> None:
    if applies(Check.CONFIDENTIAL_CLIENT, place) and authenticated.binding is None:
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "this grant needs a client that authenticates")
    if applies(Check.GRANT_ALLOWED, place) and not authenticated.client.allows(grant_type):
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "this client did not register for this grant")


def _needs_dpop(authenticated: AuthenticatedClient) -> bool:
    """RFC 9449 §5.2; FAPI 2.0 §5.3.2.1: only sender-constrained access tokens are issued, by key or by certificate."""
    client = authenticated.client
    by_certificate = client.metadata.tls_client_certificate_bound_access_tokens
    return client.metadata.dpop_bound_access_tokens or (client.is_fapi2 and not by_certificate)


def _bound_certificate(authenticated: AuthenticatedClient, certificate: object | None) -> str | None:
    """RFC 8705 §3: tokens of a client that registered so are bound to the certificate of its connection."""
    if not authenticated.client.metadata.tls_client_certificate_bound_access_tokens:
        return None
    if not isinstance(certificate, Certificate):
        raise OAuthError(ErrorCode.INVALID_REQUEST, "this client's tokens are bound to a certificate; show it")
    return certificate.thumbprint


def _answer(granted: Granted) -> TokenAnswer:
    return TokenAnswer(
        access_token=granted.access_token,
        token_type=granted.token_type or ("DPoP" if granted.bound else "Bearer"),
        expires_in=granted.expires_in,
        scope=" ".join(granted.scope),
        refresh_token=granted.refresh_token,
        id_token=granted.id_token,
        issued_token_type=granted.issued_token_type,
        authorization_details=granted.details,
    )
