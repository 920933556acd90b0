"""Request bodies, read strictly: size, time, media type, and JSON or form data with only one meaning.

Knows no endpoint: the shape wanted is a msgspec Struct of the caller. Fields are judged in fields.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive
from watchword.jose import strict_json
from watchword.jose.errors import JoseError, Reason

from watchword_server.web.deadline import Deadline
from watchword_server.web.fields import convert
from watchword_server.web.problem import ProblemError

Shape = TypeVar("Shape", bound=msgspec.Struct)

_CLOSE = {"connection": "close"}
"""A body left unread cannot be followed by another request on the same connection."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How much body is read, and for how long: bytes, seconds, levels of JSON, form parameters."""

    max_bytes: int = 65_536
    timeout: float = 10.0
    max_depth: int = 16
    max_parameters: int = 64


DEFAULT_LIMITS = BodyLimits()
_LONGEST_MEDIA_TYPE = 256
"""Characters; only what can be meant is worth remembering."""


def header_values(request: Request, name: bytes) -> list[str]:
    """All values of a header of the request; ``name`` in lower case, as ASGI has them."""
    return [value.decode("latin-1") for key, value in request.scope["headers"] if key == name]


async def read_body(request: Request, limits: BodyLimits = DEFAULT_LIMITS) -> bytes:
    """The whole body.

    Raises ProblemError 413 as soon as more than ``max_bytes`` are announced or received, 408 when it is not there in
    ``timeout`` seconds, 415 for a compressed one. starlette.requests.ClientDisconnect passes through.
    """
    announced, compressed = "0", False
    for name, value in request.scope["headers"]:
        if name == b"content-length":
            announced = value.decode("latin-1")
        elif name == b"content-encoding":
            compressed = compressed or value.strip().lower() not in {b"identity", b""}
    if compressed:
        raise ProblemError(415, "unsupported_encoding", "The body must not be compressed.", headers=_CLOSE)
    if announced.isascii() and announced.isdigit() and (len(announced) > 15 or int(announced) > limits.max_bytes):
        raise _too_large(limits)
    try:
        with Deadline(limits.timeout):
            return await _received(request.receive, limits)
    except TimeoutError:
        detail = f"The body was not received within {limits.timeout:g} seconds."
        raise ProblemError(408, "body_timeout", detail, headers=_CLOSE) from None


