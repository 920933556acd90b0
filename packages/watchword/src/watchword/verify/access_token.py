"""The access token after all checks: what the rest of an application may rely on.

Makes no decision; only ``check`` should make one of these, for to hold one means that it was verified.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from watchword.clock import EpochSeconds


class Confirmation(msgspec.Struct, frozen=True, gc=False, eq=True):
    """What a token is bound to (``cnf``, RFC 7800 §3.1). With both, both must be shown; with neither, nothing helps."""

    jkt: str | None = None
    """The thumbprint of the key that must sign a DPoP proof (RFC 9449 §6.1)."""
    x5t: str | None = None
    """``x5t#S256``: the thumbprint of the certificate the client must connect with (RFC 8705 §3.1)."""


class Ancestor(msgspec.Struct, frozen=True, gc=False, eq=True):
    """A token that another was made of (RFC 8693), as far as a cut-off looks at it. What kills it kills the other."""

    jti: str
    sid: str | None
    sub: str
    client_id: str
    tenant: str | None
    kid: str | None
    rev: int | None
    made_of: ClassVar[tuple[Ancestor, ...]] = ()
    """Those stand in the token's own list."""


class AccessToken(msgspec.Struct, frozen=True, gc=False, eq=True):
    """A verified access token (RFC 9068 §2.2). Immutable, compared by value. Times are seconds since the epoch."""

    sub: str
    """Who: the account, or the client itself where no person is involved."""
    iss: str
    aud: tuple[str, ...]
    client_id: str
    scope: frozenset[str]
    exp: EpochSeconds
    iat: EpochSeconds
    jti: str
    sid: str | None
    """The session, one login on one device."""
    rev: int | None
    """The head of the revocation log in the snapshot it was issued from."""
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    tenant: str | None
    auth_time: EpochSeconds | None
    acr: str | None
    amr: tuple[str, ...]
    nbf: EpochSeconds | None
    kid: str | None
    """The key it was verified with."""
    payload: bytes
    """The claims as they were signed, or told by introspection; not a credential without the signature, which is not kept."""
    cnf: Confirmation | None = None
    """What it is bound to; None for a plain bearer token."""
    made_of: tuple[Ancestor, ...] = ()
    """The tokens that it was exchanged for, the nearest first, and what those were made of; none for any other."""

    @property
    def claims(self) -> dict[str, Any]:
        """All claims, custom ones included, decoded anew at every call: changing them changes nothing for others."""
        claims: dict[str, Any] = msgspec.json.decode(self.payload)
        return claims

    def __repr__(self) -> str:
        return f"AccessToken(sub={self.sub!r}, client_id={self.client_id!r}, jti={self.jti!r}, exp={self.exp!r})"
