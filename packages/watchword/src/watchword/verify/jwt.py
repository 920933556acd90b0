"""The rules for signed JWTs that are no access tokens: client assertions, request objects, assertions of grants.

Pure, and blind to what such a JWT is for: the caller says what it asks of it, and names the error in its own words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from watchword.clock import EpochSeconds
from watchword.jose import jws, strict_json
from watchword.jose.errors import JoseError
from watchword.jose.jwk import Key, KeySet
from watchword.verify.check import JOSE_REASONS
from watchword.verify.errors import RejectionReason
from watchword.verify.policy import DEFAULT_LEEWAY_SECONDS

MAX_JWT_LENGTH: Final = 16_384
MAX_JTI_LENGTH: Final = 256
MAX_DEPTH: Final = 8

_YEAR_9999: Final = 253_402_300_799
_Seconds: TypeAlias = (
    Annotated[int, msgspec.Meta(ge=0, le=_YEAR_9999)] | Annotated[float, msgspec.Meta(ge=0, le=_YEAR_9999)]
)
_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class JwtRejected(Exception):  # noqa: N818 - a finding about the token, not a failure of the code
    """A JWT broke a rule. ``reason`` is for metrics and for choosing what to answer; no message holds any part of it."""

    def __init__(self, reason: RejectionReason, message: str) -> None:
        self.reason: RejectionReason = RejectionReason(reason)
        self.message = message
        super().__init__(self.reason.value, message)

    def __str__(self) -> str:
        return self.message


class _Claims(msgspec.Struct, gc=False):
    """Types of the registered claims (RFC 7519 §4.1); ``true`` is no number, and null is not absent."""

    iss: _Text | msgspec.UnsetType = msgspec.UNSET
    sub: _Text | msgspec.UnsetType = msgspec.UNSET
    aud: _Text | tuple[_Text, ...] | msgspec.UnsetType = msgspec.UNSET
    exp: _Seconds | msgspec.UnsetType = msgspec.UNSET
    nbf: _Seconds | msgspec.UnsetType = msgspec.UNSET
    iat: _Seconds | msgspec.UnsetType = msgspec.UNSET
    jti: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_JTI_LENGTH)] | msgspec.UnsetType = msgspec.UNSET


class VerifiedJwt(msgspec.Struct, frozen=True):
    """A JWT that broke no rule it was asked about."""

    header: Mapping[str, Any]
    claims: dict[str, Any]
    key: Key

    @property
    def audiences(self) -> tuple[str, ...]:
        """``aud`` as a tuple, empty without one."""
        aud = self.claims.get("aud", ())
        return (aud,) if isinstance(aud, str) else tuple(aud)

    def __repr__(self) -> str:
        return f"VerifiedJwt(key={self.key!r})"


def unverified_claims(raw: str, *, max_length: int = MAX_JWT_LENGTH) -> dict[str, Any]:
    """The claims of a JWT that nobody verified, to find out whose keys it is to be verified with, and nothing else.

    Raises: JwtRejected.
    """
    try:
        return strict_json.decode_object(jws.parse(raw, max_length=max_length).payload, max_depth=MAX_DEPTH)
    except JoseError as error:
        raise _rejected(error) from None


def check_jwt(
    raw: str,
    keys: KeySet | Key,
    *,
    algorithms: Collection[str],
    now: EpochSeconds,
    typ: Collection[str] = ("", "jwt"),
    issuer: str | None = None,
    subject: str | None = None,
    audience: Collection[str] | None = None,
    only_audience: bool = False,
    required: Collection[str] = ("exp",),
    max_lifetime: float | None = None,
    leeway: float = DEFAULT_LEEWAY_SECONDS,
    max_length: int = MAX_JWT_LENGTH,
) -> VerifiedJwt:
    """Check a signed JWT (RFC 7519 §7.2, RFC 8725).

    ``typ`` are the accepted values in lower case, without ``application/``; an empty text accepts its absence.
    ``issuer`` and ``subject`` are compared exactly; of ``audience`` at least one must be named by ``aud``, and with
    ``only_audience`` nothing else may be. ``required`` claims must be there and not null. ``max_lifetime`` (seconds)
    bounds how far ahead ``exp`` may lie, and with it how long a ``jti`` must be remembered. ``leeway`` (seconds) is
    granted on all times. ``exp``, ``nbf`` and ``iat`` are looked at wherever they stand.

    Returns: header and claims.
    Raises: JwtRejected; never another exception, whatever ``raw`` is.
    Does not see to it that it is used once: that is for a `ReplayMemory`, by issuer and ``jti``.
    """
    if isinstance(typ, str) or isinstance(audience, str) or isinstance(required, str):
        raise TypeError("typ, audience and required are collections of names, not one string")
    try:
        parsed = jws.parse(raw, max_length=max_length)
        # RFC 8725 §3.11: what is meant for one purpose must not be taken for another; an access token is no assertion.
        if parsed.header.get("typ", "").lower().removeprefix("application/") not in typ:
            raise JwtRejected(RejectionReason.WRONG_TYPE, "JWT is of another type")
        verified = jws.verify_parsed(parsed, keys, algorithms=algorithms)
        members = strict_json.decode_object(verified.payload, max_depth=MAX_DEPTH)
    except JoseError as error:
        raise _rejected(error) from None
    for name in required:
        if members.get(name) is None:
            raise JwtRejected(RejectionReason.MISSING_CLAIM, f"JWT lacks {name}")
    try:
        claims = msgspec.convert(members, _Claims)
    except msgspec.ValidationError:
        raise JwtRejected(RejectionReason.BAD_CLAIM, "JWT holds a claim of the wrong type") from None
    _check_parties(claims, issuer, subject, audience, only=only_audience)
    _check_times(claims, now, leeway, max_lifetime)
    return VerifiedJwt(verified.header, members, verified.key)


def _check_parties(
    claims: _Claims, issuer: str | None, subject: str | None, audience: Collection[str] | None, *, only: bool
) -> None:
    if issuer is not None and claims.iss != issuer:
        raise JwtRejected(RejectionReason.ISSUER, "JWT is from another issuer")
    if subject is not None and claims.sub != subject:
        raise JwtRejected(RejectionReason.SUBJECT, "JWT is about someone else")
    if audience is None:
        return
    aud = claims.aud
    said = (aud,) if isinstance(aud, str) else () if aud is msgspec.UNSET else aud
    if not any(name in audience for name in said) or (only and not all(name in audience for name in said)):
        raise JwtRejected(RejectionReason.AUDIENCE, "JWT is meant for another audience")


def _check_times(claims: _Claims, now: EpochSeconds, leeway: float, max_lifetime: float | None) -> None:
    # RFC 7519 §4.1.4: on or after exp it MUST NOT be accepted.
    if claims.exp is not msgspec.UNSET:
        if now >= claims.exp + leeway:
            raise JwtRejected(RejectionReason.EXPIRED, "JWT has expired")
        if max_lifetime is not None and claims.exp > now + max_lifetime + leeway:
            raise JwtRejected(RejectionReason.LIFETIME, "JWT expires too late")
    if claims.nbf is not msgspec.UNSET and now < claims.nbf - leeway:
        raise JwtRejected(RejectionReason.NOT_YET_VALID, "JWT is not valid yet")
    if claims.iat is not msgspec.UNSET and now < claims.iat - leeway:
        raise JwtRejected(RejectionReason.ISSUED_IN_FUTURE, "JWT was issued in the future")


def _rejected(error: JoseError) -> JwtRejected:
    reason = JOSE_REASONS.get(error.reason, RejectionReason.MALFORMED)  # type: ignore[call-overload]
    return JwtRejected(reason, f"JWT is refused: {error.message}")
