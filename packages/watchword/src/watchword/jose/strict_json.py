"""JSON objects as RFC 8259 and RFC 7493 wish them: every member once, every number exact, no surprises.

Knows no header and no claim; it says only what the text means, or that it has no single meaning.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from watchword.jose.errors import JoseError, Reason

MAX_DEPTH = 16
"""Levels of nesting allowed unless the caller says otherwise; the outermost object is the first."""
MAX_BYTES = 65_536
"""Octets of JSON allowed unless the caller says otherwise."""
MAX_MAGNITUDE = 2**64
"""Numbers must lie strictly between minus this and this: no code behind here meets a big integer or an infinity."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
# Possessive, and content without the closing quote: a string that never ends is passed over once. Otherwise each of its
# quotes would begin another search to the end, and 60 kB of escaped quotes would take ten seconds.
_strings = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def decode_object(raw: bytes, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Decode one JSON object and refuse what other parsers might read differently.

    Refused: more than ``max_bytes`` octets, nesting beyond ``max_depth``, duplicate member names at any level
    (RFC 7515 §4, RFC 8725 §2.5), NaN and infinities, numbers of 2**64 and more, invalid UTF-8, lone surrogates,
    a byte order mark, anything that is not an object.

    Returns: a fresh dict of str, int, float, bool, None, list and dict.
    Raises: JoseError ``too_long``, ``too_deep``, ``bad_json`` or ``duplicate_member``; never another exception.
    """
    if len(raw) > max_bytes:
        raise JoseError(Reason.TOO_LONG, f"JSON text is longer than {max_bytes} bytes")
    # Before any decoder runs, so that none can be made to recurse: brackets bound the depth from above, and only a
    # text with many of them is worth looking at more closely.
    if raw.count(b"{") + raw.count(b"[") > max_depth and _depth(raw) > max_depth:
        raise JoseError(Reason.TOO_DEEP, f"JSON is nested deeper than {max_depth} levels")
    try:
        value = _decode(raw)
        if not isinstance(value, dict):
            raise JoseError(Reason.BAD_JSON, "JSON text is not an object")
        _check_numbers(value)
        # Encoding is a function of the value, and a dict holds each name once: a text equal to the encoding of its
        # own value therefore names nothing twice. That is the usual case, and spares it a second, slower parser.
        if _encode(value) != raw:
            _check_members(raw)
    except (msgspec.MsgspecError, ValueError):  # UnicodeDecodeError is a ValueError
        raise JoseError(Reason.BAD_JSON, "text is not JSON in UTF-8") from None
    except RecursionError:
        # Only where a caller allows more depth than the interpreter does.
        raise JoseError(Reason.TOO_DEEP, "JSON is nested deeper than can be read") from None
    return value


def _depth(raw: bytes) -> int:
    deepest = depth = 0
    for octet in _strings.sub(b"", raw):
        if octet in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif octet in b"}]":
            depth -= 1
    return deepest


def _check_numbers(container: dict[str, Any] | list[Any]) -> None:
    """Refuse numbers too large to be kept; the depth of the recursion was bounded before decoding."""
    for value in container.values() if isinstance(container, dict) else container:
        kind = value.__class__
        if kind is str:
            continue
        if kind is int or kind is float:
            if not -MAX_MAGNITUDE < value < MAX_MAGNITUDE:
                raise JoseError(Reason.BAD_JSON, "JSON number is out of range")
        elif kind is dict or kind is list:
            _check_numbers(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JoseError(Reason.DUPLICATE_MEMBER, "JSON object names a member twice")
    return members


def _check_members(raw: bytes) -> None:
    """Look for duplicate members with a parser that shows all of them."""
    json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
