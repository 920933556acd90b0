"""Opening request objects that clients encrypted to this server (RFC 9101 §6.1), at a cost that strangers cannot raise.

Believes nothing of what is inside: anybody may encrypt to a public key, and request_object.py checks who signed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from watchword.jose.errors import JoseError, Reason
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.verify.jwt import JwtRejected, unverified_claims

from watchword_server.clients.metadata import Client
from watchword_server.clients.request_object import MAX_LENGTH

if TYPE_CHECKING:
    from watchword.jose.jwe import Decrypter

AT_ONCE: Final = 2
"""Objects opened at the same time, in threads: an RSA key works for some milliseconds on each."""
MAX_WAITING: Final = 16
_DOTS_OF_JWE: Final = 4
_DOTS_OF_JWS: Final = 2
_NESTED: Final = frozenset({"jwt", "oauth-authz-req+jwt"})
_REPEATED: Final = ("iss", "sub", "aud")


class HoldsRequestKeys(Protocol):
    """The key ring."""

    def request_decrypter(self, algorithm: str, encoding: str) -> Decrypter:
        """Raises JoseError where there is no key for it."""
        ...

    async def look_again(self) -> None:
        """See what other processes did to the ring."""
        ...


class RequestDecryption:
    """Opens them, a few at a time."""

    def __init__(self, keys: HoldsRequestKeys) -> None:
        self._keys = keys
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def opened(self, raw: str, client: Client) -> str:
        """The signed object inside an encrypted one; what is not encrypted comes back as it is.

        Raises OAuthError ``invalid_request_object``, in the same words whatever went wrong behind the header (RFC 7516
        §11.5), or ``temporarily_unavailable``.
        """
        if raw.count(".") != _DOTS_OF_JWE:
            return raw
        algorithm, encoding = (
            client.metadata.request_object_encryption_alg,
            client.metadata.request_object_encryption_enc,
        )
        # Before any work: only those who said that they would can have it done.
        if algorithm is None or encoding is None:
            raise _refused("it is encrypted, and this client did not register for that")
        if self._waiting >= MAX_WAITING:
            raise OAuthError(ErrorCode.TEMPORARILY_UNAVAILABLE, "too many encrypted requests are waiting; try again")
        self._waiting += 1
        try:
            async with self._turns:
                return await self._open(raw, algorithm, encoding)
        except JoseError as fault:
            raise _refused("it cannot be decrypted", str(fault)) from None
        finally:
            self._waiting -= 1

    async def _open(self, raw: str, algorithm: str, encoding: str) -> str:
        try:
            return await asyncio.to_thread(self._inside, raw, algorithm, encoding)
        except JoseError as fault:
            if fault.reason is not Reason.UNKNOWN_KEY:
                raise
        # Another process may have made that key since this one last looked; that is asked at most once a second.
        await self._keys.look_again()
        return await asyncio.to_thread(self._inside, raw, algorithm, encoding)

    def _inside(self, raw: str, algorithm: str, encoding: str) -> str:
        found = self._keys.request_decrypter(algorithm, encoding).decrypt(raw, max_length=MAX_LENGTH)
        nested = str(found.header.get("cty", "jwt")).lower().removeprefix("application/")
        try:
            text = found.plaintext.decode("ascii")
        except UnicodeDecodeError:
            raise JoseError(Reason.MALFORMED, "what is inside is no JWT") from None
        # RFC 9101 §6.1: a signed object, and nothing encrypted again: each layer would be work for whoever asks for it.
        if nested not in _NESTED or text.count(".") != _DOTS_OF_JWS:
            raise JoseError(Reason.MALFORMED, "what is inside is no signed JWT")
        _check_repeated(found.header, text)
        return text


def _check_repeated(header: Any, text: str) -> None:
    """RFC 7519 §5.3: claims that are repeated in the header are those inside."""
    repeated = {name: header[name] for name in _REPEATED if name in header}
    if not repeated:
        return
    try:
        claims = unverified_claims(text)
    except JwtRejected:
        raise JoseError(Reason.MALFORMED, "what is inside is no signed JWT") from None
    if any(claims.get(name) != value for name, value in repeated.items()):
        raise JoseError(Reason.BAD_HEADER, "a claim in the header differs from the one inside")


def _refused(why: str, detail: str | None = None) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_REQUEST_OBJECT, f"The request object is refused: {why}.", detail=detail)
