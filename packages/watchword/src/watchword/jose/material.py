"""Key material: JWK parameters (RFC 7518 §6, RFC 8037 §2) to native keys and back, with every check a key must pass.

Knows no ``kid``, ``use`` or ``alg``; what a key is called and meant for is in ``jwk``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from watchword.jose import base64url, weak_keys
from watchword.jose.algorithms import Algorithm
from watchword.jose.errors import JoseError, Reason
from watchword.jose.primitives import PrivateKey, PublicKey

RSA_MIN_BITS = 2048
"""RFC 7518 §3.3: a key of 2048 bits or larger MUST be used."""
RSA_MAX_BITS = 8192
"""Larger keys only make verifying slow: the work grows with the square of the length."""
SECRET_MAX_BYTES = 1024
"""More than enough for any HMAC, which hashes keys longer than 64 or 128 bytes."""

_CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
    "P-521": (ec.SECP521R1(), 66),
}
_CURVE_NAMES = {curve.name: name for name, (curve, _) in _CURVES.items()}
_RSA_PRIVATE = ("d", "p", "q", "dp", "dq", "qi")
PRIVATE_MEMBERS = frozenset((*_RSA_PRIVATE, "oth", "k"))
"""JWK members that hold something private, whatever the ``kty`` (RFC 7518 §6.2.2, §6.3.2, §6.4, RFC 8037 §2)."""


class Material(msgspec.Struct, frozen=True):
    """A native key and the public JWK members that say the same; a secret (``oct``) has no public members."""

    kty: str
    curve: str | None
    members: dict[str, str]
    public: PublicKey
    private: PrivateKey | None

    def __repr__(self) -> str:
        return f"Material(kty={self.kty!r}, curve={self.curve!r})"


def bad_key(message: str) -> JoseError:
    """The error for a JWK that breaks a rule."""
    return JoseError(Reason.BAD_KEY, message)


def read(jwk: Mapping[str, Any]) -> Material:
    """Build native keys of a JWK's members and check them: sizes, curve membership, consistency, known weaknesses.

    Raises: JoseError ``bad_key``.
    Does not look at ``kid``, ``alg``, ``use``, ``key_ops`` or any certificate member.
    """
    match jwk.get("kty"):
        case "EC":
            return _read_ec(jwk)
        case "OKP":
            return _read_okp(jwk)
        case "RSA":
            return _read_rsa(jwk)
        case "oct":
            return of_secret(_octets(jwk, "k"))
        case _:
            raise bad_key("kty is not one of EC, OKP, RSA, oct")


def of_secret(secret: bytes) -> Material:
    """Take bytes as the secret of an HMAC; its least length depends on the algorithm and is checked there."""
    if len(secret) > SECRET_MAX_BYTES:
        raise bad_key(f"secret is longer than {SECRET_MAX_BYTES} bytes")
    if weak_keys.looks_like_public_key(secret):
        raise bad_key("secret is the text of a public key, certificate or JWK")
    return Material("oct", None, {}, secret, secret)


def of_private(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey) -> Material:
    """Describe a native private key that is known to be sound."""
    return msgspec.structs.replace(of_public(key.public_key()), private=key)


def of_public(public: ec.EllipticCurvePublicKey | Ed25519PublicKey | rsa.RSAPublicKey) -> Material:
    """Describe a native public key. Does not ask whether it is sound.

    Raises: JoseError ``bad_key`` for other curves.
    """
    if isinstance(public, Ed25519PublicKey):
        members = {"crv": "Ed25519", "x": base64url.encode(public.public_bytes_raw())}
        return Material("OKP", "Ed25519", members, public, None)
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return Material("RSA", None, {"n": _shortest(numbers.n), "e": _shortest(numbers.e)}, public, None)
    crv = _CURVE_NAMES.get(public.curve.name)
    if crv is None:
        raise bad_key("curve is not one of P-256, P-384, P-521")
    point, size = public.public_numbers(), _CURVES[crv][1]
    members = {"crv": crv, "x": _fixed(point.x, size), "y": _fixed(point.y, size)}
    return Material("EC", crv, members, public, None)


def generate(row: Algorithm, rsa_bits: int) -> Material:
    """Make a new key for an algorithm; a secret has as many bits as the hash.

    Raises: JoseError ``bad_key`` for an RSA length outside 2048 … 8192.
    """
    if row.kty == "oct":
        return of_secret(os.urandom(row.hash_bits // 8))
    if row.kty == "RSA":
        if not RSA_MIN_BITS <= rsa_bits <= RSA_MAX_BITS:
            raise bad_key(f"RSA keys have {RSA_MIN_BITS} to {RSA_MAX_BITS} bits")
        return of_private(rsa.generate_private_key(65537, rsa_bits))
    if row.kty == "OKP":
        return of_private(Ed25519PrivateKey.generate())
    return of_private(ec.generate_private_key(_CURVES[row.curve or ""][0]))


def private_members(material: Material) -> dict[str, str]:
    """The private JWK members of a private key or secret (RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2)."""
    match material.private:
        case None:
            raise JoseError(Reason.KEY_MISMATCH, "a public key has no private members")
        case bytes() as secret:
            return {"k": base64url.encode(secret)}
        case ec.EllipticCurvePrivateKey() as key:
            return {"d": _fixed(key.private_numbers().private_value, _CURVES[material.curve or ""][1])}
        case Ed25519PrivateKey() as key:
            return {"d": base64url.encode(key.private_bytes_raw())}
        case key:
            numbers = key.private_numbers()
            values = (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
            return dict(zip(_RSA_PRIVATE, map(_shortest, values), strict=True))


def _read_ec(jwk: Mapping[str, Any]) -> Material:
    crv = _text(jwk, "crv")
    if crv not in _CURVES:
        raise bad_key("crv is not one of P-256, P-384, P-521")
    curve, size = _CURVES[crv]
    # RFC 7518 §6.2.1.2: the length of this octet string MUST be the full size of a coordinate.
    point = b"\x04" + _octets(jwk, "x", size) + _octets(jwk, "y", size)
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except (ValueError, UnsupportedAlgorithm):
        raise bad_key("x and y are not a point of the curve") from None
    private = None
    if "d" in jwk:
        number = int.from_bytes(_octets(jwk, "d", size), "big")
        try:
            private = ec.derive_private_key(number, curve)
        except (ValueError, UnsupportedAlgorithm):
            raise bad_key("d is not a private key of the curve") from None
        if private.public_key() != public:
            raise bad_key("d does not belong to x and y")
    return Material("EC", crv, {"crv": crv, "x": jwk["x"], "y": jwk["y"]}, public, private)


def _read_okp(jwk: Mapping[str, Any]) -> Material:
    if _text(jwk, "crv") != "Ed25519":
        raise bad_key("crv is not Ed25519")
    raw = _octets(jwk, "x", 32)
    if not weak_keys.is_sound_ed25519(raw):
        raise bad_key("x is not a point of the curve, or one of small order")
    private = None
    if "d" in jwk:
        private = Ed25519PrivateKey.from_private_bytes(_octets(jwk, "d", 32))
        if private.public_key().public_bytes_raw() != raw:
            raise bad_key("d does not belong to x")
    public = Ed25519PublicKey.from_public_bytes(raw)
    return Material("OKP", "Ed25519", {"crv": "Ed25519", "x": jwk["x"]}, public, private)


def _read_rsa(jwk: Mapping[str, Any]) -> Material:
    n, e = _number(jwk, "n"), _number(jwk, "e", 8)
    if not RSA_MIN_BITS <= n.bit_length() <= RSA_MAX_BITS:
        raise bad_key(f"RSA modulus has not {RSA_MIN_BITS} to {RSA_MAX_BITS} bits")
    # FIPS 186-5 §5.1 wants 2**16 < e; the upper bound keeps a hostile key from making verification slow.
    if not (2**16 < e < 2**32 and e & 1):
        raise bad_key("RSA exponent is not an odd number between 2**16 and 2**32")
    if weak_keys.has_small_factor(n) or weak_keys.is_roca(n):
        raise bad_key("RSA modulus is of a kind that can be factored")
    numbers = rsa.RSAPublicNumbers(e, n)
    try:
        public = numbers.public_key()
        private = _rsa_private(jwk, numbers) if "d" in jwk else None
    except (ValueError, UnsupportedAlgorithm):
        raise bad_key("RSA numbers do not belong together") from None
    return Material("RSA", None, {"n": jwk["n"], "e": jwk["e"]}, public, private)


def _rsa_private(jwk: Mapping[str, Any], numbers: rsa.RSAPublicNumbers) -> rsa.RSAPrivateKey:
    if "oth" in jwk:
        raise bad_key("RSA keys of more than two primes are not supported")
    d, p, q, dp, dq, qi = (_number(jwk, name) for name in _RSA_PRIVATE)
    return rsa.RSAPrivateNumbers(p=p, q=q, d=d, dmp1=dp, dmq1=dq, iqmp=qi, public_numbers=numbers).private_key()


def _text(jwk: Mapping[str, Any], name: str) -> str:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise bad_key(f"member {name} is missing or not a string")
    return value


def _octets(jwk: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    text = _text(jwk, name)
    if len(text) > 2 * SECRET_MAX_BYTES:
        raise bad_key(f"member {name} is too long")
    try:
        value = base64url.decode(text)
    except JoseError:
        raise bad_key(f"member {name} is not base64url") from None
    if size is not None and len(value) != size:
        raise bad_key(f"member {name} has not {size} bytes")
    return value


def _number(jwk: Mapping[str, Any], name: str, most: int = RSA_MAX_BITS // 8) -> int:
    """Read a Base64urlUInt: big-endian, in the fewest octets (RFC 7518 §2)."""
    octets = _octets(jwk, name)
    if not octets or octets[0] == 0 or len(octets) > most:
        raise bad_key(f"member {name} is not a number in its shortest form, or too large")
    return int.from_bytes(octets, "big")


def _shortest(number: int) -> str:
    return base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _fixed(number: int, size: int) -> str:
    return base64url.encode(number.to_bytes(size, "big"))