async def _received(receive: Receive, limits: BodyLimits) -> bytes:
    first, more = await _chunk(receive)
    if len(first) > limits.max_bytes:
        raise _too_large(limits)
    if not more:
        return first
    body = bytearray(first)
    while more:
        chunk, more = await _chunk(receive)
        if len(body) + len(chunk) > limits.max_bytes:
            raise _too_large(limits)
        body += chunk
    return bytes(body)


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    """What there is of a body, and whether more comes."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


def _too_large(limits: BodyLimits) -> ProblemError:
    detail = f"The body is longer than {limits.max_bytes} bytes."
    return ProblemError(413, "body_too_large", detail, headers=_CLOSE)


def _require_media_type(request: Request, wanted: str) -> None:
    """Exactly one Content-Type, of the wanted type, in UTF-8 if it names a charset."""
    given = header_values(request, b"content-type")
    if len(given) != 1 or len(given[0]) > _LONGEST_MEDIA_TYPE or not _is_media_type(given[0], wanted):
        raise ProblemError(415, "unsupported_media_type", f"The body must be {wanted} in UTF-8.", headers=_CLOSE)


@lru_cache(maxsize=64)
def _is_media_type(given: str, wanted: str) -> bool:
    media_type, _, parameters = given.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media_type.strip().lower() == wanted and charset in {"", "charset=utf-8"}


async def read_json(request: Request, shape: type[Shape], limits: BodyLimits = DEFAULT_LIMITS) -> Shape:
    """The body as a value of ``shape``.

    Raises ProblemError 415 (not ``application/json``), 413, 408; 400 for what is not one JSON object with one meaning
    (invalid UTF-8, duplicate members, NaN, too deep); 422 with one entry for every missing, unknown or wrong field.
    """
    _require_media_type(request, "application/json")
    return convert(decode_json(await read_body(request, limits), limits), shape)


async def read_optional_json(request: Request, shape: type[Shape], limits: BodyLimits = DEFAULT_LIMITS) -> Shape | None:
    """As ``read_json``, but None when there is no body at all (whatever the Content-Type)."""
    raw = await read_body(request, limits)
    if not raw:
        return None
    _require_media_type(request, "application/json")
    return convert(decode_json(raw, limits), shape)


def decode_json(raw: bytes, limits: BodyLimits = DEFAULT_LIMITS) -> dict[str, Any]:
    """One JSON object with one meaning. Raises ProblemError 400."""
    if not raw:
        raise ProblemError(400, "body_missing", "A JSON object is expected in the body.")
    try:
        return strict_json.decode_object(raw, max_depth=limits.max_depth, max_bytes=limits.max_bytes)
    except JoseError as refused:
        raise ProblemError(400, "invalid_json", _JSON_FAULTS.get(refused.reason, _NOT_JSON)) from None


_NOT_JSON = "The body is not a JSON object in UTF-8."
_JSON_FAULTS: dict[str, str] = {
    Reason.DUPLICATE_MEMBER: "The body names a member twice.",
    Reason.TOO_DEEP: "The body is nested too deeply.",
}


async def read_form(request: Request, limits: BodyLimits = DEFAULT_LIMITS) -> dict[str, str]:
    """The parameters of a form body (RFC 6749 Appendix B).

    Raises ProblemError 415, 413, 408, and 400 as ``parse_form``; web.errors turns them into OAuth errors for endpoints
    of OAuth.
    """
    _require_media_type(request, "application/x-www-form-urlencoded")
    return parse_form(await read_body(request, limits), max_parameters=limits.max_parameters)


async def read_parameters(
    request: Request, limits: BodyLimits = DEFAULT_LIMITS
) -> tuple[dict[str, str], tuple[str, ...]]:
    """As ``read_form``, with the values of ``resource`` beside the others as ``parse_parameters`` has them."""
    _require_media_type(request, "application/x-www-form-urlencoded")
    return parse_parameters(await read_body(request, limits), max_parameters=limits.max_parameters)


def parse_form(raw: bytes, *, max_parameters: int = 64) -> dict[str, str]:
    """Parameters of ``application/x-www-form-urlencoded`` (a body, or a query string).

    A parameter without a value counts as left out; none may come twice (RFC 6749 §3.1, §3.2), even so.
    Raises ProblemError 400: a duplicate, too many, bytes that are not ASCII, a broken percent escape, invalid UTF-8.
    """
    return parse_parameters(raw, repeatable=None, max_parameters=max_parameters)[0]


def parse_parameters(
    raw: bytes, *, repeatable: str | None = "resource", max_parameters: int = 64
) -> tuple[dict[str, str], tuple[str, ...]]:
    """As ``parse_form``, but the one parameter ``repeatable`` may come several times (RFC 8707 §2 says so of ``resource``
    alone). Returns the others, and the values of that one in their order.
    """
    if not raw:
        return {}, ()
    if not raw.isascii() or raw.count(b"&") >= max_parameters:
        raise ProblemError(400, "invalid_form", "The form has too many parameters, or bytes that are not ASCII.")
    found: dict[str, str] = {}
    repeated: list[str] = []
    for part in raw.decode("ascii").split("&"):
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = _unquote(name), _unquote(value)
        if name == repeatable:
            repeated.append(value)
        elif name in found:
            raise ProblemError(400, "duplicate_parameter", "A parameter is given more than once.")
        elif part:
            found[name] = value
    if "" in found.values():
        found = {name: value for name, value in found.items() if value}
    return found, tuple(filter(None, repeated))


def _unquote(text: str) -> str:
    raw = text.encode("ascii").replace(b"+", b" ")
    if b"%" in raw:
        head, *parts = raw.split(b"%")
        try:
            raw = head + b"".join(_octet(part[:2]) + part[2:] for part in parts)
        except ValueError:
            raise ProblemError(400, "invalid_form", "The form has a broken percent escape.") from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ProblemError(400, "invalid_form", "The form is not UTF-8.") from None


_HEXADECIMAL = frozenset(b"0123456789abcdefABCDEF")


def _octet(digits: bytes) -> bytes:
    if len(digits) != 2 or not _HEXADECIMAL.issuperset(digits):
        raise ValueError
    return bytes((int(digits, 16),))
