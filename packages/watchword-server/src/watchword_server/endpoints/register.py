"""`POST /register` (RFC 7591 §3) and the client configuration endpoint `/register/{client_id}` (RFC 7592 §2).

Judges nothing: clients/dynamic.py does.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, Scheme

from watchword_server.clients.dynamic import DynamicRegistration, Registered
from watchword_server.web.body import BodyLimits, decode_json, read_body
from watchword_server.web.client_address import client_address
from watchword_server.web.errors import oauth_endpoint
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError

PATH: Final = "/register"
_HEADERS: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_encode = msgspec.json.Encoder().encode


class Register:
    """The endpoints."""

    def __init__(
        self,
        registration: DynamicRegistration,
        *,
        issuer: str,
        limits: BodyLimits,
    ) -> None:
        self._registration = registration
        self._issuer = issuer
        self._limits = limits

    def routes(self) -> list[Route]:
        """Where they are mounted."""
        own = PATH + "/{client_id}"
        return [
            Route(PATH, oauth_endpoint(self.register), methods=["POST"]),
            Route(own, oauth_endpoint(self.show), methods=["GET"]),
            Route(own, oauth_endpoint(self.change), methods=["PUT"]),
            Route(own, oauth_endpoint(self.delete), methods=["DELETE"]),
        ]

    def metadata_members(self, issuer: str) -> dict[str, Any]:
        """What discovery says of it."""
        return {"registration_endpoint": issuer + PATH}

    async def register(self, request: Request) -> Response:
        """201 with the client and what it alone is told (RFC 7591 §3.2.1)."""
        registered = await self._registration.register(
            await self._members(request),
            initial_token=_bearer(request),
            address=client_address(request.scope),
            origin=origin(request),
        )
        return self._answer(registered, 201)

    async def show(self, request: Request) -> Response:
        """200 with the client (RFC 7592 §2.1)."""
        return self._answer(await self._registration.show(_client_id(request), _bearer(request)), 200)

    async def change(self, request: Request) -> Response:
        """200 with the client as it is now (RFC 7592 §2.2)."""
        client_id = _client_id(request)
        changed = await self._registration.change(
            client_id, _bearer(request), await self._members(request), origin(request, f"client:{client_id}")
        )
        return self._answer(changed, 200)

    async def delete(self, request: Request) -> Response:
        """204 (RFC 7592 §2.3)."""
        client_id = _client_id(request)
        await self._registration.delete(client_id, _bearer(request), origin(request, f"client:{client_id}"))
        return Response(status_code=204, headers=_HEADERS)

    async def _members(self, request: Request) -> dict[str, Any]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ProblemError(415, "unsupported_media_type", "The body must be application/json.")
        return decode_json(await read_body(request, self._limits), self._limits)

    def _answer(self, registered: Registered, status: int) -> Response:
        client = registered.client
        members: dict[str, Any] = {
            **{name: value for name, value in msgspec.to_builtins(client.metadata).items() if value is not None},
            # Defaults are told too (RFC 7591 §3.2.1: all registered metadata, also what the server chose).
            "redirect_uris": client.metadata.redirect_uris,
            "grant_types": client.metadata.grant_types,
            "response_types": client.metadata.response_types,
            "token_endpoint_auth_method": client.metadata.token_endpoint_auth_method,
            "application_type": client.metadata.kind,
            "subject_type": client.metadata.subject_type,
            "id_token_signed_response_alg": client.metadata.id_token_signed_response_alg,
            "client_id": client.client_id,
            "client_id_issued_at": int(client.created_at),
            "registration_access_token": registered.registration_token,
            "registration_client_uri": f"{self._issuer}{PATH}/{client.client_id}",
        }
        if registered.secret is not None:
            members |= {"client_secret": registered.secret, "client_secret_expires_at": 0}
        return Response(_encode(members), status, headers=_HEADERS, media_type="application/json")


def _client_id(request: Request) -> str:
    client_id: str = request.path_params["client_id"]
    return client_id


def _bearer(request: Request) -> str | None:
    """The one bearer token of the request; None without credentials."""
    given = request.headers.getlist("authorization")
    if not given:
        return None
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != Scheme.BEARER.lower() or not token or not token.isascii():
        raise OAuthError(ErrorCode.INVALID_TOKEN, "one bearer token is expected")
    return token
