"""What a person decides on a page: allow or not, as whom to go on, or to go back. Then back to the hub.

Holds no rule of when to ask; next_step.py does.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.details import encode_details
from watchword_server.endpoints.authorize.checking import Refusal
from watchword_server.endpoints.authorize.hub import Hub
from watchword_server.endpoints.authorize.request import AuthorizationRequest
from watchword_server.endpoints.authorize.visit import Visit
from watchword_server.store.authorization_records import SignOnView
from watchword_server.store.records import AuditEvent
from watchword_server.web.origin import origin
from watchword_server.web.ticket import renewed

_DENIED = OAuthError(ErrorCode.ACCESS_DENIED, "the person said no")


class Decisions:
    """The endpoints."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._services = hub.services

    async def consent(self, request: Request) -> Response:
        """POST: what is allowed is kept, and the hub decides again; denied, the client is told so."""
        visit, form = await self._hub.visits.posted(request)
        if form.get("decision") != "allow":
            return await self._denied(visit)
        found = await self._asked(visit, form.get("account"))
        if found is None:
            # Not the account, or not the scopes, that the page spoke of: the person is asked again.
            return self._hub.back(visit)
        asked, view = found
        account_id = view.account.id
        await self._services.state.authorize(
            account_id,
            asked.client.client_id,
            scope=asked.scope,
            resource=asked.resource,
            details=encode_details(self._services.entitlements.details.remembered(asked.details)),
            audit=AuditEvent(
                event="authorization.granted",
                origin=origin(request, f"account:{account_id}"),
                account_id=account_id,
                client_id=asked.client.client_id,
                detail={"scope": " ".join(asked.scope)},
            ),
        )
        # In this very post, not by a ticket that says so: what could be sent twice would allow twice.
        return await self._hub.decide(visit, consented=account_id)

    async def _asked(self, visit: Visit, account: str | None) -> tuple[AuthorizationRequest, SignOnView] | None:
        if self._hub.visits.is_over(visit):
            return None
        checked = await self._hub.checker.check(visit.parameters)
        view = await self._services.sign_ons.find(self._services.sso.read(visit.request.headers))
        if isinstance(checked, Refusal) or view is None or view.account.id != account:
            return None
        asked = self._hub.within_rights(checked.request, view)
        if isinstance(asked, OAuthError) or asked.scope != visit.ticket.shown:
            return None
        return asked, view

    async def select(self, request: Request) -> Response:
        """POST: who is signed in will do."""
        visit, form = await self._hub.visits.posted(request)
        now = self._services.clock.now()
        return self._hub.back(visit, renewed(visit.ticket, now, selected=form.get("account")))

    async def cancel(self, request: Request) -> Response:
        """POST: the person does not want to sign in at all."""
        visit, _ = await self._hub.visits.posted(request)
        return await self._denied(visit)

    async def _denied(self, visit: Visit) -> Response:
        if visit.user_code is not None:
            # Whoever has not signed in decides nothing: the device waits until its code has run out.
            return self._hub.showing.device_done(visit, allowed=False)
        checked = await self._hub.checker.check(visit.parameters)
        if isinstance(checked, Refusal):
            return await self._hub.refuse(visit, checked)
        where = checked.request.destination
        return await self._hub.refuse(visit, Refusal(destination=where, error=_DENIED, pushed=checked.pushed))
