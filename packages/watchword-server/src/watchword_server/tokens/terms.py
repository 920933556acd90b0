"""What was asked for and allowed, as kept with a code, a device code or a refresh family until tokens are made of it.

Pure shape, its JSON is stable (a member may be added with a default; none changes its meaning). Says nothing of who the
account is and when it logged in: that is read from the store when tokens are issued.
"""

from __future__ import annotations

from typing import Any

import msgspec


class AuthorizationTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The terms of one authorization."""

    scope: tuple[str, ...] = ()
    """Granted, in the order asked."""
    resource: tuple[str, ...] = ()
    """Resource indicators granted (RFC 8707); none: the default audience."""
    redirect_uri: str | None = None
    """As sent in the authorization request; None when it was not sent and the only registered one was used."""
    code_challenge: str | None = None
    """S256 (RFC 7636 §4.2)."""
    nonce: str | None = None
    claims: dict[str, Any] | None = None
    """The ``claims`` parameter (OpenID Connect Core §5.5), already judged: members ``id_token`` and ``userinfo``."""
    dpop_jkt: str | None = None
    """Thumbprint the code is bound to (RFC 9449 §10)."""
    details: tuple[dict[str, Any], ...] = ()
    """Authorization details granted (RFC 9396)."""
    acr: str | None = None
    """Authentication context class reached, when one was asked for."""

    @property
    def is_openid(self) -> bool:
        """Whether an ID token is due."""
        return "openid" in self.scope

    @property
    def is_offline(self) -> bool:
        """Whether its refresh tokens outlive the sign-on (OpenID Connect Core §11)."""
        return "offline_access" in self.scope

    def encode(self) -> bytes:
        """As JSON."""
        return _encode(self)

    @property
    def userinfo_claims(self) -> tuple[str, ...]:
        """Names of the claims asked for one by one at /userinfo (OpenID Connect Core §5.5.1)."""
        return _asked(self.claims, "userinfo")

    @property
    def id_token_claims(self) -> tuple[str, ...]:
        """Names of the claims asked for one by one in the ID token."""
        return _asked(self.claims, "id_token")


def _asked(claims: dict[str, Any] | None, place: str) -> tuple[str, ...]:
    members = (claims or {}).get(place)
    return tuple(sorted(members)) if isinstance(members, dict) else ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuthorizationTerms).decode


def decode_terms(document: bytes) -> AuthorizationTerms:
    """Terms from their JSON; for what this server wrote itself. Empty: none."""
    return _decode(document) if document else AuthorizationTerms()
