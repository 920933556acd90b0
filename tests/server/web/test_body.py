"""Bodies with two meanings, too much of them, or too slowly: refused before anyone looks at a field."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from watchword_server.web.body import (
    BodyLimits,
    decode_json,
    parse_form,
    parse_parameters,
    read_form,
    read_json,
    read_optional_json,
)
from watchword_server.web.errors import ErrorBoundary
from watchword_server.web.problem import ProblemError

JSON = ("content-type", "application/json")
FORM = ("content-type", "application/x-www-form-urlencoded")


class Place(msgspec.Struct):
    city: str


class Body(msgspec.Struct):
    email: str
    age: Annotated[int, msgspec.Meta(ge=0)]
    tags: list[str] = []
    place: Place | None = None


def app_of(limits: BodyLimits) -> Any:
    async def routes(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        if scope["path"] == "/form":
            answer: Any = await read_form(request, limits)
        elif scope["path"] == "/optional":
            value = await read_optional_json(request, Body, limits)
            answer = None if value is None else msgspec.to_builtins(value)
        else:
            answer = msgspec.to_builtins(await read_json(request, Body, limits))
        await JSONResponse(answer)(scope, receive, send)

    return ErrorBoundary(routes)


@pytest.fixture
def app() -> Any:
    return app_of(BodyLimits(max_bytes=1000, timeout=5))


async def test_a_good_body_becomes_the_value_wanted(app, call):
    answer = await call(app, "POST", headers=[JSON], body=b'{"email":"a@b.test","age":3,"place":{"city":"Bern"}}')
    assert answer.status == 200
    assert answer.json() == {"email": "a@b.test", "age": 3, "tags": [], "place": {"city": "Bern"}}


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=latin-1",
        "",
        "json",
    ],
)
async def test_another_media_type_is_refused_so_that_no_form_of_a_foreign_page_can_post_json(app, call, media_type):
    answer = await call(app, "POST", headers=[("content-type", media_type)], body=b'{"email":"a","age":1}')
    assert (answer.status, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_no_media_type_and_two_media_types_are_refused(app, call):
    assert (await call(app, "POST", body=b"{}")).status == 415
    assert (await call(app, "POST", headers=[JSON, ("content-type", "text/plain")], body=b"{}")).status == 415


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON", 'application/json; charset="utf-8"'])
async def test_json_may_name_its_charset(app, call, media_type):
    answer = await call(app, "POST", headers=[("content-type", media_type)], body=b'{"email":"a","age":1}')
    assert answer.status == 200


async def test_a_compressed_body_is_refused(app, call):
    answer = await call(app, "POST", headers=[JSON, ("content-encoding", "gzip")], body=b"\x1f\x8b")
    assert answer.status == 415


async def test_a_compressed_body_is_refused_whatever_else_its_encoding_is_said_to_be(app, call):
    for said in (["gzip", "identity"], ["identity", "gzip"], ["", "br"]):
        headers = [JSON, *(("content-encoding", one) for one in said)]
        assert (await call(app, "POST", headers=headers, body=b"{}")).status == 415


async def test_an_announced_body_over_the_limit_is_refused_unread(app, call):
    async def never() -> dict[str, Any]:
        raise AssertionError("the body was read")

    answer = await call(app, "POST", headers=[JSON, ("content-length", "1001")], receive=never)
    assert answer.status == 413
    assert answer.header("connection") == "close"


async def test_a_body_that_grows_over_the_limit_is_refused_while_it_streams(app, call):
    served = 0

    async def endless() -> dict[str, Any]:
        nonlocal served
        served += 1
        return {"type": "http.request", "body": b"x" * 300, "more_body": True}

    answer = await call(app, "POST", headers=[JSON], receive=endless)
    assert answer.status == 413
    assert served == 4


async def test_a_lying_content_length_does_not_lift_the_limit(app, call):
    answer = await call(app, "POST", headers=[JSON, ("content-length", "5")], body=b"x" * 1001)
    assert answer.status == 413


async def test_a_body_that_never_ends_is_given_up(call):
    waiting = asyncio.Event()

    async def slow() -> dict[str, Any]:
        await waiting.wait()
        raise AssertionError("unreachable")

    answer = await call(app_of(BodyLimits(timeout=0.01)), "POST", headers=[JSON], receive=slow)
    assert (answer.status, answer.json()["code"]) == (408, "body_timeout")


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"null", b'"text"', b"{", b'{"email":"a","email":"b","age":1}', b'{"email":"a","age":NaN}',
        b'{"email":"a","age":Infinity}', b'{"email":"\xff","age":1}', b'\xef\xbb\xbf{"email":"a","age":1}',
        b'{"email":"a","age":1}{}', b"{'email': 'a'}", b'{"a":' * 50 + b"1" + b"}" * 50, b'{"email":"\\ud800","age":1}',
        b'{"place":{"city":"a","city":"b"}}',
    ],
)  # fmt: skip
async def test_a_body_without_exactly_one_meaning_is_400(app, call, raw):
    answer = await call(app, "POST", headers=[JSON], body=raw)
    assert answer.status == 400
    assert answer.header("content-type") == "application/problem+json"


async def test_every_field_at_fault_is_named_at_once(app, call):
    raw = b'{"age":-1,"tags":["x",5],"place":{"city":7},"roles":["admin"],"x\\u0000y":1}'
    answer = await call(app, "POST", headers=[JSON], body=raw)
    assert answer.status == 422
    faults = {error["field"]: error["code"] for error in answer.json()["errors"]}
    assert faults == {
        "email": "missing",
        "age": "invalid",
        "tags.1": "invalid",
        "place.city": "invalid",
        "roles": "unknown",
        "x\N{REPLACEMENT CHARACTER}y": "unknown",
    }
    pointers = {error["field"]: error["pointer"] for error in answer.json()["errors"]}
    assert pointers["place.city"] == "#/place/city"


async def test_a_refusal_never_repeats_a_value(app, call):
    answer = await call(app, "POST", headers=[JSON], body=b'{"email":"a","age":"hunter2-secret"}')
    assert answer.status == 422
    assert b"hunter2" not in answer.body


async def test_thousands_of_unknown_fields_do_not_make_an_answer_of_thousands(call):
    many = b"{" + b",".join(b'"f%d":1' % n for n in range(5000)) + b"}"
    answer = await call(app_of(BodyLimits()), "POST", headers=[JSON], body=many)
    assert answer.status == 422
    assert len(answer.json()["errors"]) == 32


async def test_an_optional_body_may_be_left_out_but_not_be_wrong(app, call):
    assert (await call(app, "POST", "/optional")).json() is None
    assert (await call(app, "POST", "/optional", headers=[JSON], body=b'{"email":"a","age":1}')).json()["age"] == 1
    assert (await call(app, "POST", "/optional", headers=[("content-type", "text/plain")], body=b"{}")).status == 415
    assert (await call(app, "POST", "/optional", headers=[JSON], body=b"{}")).status == 422


async def test_a_form_becomes_its_parameters(app, call):
    answer = await call(app, "POST", "/form", headers=[FORM], body=b"grant_type=refresh_token&scope=a+b%26c&empty=&x")
    assert answer.json() == {"grant_type": "refresh_token", "scope": "a b&c"}


@pytest.mark.rfc("6749 §3.2/2")
@pytest.mark.parametrize("raw", [b"a=1&a=2", b"a=1&a=1", b"a=&a=1", b"a=1&%61=2", b"a=1&a"])
def test_a_parameter_given_twice_is_refused_even_when_encoded_or_empty(raw):
    with pytest.raises(ProblemError) as refused:
        parse_form(raw)
    assert refused.value.code == "duplicate_parameter"


@pytest.mark.parametrize("raw", [b"a=%", b"a=%1", b"a=%zz", b"a=%ff", b"\xc3\xa4=1", b"a=%+1", b"&".join([b"a"] * 65)])
def test_a_broken_form_is_400(raw):
    with pytest.raises(ProblemError) as refused:
        parse_form(raw)
    assert refused.value.status == 400


def value_or_problem(read):
    """The value, or None for a problem of status 400; any other exception is a fault."""
    with contextlib.suppress(ProblemError):
        return read()
    with pytest.raises(ProblemError) as refused:
        read()
    assert refused.value.status == 400
    return None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_a_problem(raw):
    found = value_or_problem(lambda: parse_form(raw))
    assert found is None or all(isinstance(value, str) and value for value in found.values())


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_problem(raw):
    assert isinstance(value_or_problem(lambda: decode_json(raw)), dict | None)


@pytest.mark.rfc("8707 §2/2")
def test_the_one_parameter_that_may_be_repeated_keeps_its_order_and_all_others_come_once():
    raw = b"resource=https%3A%2F%2Fa.example&scope=read&resource=https%3A%2F%2Fb.example&resource="
    assert parse_parameters(raw) == ({"scope": "read"}, ("https://a.example", "https://b.example"))
    with pytest.raises(ProblemError):
        parse_parameters(b"scope=read&scope=write")
    with pytest.raises(ProblemError):
        parse_form(raw)
