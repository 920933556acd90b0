"""`POST /par`: an authorization request pushed beforehand by its authenticated client (RFC 9126).

Shows no page; what is pushed is judged as at `/authorize`, and used there once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, GrantType

from watchword_server.clients.client_request import ClientRequests
from watchword_server.endpoints.authorize.checking import Checker, digest_of
from watchword_server.endpoints.authorize.parameters import PUSHED, Parameters, bounded, destination
from watchword_server.endpoints.authorize.services import AuthorizeServices
from watchword_server.tokens.proofs import Proofs, check_proof_algorithm
from watchword_server.web.errors import oauth_endpoint
from watchword_server.web.mutual_tls_host import mutual_tls_origin

PATH: Final = "/par"
LIFETIME: Final = 540
"""Seconds within which the person must have decided; under 600, as FAPI 2.0 §5.3.2.2 wants."""
MAX_OF_PUBLIC: Final = 16_384
"""Bytes of what a public client may push."""
_CREDENTIALS: Final = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


class PushedRequests:
    """The endpoint."""

    def __init__(
        self, services: AuthorizeServices, requests: ClientRequests, proofs: Proofs, secret: Callable[[str], str]
    ) -> None:
        self._services = services
        self._checker = Checker(services)
        self._requests = requests
        self._proofs = proofs
        self._secret = secret
        self._answer = oauth_endpoint(self._push)

    def routes(self) -> list[Route]:
        """Where it is mounted."""
        return [Route(PATH, self.handle, methods=["POST"])]

    def metadata_members(self, issuer: str) -> dict[str, Any]:
        """What discovery says of it (RFC 9126 §5)."""
        return {
            "pushed_authorization_request_endpoint": f"{issuer}{PATH}",
            "require_pushed_authorization_requests": False,
        }

    async def handle(self, request: Request) -> Response:
        """201 with the name of the request (§2.2), or an error as of `/token` (§2.3)."""
        response = await self._answer(request)
        # RFC 9449 §8: whoever is asked for a nonce is given one with the refusal.
        response.headers.update(self._proofs.nonce_headers())
        return response

    async def _push(self, request: Request) -> Response:
        form = await self._requests.form(request)
        client = (await self._requests.authenticate(request, form)).client
        if not client.allows(GrantType.AUTHORIZATION_CODE):
            raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "this client may not use the authorization code flow")
        values = {name: value for name, value in form.values.items() if name not in _CREDENTIALS}
        if "request_uri" in values:
            # §2.1: the request_uri parameter MUST NOT be provided.
            raise OAuthError(ErrorCode.INVALID_REQUEST, "request_uri cannot be pushed")
        values["client_id"] = client.client_id
        parameters, signed = await self._checker.unpacked(Parameters(values=values, resource=form.resources))
        values = dict(parameters.values)
        proof = await self._proofs.dpop(
            request.headers.getlist("dpop"), method="POST", path=PATH, origin=mutual_tls_origin(request.scope)
        )
        check_proof_algorithm(client, proof)
        # RFC 9449 §10.1: a proof here binds the code; with dpop_jkt too, both MUST be of the same key.
        if proof is not None and values.setdefault("dpop_jkt", proof.jkt) != proof.jkt:
            raise OAuthError(ErrorCode.INVALID_DPOP_PROOF, "dpop_jkt is not the key of the proof")
        parameters = msgspec.structs.replace(parameters, values=values)
        # §2.1: validated as it would be at the authorization endpoint, so that the client learns of faults here.
        self._checker.judge(parameters, client, destination(parameters, client), pushed=True)
        if signed is not None:
            # Last: whoever is asked for a DPoP nonce comes again with the same object.
            await self._checker.use_once(client, signed)
        if not client.is_confidential:
            # Anybody can push in the name of a public client: nobody fills the store so.
            bounded(parameters, max_bytes=MAX_OF_PUBLIC)
            if not await self._services.devices.admits_push(request.client.host if request.client else None):
                raise OAuthError(
                    ErrorCode.TEMPORARILY_UNAVAILABLE, "too many requests were pushed from here; try later"
                )
        name = PUSHED + self._secret("wp")
        now = self._services.clock.now()
        await self._services.state.push_request(
            digest_of(name),
            client_id=client.client_id,
            request=msgspec.json.encode(parameters),
            expires_at=now + LIFETIME,
        )
        answer = msgspec.json.encode({"request_uri": name, "expires_in": LIFETIME})
        headers = {"Cache-Control": "no-store"}
        return Response(answer, 201, headers, media_type="application/json")
