"""The closed table of signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2).

Holds names and sizes only; what the algorithms compute is in ``primitives``. ``none`` is not in it and cannot be added.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec

from watchword.jose.errors import JoseError, Reason

Family: TypeAlias = Literal["ecdsa", "eddsa", "pkcs1", "pss", "hmac"]


class Algorithm(msgspec.Struct, frozen=True):
    """One row of the table: how a registered ``alg`` name is to be computed, and with what kind of key."""

    name: str
    family: Family
    kty: str
    """The only ``kty`` whose keys may be used with it."""
    hash_bits: int
    """Bits of the SHA-2 hash; for HMAC eight times the least length of a key in bytes (RFC 7518 §3.2)."""
    curve: str | None = None
    """The only ``crv`` allowed, for EC and OKP keys."""
    signature_size: int = 0
    """Bytes of a signature; 0 where the key decides (RSA)."""

    @property
    def symmetric(self) -> bool:
        """Whether whoever can verify can also sign."""
        return self.family == "hmac"


_ROWS = (
    Algorithm("ES256", "ecdsa", "EC", 256, "P-256", 64),
    Algorithm("ES384", "ecdsa", "EC", 384, "P-384", 96),
    Algorithm("ES512", "ecdsa", "EC", 512, "P-521", 132),
    # Two names of one algorithm: RFC 9864 gives EdDSA on Ed25519 a name that says all. Ed448 is left out.
    Algorithm("EdDSA", "eddsa", "OKP", 512, "Ed25519", 64),
    Algorithm("Ed25519", "eddsa", "OKP", 512, "Ed25519", 64),
    Algorithm("RS256", "pkcs1", "RSA", 256),
    Algorithm("RS384", "pkcs1", "RSA", 384),
    Algorithm("RS512", "pkcs1", "RSA", 512),
    Algorithm("PS256", "pss", "RSA", 256),
    Algorithm("PS384", "pss", "RSA", 384),
    Algorithm("PS512", "pss", "RSA", 512),
    Algorithm("HS256", "hmac", "oct", 256, signature_size=32),
    Algorithm("HS384", "hmac", "oct", 384, signature_size=48),
    Algorithm("HS512", "hmac", "oct", 512, signature_size=64),
)

ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType({row.name: row for row in _ROWS})
"""Every algorithm this library knows, by its registered name; names are compared exactly."""

ASYMMETRIC: Final[frozenset[str]] = frozenset(row.name for row in _ROWS if not row.symmetric)
"""The algorithms whose verifying key may be published."""

SYMMETRIC: Final[frozenset[str]] = frozenset(row.name for row in _ROWS if row.symmetric)
"""The HMAC algorithms."""


def algorithm(name: str) -> Algorithm:
    """Look up a registered name.

    Raises: JoseError ``unsupported_algorithm`` for any other name, ``none`` in every spelling included.
    """
    row = ALGORITHMS.get(name)
    if row is None:
        raise JoseError(Reason.UNSUPPORTED_ALGORITHM, "algorithm is not one of the supported ones")
    return row
