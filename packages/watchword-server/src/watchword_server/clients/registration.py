"""What may be registered as a client: metadata judged by the rules of RFC 7591, 8252, 9126, 9449 and 9700. Pure.

Fetches nothing and records nothing; who may register at all is for the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import msgspec
from watchword.jose.errors import JoseError
from watchword.jose.jwk import KeySet
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ClientAuthentication, ErrorCode, GrantType
from watchword.oauth.scope import parse_scope

from watchword_server.clients.answer_encryption import ENCODINGS, encryption_key
from watchword_server.clients.metadata import ClientMetadata, ClientSettings
from watchword_server.clients.redirect_uris import MAX_REDIRECT_URIS, redirect_uri_fault
from watchword_server.clients.tls_authentication import subject_fault

SECRET_METHODS: Final = frozenset(
    {
        ClientAuthentication.CLIENT_SECRET_BASIC,
        ClientAuthentication.CLIENT_SECRET_POST,
        ClientAuthentication.CLIENT_SECRET_JWT,
    }
)
"""Methods for which the server makes a secret."""
ASSERTION_ALGORITHMS: Final = ("ES256", "EdDSA", "Ed25519", "PS256", "RS256", "ES384", "ES512", "PS384", "RS384")
SECRET_ASSERTION_ALGORITHMS: Final = ("HS256", "HS384", "HS512")
FAPI2_ALGORITHMS: Final = ("ES256", "EdDSA", "Ed25519", "PS256")
"""FAPI 2.0 Security Profile §5.4.1: no RS256."""

_MAX_BYTES: Final = 32_768
_MAX_NAME: Final = 200
_MAX_URI: Final = 2048
_URI_MEMBERS: Final = (
    "client_uri", "logo_uri", "tos_uri", "policy_uri", "jwks_uri", "sector_identifier_uri", "initiate_login_uri",
    "backchannel_logout_uri", "frontchannel_logout_uri",
)  # fmt: skip
_ALGORITHM_MEMBERS: Final = (
    "id_token_signed_response_alg", "userinfo_signed_response_alg", "introspection_signed_response_alg",
    "authorization_signed_response_alg",
)  # fmt: skip

_ENCRYPTED_ANSWERS: Final = ("id_token", "userinfo")


@dataclass(frozen=True, slots=True)
class RegistrationRules:
    """What this server offers to clients."""

    grant_types: Collection[str]
    auth_methods: Collection[str]
    algorithms: Collection[str]
    """For ID tokens and other signed answers."""
    encryption: Collection[str] = ()
    """For encrypted answers."""
    request_encryption: Collection[str] = ()
    """For request objects encrypted to this server."""


def read_metadata(members: Mapping[str, Any]) -> ClientMetadata:
    """Metadata out of JSON; members that this server does not know are ignored (RFC 7591 §2).

    Raises OAuthError ``invalid_client_metadata`` naming the member.
    """
    try:
        raw = msgspec.json.encode(members)
        if len(raw) > _MAX_BYTES:
            _refuse("the metadata is longer than 32 KiB")
        return msgspec.json.decode(raw, type=ClientMetadata)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as fault:
        _refuse(f"a member has a wrong type: {str(fault)[:200]}")


def judge(metadata: ClientMetadata, rules: RegistrationRules, settings: ClientSettings | None = None) -> None:
    """Check what a client says of itself, and what is decided about it.

    Raises OAuthError ``invalid_redirect_uri`` or ``invalid_client_metadata`` (RFC 7591 §3.2.2); its description names the
    member. Does not fetch ``jwks_uri`` or ``sector_identifier_uri``.
    """
    _judge_redirect_uris(metadata)
    _judge_grants(metadata, rules)
    _judge_authentication(metadata, rules)
    _judge_texts(metadata)
    _judge_algorithms(metadata, rules)
    _judge_request_objects(metadata, rules)
    _judge_encryption(metadata, rules)
    _judge_pairwise(metadata)
    if settings is not None:
        _judge_settings(metadata, settings)


def judge_shared_secret(metadata: ClientMetadata) -> None:
    """Check a client whose one registration all its copies share, as any but one that registered itself (RFC 8252 §8.4).

    Raises OAuthError ``invalid_client_metadata``.
    """
    # RFC 8252 §8.5: a secret that comes with an app to many people MUST NOT be accepted as proof of its identity.
    if metadata.application_type == "native" and metadata.token_endpoint_auth_method in SECRET_METHODS:
        _refuse("token_endpoint_auth_method: a native application keeps no secret; none, or it registers itself")


def _judge_redirect_uris(metadata: ClientMetadata) -> None:
    code = GrantType.AUTHORIZATION_CODE in metadata.grant_types
    if code and not metadata.redirect_uris:
        # RFC 7591 §2: clients using flows with redirection MUST register their redirection URI values.
        _refuse("redirect_uris: the grant authorization_code needs one", ErrorCode.INVALID_REDIRECT_URI)
    if len(metadata.redirect_uris) > MAX_REDIRECT_URIS:
        _refuse(f"redirect_uris: more than {MAX_REDIRECT_URIS}", ErrorCode.INVALID_REDIRECT_URI)
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        for uri in getattr(metadata, name):
            fault = redirect_uri_fault(uri, metadata.kind)
            if fault is not None:
                _refuse(f"{name}: one {fault}", ErrorCode.INVALID_REDIRECT_URI)


def _judge_grants(metadata: ClientMetadata, rules: RegistrationRules) -> None:
    unknown = [name for name in metadata.grant_types if name not in rules.grant_types]
    if unknown:
        _refuse("grant_types: one is not offered here")
    if any(name != "code" for name in metadata.response_types):
        _refuse("response_types: only code is offered here")
    if not metadata.is_confidential and GrantType.CLIENT_CREDENTIALS in metadata.grant_types:
        # RFC 6749 §4.4: the client credentials grant type MUST only be used by confidential clients.
        _refuse("grant_types: client_credentials needs a client that authenticates")


def _judge_authentication(metadata: ClientMetadata, rules: RegistrationRules) -> None:
    method, algorithm = metadata.token_endpoint_auth_method, metadata.token_endpoint_auth_signing_alg
    if method not in rules.auth_methods:
        _refuse("token_endpoint_auth_method: not offered here")
    # RFC 7591 §2: jwks_uri and jwks MUST NOT both be present.
    if metadata.jwks is not None and metadata.jwks_uri is not None:
        _refuse("jwks and jwks_uri: only one of them")
    if metadata.jwks is not None:
        wanted = [getattr(metadata, f"{answer}_encrypted_response_alg") for answer in _ENCRYPTED_ANSWERS]
        _judge_jwks(metadata.jwks, encrypted=any(wanted))
    if method == ClientAuthentication.PRIVATE_KEY_JWT:
        if metadata.jwks is None and metadata.jwks_uri is None:
            _refuse("jwks or jwks_uri: needed for private_key_jwt")
        if algorithm is not None and algorithm not in ASSERTION_ALGORITHMS:
            _refuse("token_endpoint_auth_signing_alg: not one for private_key_jwt")
    if method == ClientAuthentication.TLS_CLIENT_AUTH and (fault := subject_fault(metadata)) is not None:
        _refuse(fault)
    if method == ClientAuthentication.SELF_SIGNED_TLS_CLIENT_AUTH and not (metadata.jwks or metadata.jwks_uri):
        # RFC 8705 §2.2: the client's certificates are known by its jwks or jwks_uri.
        _refuse("jwks or jwks_uri: needed for self_signed_tls_client_auth")
    if method == ClientAuthentication.CLIENT_SECRET_JWT and algorithm not in {None, *SECRET_ASSERTION_ALGORITHMS}:
        _refuse("token_endpoint_auth_signing_alg: not one for client_secret_jwt")


def _judge_jwks(jwks: Mapping[str, Any], *, encrypted: bool) -> None:
    try:
        keys = KeySet.from_json(msgspec.json.encode(jwks), allow_secret=True)
    except (JoseError, TypeError, msgspec.MsgspecError):
        _refuse("jwks: not a JWK Set that can be read with one meaning")
    if any(key.is_private for key in keys):
        _refuse("jwks: holds a private key or a secret, which must never be sent")
    if not len(keys) and not encrypted:
        _refuse("jwks: holds no key for signatures that is used here")


def _judge_texts(metadata: ClientMetadata) -> None:
    if metadata.client_name is not None and not 0 < len(metadata.client_name) <= _MAX_NAME:
        _refuse(f"client_name: empty or longer than {_MAX_NAME} characters")
    if metadata.client_name is not None and not metadata.client_name.isprintable():
        _refuse("client_name: holds characters that cannot be shown")
    if metadata.scope is not None:
        try:
            parse_scope(metadata.scope)
        except OAuthError:
            _refuse("scope: not a list of scope tokens")
    for name in _URI_MEMBERS:
        uri = getattr(metadata, name)
        if uri is not None and not _is_web_uri(uri):
            _refuse(f"{name}: not an http or https URL of at most {_MAX_URI} characters")
        # OpenID Back-Channel Logout 1.0 §2.2, Front-Channel Logout 1.0 §2: MUST NOT include a fragment.
        if uri is not None and "#" in uri and name.endswith("channel_logout_uri"):
            _refuse(f"{name}: has a fragment")
    framed = metadata.frontchannel_logout_uri
    if framed is not None and _origin(framed) not in {_origin(uri) for uri in metadata.redirect_uris}:
        # OpenID Front-Channel Logout 1.0 §2: scheme, domain and port MUST be those of a registered redirection URI.
        _refuse("frontchannel_logout_uri: has not the scheme, host and port of one of redirect_uris")
    if not (metadata.initiate_login_uri or "https://").startswith("https://"):
        # OpenID Connect Registration §2: MUST use the https scheme.
        _refuse("initiate_login_uri: not an https URL")
    if metadata.default_max_age is not None and metadata.default_max_age < 0:
        _refuse("default_max_age: negative")


def _origin(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.scheme, parts.netloc.removesuffix(":443" if parts.scheme == "https" else ":80")


def _is_web_uri(uri: str) -> bool:
    if len(uri) > _MAX_URI or not uri.isascii() or any(c.isspace() or not c.isprintable() for c in uri):
        return False
    try:
        parts = urlsplit(uri)
        return parts.scheme in {"https", "http"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _judge_algorithms(metadata: ClientMetadata, rules: RegistrationRules) -> None:
    for name in _ALGORITHM_MEMBERS:
        algorithm = getattr(metadata, name)
        if algorithm is None:
            continue
        # The default of OpenID Connect is RS256; where it is not offered, and no ID token is asked for, nobody minds.
        defaulted = name == "id_token_signed_response_alg" and algorithm == "RS256"
        asks = "openid" in (metadata.scope or "openid").split(" ")
        if algorithm not in rules.algorithms and not (defaulted and not asks):
            _refuse(f"{name}: not offered here")


def _judge_request_objects(metadata: ClientMetadata, rules: RegistrationRules) -> None:
    if metadata.request_object_signing_alg not in {None, *ASSERTION_ALGORITHMS}:
        _refuse("request_object_signing_alg: not offered here")
    algorithm, encoding = metadata.request_object_encryption_alg, metadata.request_object_encryption_enc
    # OpenID Connect Registration §2: with enc, alg MUST also be provided.
    if algorithm is None and encoding is not None:
        _refuse("request_object_encryption_enc: comes without request_object_encryption_alg")
    if algorithm is not None and algorithm not in rules.request_encryption:
        _refuse("request_object_encryption_alg: not offered here")
    if algorithm is not None and encoding not in ENCODINGS:
        _refuse(f"request_object_encryption_enc: has to be one of {', '.join(ENCODINGS)}")
    # Who names algorithms and no keys sends no request objects; some clients repeat whatever discovery lists.
    if metadata.require_signed_request_object and metadata.jwks is None and metadata.jwks_uri is None:
        _refuse("jwks or jwks_uri: needed for signed request objects")


def _judge_encryption(metadata: ClientMetadata, rules: RegistrationRules) -> None:
    for answer in _ENCRYPTED_ANSWERS:
        _judge_encrypted(metadata, rules, f"{answer}_encrypted_response_alg", f"{answer}_encrypted_response_enc")


def _judge_encrypted(metadata: ClientMetadata, rules: RegistrationRules, alg: str, enc: str) -> None:
    algorithm, encoding = getattr(metadata, alg), getattr(metadata, enc)
    if algorithm is None:
        # OpenID Connect Registration §2: with enc, alg MUST also be provided.
        if encoding is not None:
            _refuse(f"{enc}: comes without {alg}")
        return
    if algorithm not in rules.encryption:
        _refuse(f"{alg}: not offered here")
    if encoding not in ENCODINGS:
        _refuse(f"{enc}: has to be one of {', '.join(ENCODINGS)}")
    if metadata.jwks is not None and not _has_encryption_key(metadata.jwks, algorithm):
        _refuse(f"jwks: holds no public key of use enc for {alg}")
    if metadata.jwks is None and metadata.jwks_uri is None:
        _refuse("jwks or jwks_uri: needed for encrypted answers")


def _has_encryption_key(jwks: Mapping[str, Any], algorithm: str) -> bool:
    try:
        return encryption_key(msgspec.json.encode(jwks), algorithm) is not None
    except JoseError:
        return False


def _judge_pairwise(metadata: ClientMetadata) -> None:
    if metadata.subject_type != "pairwise" or metadata.sector_identifier_uri is not None:
        return
    hosts = {urlsplit(uri).hostname for uri in metadata.redirect_uris}
    if len(hosts) != 1:
        # OpenID Connect Core §8.1: with several hosts, a sector_identifier_uri MUST be registered.
        _refuse("sector_identifier_uri: needed, since redirect_uris name not exactly one host")


def _judge_settings(metadata: ClientMetadata, settings: ClientSettings) -> None:
    if settings.access_token_format == "jwe":  # noqa: S105 - the name of a format
        _refuse("access_token_format: jwt or opaque")
    if settings.pkce_exempt and not metadata.is_confidential:
        _refuse("pkce_exempt: only for a client that authenticates")
    if settings.may_introspect and not metadata.is_confidential:
        _refuse("may_introspect: only for a client that authenticates")
    if settings.profile == "fapi2":
        if settings.pkce_exempt:
            _refuse("pkce_exempt: FAPI 2.0 asks for PKCE")
        _judge_fapi2(metadata)


def _judge_fapi2(metadata: ClientMetadata) -> None:
    methods = {
        ClientAuthentication.PRIVATE_KEY_JWT,
        ClientAuthentication.TLS_CLIENT_AUTH,
        ClientAuthentication.SELF_SIGNED_TLS_CLIENT_AUTH,
    }
    if metadata.token_endpoint_auth_method not in methods:
        _refuse("token_endpoint_auth_method: FAPI 2.0 asks for private_key_jwt or mutual TLS")
    for name in (*_ALGORITHM_MEMBERS, "token_endpoint_auth_signing_alg", "request_object_signing_alg"):
        # §5.4.1: JWTs are signed by PS256, ES256 or EdDSA.
        if getattr(metadata, name) not in {None, *FAPI2_ALGORITHMS}:
            _refuse(f"{name}: FAPI 2.0 asks for ES256, PS256 or EdDSA")
    for uri in metadata.redirect_uris:
        # §5.3.2.2: https, save the loopback interface of native applications.
        if not uri.startswith("https://") and not (metadata.application_type == "native" and uri.startswith("http://")):
            _refuse("redirect_uris: FAPI 2.0 asks for https", ErrorCode.INVALID_REDIRECT_URI)


def _refuse(description: str, code: ErrorCode = ErrorCode.INVALID_CLIENT_METADATA) -> NoReturn:
    raise OAuthError(code, description)
