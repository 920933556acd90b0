"""What is to happen next with an authorization request: the one decision to which every page returns. PURE.

Knows no HTTP and no store; hub.py acts. A new factor is one case more.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from watchword.clock import EpochSeconds
from watchword.oauth.names import ErrorCode, Prompt

from watchword_server.clients.details import Details, added
from watchword_server.endpoints.authorize.redirection import is_claimed_by_anyone
from watchword_server.endpoints.authorize.request import AuthorizationRequest
from watchword_server.store.authorization_records import Authorization, SignOn
from watchword_server.store.records import Account, Record

OFFLINE: Final = "offline_access"


class Progress(Record, frozen=True, kw_only=True):
    """How far this very request has come, in this very browser."""

    began: EpochSeconds
    """A login at or after it belongs to the request."""
    selected: str | None = None
    """The account that the person chose to go on with."""
    consented: str | None = None
    """The account that allowed it, on a page, a moment ago."""


class Person(Record, frozen=True, kw_only=True):
    """Who is signed in at this browser."""

    account: Account
    sign_on: SignOn
    subject: str
    """The account's ``sub`` at this client."""


class Login(Record, frozen=True, kw_only=True):
    """A password has to be asked for."""

    again: bool
    """Of somebody who is signed in already, to be sure."""
    register: bool = False
    """To begin with the page on which an account is made."""


class SelectAccount(Record, frozen=True):
    """The person chooses to go on as who is signed in, or as somebody else."""


class Consent(Record, frozen=True, kw_only=True):
    """The person allows it or not."""

    scope: tuple[str, ...]
    """All that is asked for now."""
    new: tuple[str, ...]
    """Of it, what was not allowed before."""
    held: tuple[str, ...] = ()
    """What else was allowed before, and goes together with what is allowed now."""
    resource: tuple[str, ...] = ()
    """Where all of that will be allowed."""
    details: Details = ()
    """Authorization details asked for now (RFC 9396)."""
    new_details: Details = ()
    """Of them, what was not allowed before in these very words."""


class Issue(Record, frozen=True):
    """A code is made."""


class Refuse(Record, frozen=True, kw_only=True):
    """The client is told that it cannot be."""

    error: ErrorCode
    description: str


Step: TypeAlias = Login | SelectAccount | Consent | Issue | Refuse


def next_step(
    request: AuthorizationRequest,
    person: Person | None,
    authorization: Authorization | None,
    progress: Progress,
    now: EpochSeconds,
) -> Step:
    """Decide. ``authorization``: what this person allowed this client before, as far as scope and resource go.

    Does not check the request itself, nor that the sign-on lives: whoever calls has.
    """
    step: Step = _who(request, person, progress, now) or _whether(request, person, authorization, progress) or Issue()
    return _without_page(step, person) if request.silent else step


def _who(
    request: AuthorizationRequest, person: Person | None, progress: Progress, now: EpochSeconds
) -> Login | SelectAccount | Refuse | None:
    """Whether somebody has to show first who it is. None: whoever is signed in will do."""
    if person is None:
        return Login(again=False, register=Prompt.CREATE in request.prompt)
    sign_on = person.sign_on
    fresh = sign_on.auth_time >= progress.began
    if request.subject is not None and request.subject != person.subject:
        # OpenID Connect Core §3.1.2.2: the server MUST NOT answer with an ID token of a different person.
        if fresh:
            return Refuse(error=ErrorCode.LOGIN_REQUIRED, description="somebody else has signed in")
        return Login(again=False)
    if Prompt.CREATE in request.prompt and not fresh:
        return Login(again=False, register=True)
    if not fresh and (Prompt.LOGIN in request.prompt or _is_too_old(request, sign_on, now)):
        return Login(again=True)
    if request.essential_acr and sign_on.acr not in request.essential_acr:
        # OpenID Connect Core §5.5.1.1: an essential acr that cannot be met is a failed attempt at authentication.
        description = "no way to sign in here reaches that authentication context"
        return Refuse(error=ErrorCode.UNMET_AUTHENTICATION_REQUIREMENTS, description=description)
    if Prompt.SELECT_ACCOUNT in request.prompt and not fresh and progress.selected != person.account.id:
        return SelectAccount()
    return None


def _is_too_old(request: AuthorizationRequest, sign_on: SignOn, now: EpochSeconds) -> bool:
    """OpenID Connect Core §3.1.2.1: when more than max_age seconds have passed, the server MUST ask again."""
    return request.max_age is not None and now - sign_on.auth_time > request.max_age


def _whether(
    request: AuthorizationRequest, person: Person | None, authorization: Authorization | None, progress: Progress
) -> Consent | None:
    """Whether the person has to be asked first. None: it is allowed."""
    if person is not None and progress.consented == person.account.id:
        return None
    consent = _consent(request, authorization)
    if Prompt.CONSENT in request.prompt or request.ask_always:
        return consent
    if request.client.settings.first_party:
        return None
    if is_claimed_by_anyone(request.destination.redirect_uri):
        # RFC 8252 §8.6: the server SHOULD NOT answer such a client without the person, who alone knows which app asks.
        return consent
    nothing_new = not consent.new and not consent.new_details
    covered = authorization is not None and nothing_new and set(request.resource) <= set(authorization.resource)
    return None if covered else consent


def _consent(request: AuthorizationRequest, authorization: Authorization | None) -> Consent:
    """What the page has to say. Scopes and resources are kept apart, so that allowing a scope at one resource and a
    resource for another scope allows the rest of their product as well: the person is shown all of it.
    """
    before, where = (authorization.scope, authorization.resource) if authorization else ((), ())
    details = authorization.details if authorization else b""
    return Consent(
        scope=request.scope,
        new=tuple(one for one in request.scope if one not in before),
        held=tuple(one for one in before if one not in request.scope),
        resource=tuple(dict.fromkeys((*request.resource, *where))),
        details=request.details,
        new_details=added(request.details, details),
    )


def _without_page(step: Step, person: Person | None) -> Step:
    """OpenID Connect Core §3.1.2.6: with prompt=none, what a page would have asked is told as an error."""
    match step:
        case Login(again=True):
            return Refuse(error=ErrorCode.LOGIN_REQUIRED, description="the person has to sign in again")
        case Login():
            nobody = "nobody is signed in" if person is None else "somebody else is signed in"
            return Refuse(error=ErrorCode.LOGIN_REQUIRED, description=nobody)
        case SelectAccount():
            return Refuse(error=ErrorCode.ACCOUNT_SELECTION_REQUIRED, description="an account has to be chosen")
        case Consent():
            return Refuse(error=ErrorCode.CONSENT_REQUIRED, description="the person has to allow it first")
        case _:
            return step
