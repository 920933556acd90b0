"""Where the authorization endpoint and its pages are mounted, and what discovery says of them.

Holds the table of paths and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.routing import Route
from watchword.oauth.names import CodeChallengeMethod, Prompt, ResponseMode, ResponseType

from watchword_server.clients.answer_encryption import ENCODINGS
from watchword_server.clients.registration import ASSERTION_ALGORITHMS
from watchword_server.endpoints.authorize.decision import Decisions
from watchword_server.endpoints.authorize.device_pages import DECISION_PATH, DevicePages
from watchword_server.endpoints.authorize.hub import CONTINUE, PATH, Hub
from watchword_server.endpoints.authorize.login import LoginPages
from watchword_server.endpoints.authorize.services import AuthorizeServices
from watchword_server.pages.answering import page_endpoint
from watchword_server.tokens.device_request import VERIFICATION_PATH
from watchword_server.web.errors import Endpoint


def authorize_routes(services: AuthorizeServices) -> list[Route]:
    """The hub and its pages."""
    hub = Hub(services)
    login, decisions, devices = LoginPages(hub), Decisions(hub), DevicePages(hub)

    def route(method: str, path: str, endpoint: Endpoint) -> Route:
        return Route(path, page_endpoint(services.pages, endpoint), methods=[method])

    return [
        route("GET", PATH, hub.begin),
        route("POST", PATH, hub.begin_posted),
        route("GET", CONTINUE, hub.proceed),
        route("GET", "/authorize/login", login.show_login),
        route("POST", "/authorize/login", login.log_in),
        route("GET", "/authorize/register", login.show_register),
        route("POST", "/authorize/register", login.register),
        route("POST", "/authorize/select", decisions.select),
        route("POST", "/authorize/consent", decisions.consent),
        route("POST", "/authorize/cancel", decisions.cancel),
        route("GET", VERIFICATION_PATH, devices.show),
        route("POST", VERIFICATION_PATH, devices.enter),
        route("POST", DECISION_PATH, devices.decide),
    ]


def metadata_members(services: AuthorizeServices) -> dict[str, Any]:
    """What discovery says of it (RFC 8414 §2, OpenID Connect Discovery §3, RFC 9207 §3)."""
    prompts = [one for one in Prompt if one is not Prompt.CREATE or services.registration_open]
    return {
        "authorization_endpoint": f"{services.issuer}{PATH}",
        "response_types_supported": [ResponseType.CODE],
        "response_modes_supported": list(ResponseMode),
        "authorization_signing_alg_values_supported": list(services.algorithms),
        "code_challenge_methods_supported": [CodeChallengeMethod.S256],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": prompts,
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        **_encryption(services.request_encryption),
        "request_uri_parameter_supported": False,
        "ui_locales_supported": list(services.pages.languages),
    }


def _encryption(algorithms: Collection[str]) -> dict[str, Any]:
    if not algorithms:
        return {}
    return {
        "request_object_encryption_alg_values_supported": list(algorithms),
        "request_object_encryption_enc_values_supported": list(ENCODINGS),
    }
