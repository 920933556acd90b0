"""Compact JWE (RFC 7516): encrypt and decrypt, by a closed table of algorithms and behind limits of our own.

Computes nothing itself: joserfc does (extra ``jwe``), on what passed here. Compression, passwords, shared secrets, and
everything by which a stranger could choose the work to be done, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from joserfc import jwe as joserfc_jwe

from watchword.jose import base64url, strict_json
from watchword.jose.compact import segments_of
from watchword.jose.encryption_key import KEY_MANAGEMENT, EncryptionKey
from watchword.jose.errors import JoseError, Reason
from watchword.jose.header import MAX_HEADER_DEPTH

MAX_TOKEN_LENGTH: Final = 16_384
"""Characters of a JWE unless the caller says otherwise; its plaintext is shorter, since nothing is compressed."""
MAX_HEADER_LENGTH: Final = 1024
MAX_KEYS: Final = 32

ALGORITHMS: Final = frozenset(name for names in KEY_MANAGEMENT.values() for name in names)
"""Key management: ECDH-ES, ECDH-ES+A256KW, RSA-OAEP-256."""
ENCODINGS: Final = ("A256GCM", "A128GCM")
"""Content encryption."""
_WRAPPED_BYTES: Final = {"A256GCM": 32 + 8, "A128GCM": 16 + 8}

_MEMBERS: Final = frozenset({"alg", "enc", "kid", "typ", "cty", "epk", "apu", "apv", "iss", "sub", "aud"})
_EPK: Final = {"EC": frozenset({"kty", "crv", "x", "y"}), "OKP": frozenset({"kty", "crv", "x"})}
_IV_BYTES: Final = 12
_TAG_BYTES: Final = 16
_MAX_PARTY: Final = 256


class Decrypted(msgspec.Struct, frozen=True):
    """What was in a JWE. Anyone who knows the public key may have written it: only a signature inside says who."""

    header: Mapping[str, Any]
    plaintext: bytes
    key: EncryptionKey

    def __repr__(self) -> str:
        return f"Decrypted(key={self.key!r})"


class Decrypter:
    """Private keys, and the algorithms they may be used with."""

    def __init__(
        self,
        keys: Iterable[EncryptionKey],
        *,
        algorithms: Iterable[str] = ALGORITHMS,
        encodings: Iterable[str] = ENCODINGS,
    ) -> None:
        """Raises: ValueError for public keys, two of one ``kid``, none at all, or an algorithm outside the table."""
        self._keys = tuple(keys)
        self._algorithms = frozenset(algorithms)
        self._encodings = frozenset(encodings)
        kids = [key.kid for key in self._keys]
        if (
            not 0 < len(kids) <= MAX_KEYS
            or len(set(kids)) != len(kids)
            or not all(key.is_private for key in self._keys)
        ):
            raise ValueError(f"keys must be 1 to {MAX_KEYS} private ones, each with a kid of its own")
        if not self._algorithms <= ALGORITHMS or not self._encodings <= frozenset(ENCODINGS):
            raise ValueError("algorithms and encodings must be supported ones")
        if not self._algorithms or not self._encodings:
            raise ValueError("algorithms and encodings must name at least one each")

    def decrypt(self, token: str, *, max_length: int = MAX_TOKEN_LENGTH) -> Decrypted:
        """Decrypt a compact JWE (RFC 7516 §5.2).

        Raises: JoseError, and never another exception, whatever ``token`` is. All that fails behind the header fails
        alike (§11.5): which step it was would be an oracle.
        """
        segments = _segments(token, max_length)
        header = _read_header(segments[0])
        if header["alg"] not in self._algorithms or header["enc"] not in self._encodings:
            raise JoseError(Reason.ALGORITHM_NOT_ALLOWED, "algorithm is not one of those allowed here")
        key = self._choose(header)
        _check_sizes(header, key, segments)
        registry = joserfc_jwe.JWERegistry(algorithms=[header["alg"], header["enc"]], strict_check_header=False)
        registry.max_ciphertext_length = max_length
        registry.max_encrypted_key_length = 2 * MAX_HEADER_LENGTH
        try:
            found = joserfc_jwe.decrypt_compact(token, key.native, registry=registry)
        except Exception:  # noqa: BLE001 - joserfc's, cryptography's, or a stranger's finding: all the same to him
            raise JoseError(Reason.BAD_SIGNATURE, "JWE cannot be decrypted with the key it names") from None
        return Decrypted(header, found.plaintext or b"", key)

    def _choose(self, header: Mapping[str, Any]) -> EncryptionKey:
        kid, alg = header.get("kid"), header["alg"]
        found = [key for key in self._keys if alg in key.algorithms and kid in (None, key.kid)]
        # Never one after the other until one fits: that would let a stranger buy many decryptions with one token.
        if len(found) != 1:
            raise JoseError(Reason.UNKNOWN_KEY, "no single key answers to kid and algorithm")
        return found[0]

    def __repr__(self) -> str:
        return f"Decrypter({list(self._keys)!r})"


def encrypt(
    plaintext: bytes,
    key: EncryptionKey,
    *,
    algorithm: str | None = None,
    encoding: str = "A256GCM",
    cty: str | None = "JWT",
    typ: str | None = None,
    header: Mapping[str, str] | None = None,
) -> str:
    """Encrypt to the holder of a key, as a compact JWE (RFC 7516 §5.1).

    ``cty`` says what is inside: ``JWT`` for a nested token (RFC 7519 §5.2). ``header`` may hold ``iss``, ``sub`` and
    ``aud``, repeated from the claims (RFC 7519 §5.3).

    Raises: JoseError ``unsupported_algorithm``, ``key_mismatch`` or ``bad_header``.
    """
    alg = key.algorithms[0] if algorithm is None else algorithm
    if alg not in ALGORITHMS or encoding not in ENCODINGS:
        raise JoseError(Reason.UNSUPPORTED_ALGORITHM, "algorithm is not one of the supported ones")
    if alg not in key.algorithms:
        raise JoseError(Reason.KEY_MISMATCH, "the key cannot be encrypted to with this algorithm")
    extra = dict(header or {})
    if not extra.keys() <= {"iss", "sub", "aud"}:
        raise JoseError(Reason.BAD_HEADER, "header may hold iss, sub and aud alone")
    parameters = {"alg": alg, "enc": encoding, "kid": key.kid, "typ": typ, "cty": cty, **extra}
    protected = {name: value for name, value in parameters.items() if value is not None}
    registry = joserfc_jwe.JWERegistry(algorithms=[alg, encoding], strict_check_header=False)
    return joserfc_jwe.encrypt_compact(protected, plaintext, key.native, registry=registry)


def is_jwe(token: str) -> bool:
    """Whether a text has as many segments as a compact JWE. Looks no further."""
    return token.count(".") == 4


def _segments(token: str, max_length: int) -> list[bytes]:
    segments = segments_of(token, count=5, max_length=max_length)
    if len(segments[0]) > MAX_HEADER_LENGTH:
        raise JoseError(Reason.TOO_LONG, f"header is longer than {MAX_HEADER_LENGTH} characters")
    return [base64url.decode(segment) for segment in segments]


def _read_header(raw: bytes) -> dict[str, Any]:
    header = strict_json.decode_object(raw, max_depth=MAX_HEADER_DEPTH)
    # RFC 7516 §4.1.13: what crit names and is not understood makes the JWE invalid; nothing is understood here.
    if "crit" in header:
        raise JoseError(Reason.CRITICAL_HEADER, "header parameter crit names an extension that is not understood")
    # A few kilobytes inflate to megabytes (CVE-2024-28102, CVE-2024-33664, CVE-2024-28176, CVE-2026-39373).
    if "zip" in header:
        raise JoseError(Reason.BAD_HEADER, "compressed content is not accepted")
    # p2c would be a count of hashes of the stranger's choice (CVE-2022-36083, CVE-2023-6681); jwk, x5u and their like a
    # key of it.
    if not header.keys() <= _MEMBERS:
        raise JoseError(Reason.BAD_HEADER, "header holds a parameter that is not accepted")
    for name in ("alg", "enc"):
        if not isinstance(header.get(name), str):
            raise JoseError(Reason.BAD_HEADER, f"header has no {name}")
    for name in ("kid", "typ", "cty", "apu", "apv"):
        if name in header and not (isinstance(header[name], str) and len(header[name]) <= _MAX_PARTY):
            raise JoseError(Reason.BAD_HEADER, f"header parameter {name} is not a string, or too long")
    if header["alg"] not in ALGORITHMS or header["enc"] not in ENCODINGS:
        raise JoseError(Reason.UNSUPPORTED_ALGORITHM, "algorithm is not one of the supported ones")
    return header


def _check_sizes(header: Mapping[str, Any], key: EncryptionKey, segments: list[bytes]) -> None:
    """What is of the wrong size is wrong: a short tag above all, which could be guessed (RFC 7518 §5.3: 128 bits)."""
    _, encrypted_key, iv, _, tag = segments
    alg, epk = header["alg"], header.get("epk")
    if len(iv) != _IV_BYTES or len(tag) != _TAG_BYTES:
        raise JoseError(Reason.MALFORMED, "initialization vector or tag has not its size")
    if alg == "RSA-OAEP-256":
        sound = epk is None and len(encrypted_key) == len(base64url.decode(key.members["n"]))
    else:
        sound = (
            isinstance(epk, dict)
            and epk.keys() == _EPK[key.kty]
            and all(isinstance(value, str) for value in epk.values())
            # On the curve of the key, or its secret leaks (CVE-2017-16007); that it lies there, cryptography sees to.
            and (epk["kty"], epk["crv"]) == (key.kty, key.members["crv"])
            and len(encrypted_key) == (0 if alg == "ECDH-ES" else _WRAPPED_BYTES[header["enc"]])
        )
    if not sound:
        raise JoseError(Reason.MALFORMED, "encrypted key or ephemeral key is not one for this algorithm")
