"""The token exchange grant (RFC 8693): a service turns the token it was sent into one for the next service.

Gives nobody more than the subject token has: no more scope, no longer life, and it dies with whatever it was made of. Exchanges
only access tokens of this server, and gives no refresh token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from watchword.clock import EpochSeconds
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, TokenTypeUri
from watchword.oauth.scope import parse_scope

from watchword_server.clients.metadata import Client
from watchword_server.endpoints.token.granting import granted_token
from watchword_server.endpoints.token.request import Granted, GrantRequest, TokenServices
from watchword_server.tokens.claims import AccessTerms
from watchword_server.tokens.lineage import Ancestor, line, together
from watchword_server.tokens.reading import ReadToken

MAX_ACTORS: Final = 4
"""How many services may stand one behind another in ``act`` (RFC 8693 §4.1)."""
_KINDS: Final = frozenset({TokenTypeUri.ACCESS_TOKEN, TokenTypeUri.JWT})
_OF_PEOPLE: Final = frozenset({"openid", "offline_access"})


async def token_exchange(request: GrantRequest, services: TokenServices) -> Granted:
    """A token about the subject, for the resource asked for, that names the client as acting for it.

    Raises OAuthError ``unauthorized_client``, ``invalid_request`` (RFC 8693 §2.2.2: also for a token that is not good),
    ``invalid_target``, ``invalid_scope``.
    """
    client, form = request.client, request.form
    if form.get("requested_token_type") == TokenTypeUri.ID_JAG and services.identity_assertions is not None:
        return await services.identity_assertions(request, services)
    if not client.settings.exchange:
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "this client may not exchange tokens")
    _check_wanted(form.get("requested_token_type"))
    if form.get("authorization_details") is not None:
        # They are what a person allowed one client; an exchanged token holds none.
        raise OAuthError(ErrorCode.INVALID_AUTHORIZATION_DETAILS, "authorization details are not exchanged")
    subject = await _token(request, services, "subject_token")
    _check_entitled(subject, request)
    actor = await _actor(request, services)
    _check_may_act(subject, client, actor)
    resource = _target(request, services)
    scope = _scope(subject, form.get("scope"), services, resource)
    terms = _terms(
        subject,
        request,
        services,
        scope=scope,
        resource=resource,
        act=_act(subject, client, actor),
        made_of=_made_of(subject, actor),
        # Nothing that could cut off what it was made of is forgotten, then, while it lives.
        not_after=min(one.claims["exp"] for one in (subject, actor) if one is not None),
    )
    issued = services.issuer.issue(terms)
    return await granted_token(request, services, issued, terms, issued_token_type=TokenTypeUri.ACCESS_TOKEN)


def _check_wanted(wanted: str | None) -> None:
    if wanted not in {None, TokenTypeUri.ACCESS_TOKEN, TokenTypeUri.JWT}:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "requested_token_type: only access tokens are issued")


async def _token(request: GrantRequest, services: TokenServices, name: str) -> ReadToken:
    """A token of the request, alive. One refusal for all that can be wrong with it."""
    raw = request.form.require(name)
    # RFC 8693 §2.1: subject_token_type is REQUIRED; the same goes for actor_token_type with an actor_token.
    if request.form.require(f"{name}_type") not in _KINDS:
        raise OAuthError(ErrorCode.INVALID_REQUEST, f"{name}_type: only access tokens of this server are exchanged")
    token = await services.reader.access_token(raw)
    if token is None or not await services.reader.is_alive(token):
        raise OAuthError(ErrorCode.INVALID_REQUEST, f"{name} is not a good access token of this server")
    return token


def _check_entitled(subject: ReadToken, request: GrantRequest) -> None:
    """RFC 8693 §5: who merely got hold of a token must not be able to make others of it. It is the client's own, or meant
    for the client as a resource server.
    """
    client = request.client
    meant = set(subject.audience)
    if client.client_id in meant or (client.settings.audiences and not meant.isdisjoint(client.settings.audiences)):
        return
    if subject.facts.client_id == client.client_id and _is_held(subject, request):
        return
    raise OAuthError(
        ErrorCode.INVALID_REQUEST,
        "subject_token is not a good access token of this server",
        detail="not for this client",
    )


def _is_held(token: ReadToken, request: GrantRequest) -> bool:
    """One that is bound to a key or certificate is nothing without it, here as elsewhere (RFC 9449 §7, RFC 8705 §3)."""
    shown = None if request.proof is None else request.proof.jkt
    return token.jkt in {None, shown} and token.certificate in {None, request.certificate}


async def _actor(request: GrantRequest, services: TokenServices) -> ReadToken | None:
    """RFC 8693 §2.1: who acts, when it is not simply the client: a token of the client's own."""
    if request.form.get("actor_token") is None:
        if request.form.get("actor_token_type") is not None:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "actor_token_type comes without actor_token")
        return None
    actor = await _token(request, services, "actor_token")
    if actor.facts.client_id != request.client.client_id:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "actor_token was issued to another client")
    if not _is_held(actor, request):
        raise OAuthError(ErrorCode.INVALID_REQUEST, "actor_token is bound to a key; send a proof of it")
    return actor


