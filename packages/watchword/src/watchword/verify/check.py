"""The rules by which an access token is accepted (RFC 9068 §4, RFC 8725): raw token, keys, policy, now.

Pure: no clock, no network, no state. Revocation is asked elsewhere (``revocation``), scopes and roles last of all.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from watchword.clock import EpochSeconds
from watchword.jose import jws, strict_json
from watchword.jose.errors import JoseError
from watchword.jose.errors import Reason as JoseReason
from watchword.jose.jwk import KeySet
from watchword.oauth.errors import OAuthError
from watchword.oauth.scope import parse_scope
from watchword.verify.access_token import AccessToken, Ancestor, Confirmation
from watchword.verify.errors import RejectionReason, TokenRejected
from watchword.verify.policy import Policy

_YEAR_9999: Final = 253_402_300_799
_MAX_ANCESTORS: Final = 16
_Seconds: TypeAlias = (
    Annotated[int, msgspec.Meta(ge=0, le=_YEAR_9999)] | Annotated[float, msgspec.Meta(ge=0, le=_YEAR_9999)]
)
_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


class _Ancestor(msgspec.Struct, gc=False):
    """One of ``made_of``: only what is other than in the token itself; an empty text says that it has none."""

    jti: _Text
    sid: str | None = None
    sub: _Text | None = None
    client_id: _Text | None = None
    tenant: str | None = None
    kid: str | None = None
    rev: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _Claims(msgspec.Struct, gc=False):
    """Types of all claims that are looked at. Anything else in their place rejects the token; ``true`` is no number."""

    iss: _Text
    sub: _Text
    aud: str | tuple[str, ...]
    exp: _Seconds
    iat: _Seconds
    jti: _Text
    client_id: _Text
    nbf: _Seconds | None = None
    scope: str = ""
    sid: _Text | None = None
    rev: Annotated[int, msgspec.Meta(ge=0)] | None = None
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    tenant: _Text | None = None
    auth_time: _Seconds | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    cnf: Any = None
    made_of: Annotated[tuple[_Ancestor, ...], msgspec.Meta(max_length=_MAX_ANCESTORS)] = ()


_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_REQUIRED: Final = tuple(field.name for field in msgspec.structs.fields(_Claims) if field.required)

JOSE_REASONS: Final = {
    JoseReason.TOO_LONG: RejectionReason.TOO_LONG,
    JoseReason.UNSUPPORTED_ALGORITHM: RejectionReason.ALGORITHM,
    JoseReason.ALGORITHM_NOT_ALLOWED: RejectionReason.ALGORITHM,
    JoseReason.KEY_MISMATCH: RejectionReason.ALGORITHM,
    JoseReason.CRITICAL_HEADER: RejectionReason.CRITICAL_HEADER,
    JoseReason.EMBEDDED_KEY: RejectionReason.EMBEDDED_KEY,
    JoseReason.UNKNOWN_KEY: RejectionReason.UNKNOWN_KEY,
    JoseReason.BAD_SIGNATURE: RejectionReason.BAD_SIGNATURE,
}
"""What is not in here is malformed."""


def check_access_token(
    raw: str, keys: KeySet, policy: Policy, now: EpochSeconds, *, possession_follows: bool = False
) -> AccessToken:
    """Check an access token as RFC 9068 §4 says: form, ``typ``, signature, issuer, audience, times, required claims.

    ``possession_follows``: the caller compares ``cnf`` with what the request shows (`PossessionRules`); otherwise a
    token that is bound to anything is refused.

    Returns: the verified token.
    Raises: TokenRejected; never another exception, whatever ``raw`` is.
    Does not ask whether it was revoked, nor whether its scopes suffice.
    """
    try:
        parsed = jws.parse(raw, max_length=policy.max_length)
        typ = parsed.header.get("typ", "")
        # RFC 9068 §4: the resource server MUST verify that typ is at+jwt and reject tokens carrying any other value;
        # otherwise an ID token or a logout token, signed by the same issuer, would open the resource.
        if typ not in policy.typ and typ.lower() not in policy.typ:
            raise TokenRejected(RejectionReason.WRONG_TYPE)
        verified = jws.verify_parsed(parsed, keys, algorithms=policy.algorithms)
        members = _members(verified.payload)
    except JoseError as error:
        reason = JOSE_REASONS.get(error.reason, RejectionReason.MALFORMED)  # type: ignore[call-overload]
        raise TokenRejected(reason) from None
    token = access_token_of(members, verified.payload, verified.key.kid, policy, now)
    # RFC 9449 §7.2, RFC 8705 §3: a bound token used as a plain bearer token is a stolen one.
    if token.cnf is not None and not possession_follows:
        raise TokenRejected(RejectionReason.BOUND)
    return token


def access_token_of(
    members: dict[str, Any], payload: bytes, kid: str | None, policy: Policy, now: EpochSeconds
) -> AccessToken:
    """Check claims that are known to be the issuer's, and make a token of them.

    ``payload`` is their text, ``kid`` the key they were verified with, if by a key.

    Returns: the token. Raises: TokenRejected; never another exception.
    Does not ask how they became known: a signature (`check_access_token`) or introspection.
    """
    claims = _typed(members)
    _check_claims(claims, policy, now)
    for name in policy.required_claims:
        if members.get(name) is None:
            raise TokenRejected(RejectionReason.MISSING_CLAIM)
    return AccessToken(
        claims.sub,
        claims.iss,
        (claims.aud,) if isinstance(claims.aud, str) else claims.aud,
        claims.client_id,
        _scope(claims.scope),
        claims.exp,
        claims.iat,
        claims.jti,
        claims.sid,
        claims.rev,
        claims.roles,
        claims.permissions,
        claims.tenant,
        claims.auth_time,
        claims.acr,
        claims.amr,
        claims.nbf,
        kid,
        payload,
        None if claims.cnf is None else _confirmation(claims.cnf),
        tuple([_ancestor(one, claims, kid) for one in claims.made_of]) if claims.made_of else (),
    )


def check_privileges(
    token: AccessToken,
    scopes: Collection[str] = (),
    roles: Collection[str] = (),
    *,
    permissions: Collection[str] = (),
    tenants: Collection[str] = (),
    acr_values: Collection[str] = (),
    max_age: float | None = None,
    now: EpochSeconds = 0.0,
) -> None:
    """Check that a verified token has all of these scopes, roles and permissions, and stands for a login that suffices.

    It must belong to one of ``tenants``, its ``acr`` be one of ``acr_values`` (RFC 9470), and its person have logged in
    at most ``max_age`` seconds before ``now``; what is not given is not asked.

    Raises: TokenRejected ``insufficient_scope``, ``insufficient_role``, ``insufficient_permission``, ``tenant`` or
    ``insufficient_authentication``; TypeError for one string, whose letters would be taken for names.
    """
    if str in {scopes.__class__, roles.__class__, permissions.__class__, tenants.__class__, acr_values.__class__}:
        raise TypeError("scopes, roles, permissions, tenants and acr_values are collections of names, not one string")
    if scopes and not token.scope.issuperset(scopes):
        raise TokenRejected(RejectionReason.INSUFFICIENT_SCOPE, scope=tuple(scopes))
    if roles and not set(roles).issubset(token.roles):
        raise TokenRejected(RejectionReason.INSUFFICIENT_ROLE)
    if permissions and not set(permissions).issubset(token.permissions):
        raise TokenRejected(RejectionReason.INSUFFICIENT_PERMISSION)
    if tenants and token.tenant not in tenants:
        raise TokenRejected(RejectionReason.TENANT)
    # RFC 9470 §4: a token without acr or auth_time says nothing of the login, and so not that it suffices.
    weak = bool(acr_values) and token.acr not in acr_values
    old = max_age is not None and (token.auth_time is None or now >= token.auth_time + max_age)
    if weak or old:
        raise TokenRejected(
            RejectionReason.INSUFFICIENT_AUTHENTICATION,
            acr_values=tuple(acr_values) if weak else (),
            max_age=int(max_age) if old and max_age is not None else None,
        )


def _members(payload: bytes) -> dict[str, Any]:
    """Decode the payload, each member once.

    The short way covers what issuers write: a text equal to the encoding of its own value names nothing twice. Numbers
    are bounded by `_Claims` where they are used. All else takes the long way, which also finds the reason.
    """
    if payload.count(b"{") + payload.count(b"[") <= strict_json.MAX_DEPTH:
        try:
            members = _decode(payload)
            if members.__class__ is dict and _encode(members) == payload:
                return members
        except (msgspec.MsgspecError, ValueError):
            pass
    return strict_json.decode_object(payload)


def _typed(members: dict[str, Any]) -> _Claims:
    try:
        return msgspec.convert(members, _Claims)
    except msgspec.ValidationError:
        missing = any(name not in members for name in _REQUIRED)
        reason = RejectionReason.MISSING_CLAIM if missing else RejectionReason.BAD_CLAIM
        raise TokenRejected(reason) from None


def _check_claims(claims: _Claims, policy: Policy, now: EpochSeconds) -> None:
    if claims.iss != policy.issuer:
        raise TokenRejected(RejectionReason.ISSUER)
    audiences = policy.audiences
    if claims.aud not in audiences if isinstance(claims.aud, str) else audiences.isdisjoint(claims.aud):
        raise TokenRejected(RejectionReason.AUDIENCE)
    leeway = policy.leeway
    # RFC 7519 §4.1.4: on or after exp it MUST NOT be accepted. At the very second it is over.
    if now >= claims.exp + leeway:
        raise TokenRejected(RejectionReason.EXPIRED)
    if claims.nbf is not None and now < claims.nbf - leeway:
        raise TokenRejected(RejectionReason.NOT_YET_VALID)
    if now < claims.iat - leeway:
        raise TokenRejected(RejectionReason.ISSUED_IN_FUTURE)


def _ancestor(one: _Ancestor, claims: _Claims, kid: str | None) -> Ancestor:
    return Ancestor(
        one.jti,
        (claims.sid if one.sid is None else one.sid) or None,
        one.sub or claims.sub,
        one.client_id or claims.client_id,
        (claims.tenant if one.tenant is None else one.tenant) or None,
        (kid if one.kid is None else one.kid) or None,
        claims.rev if one.rev is None else one.rev,
    )


def _confirmation(cnf: Any) -> Confirmation:
    """What a token is bound to. A method of confirmation that is not known here cannot be confirmed (RFC 7800 §3.1)."""
    if not isinstance(cnf, dict) or not cnf or not cnf.keys() <= {"jkt", "x5t#S256"}:
        raise TokenRejected(RejectionReason.BOUND)
    if not all(isinstance(value, str) and value for value in cnf.values()):
        raise TokenRejected(RejectionReason.BAD_CLAIM)
    return Confirmation(cnf.get("jkt"), cnf.get("x5t#S256"))


@lru_cache(maxsize=1024)
def _scope(text: str) -> frozenset[str]:
    """Scope texts repeat from token to token; only those out of verified tokens come here."""
    if not text:
        return frozenset()
    try:
        return frozenset(parse_scope(text))
    except OAuthError:
        raise TokenRejected(RejectionReason.BAD_CLAIM) from None
