"""The one place where chance enters: identifiers, salts, secrets, all from the system's generator.

Holds no derivation and no formats of tokens: what is computed from a key lives with its owner.
"""

from __future__ import annotations

import secrets  # noqa: TID251 - this is the one place
from base64 import urlsafe_b64encode

from watchword.clock import EpochSeconds

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_CHARACTERS = 10
_CHANCE_CHARACTERS = 16
_LARGEST_MILLISECOND = (1 << 48) - 1


def random_bytes(count: int) -> bytes:
    """``count`` unpredictable bytes.

    Raises ValueError when count is under 1: an empty salt or key is always a mistake.
    """
    if count < 1:
        msg = "at least one byte of chance has to be asked for"
        raise ValueError(msg)
    return secrets.token_bytes(count)


def identifier() -> str:
    """128 unpredictable bits in base64url, 22 characters: for ``jti``, ``sid``, family ids, correlation ids.

    None begins with a hyphen, which a command line would take for an option: one in 64 is drawn again.
    """
    while (drawn := urlsafe_b64encode(secrets.token_bytes(16))).startswith(b"-"):
        pass
    return drawn[:22].decode("ascii")


def prefixed(prefix: str, *, size: int = 32) -> str:
    """A secret that scanners and people recognise: ``<prefix>_`` and ``size`` unpredictable bytes in base64url.

    Raises ValueError under 16 bytes: what is kept as a plain SHA-256 digest must not be guessable.
    """
    if size < 16:
        msg = "a secret has at least 16 bytes"
        raise ValueError(msg)
    return f"{prefix}_{secrets.token_urlsafe(size)}"


def account_id(now: EpochSeconds) -> str:
    """An opaque account id (``sub``), 26 characters, that sorts by the time it was made (48 bits of milliseconds, then
    80 unpredictable bits; ULID's layout in lower case).

    Does not need to be secret, and tells when the account was made to whoever sees it.
    """
    milliseconds = min(max(int(now * 1000), 0), _LARGEST_MILLISECOND)
    chance = int.from_bytes(secrets.token_bytes(10))
    return _base32(milliseconds, _TIME_CHARACTERS) + _base32(chance, _CHANCE_CHARACTERS)


def fraction() -> float:
    """A number from 0 up to and without 1, for jitter. Does not suit secrets."""
    return secrets.randbits(53) / (1 << 53)


def readable_password() -> str:
    """A password of 100 bits that can be read aloud and typed: five groups of four letters and digits."""
    number = int.from_bytes(secrets.token_bytes(13)) >> 4
    letters = _base32(number, 20)
    return "-".join(letters[start : start + 4] for start in range(0, 20, 4))


def _base32(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        letters.append(_CROCKFORD[number & 31])
        number >>= 5
    return "".join(reversed(letters))
