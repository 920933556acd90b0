"""What an authorization request asks for, judged against its client and what the installation offers it. PURE.

Knows no HTTP and nobody who is signed in. Where the answer goes was proven before (parameters.py), so that whatever is
refused here may be told to the client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from watchword.jose import strict_json
from watchword.jose.errors import JoseError
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import CodeChallengeMethod, ErrorCode, GrantType, Prompt, ResponseMode, ResponseType
from watchword.oauth.scope import parse_scope

from watchword_server.clients.details import Details, locations
from watchword_server.clients.entitlement import Entitlements
from watchword_server.clients.metadata import Client
from watchword_server.endpoints.authorize.parameters import Destination, Parameters

_S256: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
"""A SHA-256 digest in base64url (RFC 7636 §4.2, RFC 7638 §3)."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_MAX_CLAIMS: Final = 4096
_MAX_LIST: Final = 16
_MAX_HINT: Final = 320


class AuthorizationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be answered."""

    client: Client
    destination: Destination
    redirect_uri_sent: bool
    scope: tuple[str, ...]
    resource: tuple[str, ...] = ()
    """Named one by one, or as locations of details."""
    details: Details = ()
    """Authorization details (RFC 9396)."""
    ask_always: bool = False
    """Whether one of them is of a type that people are asked for each time."""
    code_challenge: str | None = None
    nonce: str | None = None
    dpop_jkt: str | None = None
    prompt: frozenset[Prompt] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    acr_values: tuple[str, ...] = ()
    essential_acr: tuple[str, ...] = ()
    """Of these one must be reached, or the request fails (OpenID Connect Core §5.5.1.1)."""
    claims: dict[str, Any] | None = None
    subject: str | None = None
    """The ``sub`` it is about: of the ``id_token_hint``, or asked for in ``claims``. Nobody else's answer will do."""

    @property
    def returns_to(self) -> str | None:
        """Where the browser is sent with the answer."""
        return self.destination.redirect_uri

    @property
    def silent(self) -> bool:
        """Whether no page may be shown."""
        return Prompt.NONE in self.prompt


def read_request(
    parameters: Parameters,
    client: Client,
    destination: Destination,
    entitlements: Entitlements,
    *,
    hinted: str | None = None,
    pushed: bool = False,
) -> AuthorizationRequest:
    """Judge a request. ``hinted``: the subject of its ``id_token_hint``, verified; ``pushed``: it came by RFC 9126.

    Raises OAuthError, to be told to the client.
    """
    _answerable(parameters, client, pushed=pushed)
    details = entitlements.details.read(client, parameters.get("authorization_details"))
    resource = entitlements.resources(client, (*parameters.resource, *locations(details)))
    scope = _scope(parameters, client, entitlements, resource)
    claims = _claims(parameters)
    is_openid = "openid" in scope
    if is_openid and parameters.get("redirect_uri") is None:
        # OpenID Connect Core §3.1.2.1: redirect_uri is REQUIRED, unlike in RFC 6749.
        raise _refused("redirect_uri is missing")
    return AuthorizationRequest(
        client=client,
        destination=destination,
        redirect_uri_sent=parameters.get("redirect_uri") is not None,
        scope=scope,
        resource=resource,
        details=details,
        ask_always=any(entitlements.details.asks_always(one) for one in details),
        code_challenge=_code_challenge(parameters, client, is_openid=is_openid),
        nonce=parameters.visible("nonce"),
        dpop_jkt=_dpop_jkt(parameters),
        prompt=_prompt(parameters),
        max_age=_max_age(parameters, client),
        login_hint=_login_hint(parameters),
        acr_values=_words(parameters, "acr_values") or client.metadata.default_acr_values,
        essential_acr=_essential_acr(claims),
        claims=claims,
        subject=_one_subject(hinted, _asked_subject(claims)),
    )


def _refused(description: str) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_REQUEST, description)


def _answerable(parameters: Parameters, client: Client, *, pushed: bool) -> None:
    """Whether it is a request of a kind that is spoken here, by a client that may make it."""
    parameters.visible("state")
    if parameters.get("request") is not None:
        # RFC 9101 §5: request and request_uri MUST NOT both be there; a request alone was taken apart before.
        raise _refused("request and request_uri do not go together")
    if parameters.get("request_uri") is not None:
        raise OAuthError(ErrorCode.REQUEST_URI_NOT_SUPPORTED, "request_uri is supported for pushed requests only")
    if (client.metadata.require_pushed_authorization_requests or client.is_fapi2) and not pushed:
        # RFC 9126 §6: the AS MUST refuse a request of such a client that was not pushed.
        raise _refused("this client has to push its requests (RFC 9126)")
    if client.is_fapi2 and parameters.get("redirect_uri") is None:
        # FAPI 2.0 Security Profile §5.3.2.2: the redirect_uri parameter is required in pushed requests.
        raise _refused("redirect_uri is missing")
    if client.metadata.require_signed_request_object and not parameters.signed:
        raise _refused("this client has to sign its requests (RFC 9101)")
    mode = parameters.get("response_mode")
    if mode is not None and mode not in set(ResponseMode):
        raise _refused(f"response_mode {_named(mode)} is not supported: query, fragment, form_post and jwt are")
    kind = parameters.get("response_type")
    if kind is None:
        raise _refused("response_type is missing")
    if kind != ResponseType.CODE:
        # RFC 9700 §2.1.2: no token is given out in an authorization response.
        raise OAuthError(
            ErrorCode.UNSUPPORTED_RESPONSE_TYPE, f"response_type {_named(kind)} is not supported: code alone is"
        )
    if not client.allows(GrantType.AUTHORIZATION_CODE) or ResponseType.CODE not in client.metadata.response_types:
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "this client may not use the authorization code flow")


