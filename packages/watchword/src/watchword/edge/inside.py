"""Phantom tokens: whatever a request was let in by outside, inside it travels as a short-lived JWT of the edge's own.

Verifies nothing: it is handed tokens that were. Services inside verify it as any access token, with the edge as issuer.
"""

from __future__ import annotations

import os
from typing import Final

import msgspec

from watchword.clock import Clock, system_clock
from watchword.jose import base64url
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer
from watchword.verify.access_token import AccessToken, Ancestor

LIFETIME_SECONDS: Final = 60
_KEPT: Final = ("sub", "client_id", "sid", "rev", "roles", "permissions", "tenant", "auth_time", "acr", "amr")
_JTI_BYTES: Final = 12
_encode: Final = msgspec.json.Encoder().encode


class InsideTokens:
    """Makes them: RFC 9068 in form, good for ``audience`` and never longer than the token outside."""

    def __init__(
        self,
        key: Key,
        *,
        issuer: str,
        audience: str,
        lifetime: int = LIFETIME_SECONDS,
        clock: Clock = system_clock,
    ) -> None:
        """``key`` is the edge's own, and asymmetric. Raises: ValueError, JoseError for one that cannot be."""
        if key.is_symmetric or not key.is_private or key.kid is None:
            raise ValueError("inside tokens are signed with a private key that has a kid, not a secret")
        if not 0 < lifetime <= 3600:
            raise ValueError("inside tokens live between 1 s and an hour")
        self._signer = Signer(key, typ="at+jwt")
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime
        self._clock = clock
        self.jwks: bytes = _encode({"keys": [key.public_jwk()]})
        """The JWK set that verifies them."""

    def of(self, token: AccessToken) -> str:
        """The inside token of a verified token. Carries no custom claims: what is inside should not depend on them."""
        now = int(self._clock.now())
        values = {name: getattr(token, name) for name in _KEPT}
        claims = {name: value for name, value in values.items() if value not in {None, ()}}
        return self._signer.sign(
            _encode(
                {
                    **claims,
                    "iss": self._issuer,
                    "aud": self._audience,
                    "scope": " ".join(sorted(token.scope)),
                    "iat": now,
                    "exp": min(now + self._lifetime, int(token.exp)),
                    "jti": base64url.encode(os.urandom(_JTI_BYTES)),
                    # What cuts off the token outside, or one that it was exchanged for, cuts off this one inside.
                    "made_of": [{"jti": token.jti, "kid": token.kid or ""}, *map(_told, token.made_of)],
                }
            )
        )


def _told(ancestor: Ancestor) -> dict[str, str | int]:
    """All of it: an empty text says that it has none."""
    members = {name: getattr(ancestor, name) for name in Ancestor.__struct_fields__}
    rev = members.pop("rev")
    return {name: value or "" for name, value in members.items()} | ({} if rev is None else {"rev": rev})
