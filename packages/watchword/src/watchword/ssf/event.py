"""A security event token (RFC 8417) and the rules it must keep.

PURE: keys and time are given. Remembers nothing, so it cannot say whether an event came before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from watchword.clock import EpochSeconds
from watchword.jose.jwk import Key, KeySet
from watchword.verify.errors import RejectionReason
from watchword.verify.jwt import JwtRejected, check_jwt
from watchword.verify.policy import DEFAULT_ALGORITHMS

_CAEP: Final = "https://schemas.openid.net/secevent/caep/event-type/"
SESSION_REVOKED: Final = f"{_CAEP}session-revoked"
CREDENTIAL_CHANGE: Final = f"{_CAEP}credential-change"
TOKEN_CLAIMS_CHANGE: Final = f"{_CAEP}token-claims-change"
_SSF: Final = "https://schemas.openid.net/secevent/ssf/event-type/"
VERIFICATION: Final = f"{_SSF}verification"
STREAM_UPDATED: Final = f"{_SSF}stream-updated"

SET_TYPE: Final = "secevent+jwt"
MAX_EVENTS: Final = 16
"""Event types in one token; the framework has one."""
MAX_AGE: Final = 86_400.0
"""Seconds for which an event may be under way."""


class SecurityEvent(msgspec.Struct, frozen=True):
    """A verified security event token."""

    iss: str
    aud: tuple[str, ...]
    jti: str
    iat: EpochSeconds
    subject: Mapping[str, Any]
    """Whom it is about (``sub_id``, RFC 9493); empty where it does not say."""
    events: Mapping[str, Mapping[str, Any]]
    """What happened, by the URI of its type."""

    def happened_at(self, event: str) -> EpochSeconds:
        """When it happened (CAEP 1.0 §2), else when it was told."""
        at = self.events[event].get("event_timestamp")
        return float(at) if isinstance(at, int | float) and not isinstance(at, bool) and at >= 0 else self.iat


def check_security_event(
    raw: str,
    keys: KeySet | Key,
    *,
    issuer: str,
    audience: Collection[str],
    now: EpochSeconds,
    algorithms: Collection[str] = DEFAULT_ALGORITHMS,
    leeway: float = 60.0,
    max_age: float = MAX_AGE,
) -> SecurityEvent:
    """Check a security event token (RFC 8417 §2.2, SSF 1.0 §4.1): signed by the issuer, meant for this audience, of the
    type ``secevent+jwt``, at most ``max_age`` seconds old.

    Returns: the event.
    Raises: JwtRejected; never another exception, whatever ``raw`` is.
    """
    # RFC 8417 §2.3: explicitly typed, so that no access or ID token is taken for an event, nor an event for one.
    verified = check_jwt(
        raw,
        keys,
        algorithms=algorithms,
        now=now,
        typ=(SET_TYPE,),
        issuer=issuer,
        audience=audience,
        required=("iss", "aud", "iat", "jti", "events"),
        leeway=leeway,
    )
    claims = verified.claims
    # SSF 1.0 §4.1: `exp` and `sub` MUST NOT be there.
    if claims.keys() & {"exp", "sub"}:
        raise JwtRejected(RejectionReason.BAD_CLAIM, "event holds exp or sub")
    if now > claims["iat"] + max_age:
        raise JwtRejected(RejectionReason.EXPIRED, "event is too old")
    events = claims["events"]
    if not isinstance(events, dict) or not 0 < len(events) <= MAX_EVENTS:
        raise JwtRejected(RejectionReason.BAD_CLAIM, "events is not an object of one to sixteen events")
    if not all(isinstance(members, dict) for members in events.values()):
        raise JwtRejected(RejectionReason.BAD_CLAIM, "an event is not an object")
    subject = claims.get("sub_id", {})
    if not isinstance(subject, dict):
        raise JwtRejected(RejectionReason.BAD_CLAIM, "sub_id is not an object")
    return SecurityEvent(
        iss=claims["iss"],
        aud=verified.audiences,
        jti=claims["jti"],
        iat=float(claims["iat"]),
        subject=MappingProxyType(subject),
        events=MappingProxyType(events),
    )
