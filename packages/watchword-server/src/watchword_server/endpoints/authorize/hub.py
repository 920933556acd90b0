"""`/authorize`: the hub to which every step returns. It reads, asks next_step.py what is to happen, and does that.

Holds no rule of its own; what a posted page does, before it comes back here, is in login.py and decision.py.
"""

from __future__ import annotations

from urllib.parse import urlencode

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, Prompt

from watchword_server.endpoints.authorize.answer import Answers
from watchword_server.endpoints.authorize.checking import Checked, Checker, Refusal, digest_of
from watchword_server.endpoints.authorize.device import Devices
from watchword_server.endpoints.authorize.next_step import (
    Consent,
    Issue,
    Login,
    Person,
    Progress,
    Refuse,
    SelectAccount,
    next_step,
)
from watchword_server.endpoints.authorize.parameters import Parameters, bounded, read_parameters
from watchword_server.endpoints.authorize.request import AuthorizationRequest
from watchword_server.endpoints.authorize.services import AuthorizeServices
from watchword_server.endpoints.authorize.showing import Asking, Showing
from watchword_server.endpoints.authorize.visit import Visit, Visits
from watchword_server.store.authorization_records import NewCode, SignOnView
from watchword_server.tokens.device_request import VERIFICATION_PATH, shown_user_code
from watchword_server.tokens.terms import AuthorizationTerms
from watchword_server.web.body import read_body
from watchword_server.web.origin import place_of
from watchword_server.web.problem import ProblemError
from watchword_server.web.redirects import redirect
from watchword_server.web.ticket import Ticket, renewed

PATH = "/authorize"
CONTINUE = "/authorize/continue"
CODE_LIFETIME = 60.0
"""Seconds (RFC 6749 §4.1.2: short; FAPI 2.0: 60 at most)."""
_MAX_URL = 7_900


