"""Compact JWS (RFC 7515 §7.1): sign a payload, take a token apart, verify it.

Reads no claim and no clock: what a payload means, and whether it is still good, is for ``watchword.verify``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import structs

from watchword.jose import base64url, material
from watchword.jose.algorithms import algorithm as row_of
from watchword.jose.compact import segments_of
from watchword.jose.errors import JoseError, Reason
from watchword.jose.header import EMBEDDED, read_header
from watchword.jose.jwk import Key, KeySet
from watchword.jose.remembered import Remembered

MAX_TOKEN_LENGTH = 16_384
"""Characters of a token unless the caller says otherwise; HTTP servers seldom take longer headers."""

_decode = base64url.decode
_encode = base64url.encode_bytes

_embedded_keys: Remembered[Key] = Remembered()


class UnverifiedJws(msgspec.Struct, frozen=True, gc=False):
    """A token taken apart. Nothing in it is proven: anyone may have written it."""

    header: Mapping[str, Any]
    """Deeply immutable: objects are read-only mappings, arrays are tuples."""
    payload: bytes
    signature: bytes
    signing_input: bytes
    algorithm: str
    kid: str | None
    embedded: str | None
    """The header parameter by which it brings a key of its own, if it does."""

    def __repr__(self) -> str:
        return f"UnverifiedJws(algorithm={self.algorithm!r})"


class VerifiedJws(msgspec.Struct, frozen=True, gc=False):
    """A token whose signature was right under ``key``. Says nothing of time, issuer or audience."""

    header: Mapping[str, Any]
    """Deeply immutable: objects are read-only mappings, arrays are tuples."""
    payload: bytes
    key: Key

    def __repr__(self) -> str:
        return f"VerifiedJws(key={self.key!r})"


def parse(token: str, *, max_length: int = MAX_TOKEN_LENGTH) -> UnverifiedJws:
    """Take a compact JWS apart (RFC 7515 §5.2, steps 1 to 7).

    Raises: JoseError, and never another exception, for anything but a token in its one canonical spelling whose
    header is sound and names a supported algorithm.
    Does not verify anything, nor limit the algorithm to what the caller trusts.
    """
    first, payload, signature = segments_of(token, count=3, max_length=max_length)
    header = read_header(first)
    return UnverifiedJws(
        header.parameters,
        _decode(payload),
        _decode(signature),
        first + b"." + payload,
        header.algorithm,
        header.kid,
        header.embedded,
    )


def verify(
    token: str,
    keys: KeySet | Key,
    *,
    algorithms: Collection[str],
    max_length: int = MAX_TOKEN_LENGTH,
) -> VerifiedJws:
    """Verify a compact JWS with keys the caller trusts (RFC 7515 §5.2, RFC 8725 §3.1).

    ``algorithms`` are the ``alg`` names accepted, exactly; best a frozenset. ``keys`` is a set, in which ``kid``
    and ``alg`` must lead to one key, or a single key, whose ``kid``, if it has one, the token may not contradict.

    Raises: JoseError of `parse`, ``algorithm_not_allowed``, ``embedded_key``, ``unknown_key``, ``key_mismatch``
    or ``bad_signature``.
    Does not use any key the token carries or points to, and does not look at claims or ``typ``.
    """
    return verify_parsed(parse(token, max_length=max_length), keys, algorithms=algorithms)


def verify_parsed(jws: UnverifiedJws, keys: KeySet | Key, *, algorithms: Collection[str]) -> VerifiedJws:
    """Verify a token that was taken apart before; otherwise as `verify`."""
    algorithm = jws.algorithm
    if jws.embedded is not None:
        # A key out of the token proves nothing about who wrote it (RFC 8725 §3.10; CVE-2018-0114).
        raise JoseError(Reason.EMBEDDED_KEY, f"header parameter {jws.embedded} is not accepted")
    if algorithm not in algorithms or algorithms.__class__ is str:
        raise _not_allowed(algorithms)
    key = keys.choose(jws.kid, algorithm)
    if key is None:
        raise _no_key(keys, jws)
    if not key.verifiers[algorithm](jws.signature, jws.signing_input):
        raise JoseError(Reason.BAD_SIGNATURE, "signature does not verify")
    return VerifiedJws(jws.header, jws.payload, key)


def verify_with_embedded_key(
    token: str, *, algorithms: Collection[str], max_length: int = MAX_TOKEN_LENGTH
) -> VerifiedJws:
    """Verify that a token was signed by the holder of the public key in its own ``jwk`` header (RFC 9449 §4.2).

    For proofs of possession such as DPoP, whose meaning comes from comparing ``result.key.thumbprint()`` with the
    key a credential is bound to. **It authenticates nobody by itself.**

    Raises: JoseError as `verify`; ``embedded_key`` if ``jwk`` is missing or stands beside ``jku``, ``x5c`` or
    ``x5u``; ``bad_key`` if it is not a sound public key (a private one or a secret is refused).
    """
    return verify_parsed_with_embedded_key(parse(token, max_length=max_length), algorithms=algorithms)


def verify_parsed_with_embedded_key(jws: UnverifiedJws, *, algorithms: Collection[str]) -> VerifiedJws:
    """Verify a token that was taken apart before; otherwise as `verify_with_embedded_key`."""
    if jws.embedded != "jwk" or any(name in jws.header for name in EMBEDDED[1:]):
        raise JoseError(Reason.EMBEDDED_KEY, "header does not hold its key in jwk alone")
    if jws.algorithm not in algorithms:
        raise _not_allowed(algorithms)
    key = _embedded_key(jws)
    return verify_parsed(structs.replace(jws, embedded=None, kid=None), key, algorithms=algorithms)


def _embedded_key(jws: UnverifiedJws) -> Key:
    """The public key in ``jwk``; remembered, because a client proves possession of the same one each time."""
    segment = jws.signing_input.partition(b".")[0]
    key = _embedded_keys.get(segment)
    if key is None:
        jwk = jws.header["jwk"]
        # Before it is read: to check a private RSA key takes a tenth of a second, which a stranger must not command.
        if not material.PRIVATE_MEMBERS.isdisjoint(jwk):
            raise JoseError(Reason.BAD_KEY, "header parameter jwk holds a private key")
        key = Key.from_jwk(jwk)
        if jws.algorithm not in key.verifiers:
            raise JoseError(Reason.KEY_MISMATCH, "header parameter jwk is not a key for this algorithm")
        _embedded_keys.keep(segment, key)
    return key


def _not_allowed(allowed: Collection[str]) -> Exception:
    if isinstance(allowed, str):  # "ES256" in "ES256K" would be true
        return TypeError("algorithms is a collection of names, not one string")
    return JoseError(Reason.ALGORITHM_NOT_ALLOWED, "algorithm is not one of those allowed here")


def _no_key(keys: KeySet | Key, jws: UnverifiedJws) -> JoseError:
    if keys.knows(jws.kid):
        return JoseError(Reason.KEY_MISMATCH, "the key of this kid is not for verifying with this algorithm")
    return JoseError(Reason.UNKNOWN_KEY, "no single key answers to kid and algorithm")


class Signer:
    """Signs payloads under one key and one header; everything that can be prepared is prepared.

    ``algorithm`` is needed only if the key allows several. ``typ`` is the media type (such as ``at+jwt``);
    ``header`` holds further parameters. ``kid`` is the key's, and left out where ``header`` has a ``jwk``.

    Raises: JoseError ``key_mismatch`` if the key cannot sign so; ``bad_header`` if ``header`` sets ``alg``, ``kid``,
    ``crit`` or ``b64``, repeats ``typ``, or shows a private key; and all that this package would refuse to read.
    """

    __slots__ = ("_prefix", "_sign", "algorithm", "header", "key")

    def __init__(
        self,
        key: Key,
        *,
        algorithm: str | None = None,
        typ: str | None = None,
        header: Mapping[str, Any] | None = None,
    ) -> None:
        name = key.algorithm if algorithm is None else algorithm
        sign = None if name is None else key.signers.get(row_of(name).name)
        if name is None or sign is None:
            raise JoseError(Reason.KEY_MISMATCH, "the key cannot sign with this algorithm")
        encoded = encode_header(name, kid=key.kid, typ=typ, header=header)
        self.key: Key = key
        self.algorithm: str = name
        self.header: Mapping[str, Any] = read_header(encoded).parameters
        self._prefix = encoded + b"."
        self._sign = sign

    def sign(self, payload: bytes) -> str:
        """Sign a payload; returns the token in compact form."""
        signing_input = self._prefix + _encode(payload)
        return (signing_input + b"." + _encode(self._sign(signing_input))).decode("ascii")

    def __repr__(self) -> str:
        return f"Signer(key={self.key!r}, algorithm={self.algorithm!r})"


def encode_header(
    algorithm: str, *, kid: str | None = None, typ: str | None = None, header: Mapping[str, Any] | None = None
) -> bytes:
    """Build an encoded protected header, for `Signer` and for signers whose key lives elsewhere (PKCS#11, KMS).

    Raises: JoseError as `Signer`.
    """
    extra = dict(header or {})
    if forbidden := extra.keys() & ({"alg", "kid", "crit", "b64"} | ({"typ"} if typ is not None else set())):
        raise JoseError(Reason.BAD_HEADER, f"header may not set {min(forbidden)}")
    if "jwk" in extra:
        kid = None
        if Key.from_jwk(extra["jwk"]).is_private:
            raise JoseError(Reason.BAD_HEADER, "header shows a private key")
    parameters = {"alg": algorithm, "typ": typ, "kid": kid, **extra}
    try:
        text = msgspec.json.encode({name: value for name, value in parameters.items() if value is not None})
    except (TypeError, ValueError):
        raise JoseError(Reason.BAD_HEADER, "header cannot be written as JSON") from None
    encoded = _encode(text)
    read_header(encoded)
    return encoded
