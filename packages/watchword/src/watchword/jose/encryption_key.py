"""Keys for encryption (RFC 7517, RFC 7518 §4): checked as keys for signatures are, and never the same ones.

Encrypts nothing (``jwe`` does). Needs the extra ``jwe``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn, Self

from joserfc.jwk import ECKey, OKPKey, RSAKey

from watchword.jose import base64url, material
from watchword.jose.errors import JoseError, Reason
from watchword.jose.key import MAX_KID_LENGTH

KEY_MANAGEMENT: Final = {
    "EC": ("ECDH-ES+A256KW", "ECDH-ES"),
    "OKP": ("ECDH-ES+A256KW", "ECDH-ES"),
    "RSA": ("RSA-OAEP-256",),
}
"""The closed table: what ``alg`` a key of each ``kty`` may be used with. RSA1_5, PBES2 and shared secrets are not in it."""

_CLASSES: Final[Mapping[str, Any]] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}
_GENERATED: Final = frozenset({"P-256", "P-384", "P-521", "X25519"})
_SIZES: Final = {"X25519": 32}


class EncryptionKey:
    """One key for encryption, public or private; immutable, and silent about its secrets.

    Made by `from_jwk` or `generate`.
    """

    __slots__ = ("algorithms", "is_private", "kid", "kty", "members", "native")

    kid: str | None
    kty: str
    algorithms: tuple[str, ...]
    """The ``alg`` values it may be used with: the declared one, or all of its kind."""
    is_private: bool
    members: Mapping[str, str]
    """The public members that make the key."""
    native: Any
    """What joserfc takes."""

    def __init__(
        self, members: Mapping[str, str], private: Mapping[str, str], kid: str | None, alg: str | None
    ) -> None:
        """Callers outside this module use the class methods."""
        kty = members["kty"]
        allowed = KEY_MANAGEMENT[kty]
        if alg is not None and alg not in allowed:
            raise material.bad_key("alg is not one for encryption with this key")
        fields = {
            "kid": kid,
            "kty": kty,
            "algorithms": allowed if alg is None else (alg,),
            "is_private": bool(private),
            "members": dict(members),
            "native": _CLASSES[kty].import_key({**members, **private}),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Self:
        """Read one JWK: EC (P-256, P-384, P-521), OKP (X25519) or RSA of 2048 … 8192 bits, meant for encryption.

        Raises: JoseError ``bad_key``.
        """
        if not isinstance(jwk, Mapping):
            raise material.bad_key("JWK is not an object")
        kid, alg, use = (jwk.get(name) for name in ("kid", "alg", "use"))
        if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KID_LENGTH):
            raise material.bad_key("kid is not a text of sensible length")
        # RFC 7517 §4.2; one key for both purposes lets the one be turned against the other (RFC 8725 §3.8).
        if use not in (None, "enc"):
            raise material.bad_key("use is not enc")
        if alg is not None and not isinstance(alg, str):
            raise material.bad_key("member alg is not a string")
        if jwk.get("kty") == "OKP":
            return cls(*_montgomery(jwk), kid, alg)
        if jwk.get("kty") not in {"EC", "RSA"}:
            raise material.bad_key("kty is not one of EC, OKP, RSA")
        held = material.read(jwk)
        private = {} if held.private is None else material.private_members(held)
        return cls({"kty": held.kty, **held.members}, private, kid, alg)

    @classmethod
    def generate(cls, alg: str = "ECDH-ES+A256KW", kid: str | None = None, *, curve: str = "P-256") -> Self:
        """Make a new private key for one algorithm; ``curve`` may be X25519 too, RSA has 3072 bits.

        Raises: JoseError ``unsupported_algorithm`` or ``bad_key``.
        """
        if alg == "RSA-OAEP-256":
            jwk = RSAKey.generate_key(3072, private=True).as_dict(private=True)
        elif alg in KEY_MANAGEMENT["EC"]:
            if curve not in _GENERATED:
                raise material.bad_key("curve is not one of P-256, P-384, P-521, X25519")
            made = OKPKey.generate_key("X25519") if curve == "X25519" else ECKey.generate_key(curve)
            jwk = made.as_dict(private=True)
        else:
            raise JoseError(Reason.UNSUPPORTED_ALGORITHM, "algorithm is not one of the supported ones")
        members = {name: value for name, value in jwk.items() if isinstance(value, str) and name != "kid"}
        thumbprint: str = _CLASSES[members["kty"]].import_key(members).thumbprint()
        return cls.from_jwk({**members, "kid": thumbprint if kid is None else kid, "alg": alg, "use": "enc"})

    def public(self) -> EncryptionKey:
        """The same key without its private part."""
        return EncryptionKey.from_jwk(self.public_jwk())

    def public_jwk(self) -> dict[str, Any]:
        """The JWK to publish, with ``use: enc``."""
        return self._describe(self.members)

    def private_jwk(self) -> dict[str, Any]:
        """The whole key as a JWK: a secret. Raises: JoseError ``key_mismatch`` for a public key."""
        if not self.is_private:
            raise JoseError(Reason.KEY_MISMATCH, "a public key has no private members")
        whole = self.native.as_dict(private=True)
        private = {name: whole[name] for name in ("d", "p", "q", "dp", "dq", "qi") if name in whole}
        return self._describe({**self.members, **private})

    def _describe(self, members: Mapping[str, str]) -> dict[str, Any]:
        about = {"kid": self.kid, "alg": self.algorithms[0] if len(self.algorithms) == 1 else None, "use": "enc"}
        return {**members, **{name: value for name, value in about.items() if value is not None}}

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("keys are immutable")

    def __repr__(self) -> str:
        return f"EncryptionKey(kid={self.kid!r}, kty={self.kty!r}, is_private={self.is_private})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled, lest a private one travel unseen; use private_jwk()")


def _montgomery(jwk: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    if jwk.get("crv") not in _SIZES:
        raise material.bad_key("crv is not X25519")
    for name in ("x", "d"):
        if name in jwk and (not isinstance(jwk[name], str) or _octets(jwk[name]) != _SIZES[jwk["crv"]]):
            raise material.bad_key(f"member {name} is not a key of the curve")
    if "x" not in jwk:
        raise material.bad_key("member x is missing")
    private = {"d": jwk["d"]} if "d" in jwk else {}
    if private:
        derived = OKPKey.import_key({"kty": "OKP", "crv": jwk["crv"], "x": jwk["x"], **private}).private_key
        if derived is None or base64url.encode(derived.public_key().public_bytes_raw()) != jwk["x"]:
            raise material.bad_key("d does not belong to x")
    return {"kty": "OKP", "crv": jwk["crv"], "x": jwk["x"]}, private


def _octets(text: str) -> int:
    try:
        return len(base64url.decode(text)) if len(text) < 128 else -1
    except JoseError:
        return -1
