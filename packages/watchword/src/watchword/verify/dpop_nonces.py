"""Nonces for DPoP proofs that no server has to remember (RFC 9449 §8, §9): the time, and a MAC over it.

Knows no clock and no request: the caller says what time it is and writes the header ``DPoP-Nonce``.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Final

from watchword.clock import EpochSeconds
from watchword.jose import base64url
from watchword.jose.errors import JoseError

MIN_SECRET_BYTES: Final = 32
DEFAULT_PERIOD_SECONDS: Final = 60.0
_CONTEXT: Final = b"watchword dpop nonce 1"
_MAC_BYTES: Final = 16
_NONCE_BYTES: Final = 8 + _MAC_BYTES
_NONCE_LENGTH: Final = 32
_LATEST: Final = 2**62


class DpopNonces:
    """Gives out nonces and knows them again, in every process that holds the same secret.

    All clients get the same nonce during one period, and it is good during the next one too. Nobody can make a nonce
    of the future, so a proof that holds one was signed after it was given out: stolen use of a key ends with the access
    to it, which is what nonces are for. That a proof is used once is for the replay memory.
    """

    __slots__ = ("_mac", "_period")

    def __init__(self, secret: bytes, *, period: float = DEFAULT_PERIOD_SECONDS) -> None:
        """Take a secret of at least 32 random bytes, the same on all nodes; ``period`` is in seconds.

        Raises: ValueError.
        """
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"secret must have at least {MIN_SECRET_BYTES} bytes")
        if not 1 <= period <= 3600:
            raise ValueError("period must be between 1 and 3600 s")
        self._mac = hmac.new(hmac.digest(secret, _CONTEXT, hashlib.sha256), digestmod=hashlib.sha256)
        self._period = period

    def issue(self, now: EpochSeconds) -> str:
        """The nonce to give out now, for the header ``DPoP-Nonce``. Does not change within a period."""
        return self._nonce(int(now // self._period))

    def accepts(self, nonce: str, now: EpochSeconds) -> bool:
        """Whether a nonce was given out in this period or the one before. Does not raise, whatever the text is."""
        if len(nonce) != _NONCE_LENGTH:
            return False
        try:
            said: int = struct.unpack(">Q", base64url.decode(nonce)[:8])[0]
        except JoseError:
            return False
        current = int(now // self._period)
        # One that is ahead was given out by a node whose clock is ahead a little; the MAC says that it was a node.
        if not current - 1 <= said <= current + 1:
            return False
        return hmac.compare_digest(nonce.encode("ascii"), self._nonce(said).encode("ascii"))

    def newer(self, nonce: str | None, now: EpochSeconds) -> str | None:
        """The nonce of now, unless the client has it already (RFC 9449 §8.2: servers supply a new one before the old one ends)."""
        current = self.issue(now)
        return None if nonce == current else current

    def _nonce(self, period: int) -> str:
        said = struct.pack(">Q", min(max(period, 0), _LATEST))
        mac = self._mac.copy()
        mac.update(said)
        return base64url.encode(said + mac.digest()[:_MAC_BYTES])

    def __repr__(self) -> str:
        return f"DpopNonces(period={self._period!r})"
