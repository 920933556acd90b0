"""ID tokens (OpenID Connect Core §2, §3.1.3.6): what they say, signed and encrypted by the algorithms the client chose.

Never accepted as a credential by this server but as a hint who is meant; access tokens are issuer.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
from watchword.clock import EpochSeconds
from watchword.jose.half_hash import half_hash
from watchword.jose.jws import Signer
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.answer_encryption import ENCODINGS, AnswerEncryption
from watchword_server.clients.metadata import Client
from watchword_server.store.records import Record
from watchword_server.tokens.subjects import Subjects

TYP: Final = "JWT"
_encode = msgspec.json.Encoder().encode


class AnswerSigners(Protocol):
    """Signers by algorithm: the key ring."""

    async def prepare(self, algorithm: str) -> None: ...

    def signer_for(self, algorithm: str, typ: str) -> Signer: ...


class Authentication(Record, frozen=True):
    """How and when the person was authenticated, for one client."""

    account_id: str
    sid: str
    auth_time: EpochSeconds
    amr: tuple[str, ...]
    acr: str | None
    now: EpochSeconds
    """The store's time of the snapshot that all this was read from."""


class IdTokens:
    """Makes and signs ID tokens, and other answers that clients want signed."""

    def __init__(
        self,
        *,
        signers: AnswerSigners,
        subjects: Subjects,
        issuer: str,
        lifetime: int,
        encryption: AnswerEncryption | None = None,
    ) -> None:
        """``lifetime`` in seconds; ``encryption``: for clients that registered so."""
        self._signers = signers
        self._encryption = encryption
        self._subjects = subjects
        self._issuer = issuer
        self._lifetime = lifetime

    @property
    def subjects(self) -> Subjects:
        """Who accounts are to clients."""
        return self._subjects

    async def issue(
        self,
        client: Client,
        seen: Authentication,
        *,
        nonce: str | None = None,
        access_token: str | None = None,
        code: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """An ID token for the client. ``nonce`` as it came in the authorization request; ``access_token`` and ``code`` are
        those handed out beside it, which it names by half a hash; ``more`` are claims asked for one by one, which never
        replace its own.

        Raises OAuthError ``temporarily_unavailable`` when it is to be encrypted to a key that cannot be had.
        Does not record anything.
        """
        algorithm = client.metadata.id_token_signed_response_alg
        await self._signers.prepare(algorithm)
        signer = self._signers.signer_for(algorithm, TYP)
        issued_at = int(seen.now)
        claims: dict[str, Any] = dict(more or {}) | {
            "iss": self._issuer,
            "sub": self._subjects.of(client, seen.account_id),
            "aud": client.client_id,
            "azp": client.client_id,
            "exp": issued_at + self._lifetime,
            "iat": issued_at,
            "auth_time": int(seen.auth_time),
            "sid": seen.sid,
        }
        optional = {"nonce": nonce, "acr": seen.acr, "amr": seen.amr or None}
        claims |= {name: value for name, value in optional.items() if value is not None}
        for name, text in (("at_hash", access_token), ("c_hash", code)):
            if text is not None:
                claims[name] = half_hash(algorithm, text)
        return await self.sealed(client, signer.sign(_encode(claims)))

    async def ready(self, client: Client) -> None:
        """See to it that an ID token can be made for this client: before what it goes with is used up.

        Raises OAuthError ``temporarily_unavailable`` when the client wants it encrypted and has no key at hand.
        """
        algorithm = client.metadata.id_token_encrypted_response_alg
        if algorithm is None:
            return
        if self._encryption is None:
            raise _nothing_encrypted()
        await self._encryption.key(client, algorithm)

    async def sealed(self, client: Client, signed: str, *, header: Mapping[str, str] | None = None) -> str:
        """A signed token as that client wants its ID tokens: as it is, or nested (OpenID Connect Core §10.2: signed first,
        then encrypted). ``header`` holds claims that are repeated in the clear.

        Raises OAuthError ``temporarily_unavailable``: never falls back to what everybody can read.
        """
        algorithm = client.metadata.id_token_encrypted_response_alg
        if algorithm is None:
            return signed
        encoding = client.metadata.id_token_encrypted_response_enc or ENCODINGS[0]
        if self._encryption is None:
            raise _nothing_encrypted()
        return await self._encryption.encrypt(
            client, signed, algorithm=algorithm, encoding=encoding, cty=TYP, header=header
        )

    async def sign(self, claims: Mapping[str, Any], *, algorithm: str, typ: str) -> str:
        """Any other answer that a client wants signed (RFC 9701, userinfo). Raises ValueError for an algorithm that is not
        offered.
        """
        await self._signers.prepare(algorithm)
        return self._signers.signer_for(algorithm, typ).sign(_encode(claims))


def _nothing_encrypted() -> OAuthError:
    return OAuthError(ErrorCode.TEMPORARILY_UNAVAILABLE, "nothing is encrypted here now")
