"""The protected header of a JWS (RFC 7515 §4): decoded strictly, checked once, remembered.

Looks at the header alone; keys and signatures are the business of ``jws``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from watchword.jose import algorithms, base64url, strict_json
from watchword.jose.errors import JoseError, Reason
from watchword.jose.remembered import Remembered

MAX_HEADER_LENGTH = 4096
"""Characters of an encoded header: room for an embedded RSA key, and little more."""
MAX_HEADER_DEPTH = 4
"""Levels of JSON in a header; the deepest registered parameter needs two."""

EMBEDDED: Final = ("jwk", "jku", "x5c", "x5u")
"""Parameters by which a token brings, or points to, a key of its own choice."""

_STRINGS = ("alg", "kid", "typ", "cty", "jku", "x5u", "x5t", "x5t#S256")


class Header(msgspec.Struct, frozen=True):
    """A header that broke no rule. Nothing in it is verified."""

    parameters: Mapping[str, Any]
    """All of it, deeply immutable: objects are read-only mappings, arrays are tuples."""
    algorithm: str
    """``alg``: a name of the closed table."""
    kid: str | None
    embedded: str | None
    """The first of `EMBEDDED` that is present."""


# One token differs from the next in its payload; the header of an issuer's tokens stays the same until its key
# changes. A hit costs one look-up and no decoding. Only headers that passed all checks are kept, so a hit needs none;
# strangers who fill the memory cost the next known token 5 µs.
_remembered: Remembered[Header] = Remembered()


def read_header(segment: bytes) -> Header:
    """Decode and check the first segment of a compact JWS.

    Raises: JoseError ``too_long``, ``bad_base64url``, ``bad_json``, ``duplicate_member``, ``too_deep``,
    ``bad_header``, ``critical_header`` or ``unsupported_algorithm``.
    """
    known = _remembered.get(segment)
    if known is not None:
        return known
    if len(segment) > MAX_HEADER_LENGTH:
        raise JoseError(Reason.TOO_LONG, f"header is longer than {MAX_HEADER_LENGTH} characters")
    raw = base64url.decode(segment)
    header = _check(strict_json.decode_object(raw, max_depth=MAX_HEADER_DEPTH))
    _remembered.keep(segment, header)
    return header


def _check(parameters: dict[str, Any]) -> Header:
    for name in _STRINGS:
        if name in parameters and not isinstance(parameters[name], str):
            raise JoseError(Reason.BAD_HEADER, f"header parameter {name} is not a string")
    if "alg" not in parameters:
        raise JoseError(Reason.BAD_HEADER, "header has no alg")
    _check_critical(parameters)
    if not isinstance(parameters.get("jwk", {}), dict):
        raise JoseError(Reason.BAD_HEADER, "header parameter jwk is not an object")
    chain = parameters.get("x5c", [])
    if not isinstance(chain, list) or not all(isinstance(item, str) for item in chain):
        raise JoseError(Reason.BAD_HEADER, "header parameter x5c is not an array of strings")
    return Header(
        parameters=MappingProxyType({name: freeze(value) for name, value in parameters.items()}),
        algorithm=algorithms.algorithm(parameters["alg"]).name,
        kid=parameters.get("kid"),
        embedded=next((name for name in EMBEDDED if name in parameters), None),
    )


def _check_critical(parameters: dict[str, Any]) -> None:
    # RFC 7515 §4.1.11: if any of the listed extensions are not understood and supported, the JWS is invalid; an
    # empty list is not allowed. No extension is understood here, so the presence of crit is enough to refuse.
    if "crit" in parameters:
        names = parameters["crit"]
        sound = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
        problem = "names an extension that is not understood" if sound else "is not an array of names"
        raise JoseError(Reason.CRITICAL_HEADER, f"header parameter crit {problem}")
    # RFC 7797 §3: false would mean that the payload is not base64url; without crit some would read it otherwise.
    if parameters.get("b64", True) is not True:
        raise JoseError(Reason.CRITICAL_HEADER, "header parameter b64 asks for an unencoded payload")


def freeze(value: Any) -> Any:
    """Make JSON immutable, so that what is remembered cannot be changed by one of those it is shown to."""
    if isinstance(value, Mapping):
        return MappingProxyType({name: freeze(item) for name, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    return value
