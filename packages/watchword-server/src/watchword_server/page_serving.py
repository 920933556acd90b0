"""The authorization endpoint, pushed requests and logout over the composed services, and what discovery says of them.

As serving.py, whose part it is: holds no rule.
"""

from __future__ import annotations

from typing import Any

from starlette.routing import BaseRoute

from watchword_server import entropy
from watchword_server.app import Services
from watchword_server.clients.metadata import Client
from watchword_server.clients.request_decryption import RequestDecryption
from watchword_server.endpoints.authorize.pushed import PushedRequests
from watchword_server.endpoints.authorize.routes import authorize_routes, metadata_members
from watchword_server.endpoints.authorize.services import AuthorizeServices
from watchword_server.endpoints.logout.endpoint import Logout, LogoutServices
from watchword_server.endpoints.session.authorizations import AuthorizationServices, OwnAuthorizations
from watchword_server.endpoints.session.services import SessionServices
from watchword_server.keys.installation import derived_key
from watchword_server.keys.ring import ALGORITHMS
from watchword_server.pages.files import page_files
from watchword_server.pages.rendering import Pages
from watchword_server.sessions.sign_on import SignOnService
from watchword_server.tokens.id_token_hint import IdTokenHint, read_hint
from watchword_server.web.cookies import flow_cookie, sso_cookie
from watchword_server.web.cross_site import CrossSite
from watchword_server.web.stack import body_limits
from watchword_server.web.ticket import Tickets


def page_endpoints(services: Services) -> tuple[list[BaseRoute], dict[str, Any]]:
    """The routes, and the members of the metadata document that they stand for."""
    issuer, oauth = services.settings.issuer, services.oauth
    authorize, logout = authorize_services(services), Logout(logout_services(services))
    pushed = PushedRequests(authorize, oauth.requests, oauth.proofs, entropy.prefixed)
    routes: list[BaseRoute] = [
        *authorize_routes(authorize),
        *pushed.routes(),
        *logout.routes(),
        *page_files(services.settings.pages.theme),
    ]
    acr = services.settings.tokens.acr
    return routes, {
        **metadata_members(authorize),
        **({"acr_values_supported": [acr]} if acr is not None else {}),
        **pushed.metadata_members(issuer),
        **logout.metadata_members(issuer),
    }


def own_authorizations(services: Services, sessions: SessionServices) -> list[BaseRoute]:
    """What accounts see of authorizations and sign-ons, beside their sessions."""
    state = AuthorizationServices(services.store, sign_on_service(services), services.oauth.clients)
    return list(OwnAuthorizations(sessions, state).routes())


def sign_on_service(services: Services) -> SignOnService:
    """Sign-ons, by the settings of sessions."""
    settings = services.settings
    return SignOnService(
        services.store,
        idle=settings.sessions.idle,
        absolute=settings.sessions.absolute,
        acr=settings.tokens.acr,
        identifier=entropy.identifier,
        secret=lambda: entropy.prefixed("ws"),
    )


def authorize_services(services: Services) -> AuthorizeServices:
    """What `/authorize` stands on."""
    settings, oauth = services.settings, services.oauth

    def hinted_subject(raw: str, client: Client) -> str | None:
        hint = _hint(services, raw)
        return hint.sub if hint is not None and hint.client_id == client.client_id else None

    return AuthorizeServices(
        issuer=settings.issuer,
        clients=oauth.clients,
        client_keys=oauth.client_keys,
        entitlements=oauth.entitlements,
        state=services.store,
        accounts=services.accounts,
        sign_ons=sign_on_service(services),
        tickets=_tickets(services),
        pages=Pages(settings.pages),
        sso=sso_cookie(secure=settings.secure_cookies),
        flow=flow_cookie(secure=settings.secure_cookies),
        cross_site=CrossSite(settings.issuer),
        limits=body_limits(settings),
        metrics=services.metrics,
        clock=services.clock,
        devices=oauth.devices,
        registration_open=settings.registration.open,
        shortest_password=settings.passwords.min_length,
        hinted_subject=hinted_subject,
        subject_of=oauth.subjects.of,
        effective_scope=services.issuer.claims.effective_scope,
        sign=lambda claims, algorithm: oauth.id_tokens.sign(claims, algorithm=algorithm, typ="JWT"),
        algorithms=settings.oauth.id_token_algorithms,
        request_decryption=RequestDecryption(services.keys),
        request_encryption=settings.oauth.request_object_encryption,
        ask_before_errors=settings.oauth.ask_before_errors,
        secret=entropy.prefixed,
    )


def logout_services(services: Services) -> LogoutServices:
    """What `/logout` stands on."""
    settings = services.settings
    return LogoutServices(
        issuer=settings.issuer,
        clients=services.oauth.clients,
        sign_ons=sign_on_service(services),
        state=services.store,
        tickets=_tickets(services),
        pages=Pages(settings.pages),
        sso=sso_cookie(secure=settings.secure_cookies),
        flow=flow_cookie(secure=settings.secure_cookies),
        cross_site=CrossSite(settings.issuer),
        limits=body_limits(settings),
        metrics=services.metrics,
        clock=services.clock,
        read_hint=lambda raw: _hint(services, raw),
        subject_of=services.oauth.subjects.of,
        secret=entropy.prefixed,
    )


def _tickets(services: Services) -> Tickets:
    return Tickets(derived_key(services.settings, "ticket"))


def _hint(services: Services, raw: str) -> IdTokenHint | None:
    return read_hint(raw, services.keys.key_set, algorithms=ALGORITHMS, issuer=services.settings.issuer)
