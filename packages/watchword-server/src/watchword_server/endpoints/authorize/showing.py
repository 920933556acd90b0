"""The pages of the authorization endpoint, filled: who asks, who is signed in, what is asked for, in words.

Decides nothing; whatever a client or a stranger wrote is shown as text, short and printable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from starlette.responses import Response
from watchword.oauth.errors import OAuthError

from watchword_server.clients.metadata import Client
from watchword_server.endpoints.authorize.detail_words import shown_detail
from watchword_server.endpoints.authorize.next_step import Consent
from watchword_server.endpoints.authorize.parameters import Destination
from watchword_server.endpoints.authorize.redirection import shown_host
from watchword_server.endpoints.authorize.request import AuthorizationRequest
from watchword_server.endpoints.authorize.services import AuthorizeServices
from watchword_server.endpoints.authorize.visit import Visit, Visits
from watchword_server.pages.rendering import is_framable, posting_back, shown_name
from watchword_server.store.authorization_records import SignOnView
from watchword_server.store.records import Account
from watchword_server.tokens.device_request import DeviceRequest, shown_user_code
from watchword_server.web.ticket import renewed

_UNVERIFIED = frozenset({"dynamic", "metadata_document"})
"""Clients that nobody here has looked at: they say themselves what they are called."""


class Asking(Protocol):
    """Who wants something of a person: a client that has sent the browser here, or a device that waits."""

    @property
    def client(self) -> Client:
        """Whose request it is."""
        ...

    @property
    def login_hint(self) -> str | None:
        """Who is expected to sign in."""
        ...

    @property
    def returns_to(self) -> str | None:
        """Where the browser goes in the end; None when it stays here."""
        ...


class AskingDevice(Asking, Protocol):
    """A device that waits."""

    @property
    def user_code(self) -> str:
        """Its code, as it is kept."""
        ...

    @property
    def wanted(self) -> DeviceRequest:
        """What it asks for."""
        ...


class Showing:
    """Fills pages."""

    def __init__(self, services: AuthorizeServices, visits: Visits) -> None:
        self._services = services
        self._visits = visits

    def login(
        self,
        visit: Visit,
        request: Asking,
        known: SignOnView | None = None,
        *,
        register: bool = False,
        identifier: str = "",
        problem: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The login page. ``known``: who is signed in and has to show it once more; ``problem``: what went wrong."""
        if register and self._services.registration_open:
            return self.register(visit, request)
        hinted = known.account.email if known is not None else request.login_hint or ""
        return self._show(
            "login",
            visit,
            request,
            status=status,
            headers=headers,
            again=known is not None,
            identifier=identifier or hinted,
            problem_text=problem,
            registration_open=self._services.registration_open,
        )

    def register(
        self,
        visit: Visit,
        request: Asking,
        *,
        email: str = "",
        problem: str | None = None,
        faults: Mapping[str, str] | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The page on which an account is made. ``faults``: what is wrong with each field."""
        return self._show(
            "register",
            visit,
            request,
            status=status,
            headers=headers,
            email=email,
            problem_text=problem,
            faults=faults or {},
            shortest_password=self._services.shortest_password,
        )

    def select(self, visit: Visit, request: AuthorizationRequest, view: SignOnView) -> Response:
        """The page on which a person says as who to go on."""
        account = view.account
        return self._show("select_account", visit, request, account=account_name(account), account_id=account.id)

    def consent(self, visit: Visit, request: AuthorizationRequest, view: SignOnView, consent: Consent) -> Response:
        """The page on which a person allows it or not."""
        words, translated = self._services.entitlements.words, self._services.pages.translate(visit.language)
        client = request.client
        shown = (*consent.scope, *consent.held)
        scopes = [{"words": translated(words(one)), "new": one in consent.new} for one in shown]
        return self._show(
            "consent",
            visit,
            request,
            shown=consent.scope,
            account=account_name(view.account),
            account_id=view.account.id,
            unverified=client.source in _UNVERIFIED,
            scopes=scopes,
            all_new=consent.new == shown and consent.new_details == consent.details,
            details=[self._detail(visit, one, new=one in consent.new_details) for one in consent.details],
            resources=[self._services.entitlements.resource_name(one) for one in consent.resource],
            # Of a client that is a document on the web, the host of the document is all that is known for sure.
            publisher=urlsplit(client.client_id).hostname if client.source == "metadata_document" else None,
            host=shown_host(request.destination.redirect_uri),
        )

    def device_code(
        self,
        visit: Visit,
        *,
        typed: str | None = None,
        problem: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The page that asks for the code of a device. ``typed``: a code in its normalised form, filled in already."""
        ticket = renewed(visit.ticket, self._services.clock.now(), values={})
        response = self._services.pages.show(
            "device_code",
            visit.language,
            status=status,
            headers=headers,
            user_code=shown_user_code(typed) if typed is not None else "",
            problem_text=problem,
            ticket=self._visits.seal(visit, ticket),
        )
        return visit.carrying(response)

    def device(self, visit: Visit, asked: AskingDevice, view: SignOnView) -> Response:
        """The page on which a person lets a device in, or does not."""
        words, translated = self._services.entitlements.words, self._services.pages.translate(visit.language)
        client, wanted = asked.client, asked.wanted
        return self._show(
            "device",
            visit,
            asked,
            shown=wanted.scope,
            account=account_name(view.account),
            account_id=view.account.id,
            unverified=client.source in _UNVERIFIED,
            publisher=urlsplit(client.client_id).hostname if client.source == "metadata_document" else None,
            user_code=shown_user_code(asked.user_code),
            device=wanted.device,
            scopes=[{"words": translated(words(one)), "new": True} for one in wanted.scope],
            all_new=True,
            resources=[self._services.entitlements.resource_name(one) for one in wanted.resource],
            details=[self._detail(visit, one, new=True) for one in wanted.details],
        )

    def _detail(self, visit: Visit, detail: Mapping[str, Any], *, new: bool) -> dict[str, Any]:
        words = self._services.pages.translate(visit.language)(self._services.entitlements.details.words(detail))
        return shown_detail(detail, words, self._services.entitlements.resource_name) | {"new": new}

    def device_done(self, visit: Visit, *, allowed: bool) -> Response:
        """The page at the end: the person goes back to the device."""
        return visit.carrying(self._services.pages.show("device_done", visit.language, allowed=allowed))

    def way_back(self, visit: Visit, where: Destination, error: OAuthError, then: str | None) -> Response:
        """The page of an error that the client is told once the person follows the link ``then``, if there is one."""
        words = self._services.pages.translate(visit.language)
        return self._services.pages.show(
            "error",
            visit.language,
            status=400,
            message=words("The application that sent you here asked for something that cannot be done."),
            error=error.code.value,
            description=error.description,
            reference=None,
            then=then,
            host=shown_host(where.redirect_uri),
        )

    def _show(
        self,
        template: str,
        visit: Visit,
        request: Asking,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        shown: tuple[str, ...] | None = None,
        **context: Any,
    ) -> Response:
        ticket = renewed(visit.ticket, self._services.clock.now(), shown=shown)
        client = request.client
        logo = self._logo(client)
        response = self._services.pages.show(
            template,
            visit.language,
            status=status,
            posts_to=posting_back(request.returns_to) if request.returns_to is not None else ("'self'",),
            image=logo,
            headers=headers,
            client=client_name(client),
            logo=logo,
            policy_uri=_link(client.metadata.policy_uri),
            tos_uri=_link(client.metadata.tos_uri),
            ticket=self._visits.seal(visit, ticket),
            **context,
        )
        return visit.carrying(response)

    def _logo(self, client: Client) -> str | None:
        """OpenID Connect Registration §2: the server SHOULD display it. This server never fetches it; browsers do."""
        uri = _link(client.metadata.logo_uri)
        known = client.source not in _UNVERIFIED
        return uri if uri is not None and is_framable(uri) and self._services.pages.shows_logo(known=known) else None


def client_name(client: Client) -> str:
    """What people are told the client is called."""
    return shown_name(client.name)


def account_name(account: Account) -> str:
    """What people are told they are signed in as."""
    return shown_name(account.email)


def _link(uri: str | None) -> str | None:
    """A link that a client wants to be shown; https alone, since javascript: would run here."""
    return uri if uri is not None and uri.startswith("https://") else None
