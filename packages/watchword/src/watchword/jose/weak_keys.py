"""Tests for keys that are well formed and yet worthless: ROCA moduli, small factors, points of small order.

Decides nothing by itself: ``material`` asks, and refuses.
"""

from __future__ import annotations

from math import gcd, prod

_PRIMES = tuple(n for n in range(3, 1000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2)))
_PRODUCT = prod(_PRIMES)

# CVE-2017-15361: a modulus made by the faulty library is a power of 65537 modulo each of these primes; of other
# moduli about one in 2**27 is so too. The primes are those where the powers of 65537 leave the most residues out.
_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset((0, 1, _P - 1, _ORDER_8, _P - _ORDER_8))

_BLANK = b" \t\r\n\v\f\0\xef\xbb\xbf"
"""What may stand before such a text unseen; the last three bytes are UTF-8's byte order mark."""
# Object identifiers with tag and length: rsaEncryption, id-ecPublicKey, Ed25519 with the BIT STRING that follows.
_NAMES_OF_KEYS = (
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",
    b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",
    b"\x06\x03\x2b\x65\x70\x03\x21\x00",
)
_TEXTS_OF_KEYS = (b"-----BEGIN ", b"---- BEGIN ", b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-")


def has_small_factor(modulus: int) -> bool:
    """Whether a modulus is even or divisible by a prime below 1000."""
    return not modulus & 1 or gcd(modulus, _PRODUCT) != 1


def is_roca(modulus: int) -> bool:
    """Whether a modulus bears the fingerprint of CVE-2017-15361, by which its factors can be found."""
    return all(modulus % prime in _powers_of_65537(prime) for prime in _ROCA_PRIMES)


def _powers_of_65537(prime: int) -> set[int]:
    powers, power = {1}, 65537 % prime
    while power not in powers:
        powers.add(power)
        power = power * 65537 % prime
    return powers


def is_sound_ed25519(encoded: bytes) -> bool:
    """Whether 32 bytes are the canonical encoding of a point of edwards25519 whose order is not small (RFC 8032 §5.1.3).

    For a public key of small order there are signatures that fit any message.
    """
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if y >= _P or y in _SMALL_ORDER:
        return False
    # x**2 = u/v has a root exactly if u*v is a square (Euler's criterion; neither is zero here).
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    return pow(u * v, (_P - 1) // 2, _P) == 1


def looks_like_public_key(secret: bytes) -> bool:
    """Whether bytes meant as a secret are the text of something published: PEM, OpenSSH, a JWK.

    Whoever signs with such a "secret" lets everyone sign (CVE-2022-29217, CVE-2024-33663).
    """
    start = secret.lstrip(_BLANK)
    if start.startswith(_TEXTS_OF_KEYS) or (start.startswith(b"{") and b'"kty"' in start):
        return True
    # The same in binary, DER: a SEQUENCE that names a kind of key near its beginning (RFC 5280 §4.1.2.7). Of true
    # secrets none looks so by chance.
    return secret.startswith(b"\x30") and any(name in secret[:64] for name in _NAMES_OF_KEYS)
