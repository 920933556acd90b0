"""The master key, and sealing with it: keys at rest are AES-256-GCM under a key derived per use and environment.

Keeps nothing and knows nothing of rotation. The only module of the server that imports `cryptography`; signatures go
through `watchword.jose`.
"""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from watchword.jose import base64url

_MIN_BYTES: Final = 32
_MAX_CHARACTERS: Final = 1024
_MIN_DIFFERENT_BYTES: Final = 16
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}", re.ASCII)
_LABEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_VERSION: Final = 1
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_FINGERPRINT_BYTES: Final = 8


class SealFault(StrEnum):
    """What is wrong with a sealed value."""

    WRONG_ENVIRONMENT = "wrong_environment"
    WRONG_MASTER_KEY = "wrong_master_key"
    DAMAGED = "damaged"
    """Not sealed by this program, cut short, altered, or moved from another row."""


class SealError(Exception):
    """A sealed value cannot be opened. The message says what to mend and holds no secret."""

    def __init__(self, fault: SealFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class MasterKeyError(ValueError):
    """A master key that cannot be used. The message never repeats it."""


class MasterKey:
    """The one secret from which all others of an installation are derived or sealed."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _MIN_BYTES:
            raise MasterKeyError(f"the master key has {len(secret)} bytes; at least {_MIN_BYTES} are needed")
        if len(set(secret)) < _MIN_DIFFERENT_BYTES:
            # 32 bytes by chance have some 30 different values; fewer than 16 do not happen.
            raise MasterKeyError("the master key does not look random; make one with `openssl rand -hex 32`")
        self._secret = secret

    @classmethod
    def parse(cls, text: str) -> MasterKey:
        """From hex (64 digits or more) or base64 in either alphabet, padded or not; white space around it is let be.

        Pairs of hex digits are read as hex, however few: a hex key cut short is not to pass as base64.

        Raises MasterKeyError for anything else, and for fewer than 32 bytes.
        """
        text = text.strip()
        if len(text) > _MAX_CHARACTERS:
            raise MasterKeyError(f"the master key is longer than {_MAX_CHARACTERS} characters")
        if _HEX.fullmatch(text):
            return cls(bytes.fromhex(text))
        if not _BASE64.fullmatch(text):
            raise MasterKeyError("the master key is neither hex nor base64; make one with `openssl rand -hex 32`")
        bare = text.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            secret = a2b_base64(bare + "=" * (-len(bare) % 4))
        except BinasciiError:
            raise MasterKeyError("the master key is not whole: its base64 has an impossible length") from None
        return cls(secret)

    @staticmethod
    def generate(random_bytes: Callable[[int], bytes]) -> str:
        """A new master key as text, for a development home."""
        return base64url.encode(random_bytes(_MIN_BYTES))

    def derive(self, use: str, environment: str, length: int = 32) -> bytes:
        """A key of its own for one use in one environment (HKDF-SHA256, RFC 5869).

        Raises ValueError for a use or environment that is not a short lower-case word.
        """
        if not (_LABEL.fullmatch(use) and _LABEL.fullmatch(environment)):
            raise ValueError("a use and an environment are short words in lower case")
        info = f"watchword 1|{use}|{environment}".encode()
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(self._secret)

    def fingerprint(self) -> bytes:
        """Eight bytes that tell master keys apart and tell nothing about them."""
        info = b"watchword 1 fingerprint"
        return HKDF(algorithm=SHA256(), length=_FINGERPRINT_BYTES, salt=None, info=info).derive(self._secret)

    def __repr__(self) -> str:
        """Without the key."""
        return "MasterKey(…)"


class Sealer:
    """Seals and opens small secrets of one environment.

    A sealed value is version (1 byte), length of the environment's name (1), that name, the master key's fingerprint
    (8), nonce (12), then ciphertext and tag; everything before the nonce is authenticated, with purpose and name. So a
    value that does not open can say why, and one that is copied to another row, purpose or environment does not open.
    """

    __slots__ = ("_aead", "_environment", "_head", "_random_bytes")

    def __init__(self, master: MasterKey, environment: str, random_bytes: Callable[[int], bytes]) -> None:
        self._aead = AESGCM(master.derive("seal", environment))
        self._environment = environment
        self._random_bytes = random_bytes
        name = environment.encode()
        self._head = bytes((_VERSION, len(name))) + name + master.fingerprint()

    @property
    def environment(self) -> str:
        """The environment whose keys this sealer seals and opens."""
        return self._environment

    def seal(self, secret: bytes, *, purpose: str, name: str) -> bytes:
        """Seal a secret for one purpose and name (a `kid`), to be opened for these only."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return self._head + nonce + self._aead.encrypt(nonce, secret, self._bound_to(purpose, name))

    def open(self, sealed: bytes, *, purpose: str, name: str) -> bytes:
        """The secret again.

        Raises SealError, naming what is wrong: another environment, another master key, or a damaged value.
        """
        environment, fingerprint, rest = _read_head(sealed, name)
        if environment != self._environment.encode():
            made_in = environment.decode("ascii", "replace")
            raise SealError(
                SealFault.WRONG_ENVIRONMENT,
                f"key {name} was made in environment {made_in!r} and this is {self._environment!r}; keys of one "
                "environment are refused in another: use that environment's own store",
            )
        if fingerprint != self._head[-_FINGERPRINT_BYTES:]:
            raise SealError(
                SealFault.WRONG_MASTER_KEY,
                f"key {name} was sealed by another master key; give the master key this store was made with",
            )
        nonce, ciphertext = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            return self._aead.decrypt(nonce, ciphertext, self._bound_to(purpose, name))
        except InvalidTag:
            raise _damaged(name) from None

    def _bound_to(self, purpose: str, name: str) -> bytes:
        return self._head + f"|{purpose}|{name}|{self._environment}".encode()


def _read_head(sealed: bytes, name: str) -> tuple[bytes, bytes, bytes]:
    """Environment, fingerprint, and the rest from the nonce on."""
    if len(sealed) < 2 or sealed[0] != _VERSION:
        raise _damaged(name)
    fingerprint_at = 2 + sealed[1]
    nonce_at = fingerprint_at + _FINGERPRINT_BYTES
    if len(sealed) < nonce_at + _NONCE_BYTES + _TAG_BYTES:
        raise _damaged(name)
    return sealed[2:fingerprint_at], sealed[fingerprint_at:nonce_at], sealed[nonce_at:]


def _damaged(name: str) -> SealError:
    return SealError(SealFault.DAMAGED, f"key {name} does not open: its row is damaged, altered or not its own")
