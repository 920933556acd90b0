"""What a person decides about a device (RFC 8628 §3.3): whose code it is, what it asks for, allowed or not.

Another kind of request under way at the hub: nobody is sent anywhere, the device polls. Takes no code from strangers;
device_pages.py does, and counts their guesses.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace
from starlette.responses import Response
from watchword.oauth.names import GrantType

from watchword_server.clients.details import encode_details
from watchword_server.clients.metadata import Client
from watchword_server.endpoints.authorize.services import AuthorizeServices
from watchword_server.endpoints.authorize.showing import Showing
from watchword_server.endpoints.authorize.visit import Visit
from watchword_server.store.authorization_records import SignOnView
from watchword_server.store.records import AuditEvent
from watchword_server.tokens.device_request import DeviceRequest, decode_device_request
from watchword_server.tokens.terms import AuthorizationTerms
from watchword_server.web.origin import origin


class DeviceAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A device that waits for its person."""

    client: Client
    user_code: str
    """As it is kept."""
    wanted: DeviceRequest
    login_hint: str | None = None
    returns_to: str | None = None
    """Nowhere: the answer goes to the device."""


class Devices:
    """Finds and decides them for one installation."""

    def __init__(self, services: AuthorizeServices, showing: Showing) -> None:
        self._services = services
        self._showing = showing

    async def find(self, user_code: str) -> DeviceAsked | None:
        """The device that waits under that code; None when there is none, or its client may not ask any more."""
        view = await self._services.state.device_request(user_code)
        client = await self._services.clients.find(view.client_id) if view is not None else None
        if view is None or client is None or not client.allows(GrantType.DEVICE_CODE):
            return None
        return DeviceAsked(client=client, user_code=user_code, wanted=decode_device_request(view.request))

    def gone(self, visit: Visit) -> Response:
        """For a code that was good a moment ago: another may be typed."""
        words = self._services.pages.translate(visit.language)
        problem = words("This code is no longer good: it has expired, or somebody has decided already.")
        return self._showing.device_code(visit, problem=problem, status=410)

    async def step(self, visit: Visit, asked: DeviceAsked, view: SignOnView | None) -> Response:
        """The next page: login, or the decision. The person always decides, whatever was allowed before (§5.4)."""
        if view is None:
            return self._showing.login(visit, asked)
        within = self.within_rights(asked, view)
        if within is None:
            words = self._services.pages.translate(visit.language)
            return self._showing.device_code(
                visit, problem=words("Your account cannot give this device what it asks for."), status=403
            )
        return self._showing.device(visit, within, view)

    def within_rights(self, asked: DeviceAsked, view: SignOnView) -> DeviceAsked | None:
        """What it asks for, with the part of its scope that this account can give; None when nothing is left of it."""
        wanted = asked.wanted
        carried = self._services.effective_scope(asked.client.client_id, wanted.scope, view.account.roles)
        scope = tuple(one for one in wanted.scope if one in carried)
        return None if wanted.scope and not scope else replace(asked, wanted=replace(wanted, scope=scope))

    async def allow(self, visit: Visit, asked: DeviceAsked, view: SignOnView) -> bool:
        """Let it have what the page showed. False when somebody else has decided, or the sign-on is over."""
        account_id, wanted = view.account.id, asked.wanted
        await self._services.state.authorize(
            account_id,
            asked.client.client_id,
            scope=wanted.scope,
            resource=wanted.resource,
            details=encode_details(self._services.entitlements.details.remembered(wanted.details)),
            audit=self._audit(visit, asked, view, "authorization.granted"),
        )
        terms = AuthorizationTerms(scope=wanted.scope, resource=wanted.resource, details=wanted.details)
        return await self._decide(visit, asked, view, terms.encode(), "device.allowed")

    async def deny(self, visit: Visit, asked: DeviceAsked, view: SignOnView) -> bool:
        """Tell the device no. False as ``allow``."""
        return await self._decide(visit, asked, view, None, "device.denied")

    async def _decide(
        self, visit: Visit, asked: DeviceAsked, view: SignOnView, terms: bytes | None, event: str
    ) -> bool:
        return await self._services.state.decide_device(
            asked.user_code,
            terms=terms,
            sign_on=view.sign_on.id,
            rev=view.rev,
            audit=self._audit(visit, asked, view, event),
        )

    def _audit(self, visit: Visit, asked: DeviceAsked, view: SignOnView, event: str) -> AuditEvent:
        return AuditEvent(
            event=event,
            origin=origin(visit.request, f"account:{view.account.id}"),
            account_id=view.account.id,
            client_id=asked.client.client_id,
            detail={"scope": " ".join(asked.wanted.scope), "device": asked.wanted.device},
        )