class Hub:
    """The endpoint, and what the posted pages return to."""

    def __init__(self, services: AuthorizeServices) -> None:
        self.services = services
        self.visits = Visits(services)
        self.answers = Answers(
            services.issuer, services.pages, services.clock, sign=services.sign, algorithms=services.algorithms
        )
        self.checker = Checker(services)
        self.showing = Showing(services, self.visits)
        self.devices = Devices(services, self.showing)

    async def begin(self, request: Request) -> Response:
        """GET: the request of a client begins here."""
        parameters, _ = await self.checker.unpacked(read_parameters(request.scope["query_string"]))
        return await self.decide(self.visits.begin(request, bounded(parameters)))

    async def begin_posted(self, request: Request) -> Response:
        """POST (OpenID Connect Core §3.1.2.1): sent round by GET, with which alone the browser sends its cookies here."""
        if request.scope["query_string"]:
            # A parameter in both places would have two values (RFC 6749 §3.1).
            raise OAuthError(ErrorCode.INVALID_REQUEST, "a posted request has its parameters in the body alone")
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != "application/x-www-form-urlencoded":
            raise ProblemError(415, "unsupported_media_type", "A posted request is a form.")
        parameters = read_parameters(await read_body(request, self.services.limits))
        return self._sent_round(parameters)

    async def proceed(self, request: Request) -> Response:
        """GET: back from a page."""
        return await self.decide(self.visits.opened(request, request.query_params.get("ticket")))

    def back(self, visit: Visit, ticket: Ticket | None = None) -> Response:
        """The way every posted page takes: to the hub, by 303."""
        ticket = renewed(ticket or visit.ticket, self.services.clock.now())
        return visit.carrying(redirect(f"{CONTINUE}?{urlencode({'ticket': self.visits.seal(visit, ticket)})}"))

    def over(self, visit: Visit) -> Response | None:
        """For a page that was left open for too long: the request begins anew, as if the client had just sent it."""
        if not self.visits.is_over(visit):
            return None
        if visit.user_code is not None:
            shown = shown_user_code(visit.user_code) if visit.user_code else ""
            return redirect(f"{VERIFICATION_PATH}?{urlencode({'user_code': shown})}")
        return self._sent_round(visit.parameters)

    async def under_way(self, visit: Visit) -> Asking | Response:
        """Who asks, for a page before the decision; else the answer that takes its place."""
        if (again := self.over(visit)) is not None:
            return again
        if visit.user_code is not None:
            return await self.devices.find(visit.user_code) or self.devices.gone(visit)
        checked = await self.checker.check(visit.parameters)
        return await self.refuse(visit, checked) if isinstance(checked, Refusal) else checked.request

    def _sent_round(self, parameters: Parameters) -> Response:
        pairs = [*parameters.values.items(), *(("resource", one) for one in parameters.resource)]
        location = f"{PATH}?{urlencode(pairs)}"
        if len(location) > _MAX_URL:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "the request is too long for a URL; push it (RFC 9126)")
        return redirect(location)

    async def decide(self, visit: Visit, *, consented: str | None = None) -> Response:
        """What is to happen next, done. ``consented``: the account that allowed this request in this very post."""
        if (again := self.over(visit)) is not None:
            return again
        if visit.user_code is not None:
            return await self._decide_device(visit, visit.user_code)
        checked = await self.checker.check(visit.parameters)
        view = await self._signed_on(visit)
        if isinstance(checked, Refusal):
            silent = Prompt.NONE in (visit.parameters.get("prompt") or "").split()
            # RFC 9700 §4.11.2: the AS MUST authenticate the user first, the silent request excepted, and SHOULD only
            # redirect by itself to where it trusts: or any stranger's client makes this server an open redirector.
            unsure = checked.by_stranger or self.services.ask_before_errors
            asks = visit.first and view is None and unsure and not silent
            return await self.refuse(visit, checked, asks=asks)
        if view is not None and visit.first:
            # The store's clock told when the login was: by the same clock, one before this request is not of it.
            visit.ticket = replace(visit.ticket, began=view.read_at)
        return await self._step(visit, checked, view, consented)

    async def _decide_device(self, visit: Visit, user_code: str) -> Response:
        asked = await self.devices.find(user_code)
        if asked is None:
            return self.devices.gone(visit)
        return await self.devices.step(visit, asked, await self._signed_on(visit))

    async def _signed_on(self, visit: Visit) -> SignOnView | None:
        view = await self.services.sign_ons.find(self.services.sso.read(visit.request.headers))
        if view is not None:
            await self.services.sign_ons.note_use(view, place=place_of(visit.request))
        return view

    async def _step(self, visit: Visit, checked: Checked, view: SignOnView | None, consented: str | None) -> Response:
        request, person, authorization = checked.request, None, None
        if view is not None:
            within = self.within_rights(request, view)
            if isinstance(within, OAuthError):
                return await self.refuse(visit, _refusal(checked, within))
            request, person = within, self.person(within, view)
            authorization = await self.services.state.authorization(view.account.id, request.client.client_id)
        progress = Progress(began=visit.ticket.began, selected=visit.ticket.selected, consented=consented)
        now = view.read_at if view else self.services.clock.now()
        match next_step(request, person, authorization, progress, now):
            case Login(again=again, register=register):
                return self.showing.login(visit, request, view if again else None, register=register)
            case SelectAccount() if view is not None:
                return self.showing.select(visit, request, view)
            case Consent() as consent if view is not None:
                return self.showing.consent(visit, request, view, consent)
            case Issue() if view is not None:
                return await self._issue(visit, replace(checked, request=request), view)
            case Refuse(error=error, description=description):
                return await self.refuse(visit, _refusal(checked, OAuthError(error, description)))
            case _:
                raise AssertionError("every other step needs somebody who is signed in")

    def person(self, request: AuthorizationRequest, view: SignOnView) -> Person:
        """Who is signed in, as this client knows it."""
        subject = self.services.subject_of(request.client, view.account.id)
        return Person(account=view.account, sign_on=view.sign_on, subject=subject)

    def within_rights(self, request: AuthorizationRequest, view: SignOnView) -> AuthorizationRequest | OAuthError:
        """The request, with the part of its scope that this account can give; a refusal when nothing is left of it."""
        carried = self.services.effective_scope(request.client.client_id, request.scope, view.account.roles)
        scope = tuple(one for one in request.scope if one in carried)
        if request.scope and not scope:
            return OAuthError(ErrorCode.INVALID_SCOPE, "this account may give none of the scopes asked for")
        return replace(request, scope=scope)

    async def refuse(self, visit: Visit, refusal: Refusal, *, asks: bool = False) -> Response:
        """Tell the client why not; a pushed request is used up by it. With ``asks`` it is told if the person goes there."""
        if refusal.pushed is not None:
            await self.services.state.consume_request(refusal.pushed)
        answer = await self.answers.refusal(refusal.destination, refusal.error, visit.language)
        if asks:
            answer = self.showing.way_back(visit, refusal.destination, refusal.error, answer.headers.get("location"))
        return visit.carrying(answer)

    async def _issue(self, visit: Visit, checked: Checked, view: SignOnView) -> Response:
        """Make a code, recorded before it is told (RFC 6749 §4.1.2)."""
        request, code = checked.request, self.services.secret("wc")
        terms = AuthorizationTerms(
            scope=request.scope,
            resource=request.resource,
            details=request.details,
            redirect_uri=request.destination.redirect_uri if request.redirect_uri_sent else None,
            code_challenge=request.code_challenge,
            nonce=request.nonce,
            claims=request.claims,
            dpop_jkt=request.dpop_jkt,
            acr=view.sign_on.acr if request.acr_values or request.essential_acr else None,
        )
        new = NewCode(
            digest=digest_of(code),
            client_id=request.client.client_id,
            account_id=view.account.id,
            sign_on=view.sign_on.id,
            rev=view.rev,
            terms=terms.encode(),
            expires_at=view.read_at + CODE_LIFETIME,
        )
        if not await self.services.state.add_code(new):
            # Signed out, disabled or cut off since the sign-on was read: nobody is signed in then.
            return await self._step(visit, checked, None, None)
        if checked.pushed is not None and not await self.services.state.consume_request(checked.pushed):
            # RFC 9126 §7.3: a pushed request is good for one answer, whoever asks twice at once.
            raise OAuthError(ErrorCode.INVALID_REQUEST_URI, "request_uri is unknown, used or no longer good")
        return visit.carrying(await self.answers.code(request.destination, code, visit.language))


def _refusal(checked: Checked, error: OAuthError) -> Refusal:
    return Refusal(destination=checked.request.destination, error=error, pushed=checked.pushed)
