"""Signing and verifying functions, made ready once for each key.

Trusts its caller that the native key fits the algorithm (``jwk`` sees to that) and knows nothing of tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hmac import HMAC

from watchword.jose.algorithms import Algorithm

Verify: TypeAlias = Callable[[bytes, bytes], bool]
"""``verify(signature, message)``: True if and only if the signature is right. Raises nothing."""
Sign: TypeAlias = Callable[[bytes], bytes]
"""``sign(message)``: the signature in the form JWS wants."""
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey | bytes
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey | bytes
"""A native key; plain bytes are the secret of an HMAC."""

_HASHES: dict[int, hashes.HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}

CURVE_ORDERS: dict[str, int] = {
    "P-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "P-384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "P-521": int("01" + 65 * "F" + "A51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16),
}
"""The order n of each curve's base point (FIPS 186-5): r and s of a signature lie in 1 … n - 1."""


def make_verify(row: Algorithm, key: PublicKey) -> Verify:
    """Bind a native public key (or an HMAC secret) to one algorithm."""
    if isinstance(key, bytes):
        return _hmac_verify(row, key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ecdsa_verify(row, key)
    if isinstance(key, Ed25519PublicKey):
        return _ed25519_verify(key)
    return _rsa_verify(row, key)


def make_sign(row: Algorithm, key: PrivateKey) -> Sign:
    """Bind a native private key (or an HMAC secret) to one algorithm."""
    if isinstance(key, bytes):
        return _hmac_sign(row, key)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _ecdsa_sign(row, key)
    if isinstance(key, Ed25519PrivateKey):
        return key.sign
    return _rsa_sign(row, key)


# DER headers, ready made: of an INTEGER of n bytes, and of a SEQUENCE of n bytes (X.690 §8.1.3).
_INTEGER = tuple(bytes((0x02, n)) for n in range(68))
_SEQUENCE = tuple(bytes((0x30, n) if n < 128 else (0x30, 0x81, n)) for n in range(140))


def _ecdsa_verify(row: Algorithm, key: ec.EllipticCurvePublicKey) -> Verify:
    size, half = row.signature_size, row.signature_size // 2
    zero, order = bytes(half), CURVE_ORDERS[row.curve or ""].to_bytes(half, "big")
    scheme = ec.ECDSA(_HASHES[row.hash_bits])
    native = key.verify

    def verify(signature: bytes, message: bytes) -> bool:
        # RFC 7518 §3.4: the signature is R || S, each as long as the order; DER is another form and has no place here.
        if len(signature) != size:
            return False
        r, s = signature[:half], signature[half:]
        # Of equal length, big-endian numbers compare as their bytes do. Zero would fit every message (CVE-2022-21449).
        if not (zero < r < order and zero < s < order):
            return False
        # DER by hand: going through integers takes twice as long, which here can be measured.
        r, s = r.lstrip(b"\0"), s.lstrip(b"\0")
        if r[0] > 127:
            r = b"\0" + r
        if s[0] > 127:
            s = b"\0" + s
        body = _INTEGER[len(r)] + r + _INTEGER[len(s)] + s
        try:
            native(_SEQUENCE[len(body)] + body, message, scheme)
        except InvalidSignature:
            return False
        return True

    return verify


def _ecdsa_sign(row: Algorithm, key: ec.EllipticCurvePrivateKey) -> Sign:
    half = row.signature_size // 2
    scheme = ec.ECDSA(_HASHES[row.hash_bits])
    native, decode = key.sign, decode_dss_signature

    def sign(message: bytes) -> bytes:
        r, s = decode(native(message, scheme))
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")

    return sign


def _ed25519_verify(key: Ed25519PublicKey) -> Verify:
    native = key.verify

    def verify(signature: bytes, message: bytes) -> bool:
        try:
            native(signature, message)
        except InvalidSignature:
            return False
        return True

    return verify


def _rsa_padding(row: Algorithm) -> padding.AsymmetricPadding:
    if row.family == "pkcs1":
        return padding.PKCS1v15()
    # RFC 7518 §3.5: the salt is as long as the hash, and MGF1 uses that same hash.
    return padding.PSS(mgf=padding.MGF1(_HASHES[row.hash_bits]), salt_length=row.hash_bits // 8)


def _rsa_verify(row: Algorithm, key: RSAPublicKey) -> Verify:
    scheme, digest = _rsa_padding(row), _HASHES[row.hash_bits]
    size = (key.key_size + 7) // 8
    native = key.verify

    def verify(signature: bytes, message: bytes) -> bool:
        # RFC 8017 §8.1.2 and §8.2.2, step 1: exactly as long as the modulus.
        if len(signature) != size:
            return False
        try:
            native(signature, message, scheme, digest)
        except InvalidSignature:
            return False
        return True

    return verify


def _rsa_sign(row: Algorithm, key: RSAPrivateKey) -> Sign:
    scheme, digest = _rsa_padding(row), _HASHES[row.hash_bits]
    native = key.sign

    def sign(message: bytes) -> bytes:
        return native(message, scheme, digest)

    return sign


def _hmac_sign(row: Algorithm, secret: bytes) -> Sign:
    # The key schedule is half of the work of a short HMAC: it is done here, and copied for each message.
    copy = HMAC(secret, _HASHES[row.hash_bits]).copy

    def sign(message: bytes) -> bytes:
        context = copy()
        context.update(message)
        return context.finalize()

    return sign


def _hmac_verify(row: Algorithm, secret: bytes) -> Verify:
    sign = _hmac_sign(row, secret)

    def verify(signature: bytes, message: bytes) -> bool:
        return bytes_eq(sign(message), signature)

    return verify