def _check_may_act(subject: ReadToken, client: Client, actor: ReadToken | None) -> None:
    """RFC 8693 §4.4: a subject that says who may act for it is obeyed to the letter."""
    named = subject.claims.get("may_act")
    if named is None:
        return
    acting: Mapping[str, Any] = (
        actor.claims if actor is not None else {"sub": client.client_id, "client_id": client.client_id}
    )
    if not isinstance(named, Mapping) or not named or any(acting.get(name) != value for name, value in named.items()):
        raise OAuthError(ErrorCode.INVALID_REQUEST, "the subject does not let this client act for it")


def _act(subject: ReadToken, client: Client, actor: ReadToken | None) -> dict[str, Any]:
    """RFC 8693 §4.1: who acts now, and within it who acted before."""
    acting: dict[str, Any] = {"sub": client.client_id if actor is None else actor.claims["sub"]}
    if actor is not None and acting["sub"] != client.client_id:
        acting["client_id"] = client.client_id
    before, depth = subject.claims.get("act"), 1
    if isinstance(before, Mapping):
        acting["act"] = before
        while isinstance(before, Mapping):
            before, depth = before.get("act"), depth + 1
    if depth > MAX_ACTORS:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "too many act one behind another")
    return acting


def _made_of(subject: ReadToken, actor: ReadToken | None) -> tuple[Ancestor, ...]:
    """Both, and all that they were made of: what cuts off one of these cuts off the new token."""
    try:
        return together(*(line(one.claims, one.facts) for one in (subject, actor) if one is not None))
    except ValueError as error:
        raise OAuthError(ErrorCode.INVALID_REQUEST, str(error)) from None


def _target(request: GrantRequest, services: TokenServices) -> tuple[str, ...]:
    """RFC 8693 §2.1: ``resource`` and ``audience`` say where the token is to be used; here both are resource identifiers."""
    audience = request.form.get("audience")
    asked = (*request.form.resources, *((audience,) if audience is not None else ()))
    return services.entitlements.resources(request.client, asked)


def _scope(
    subject: ReadToken,
    asked: str | None,
    services: TokenServices,
    resource: tuple[str, ...],
) -> tuple[str, ...]:
    has = tuple(one for one in subject.scope if one not in _OF_PEOPLE)
    if asked is None:
        return services.entitlements.meaningful(has, resource)
    wanted = parse_scope(asked)
    if not set(wanted) <= set(has):
        raise OAuthError(ErrorCode.INVALID_SCOPE, "more scope is asked for than the subject token has")
    if services.entitlements.meaningful(wanted, resource) != wanted:
        raise OAuthError(ErrorCode.INVALID_SCOPE, "a scope means nothing at the resources named")
    return wanted


def _terms(
    subject: ReadToken,
    request: GrantRequest,
    services: TokenServices,
    *,
    scope: tuple[str, ...],
    resource: tuple[str, ...],
    act: dict[str, Any],
    made_of: tuple[Ancestor, ...],
    not_after: float,
) -> AccessTerms:
    claims, facts = subject.claims, subject.facts
    form = services.entitlements.token_form(request.client, resource)
    # Never for a client that must not learn the account's id.
    if (
        request.form.get("requested_token_type") == TokenTypeUri.JWT
        and request.client.metadata.subject_type == "public"
    ):
        form = replace(form, opaque=False)
    return AccessTerms(
        sub=claims["sub"],
        client_id=request.client.client_id,
        scope=scope,
        # Not that of now: a cut-off that came after the subject token was issued kills what is made of it as well.
        rev=facts.rev,
        now=services.clock.now(),
        audience=resource or None,
        sid=facts.sid,
        auth_time=claims.get("auth_time"),
        amr=tuple(claims.get("amr", ())),
        acr=claims.get("acr"),
        roles=tuple(claims.get("roles", ())),
        permissions=tuple(claims.get("permissions", ())),
        tenant=facts.tenant,
        not_after=EpochSeconds(not_after),
        confirmation=request.holder.confirmation,
        form=form,
        act=act,
        made_of=made_of,
    )
