"""Issuing access tokens: terms become claims, claims become JSON, JSON is signed (RFC 9068 §2) or kept for introspection.

Decides neither what a token says (claims.py) nor with which key it is signed (the key ring), and records nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from watchword.clock import EpochSeconds
from watchword.jose import base64url
from watchword.jose.jws import Signer

from watchword_server.store.authorization_records import NewOpaqueToken
from watchword_server.store.records import Record
from watchword_server.tokens.claims import AccessClaims, AccessTerms

ACCESS_TOKEN_TYP: Final = "at+jwt"  # noqa: S105 - a media type
"""RFC 9068 §2.1: the header's `typ`, so that no other JWT passes for an access token."""
OPAQUE_PREFIX: Final = "wo_"
_JTI_BYTES: Final = 16
_OPAQUE_BYTES: Final = 32

_encode = msgspec.json.Encoder().encode


class SignerSource(Protocol):
    """Where the signer of the moment comes from: the key ring."""

    def signer(self, typ: str) -> Signer:
        """The active key's signer for that `typ`; asked again for every token, since keys rotate."""
        ...


class IssuedToken(Record, frozen=True):
    """An access token and what its answer says of it."""

    text: str
    jti: str
    expires_in: int
    """Seconds from the snapshot it was issued from."""
    expires_at: EpochSeconds
    record: NewOpaqueToken | None = None
    """Of an opaque token: what its holder has to record before it is handed out."""

    def __repr__(self) -> str:
        """Without the token, of which a log may show five characters."""
        return f"IssuedToken({self.text[:5]}…, jti={self.jti!r}, expires_in={self.expires_in})"


class AccessTokenIssuer:
    """Makes and signs access tokens."""

    __slots__ = ("_claims", "_random_bytes", "_signers")

    def __init__(self, claims: AccessClaims, signers: SignerSource, random_bytes: Callable[[int], bytes]) -> None:
        self._claims = claims
        self._signers = signers
        self._random_bytes = random_bytes

    @property
    def claims(self) -> AccessClaims:
        """How this issuer makes terms and claims."""
        return self._claims

    def issue(self, terms: AccessTerms) -> IssuedToken:
        """Make an access token with a `jti` of 128 unpredictable bits, in the form that the terms ask for.

        Does not record anything: a token from a view that has been cut off since dies by its `rev`.
        """
        jti = base64url.encode(self._random_bytes(_JTI_BYTES))
        if terms.form.opaque:
            return self._opaque(terms, self._claims.claims(terms, jti), jti)
        signer = self._signers.signer(ACCESS_TOKEN_TYP)
        # Of one that is recorded this server does not see later who signed it.
        kid = signer.key.kid if terms.form.encrypt is None else None
        claims = self._claims.claims(terms, jti, kid=kid)
        text = signer.sign(_encode(claims))
        if terms.form.encrypt is not None:
            # Recorded by its digest, like an opaque one: this server cannot open it when it comes back.
            return self._recorded(terms.form.encrypt(text), terms, claims, jti)
        expires_at = claims["exp"]
        return IssuedToken(text=text, jti=jti, expires_in=expires_at - claims["iat"], expires_at=expires_at)

    def _opaque(self, terms: AccessTerms, claims: dict[str, Any], jti: str) -> IssuedToken:
        text = OPAQUE_PREFIX + base64url.encode(self._random_bytes(_OPAQUE_BYTES))
        return self._recorded(text, terms, claims, jti)

    @staticmethod
    def _recorded(text: str, terms: AccessTerms, claims: dict[str, Any], jti: str) -> IssuedToken:
        expires_at = claims["exp"]
        record = NewOpaqueToken(
            digest=opaque_digest(text),
            jti=jti,
            client_id=terms.client_id,
            account_id=terms.sub if terms.sid is not None else None,
            sid=terms.sid,
            tenant=terms.tenant,
            rev=terms.rev,
            claims=_encode(claims),
            expires_at=expires_at,
        )
        return IssuedToken(
            text=text, jti=jti, expires_in=expires_at - claims["iat"], expires_at=expires_at, record=record
        )


def opaque_digest(text: str) -> bytes:
    """Under what an opaque token is kept: SHA-256, since 256 bits of chance need nothing slower."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
