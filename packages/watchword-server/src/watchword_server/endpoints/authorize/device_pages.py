"""`/device`: where a person types the code that a device shows (RFC 8628 §3.3), and says yes or no.

Guesses are counted here, by address and in all (§5.1). What is decided and recorded is up to device.py.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from watchword_server.endpoints.authorize.device import DeviceAsked
from watchword_server.endpoints.authorize.hub import Hub
from watchword_server.endpoints.authorize.parameters import Parameters
from watchword_server.endpoints.authorize.visit import DEVICE_PURPOSE, Visit
from watchword_server.tokens.device_request import normalised_user_code
from watchword_server.web.ticket import Ticket, TicketRefused, renewed

DECISION_PATH: Final = "/device/decision"


class DevicePages:
    """The endpoints."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._services = hub.services

    async def show(self, request: Request) -> Response:
        """GET: the page that asks for the code. One in the address (§3.3.1) is filled in and looked up only when the person
        goes on: nobody guesses with the browsers of others.
        """
        visit = self._hub.visits.begin(request, Parameters(values={}), purpose=DEVICE_PURPOSE)
        return self._hub.showing.device_code(
            visit, typed=normalised_user_code(request.query_params.get("user_code", ""))
        )

    async def enter(self, request: Request) -> Response:
        """POST: a code was typed. The hub decides what comes next."""
        visit, form = await self._posted(request)
        words = self._services.pages.translate(visit.language)
        address = request.client.host if request.client else None
        typed = normalised_user_code(form.get("user_code", ""))
        if (wait := await self._services.devices.wait(address)) is not None:
            problem = words("Too many wrong codes. Please wait a while and try again.")
            headers = {"Retry-After": str(wait)}
            return self._hub.showing.device_code(visit, typed=typed, problem=problem, status=429, headers=headers)
        asked = await self._hub.devices.find(typed) if typed is not None else None
        if asked is None:
            await self._services.devices.wrong(address)
            problem = words("This code is wrong or no longer good. Please look at your device again.")
            return self._hub.showing.device_code(visit, typed=typed, problem=problem, status=422)
        return self._hub.back(visit, _about(visit.ticket, asked.user_code))

    async def decide(self, request: Request) -> Response:
        """POST: the person allows the device, or does not."""
        visit, form = await self._posted(request)
        if (again := self._hub.over(visit)) is not None:
            return again
        asked = await self._hub.devices.find(visit.user_code or "")
        if asked is None:
            return self._hub.devices.gone(visit)
        view = await self._services.sign_ons.find(self._services.sso.read(request.headers))
        if form.get("decision") != "allow":
            if view is None or await self._hub.devices.deny(visit, asked, view):
                return self._hub.showing.device_done(visit, allowed=False)
            return self._hub.back(visit)
        within = self._hub.devices.within_rights(asked, view) if view is not None else None
        if view is None or within is None or not _is_what_was_shown(visit, within, form, view.account.id):
            # Not the account, or not the scopes, that the page spoke of: the person is asked again.
            return self._hub.back(visit)
        if not await self._hub.devices.allow(visit, within, view):
            return self._hub.back(visit)
        return self._hub.showing.device_done(visit, allowed=True)

    async def _posted(self, request: Request) -> tuple[Visit, dict[str, str]]:
        visit, form = await self._hub.visits.posted(request)
        if visit.user_code is None:
            # The ticket of a client's request, with whatever it holds, decides about no device.
            raise TicketRefused
        return visit, form


def _is_what_was_shown(visit: Visit, asked: DeviceAsked, form: dict[str, str], account_id: str) -> bool:
    return form.get("account") == account_id and asked.wanted.scope == visit.ticket.shown


def _about(ticket: Ticket, user_code: str) -> Ticket:
    """A ticket for the device of that code; nobody else can make one, so that later steps are no guesses."""
    return renewed(ticket, ticket.began, values={"user_code": user_code})
