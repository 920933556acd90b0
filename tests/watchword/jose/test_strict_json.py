"""JSON with one meaning passes; what two parsers could read differently does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.jose import JoseError
from watchword.jose.strict_json import MAX_BYTES, decode_object

numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(
    allow_nan=False, allow_infinity=False, min_value=-1e19, max_value=1e19
)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), values, max_size=6))
def test_what_the_standard_library_writes_is_read_as_it_reads_it(value: dict) -> None:
    for text in (
        json.dumps(value),
        json.dumps(value, ensure_ascii=False, separators=(",", ":")),
        json.dumps(value, indent=1),
    ):
        assert decode_object(text.encode(), max_depth=20) == json.loads(text)


@pytest.mark.rfc("7515 §4")
@pytest.mark.rfc("8725 §2.5")
@pytest.mark.parametrize(
    "raw",
    [
        b'{"alg":"ES256","alg":"none"}',
        b'{"alg":"ES256","alg":"ES256"}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":[{"b":1,"b":2}]}',
        b'{"a":1,"\\u0061":2}',
        b'{"\\u0061":1,"\\u0061":2}',
        b'{ "a" : 1 , "b" : 2 , "a" : 3 }',
        b'{"":1,"":2}',
        b'{"a":null,"a":null}',
        '{"é":1,"\\u00e9":2}'.encode(),
        '{"😀":1,"\\ud83d\\ude00":2}'.encode(),
    ],
)
def test_a_member_named_twice_is_refused_at_any_depth_and_in_any_spelling(raw: bytes, refused) -> None:
    with refused("duplicate_member"):
        decode_object(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":-1e999}',
        b'{"a":1e400}',
        b'{"a":1e300}',
        b'{"a":[1e300]}',
        b'{"a":{"b":[-1e300]}}',
        b'{"a":18446744073709551616}',
        b'{"a":-18446744073709551616}',
        b'{"a":18446744073709551616.0}',
        b'{"a":' + b"9" * 30 + b"}",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":-' + b"9" * 5000 + b"}",
        b'{"a":0.' + b"1" * 300 + b"e500}",
    ],
)
def test_numbers_that_are_not_finite_or_too_large_are_refused(raw: bytes, refused) -> None:
    with refused("bad_json"):
        decode_object(raw)


def test_the_largest_numbers_allowed_are_kept_exactly() -> None:
    raw = b'{"most":18446744073709551615,"least":-18446744073709551615,"exact":9007199254740993,"f":0.1}'
    assert decode_object(raw) == {"most": 2**64 - 1, "least": 1 - 2**64, "exact": 2**53 + 1, "f": 0.1}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"}",
        b"{}{}",
        b"{},",
        b"{}\x00",
        b"\xef\xbb\xbf{}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a" 1}',
        b"{a:1}",
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":0x1}',
        b'{"a":1}//',
        b'{"a":"\x01"}',
        b'{"a":"\n"}',
        b'{"a":"\\x41"}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xc0\xaf"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"\xff":1}',
        b'{"a":"' + b"x" * 100,
        b"[]",
        b"[{}]",
        b'"text"',
        b"null",
        b"true",
        b"1",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32-le"),
    ],
)
def test_what_is_not_an_object_in_utf8_json_is_refused(raw: bytes, refused) -> None:
    with refused("bad_json"):
        decode_object(raw)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":', b"[[],"])
@pytest.mark.parametrize("times", [20, 1_000, 10_000])
def test_deep_nesting_is_refused_before_any_decoder_meets_it(opening: bytes, times: int, refused) -> None:
    with refused("too_deep", "too_long"):
        decode_object(b'{"a":' + opening * times)


def test_depth_counts_brackets_but_not_those_inside_strings() -> None:
    assert decode_object(b'{"a":"[[[[[[{{{{{{\\"[[[[["}', max_depth=1)["a"].startswith("[[[")
    assert decode_object(b'{"a":[],"b":[],"c":{},"d":[[]]}', max_depth=3) == {"a": [], "b": [], "c": {}, "d": [[]]}


@pytest.mark.parametrize("filling", [b'\\"', b'"', b'"\\', b"\\", b'\\\\"', b"[\\", b'"["'])
def test_a_string_that_never_ends_is_read_once_and_not_once_for_each_quote(filling: bytes, refused) -> None:
    # Quadratic, this takes minutes (CVE-2025-53864 is its kin: depth counted by a parser that could be exhausted).
    raw = b'{"a":' + b"[" * 20 + b'"' + filling * (500_000 // len(filling))
    with refused("too_deep", "bad_json"):
        decode_object(raw, max_bytes=600_000)


def test_depth_is_allowed_to_its_limit_and_not_beyond(refused) -> None:
    assert decode_object(b'{"a":{"b":[1]}}', max_depth=3) == {"a": {"b": [1]}}
    with refused("too_deep"):
        decode_object(b'{"a":{"b":[[]]}}', max_depth=3)


def test_length_is_allowed_to_its_limit_and_not_beyond(refused) -> None:
    stuff = b'{"a":"' + b"x" * (MAX_BYTES - 8) + b'"}'
    assert len(stuff) == MAX_BYTES
    assert decode_object(stuff)
    with refused("too_long"):
        decode_object(stuff + b" ")
    with refused("too_long"):
        decode_object(b"{}   ", max_bytes=4)


@pytest.mark.parametrize("depth", [300, 900, 2_000, 30_000])
def test_no_recursion_error_escapes_where_a_caller_allows_any_depth(depth: int) -> None:
    for raw in (b'{"a":' + b"[" * depth + b"1" + b"]" * depth + b"}", b'{"a":' * depth + b"1 " + b"}" * depth):
        try:
            outcome = list(decode_object(raw, max_depth=10**6, max_bytes=10**6))
        except JoseError as error:
            outcome = [error.reason]
        assert outcome in (["a"], ["too_deep"])


def test_no_error_repeats_what_was_presented() -> None:
    for raw in (b'{"secret-value":1,"secret-value":2}', b'{"secret-value"', b'{"a":"secret-value\xff"}'):
        with pytest.raises(JoseError) as caught:
            decode_object(raw)
        assert "secret-value" not in str(caught.value) + repr(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_each_call_returns_a_value_of_its_own() -> None:
    first = decode_object(b'{"a":[1]}')
    first["a"].append(2)
    assert decode_object(b'{"a":[1]}') == {"a": [1]}
