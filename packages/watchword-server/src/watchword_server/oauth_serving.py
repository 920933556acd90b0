"""The OAuth endpoints over the composed services, and what discovery says of them.

As serving.py, whose part it is: holds no rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.routing import BaseRoute
from watchword.oauth.names import GrantType, TokenTypeUri

from watchword_server import entropy
from watchword_server.app import Services
from watchword_server.clients.answer_encryption import ENCODINGS, AnswerEncryption, encryption_algorithms
from watchword_server.clients.assertion_policy import AssertionPolicy
from watchword_server.clients.registration import ASSERTION_ALGORITHMS, SECRET_ASSERTION_ALGORITHMS
from watchword_server.endpoints.device_authorization import PATH as DEVICE_PATH
from watchword_server.endpoints.device_authorization import DeviceAuthorization, DeviceServices
from watchword_server.endpoints.introspect import Introspection
from watchword_server.endpoints.register import PATH as REGISTER_PATH
from watchword_server.endpoints.register import Register
from watchword_server.endpoints.revoke import PATH as REVOKE_PATH
from watchword_server.endpoints.revoke import Revocation
from watchword_server.endpoints.token.endpoint import GRANTS, TokenEndpoint
from watchword_server.endpoints.token.endpoint import PATH as TOKEN_PATH
from watchword_server.endpoints.token.identity_assertion import IdentityAssertionExchange
from watchword_server.endpoints.token.jwt_bearer import JwtBearer
from watchword_server.endpoints.token.request import Grant, TokenServices
from watchword_server.endpoints.userinfo import PATH as USERINFO_PATH
from watchword_server.endpoints.userinfo import Userinfo
from watchword_server.oauth_composition import asks_certificates
from watchword_server.tokens.checks import Place
from watchword_server.web.stack import body_limits

PUBLIC_PATHS = (TOKEN_PATH, REVOKE_PATH, USERINFO_PATH, REGISTER_PATH, DEVICE_PATH)
"""What applications in browsers of any origin may call, without credentials of the browser."""


def oauth_endpoints(services: Services) -> tuple[list[BaseRoute], dict[str, Any]]:
    """The routes, and the members of the metadata document that they stand for (RFC 8414 §2): nothing else is listed."""
    endpoints = (
        token_endpoint(services),
        _introspection(services),
        _revocation(services),
        _userinfo(services),
        _device_authorization(services),
    )
    routes: list[BaseRoute] = [route for endpoint in endpoints for route in endpoint.routes()]
    members = _common_members(services)
    for endpoint in endpoints:
        members |= endpoint.metadata_members(services.settings.issuer)
    own = services.settings.self_registration
    if own.dynamic != "off":
        registration = _registration(services)
        routes += registration.routes()
        members |= registration.metadata_members(services.settings.issuer)
    if own.metadata_documents:
        members["client_id_metadata_document_supported"] = True
    return routes, members


def token_endpoint(services: Services) -> TokenEndpoint:
    """`/token`."""
    oauth = services.oauth
    return TokenEndpoint(
        TokenServices(
            codes=services.store,
            opaque=services.store,
            reader=oauth.reader,
            issuer=services.issuer,
            rotation=services.rotation,
            rules=services.rotation.rules,
            sessions=oauth.sessions,
            entitlements=oauth.entitlements,
            clock=services.clock,
            metrics=services.metrics,
            identity_assertions=_identity_assertions(services),
        ),
        oauth.requests,
        oauth.proofs,
        services.store,
        grants=_grants(services),
    )


def _grants(services: Services) -> Mapping[str, tuple[Place, Grant]]:
    """The grants that are offered, with those that settings switch on."""
    issuers = services.oauth.trusted_issuers
    if issuers is None:
        return GRANTS
    grant = JwtBearer(issuers, services.store, services.settings.sessions.absolute, entropy.identifier)
    return {**GRANTS, GrantType.JWT_BEARER: (Place.JWT_BEARER, grant)}


def _identity_assertions(services: Services) -> IdentityAssertionExchange | None:
    settings = services.settings
    if not settings.identity_assertions:
        return None
    policy = AssertionPolicy(settings.identity_assertions, issuer=settings.issuer)
    return IdentityAssertionExchange(policy, services.oauth.identity_assertions)


def _device_authorization(services: Services) -> DeviceAuthorization:
    settings, oauth = services.settings, services.oauth
    return DeviceAuthorization(
        DeviceServices(
            codes=services.store,
            requests=oauth.requests,
            entitlements=oauth.entitlements,
            clock=services.clock,
            throttle=oauth.devices,
            issuer=settings.issuer,
            lifetime=settings.oauth.device_lifetime,
            secret=entropy.prefixed,
            random_bytes=entropy.random_bytes,
        )
    )


def _introspection(services: Services) -> Introspection:
    return Introspection(
        services.oauth.requests,
        services.oauth.reader,
        services.oauth.api_keys,
        services.rotation,
        services.oauth.id_tokens,
        services.clock,
        issuer=services.settings.issuer,
        audience=services.settings.audience,
        algorithms=services.settings.oauth.id_token_algorithms,
    )


def _registration(services: Services) -> Register:
    settings = services.settings
    return Register(services.oauth.dynamic, issuer=settings.issuer, limits=body_limits(settings))


def _revocation(services: Services) -> Revocation:
    oauth = services.oauth
    return Revocation(oauth.requests, oauth.reader, services.rotation, services.store, services.metrics)


def _userinfo(services: Services) -> Userinfo:
    settings, oauth = services.settings, services.oauth
    return Userinfo(
        reader=oauth.reader,
        proofs=oauth.proofs,
        clients=oauth.clients,
        people=services.store,
        answers=oauth.id_tokens,
        limits=body_limits(settings),
        issuer=settings.issuer,
        audience=settings.audience,
        algorithms=settings.oauth.id_token_algorithms,
        encryption=AnswerEncryption(oauth.client_keys),
        encryption_algorithms=encryption_algorithms(),
    )


def _common_members(services: Services) -> dict[str, Any]:
    methods = list(services.oauth.authenticator.methods)
    confidential = [method for method in methods if method != "none"]
    algorithms = [*ASSERTION_ALGORITHMS, *SECRET_ASSERTION_ALGORITHMS]
    members: dict[str, Any] = {
        "scopes_supported": list(services.oauth.entitlements.scopes),
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": list(services.settings.oauth.id_token_algorithms),
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
    if encryption := encryption_algorithms():
        members["id_token_encryption_alg_values_supported"] = list(encryption)
        members["id_token_encryption_enc_values_supported"] = list(ENCODINGS)
    if types := services.oauth.entitlements.details.types:
        members["authorization_details_types_supported"] = list(types)
    if services.settings.identity_assertions:
        # Identity Assertion JWT Authorization Grant §7, both of them.
        members["identity_chaining_requested_token_types_supported"] = [TokenTypeUri.ID_JAG]
    if any(one.profile == "id-jag" for one in services.settings.trusted_issuers.values()):
        members["authorization_grant_profiles_supported"] = ["urn:ietf:params:oauth:grant-profile:id-jag"]
    if asks_certificates(services.settings):
        members["tls_client_certificate_bound_access_tokens"] = True
    for endpoint, offered in (("token", methods), ("introspection", confidential), ("revocation", methods)):
        members[f"{endpoint}_endpoint_auth_methods_supported"] = offered
        members[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = algorithms
    return members
