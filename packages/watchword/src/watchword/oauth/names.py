"""Registered names of OAuth 2.0 and OpenID Connect, as enumerations of strings.

Says how names are spelled, not what they mean or which of them this server offers.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """The ``error`` values of the IANA registry "OAuth Extensions Error" and of OpenID Connect."""

    # RFC 6749 §4.1.2.1, §5.2
    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    ACCESS_DENIED = "access_denied"
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    # RFC 6750 §3.1
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - the name of an error
    INSUFFICIENT_SCOPE = "insufficient_scope"
    # RFC 7009 §2.2.1
    UNSUPPORTED_TOKEN_TYPE = "unsupported_token_type"  # noqa: S105 - the name of an error
    # RFC 7591 §3.2.2
    INVALID_REDIRECT_URI = "invalid_redirect_uri"
    INVALID_CLIENT_METADATA = "invalid_client_metadata"
    INVALID_SOFTWARE_STATEMENT = "invalid_software_statement"
    UNAPPROVED_SOFTWARE_STATEMENT = "unapproved_software_statement"
    # RFC 8628 §3.5
    AUTHORIZATION_PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - the name of an error
    # RFC 8707 §2
    INVALID_TARGET = "invalid_target"
    # RFC 9396 §5
    INVALID_AUTHORIZATION_DETAILS = "invalid_authorization_details"
    # RFC 9449 §5, §7.1, §8
    INVALID_DPOP_PROOF = "invalid_dpop_proof"
    USE_DPOP_NONCE = "use_dpop_nonce"
    # RFC 9470 §3
    INSUFFICIENT_USER_AUTHENTICATION = "insufficient_user_authentication"
    # OpenID Connect Core 1.0 §3.1.2.6; RFC 9101 §7
    INTERACTION_REQUIRED = "interaction_required"
    LOGIN_REQUIRED = "login_required"
    ACCOUNT_SELECTION_REQUIRED = "account_selection_required"
    CONSENT_REQUIRED = "consent_required"
    INVALID_REQUEST_URI = "invalid_request_uri"
    INVALID_REQUEST_OBJECT = "invalid_request_object"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"
    REGISTRATION_NOT_SUPPORTED = "registration_not_supported"
    # OpenID Connect Core Unmet Authentication Requirements 1.0
    UNMET_AUTHENTICATION_REQUIREMENTS = "unmet_authentication_requirements"


class GrantType(StrEnum):
    """Values of ``grant_type``."""

    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant
    CLIENT_CREDENTIALS = "client_credentials"
    DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
    TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a grant
    JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class ResponseType(StrEnum):
    """Values of ``response_type``; only the code flow is spoken here (RFC 9700 §2.1.2)."""

    CODE = "code"


class ResponseMode(StrEnum):
    """Values of ``response_mode``."""

    QUERY = "query"
    FRAGMENT = "fragment"
    FORM_POST = "form_post"
    JWT = "jwt"
    """Signed (JARM), where it would go without: for a code, in the query."""
    QUERY_JWT = "query.jwt"
    FRAGMENT_JWT = "fragment.jwt"
    FORM_POST_JWT = "form_post.jwt"


class ClientAuthentication(StrEnum):
    """Values of ``token_endpoint_auth_method`` and its like."""

    NONE = "none"
    CLIENT_SECRET_BASIC = "client_secret_basic"  # noqa: S105 - the name of a method
    CLIENT_SECRET_POST = "client_secret_post"  # noqa: S105 - the name of a method
    CLIENT_SECRET_JWT = "client_secret_jwt"  # noqa: S105 - the name of a method
    PRIVATE_KEY_JWT = "private_key_jwt"
    TLS_CLIENT_AUTH = "tls_client_auth"
    SELF_SIGNED_TLS_CLIENT_AUTH = "self_signed_tls_client_auth"


class CodeChallengeMethod(StrEnum):
    """Values of ``code_challenge_method`` (RFC 7636 §4.3); ``plain`` is not spoken here (RFC 9700 §2.1.1)."""

    S256 = "S256"


class Prompt(StrEnum):
    """Values of ``prompt`` (OpenID Connect Core 1.0 §3.1.2.1)."""

    NONE = "none"
    LOGIN = "login"
    CONSENT = "consent"
    SELECT_ACCOUNT = "select_account"
    CREATE = "create"


class TokenTypeHint(StrEnum):
    """Values of ``token_type_hint`` (RFC 7009 §2.1, RFC 7662 §2.1)."""

    ACCESS_TOKEN = "access_token"  # noqa: S105 - the name of a kind of token
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a kind of token


class TokenTypeUri(StrEnum):
    """Identifiers of token types (RFC 8693 §3)."""

    ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind of token
    REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token"  # noqa: S105 - the name of a kind of token
    ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - the name of a kind of token
    JWT = "urn:ietf:params:oauth:token-type:jwt"
    ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
    """An assertion for another authorization server (Identity Assertion JWT Authorization Grant)."""


class Scheme(StrEnum):
    """Authentication schemes of ``Authorization`` and ``WWW-Authenticate``, compared without regard to case."""

    BASIC = "Basic"
    BEARER = "Bearer"
    DPOP = "DPoP"
