"""Fuzz strict JSON: an object is read just as the standard library reads it, or refused by JoseError."""

from __future__ import annotations

import json
from typing import Any

from mutation import main
from watchword.jose import JoseError
from watchword.jose.strict_json import MAX_MAGNITUDE, decode_object

SEEDS = [
    b"{}",
    b'{"alg":"ES256","kid":"x","typ":"at+jwt"}',
    b'{ "a" : [ 1 , -2.5e3 , true , null ] , "b" : { "c" : "\\u00e9\\n\\"" } }',
    '{"é":"😀","\\ud83d\\ude00":0.1}'.encode(),
    b'{"aud":["https://api.example.com"],"exp":1763666000,"iat":1763665400.5,"rev":12}',
    b'{"a":{"a":{"a":{"a":[[[[{"a":1}]]]]}}}}',
]
WORDS = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"\\u0061",
        b"\\ud800",
        b"\xed\xa0\x80",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(b"NaN", b"Infinity", b"1e999", b"-0", b"1E400", b"18446744073709551616", b"0.1", b"e", b"null", b"true"),
    *(b'"a":1,', b'"a":', b'"\\u0061":2,', b" ", b"\n", b"\t", b"\x00", b"//", b"'"),
]


def target(data: bytes) -> str:
    """The outcome is the reason of the refusal, or ``read``."""
    try:
        value = decode_object(data)
    except JoseError as error:
        return f"{error.reason}: {error.message}"
    assert value == json.loads(data, object_pairs_hook=_all_pairs)
    _look(value)
    return f"read {min(len(value), 5)}"


def _all_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a member named twice was accepted"
    return dict(pairs)


def _look(value: Any) -> None:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _look(item)
    elif isinstance(value, int | float):
        assert abs(value) < MAX_MAGNITUDE
    elif isinstance(value, str):
        value.encode("utf-8")


if __name__ == "__main__":
    main(target, SEEDS, WORDS)
