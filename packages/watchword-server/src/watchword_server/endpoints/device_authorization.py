"""`POST /device_authorization` (RFC 8628 §3.1): a device without a browser asks for a code that a person types elsewhere.

Shows no page and issues no token: `/device` asks the person, endpoints/token/device_code.py answers the device's polls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.clock import Clock
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, GrantType

from watchword_server.clients.client_request import ClientRequests
from watchword_server.clients.details import locations
from watchword_server.clients.entitlement import Entitlements
from watchword_server.store.authorization_port import Codes
from watchword_server.store.authorization_records import NewDeviceCode
from watchword_server.tokens.device_request import VERIFICATION_PATH, DeviceRequest, shown_user_code, user_code
from watchword_server.tokens.device_throttle import DeviceThrottle
from watchword_server.web.device import device_kind, device_label
from watchword_server.web.errors import oauth_endpoint

PATH: Final = "/device_authorization"
INTERVAL: Final = 5
"""Seconds between polls (RFC 8628 §3.2: the default)."""
CODE_PREFIX: Final = "wd"
_TRIES: Final = 8
_HEADERS: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class DeviceServices:
    """Filled by the composition root."""

    codes: Codes
    requests: ClientRequests
    entitlements: Entitlements
    clock: Clock
    throttle: DeviceThrottle
    issuer: str
    lifetime: float
    """Seconds that a code is good for."""
    secret: Callable[[str], str]
    random_bytes: Callable[[int], bytes]


class DeviceAuthorization:
    """The endpoint."""

    def __init__(self, services: DeviceServices) -> None:
        self._services = services

    def routes(self) -> list[Route]:
        """Where it is mounted."""
        return [Route(PATH, oauth_endpoint(self.handle), methods=["POST"])]

    def metadata_members(self, issuer: str) -> dict[str, Any]:
        """What discovery says of it (RFC 8628 §4)."""
        return {"device_authorization_endpoint": issuer + PATH}

    async def handle(self, request: Request) -> Response:
        """200 with both codes (RFC 8628 §3.2)."""
        services = self._services
        form = await services.requests.form(request)
        client = (await services.requests.authenticate(request, form)).client
        if not client.allows(GrantType.DEVICE_CODE):
            raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "this client did not register for the device grant")
        address = request.client.host if request.client else None
        if not client.is_confidential and not await services.throttle.admits(address):
            # Anybody can ask in the name of a public client: nobody fills the store so, nor makes codes easier to hit.
            raise OAuthError(ErrorCode.TEMPORARILY_UNAVAILABLE, "too many codes were asked for from here; try later")
        details = services.entitlements.details.read(client, form.get("authorization_details"))
        resource = services.entitlements.resources(client, (*form.resources, *locations(details)))
        agent = request.headers.get("user-agent", "")
        wanted = DeviceRequest(
            scope=services.entitlements.scope(client, form.get("scope"), resource),
            resource=resource,
            details=details,
            device=device_label(agent),
            device_kind=device_kind(agent),
        )
        device_code = services.secret(CODE_PREFIX)
        shown = shown_user_code(await self._record(client.client_id, device_code, wanted.encode()))
        page = services.issuer + VERIFICATION_PATH
        answer = {
            "device_code": device_code,
            "user_code": shown,
            "verification_uri": page,
            # §3.3.1: for a picture that a phone reads; the person still compares the code.
            "verification_uri_complete": f"{page}?user_code={shown}",
            "expires_in": int(services.lifetime),
            "interval": INTERVAL,
        }
        return Response(_encode(answer), headers=_HEADERS, media_type="application/json")

    async def _record(self, client_id: str, device_code: str, wanted: bytes) -> str:
        services = self._services
        digest = hashlib.sha256(device_code.encode()).digest()
        for _ in range(_TRIES):
            code = user_code(services.random_bytes)
            new = NewDeviceCode(
                digest=digest,
                user_code=code,
                client_id=client_id,
                request=wanted,
                interval=INTERVAL,
                expires_at=services.clock.now() + services.lifetime,
            )
            if await services.codes.add_device_code(new):
                return code
        raise OAuthError(ErrorCode.TEMPORARILY_UNAVAILABLE, "too many devices are waiting; try again")
