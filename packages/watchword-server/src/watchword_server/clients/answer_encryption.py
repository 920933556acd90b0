"""Encrypting answers to the client that asked for it at its registration (OpenID Connect Core §5.3.2, §10.2, RFC 7516).

Makes no answer, and falls back to none in clear. Access tokens are encrypted to resources, by encryption.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol

from watchword.jose import strict_json
from watchword.jose.errors import JoseError
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.metadata import Client

if TYPE_CHECKING:
    from watchword.jose.encryption_key import EncryptionKey

ENCODINGS: Final = ("A256GCM", "A128GCM")
"""Content encryption that clients may ask for; A128CBC-HS256, the default of OpenID Connect, is not offered."""
MAX_DOCUMENT: Final = 65_536
_USE: Final = "enc"


def encryption_algorithms() -> tuple[str, ...]:
    """Key management that is offered; none where the extra `watchword[jwe]` is not installed."""
    if find_spec("joserfc") is None:
        return ()
    return ("ECDH-ES+A256KW", "ECDH-ES", "RSA-OAEP-256")


def encryption_key(document: bytes, algorithm: str) -> EncryptionKey | None:
    """The first key of a JWK Set that was published for encryption by that algorithm; None when there is none.

    Raises JoseError for what is no JWK Set. Never takes a key whose ``use`` is not said to be ``enc``: one key for both
    purposes lets the one be turned against the other (RFC 8725 §3.8). Never takes a private one, which is known to all.
    """
    from watchword.jose.encryption_key import EncryptionKey  # noqa: PLC0415 - an extra, loaded for clients that need it

    members = strict_json.decode_object(document, max_bytes=MAX_DOCUMENT).get("keys")
    for jwk in members if isinstance(members, list) else ():
        if not isinstance(jwk, dict) or jwk.get("use") != _USE:
            continue
        try:
            key = EncryptionKey.from_jwk(jwk)
        except JoseError:
            continue
        if algorithm in key.algorithms and not key.is_private:
            return key
    return None


class KeyDocuments(Protocol):
    """Where the keys of clients are: client_keys.py."""

    async def document(self, client: Client) -> bytes | None: ...


class AnswerEncryption:
    """Encrypts for clients."""

    def __init__(self, keys: KeyDocuments) -> None:
        self._keys = keys

    async def encrypt(
        self,
        client: Client,
        text: str,
        *,
        algorithm: str,
        encoding: str,
        cty: str | None,
        header: Mapping[str, str] | None = None,
    ) -> str:
        """The answer as a JWE to the client's key. ``cty``: ``JWT`` for one that is signed (RFC 7519 §5.2); ``header`` holds
        claims that are repeated in it (§5.3).

        Raises OAuthError ``temporarily_unavailable`` when no key can be had: then nothing is told.
        """
        from watchword.jose.jwe import encrypt  # noqa: PLC0415 - an extra, loaded for clients that need it

        key = await self.key(client, algorithm)
        return encrypt(text.encode(), key, algorithm=algorithm, encoding=encoding, cty=cty, header=header)

    async def key(self, client: Client, algorithm: str) -> EncryptionKey:
        """The client's key for that algorithm. Raises OAuthError ``temporarily_unavailable`` when none can be had."""
        try:
            document = await self._keys.document(client)
            key = None if document is None else encryption_key(document, algorithm)
        except JoseError:
            key = None
        if key is None:
            raise OAuthError(
                ErrorCode.TEMPORARILY_UNAVAILABLE, "this client publishes no key to which its answers can be encrypted"
            )
        return key
