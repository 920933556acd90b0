"""Authorization requests signed by their client (JAR, RFC 9101): the parameters of a request object. Pure.

Fetches nothing (a request object by reference is the server's own, RFC 9126) and judges no parameter: whoever reads the
request does, with those that came here instead of those in the URL.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
from watchword.clock import EpochSeconds
from watchword.jose.jwk import KeySet
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.verify.jwt import JwtRejected, check_jwt

MAX_LENGTH: Final = 16_384
"""Characters of a request object."""
MAX_LIFETIME: Final = 3600.0
"""Seconds that one may be good for (FAPI 2.0 Message Signing §5.3.1: no longer than 60 minutes)."""
_MAX_PARAMETERS: Final = 64
_DOTS_OF_JWE: Final = 4
_TYPES: Final = ("", "jwt", "oauth-authz-req+jwt")
# Claims about the JWT itself, no parameters of the request.
_OF_THE_JWT: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
_encode = msgspec.json.Encoder().encode


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client signed."""

    values: dict[str, str]
    """Parameters as they would have come in a query; structured ones as JSON."""
    resource: tuple[str, ...]
    jti: str | None
    """To be used once, where the client gave one."""
    expires_at: float | None


def read_request_object(
    raw: str,
    keys: KeySet,
    *,
    client_id: str,
    audience: Collection[str],
    algorithms: Collection[str],
    now: EpochSeconds,
    strict: bool = False,
) -> SignedRequest:
    """The parameters of a request object, its signature and its parties checked.

    ``audience``: names of this server, one of which a present ``aud`` must hold. ``strict``: it has to say who it is from,
    whom it is for and for how long, one hour at most (FAPI 2.0 Message Signing §5.3.1).

    Raises: OAuthError ``invalid_request_object``.
    Does not remember its ``jti``, nor compare it with the parameters around it.
    """
    if raw.count(".") == _DOTS_OF_JWE:
        raise _refused("it is encrypted, and only signed ones are taken")
    try:
        verified = check_jwt(
            raw,
            keys,
            algorithms=algorithms,
            now=now,
            typ=_TYPES,
            required=("iss", "aud", "exp", "nbf") if strict else (),
            max_lifetime=MAX_LIFETIME if strict else None,
            max_length=MAX_LENGTH,
        )
    except JwtRejected as error:
        raise _refused("its signature, its type or its times are not as they should be", str(error)) from error
    claims = verified.claims
    _check_parties(claims, verified.audiences, client_id, audience)
    if strict and now - claims["nbf"] > MAX_LIFETIME:
        raise _refused("its nbf lies more than an hour back")
    # RFC 9101 §4: request and request_uri parameters MUST NOT be included in request objects.
    if "request" in claims or "request_uri" in claims:
        raise _refused("it holds another request")
    parameters = {name: value for name, value in claims.items() if name not in _OF_THE_JWT and value is not None}
    if len(parameters) > _MAX_PARAMETERS:
        raise _refused("it has too many members")
    resource = parameters.pop("resource", ())
    return SignedRequest(
        values={name: _text(name, value) for name, value in parameters.items()},
        resource=_resources(resource),
        jti=claims.get("jti"),
        expires_at=claims.get("exp"),
    )


def merged(outer: Mapping[str, str], signed: SignedRequest) -> dict[str, str]:
    """The parameters that count: those signed, and of those around them none but the ones that have to be there.

    RFC 9101 §6.3: the authorization server MUST only use the parameters in the request object. §5: client_id in both
    MUST be the same; a response_type or scope beside it (OpenID Connect Core §6.1) is taken for nothing, but must not
    contradict.

    Raises: OAuthError ``invalid_request_object``.
    """
    for name in ("client_id", "response_type"):
        if name in outer and name in signed.values and outer[name] != signed.values[name]:
            raise _refused(f"{name} differs from the one beside it")
    if "client_id" in outer:
        return {"client_id": outer["client_id"]} | signed.values
    return dict(signed.values)


def _check_parties(
    claims: Mapping[str, Any], named: Collection[str], client_id: str, audience: Collection[str]
) -> None:
    # RFC 9101 §10.8: what the client signed to authenticate itself has its identifier for a subject.
    if claims.get("sub") == client_id:
        raise _refused("it has the client for its subject, as a client assertion has")
    if "iss" in claims and claims["iss"] != client_id:
        raise _refused("it is from another client")
    # RFC 9101 §5: client_id in it MUST be that of the request.
    if claims.get("client_id", client_id) != client_id:
        raise _refused("its client_id is another client's")
    if "aud" in claims and not set(named) & set(audience):
        raise _refused("it is meant for another server")


def _text(name: str, value: Any) -> str:
    """One parameter as it stands in a query. JSON numbers and objects keep their JSON (RFC 9101 §4)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | dict | list):
        raise _refused(f"{name[:40]} has a type that no parameter has")
    return _encode(value).decode()


def _resources(value: Any) -> tuple[str, ...]:
    """RFC 8707 §2.1: several are an array."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(one, str) for one in values):
        raise _refused("resource is neither text nor an array of texts")
    return tuple(values)


def _refused(why: str, detail: str | None = None) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_REQUEST_OBJECT, f"The request object is refused: {why}.", detail=detail)
