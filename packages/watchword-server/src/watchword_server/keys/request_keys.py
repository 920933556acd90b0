"""The keys to which clients encrypt their requests to this server (RFC 9101 §6.1, RFC 7516), out of the rows of the ring.

Keeps no schedule and no store; ring.py moves these keys like all others. Imports the extra `watchword[jwe]` when a key is
made or used, and not before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from watchword.jose.errors import JoseError, Reason

from watchword_server.store.records import KeyPurpose, SigningKey

if TYPE_CHECKING:
    from watchword.jose.encryption_key import EncryptionKey
    from watchword.jose.jwe import Decrypter

PURPOSE: Final[KeyPurpose] = "request_object"


class RequestKeys:
    """Those that are not distrusted, retired ones among them: clients keep what they once fetched for a while."""

    def __init__(self, rows: Iterable[SigningKey], opened: Callable[[SigningKey], bytes]) -> None:
        """``opened``: the private JWK of a row, as JSON. Raises what that raises."""
        held = [row for row in rows if row.purpose == PURPOSE and row.state != "distrusted"]
        self._private = [(row.algorithm, opened(row)) for row in held]
        # RFC 7517 §4.2. The one to use alone: whoever looks is not to encrypt to what is about to go.
        self.published: Final = tuple(row for row in held if row.state == "active")
        self._read: dict[str, tuple[EncryptionKey, ...]] = {}

    def decrypter(self, algorithm: str, encoding: str) -> Decrypter:
        """What opens requests that were encrypted by this algorithm and encoding, and by no other.

        Raises JoseError ``unknown_key`` when there is no key for it.
        """
        from watchword.jose.encryption_key import EncryptionKey  # noqa: PLC0415 - an extra, for clients that encrypt
        from watchword.jose.jwe import Decrypter  # noqa: PLC0415

        keys = self._read.get(algorithm)
        if keys is None:
            texts = [text for name, text in self._private if name == algorithm]
            keys = self._read[algorithm] = tuple(EncryptionKey.from_jwk(json.loads(text)) for text in texts)
        if not keys:
            raise JoseError(Reason.UNKNOWN_KEY, "there is no key for this algorithm")
        return Decrypter(keys, algorithms=(algorithm,), encodings=(encoding,))


def new_request_key(algorithm: str) -> tuple[str, bytes, bytes]:
    """A new key: its ``kid``, its private and its public JWK as JSON. An RSA key takes a good part of a second."""
    from watchword.jose.encryption_key import EncryptionKey  # noqa: PLC0415 - an extra, for clients that encrypt

    key = EncryptionKey.generate(algorithm)
    return key.kid or "", json.dumps(key.private_jwk()).encode(), json.dumps(key.public_jwk()).encode()
