"""One key as JSON (RFC 7517 §4): its material, its name, and what it may be used for.

Does no arithmetic: checks of material are in ``material``, signatures in ``primitives``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn, Self

import msgspec

from watchword.jose import algorithms, base64url, material
from watchword.jose.algorithms import Algorithm
from watchword.jose.errors import JoseError, Reason
from watchword.jose.material import Material, bad_key
from watchword.jose.primitives import Sign, Verify, make_sign, make_verify

MAX_KID_LENGTH = 512
"""Characters of a ``kid``."""


class Key:
    """One key, checked once and ready for use; immutable, and silent about its secrets.

    Made by `from_jwk`, `from_secret` or `generate`. Keys are equal only if they are the same object;
    compare `thumbprint` to learn whether two hold the same key.
    """

    __slots__ = ("_material", "_thumbprint", "algorithm", "key_ops", "kid", "kty", "signers", "use", "verifiers")

    kid: str | None
    kty: str
    algorithm: str | None
    """The declared ``alg``, or the only one possible; None where the key would allow several (RSA, oct)."""
    use: str | None
    key_ops: tuple[str, ...] | None
    verifiers: Mapping[str, Verify]
    """By algorithm name, a function ``(signature, message) -> bool`` that raises nothing."""
    signers: Mapping[str, Sign]
    """By algorithm name, a function ``message -> signature``; empty for public keys."""
    _material: Material
    _thumbprint: str | None

    def __init__(
        self,
        held: Material,
        *,
        kid: str | None,
        alg: str | None = None,
        use: str | None = None,
        key_ops: tuple[str, ...] | None = None,
    ) -> None:
        """Bind checked material to its name and purpose. Callers outside this package use the class methods."""
        rows = _usable(held, alg)
        private = held.private
        verifying = key_ops is None or "verify" in key_ops
        signing = private is not None and (key_ops is None or "sign" in key_ops)
        if not verifying and not signing:
            raise bad_key("key_ops allows neither signing nor verifying")
        fields = {
            "_material": held,
            "_thumbprint": None,
            "kid": kid,
            "kty": held.kty,
            "algorithm": alg or _only(rows),
            "use": use,
            "key_ops": key_ops,
            "verifiers": MappingProxyType({r.name: make_verify(r, held.public) for r in rows if verifying}),
            "signers": MappingProxyType(
                {r.name: make_sign(r, private) for r in rows} if signing and private is not None else {}
            ),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Self:
        """Read one JWK, public or private (RFC 7517 §4), and check all that can be checked of it.

        ``use``, ``key_ops`` and ``alg`` are honoured; certificate members (``x5c`` …) and unknown ones are ignored.

        Raises: JoseError ``bad_key`` if it is malformed, weak, inconsistent, or not meant for signatures with a
        supported algorithm.
        """
        if not isinstance(jwk, Mapping):
            raise bad_key("JWK is not an object")
        kid, alg, use = (_optional_text(jwk, name) for name in ("kid", "alg", "use"))
        if kid is not None and not 0 < len(kid) <= MAX_KID_LENGTH:
            raise bad_key(f"kid is empty or longer than {MAX_KID_LENGTH} characters")
        if use not in (None, "sig"):
            raise bad_key("use is not sig")
        return cls(material.read(jwk), kid=kid, alg=alg, use=use, key_ops=_key_ops(jwk))

    @classmethod
    def from_secret(cls, secret: bytes, alg: str, *, kid: str | None = None) -> Self:
        """Take bytes as a key for one HMAC algorithm; ``kid`` is None unless given.

        Raises: JoseError ``bad_key`` if they are fewer than the hash has (RFC 7518 §3.2) or look like a public key.
        """
        return cls(material.of_secret(secret), kid=kid, alg=alg, use="sig")

    @classmethod
    def generate(cls, alg: str, kid: str | None = None, *, rsa_bits: int = 2048) -> Self:
        """Make a new private key, or a secret as long as the hash; ``kid`` defaults to its thumbprint (RFC 7638).

        Raises: JoseError ``unsupported_algorithm``; ``bad_key`` for an RSA length outside 2048 … 8192.
        """
        held = material.generate(algorithms.algorithm(alg), rsa_bits)
        return cls(held, kid=thumbprint_of(held) if kid is None else kid, alg=alg, use="sig")

    @property
    def is_private(self) -> bool:
        """Whether it holds a private key or a secret."""
        return self._material.private is not None

    @property
    def curve(self) -> str | None:
        """``crv`` of an EC or OKP key."""
        return self._material.curve

    @property
    def is_symmetric(self) -> bool:
        """Whether it is a secret, with which whoever verifies can also sign."""
        return self.kty == "oct"

    def thumbprint(self) -> str:
        """The SHA-256 JWK thumbprint in base64url (RFC 7638 §3): equal exactly for equal public keys."""
        if self._thumbprint is None:
            # Asked for with every proof of possession; two threads at once find the same.
            object.__setattr__(self, "_thumbprint", thumbprint_of(self._material))
        return self._thumbprint or ""

    def choose(self, kid: str | None, alg: str) -> Key | None:
        """Itself, if it may verify with that algorithm and ``kid`` does not name another key; as `KeySet.choose`."""
        return self if alg in self.verifiers and self.knows(kid) else None

    def knows(self, kid: str | None) -> bool:
        """Whether a token with this ``kid`` may be meant for this key: names contradict only where both are given."""
        return kid is None or self.kid is None or kid == self.kid

    def public(self) -> Key:
        """The same key without its private part.

        Raises: JoseError ``key_mismatch`` for a secret, which has no public form.
        """
        return Key.from_jwk(self.public_jwk())

    def public_jwk(self) -> dict[str, Any]:
        """The JWK to publish: public members, ``kid``, ``alg``, ``use`` and, if there were any, ``key_ops``.

        Raises: JoseError ``key_mismatch`` for a secret, which has no public form.
        """
        if self.kty == "oct":
            raise JoseError(Reason.KEY_MISMATCH, "a secret has no public form")
        key_ops = None if self.key_ops is None else ["verify"]
        return self._describe(self._material.members, key_ops)

    def private_jwk(self) -> dict[str, Any]:
        """The whole key as a JWK: a secret, to be stored encrypted and never shown.

        Raises: JoseError ``key_mismatch`` for a public key.
        """
        members = self._material.members | material.private_members(self._material)
        return self._describe(members, None if self.key_ops is None else list(self.key_ops))

    def _describe(self, members: dict[str, str], key_ops: list[str] | None) -> dict[str, Any]:
        about = {"kid": self.kid, "alg": self.algorithm, "use": self.use, "key_ops": key_ops}
        return {"kty": self.kty, **members, **{name: value for name, value in about.items() if value is not None}}

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("keys are immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("keys are immutable")

    def __repr__(self) -> str:
        return f"Key(kid={self.kid!r}, kty={self.kty!r}, algorithm={self.algorithm!r}, is_private={self.is_private})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled, lest a private one travel unseen; use private_jwk()")


def _usable(held: Material, alg: str | None) -> list[Algorithm]:
    """The algorithms a key may be used with: those of its type and size, or of these the declared one."""
    rows = [row for row in algorithms.ALGORITHMS.values() if row.kty == held.kty and row.curve == held.curve]
    if isinstance(held.public, bytes):
        # RFC 7518 §3.2: a key of the same size as the hash output or larger MUST be used.
        size = 8 * len(held.public)
        rows = [row for row in rows if row.hash_bits <= size]
    if alg is not None:
        declared = algorithms.ALGORITHMS.get(alg)
        # EdDSA and Ed25519 are one algorithm: a key declared for either serves both (RFC 9864 §2.2).
        rows = [row for row in rows if row.name == alg or (declared in rows and row.family == "eddsa")]
    if not rows:
        raise bad_key("key cannot be used with its alg, or with any supported algorithm")
    return rows


def _only(rows: list[Algorithm]) -> str | None:
    return rows[0].name if len(rows) == 1 or rows[0].family == "eddsa" else None


def thumbprint_of(held: Material) -> str:
    """The SHA-256 thumbprint of key material (RFC 7638 §3)."""
    members = material.private_members(held) if held.kty == "oct" else held.members
    text = msgspec.json.encode(dict(sorted({"kty": held.kty, **members}.items())))
    return base64url.encode(hashlib.sha256(text).digest())


def _optional_text(jwk: Mapping[str, Any], name: str) -> str | None:
    value = jwk.get(name)
    if value is None and name not in jwk:
        return None
    if not isinstance(value, str):
        raise bad_key(f"member {name} is not a string")
    return value


def _key_ops(jwk: Mapping[str, Any]) -> tuple[str, ...] | None:
    if "key_ops" not in jwk:
        return None
    value = jwk["key_ops"]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise bad_key("key_ops is not an array of strings")
    # RFC 7517 §4.3: duplicate key operation values MUST NOT be present in the array.
    if len(set(value)) != len(value):
        raise bad_key("key_ops names an operation twice")
    return tuple(value)