def _named(value: str) -> str:
    """A value of the request, short enough to be told back."""
    return value if len(value) <= 40 else value[:40] + "..."


def _scope(
    parameters: Parameters, client: Client, entitlements: Entitlements, resource: tuple[str, ...]
) -> tuple[str, ...]:
    """What is asked for. OpenID Connect Core §3.1.2.1: scopes that are not understood SHOULD be ignored; those that are,
    but not for this client, are refused.
    """
    text = parameters.get("scope")
    if text is None:
        return ()
    known = tuple(one for one in parse_scope(text) if one in entitlements.scopes)
    if not known:
        raise OAuthError(ErrorCode.INVALID_SCOPE, "none of the scopes is known here")
    return entitlements.scope(client, " ".join(known), resource)


def _code_challenge(parameters: Parameters, client: Client, *, is_openid: bool) -> str | None:
    challenge, method = parameters.get("code_challenge"), parameters.get("code_challenge_method")
    if challenge is None:
        if method is not None:
            raise _refused("code_challenge_method comes without a code_challenge")
        # RFC 9700 §2.1.1: only a confidential OpenID client may go without, and then the nonce protects it.
        if not (client.settings.pkce_exempt and client.is_confidential and is_openid) or client.is_fapi2:
            raise _refused("code_challenge is missing: PKCE with S256 is required")
        if parameters.get("nonce") is None:
            raise _refused("nonce is missing: it is required of a client that does without PKCE")
        return None
    if method != CodeChallengeMethod.S256:
        # RFC 7636 §4.3: without a method it would be plain, which anyone who sees the request can answer.
        raise _refused("code_challenge_method has to be S256")
    if not _S256.fullmatch(challenge):
        raise _refused("code_challenge is not a SHA-256 digest in base64url")
    return challenge


def _dpop_jkt(parameters: Parameters) -> str | None:
    jkt = parameters.get("dpop_jkt")
    if jkt is not None and not _S256.fullmatch(jkt):
        raise _refused("dpop_jkt is not a SHA-256 thumbprint in base64url")
    return jkt


def _prompt(parameters: Parameters) -> frozenset[Prompt]:
    words = _words(parameters, "prompt")
    try:
        prompt = frozenset(Prompt(word) for word in words)
    except ValueError:
        raise _refused("prompt has a value that is not known") from None
    if Prompt.NONE in prompt and len(prompt) > 1:
        # OpenID Connect Core §3.1.2.1: none with any other value is an error.
        raise _refused("prompt none goes with no other value")
    return prompt


def _max_age(parameters: Parameters, client: Client) -> int | None:
    text = parameters.get("max_age")
    if text is None:
        return client.metadata.default_max_age
    if not _SECONDS.fullmatch(text):
        raise _refused("max_age is not a number of seconds")
    return int(text)


def _login_hint(parameters: Parameters) -> str | None:
    hint = parameters.get("login_hint")
    if hint is not None and (len(hint) > _MAX_HINT or not hint.isprintable()):
        raise _refused("login_hint is too long, or holds characters it may not hold")
    return hint


def _words(parameters: Parameters, name: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys((parameters.get(name) or "").split(" ")))
    words = tuple(word for word in words if word)
    if len(words) > _MAX_LIST or any(len(word) > _MAX_HINT or not word.isprintable() for word in words):
        raise _refused(f"{name} names too many values, or holds characters it may not hold")
    return words


def _claims(parameters: Parameters) -> dict[str, Any] | None:
    """OpenID Connect Core §5.5: an object whose members id_token and userinfo name claims; other members are ignored."""
    text = parameters.get("claims")
    if text is None:
        return None
    try:
        given = strict_json.decode_object(text.encode(), max_depth=6, max_bytes=_MAX_CLAIMS)
    except JoseError:
        raise _refused("claims is not a JSON object, or too long") from None
    judged = {place: wanted for place in ("id_token", "userinfo") if (wanted := given.get(place)) is not None}
    for wanted in judged.values():
        if not isinstance(wanted, Mapping) or not all(
            one is None or isinstance(one, Mapping) for one in wanted.values()
        ):
            raise _refused("claims has a member that is not an object of claims")
    return judged or None


def _wanted(claims: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    found = ((claims or {}).get("id_token") or {}).get(name)
    return found if isinstance(found, Mapping) else {}


def _essential_acr(claims: Mapping[str, Any] | None) -> tuple[str, ...]:
    wanted = _wanted(claims, "acr")
    if wanted.get("essential") is not True:
        return ()
    values = wanted.get("values", [wanted["value"]] if "value" in wanted else [])
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise _refused("claims asks for an acr that is not text")
    return tuple(values)


def _asked_subject(claims: Mapping[str, Any] | None) -> str | None:
    value = _wanted(claims, "sub").get("value")
    if value is not None and not isinstance(value, str):
        raise _refused("claims asks for a sub that is not text")
    return value


def _one_subject(hinted: str | None, asked: str | None) -> str | None:
    if hinted is not None and asked is not None and hinted != asked:
        raise _refused("id_token_hint and claims speak of different people")
    return hinted or asked
