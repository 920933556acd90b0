"""What a proxy asks: the head of its own small request, and in it what the client's request was. PURE.

Judges no credential. What a proxy tells is believed, so nobody but the proxy may reach the checker.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

MAX_HEAD: Final = 32_768
"""Bytes of a question that are read at all."""
MAX_HEADERS: Final = 100

ASKED: Final = frozenset({"scope", "role"})
"""What a check may ask for."""


class Told(StrEnum):
    """How a proxy tells what the client's request was."""

    NGINX = "nginx"
    """``X-Original-Method``, ``X-Original-URI``, ``X-Original-Host``, ``X-Real-IP``, which its configuration sets."""
    FORWARDED = "forwarded"
    """``X-Forwarded-Method``, ``-Uri``, ``-Host`` and ``-For``: Traefik's ForwardAuth, Caddy's ``forward_auth``."""
    ENVOY = "envoy"
    """By the question itself: the client's method, and its path behind that of the check (``path_prefix``); and by
    ``X-Envoy-External-Address`` and ``X-Original-Content-Length``, which its configuration sets."""


class BadQuestion(Exception):  # noqa: N818 - what it is
    """Not a request a proxy would send."""


class Question(NamedTuple):
    """One request, as the checker needs it."""

    check: str
    """Which check is asked for: the path of the question."""
    asked: dict[str, tuple[str, ...]]
    """What the check asks for, said by the proxy's configuration."""
    method: str
    target: str
    """Path and query as the client sent them."""
    host: str | None
    client: str | None
    authorization: tuple[str, ...]
    content_type: str | None
    content_length: str | None
    """Of the client's body, if the proxy says it by ``X-Original-Content-Length``; a length of the question's own, which
    has no body, would let any body pass."""


_HEADERS: Final = {
    Told.NGINX: ("x-original-method", "x-original-uri", "x-original-host", "x-real-ip"),
    Told.FORWARDED: ("x-forwarded-method", "x-forwarded-uri", "x-forwarded-host", "x-forwarded-for"),
}
_ONCE: Final = frozenset(
    {name for names in _HEADERS.values() for name in names}
    | {"host", "content-length", "x-original-content-length", "x-envoy-external-address"}
)
_TELL_LENGTH: Final = frozenset({Told.NGINX, Told.ENVOY})
"""Whose configuration overwrites ``X-Original-Content-Length``; others hand on what a client says."""


def read(head: bytes, told: Told, checks: frozenset[str]) -> Question:
    """Read the head of a question, without its empty line.

    Raises: BadQuestion for what no proxy sends, and for a header that tells of the client's request given twice.
    """
    lines = head.decode("latin-1").split("\r\n")
    start = lines[0].split(" ")
    if len(start) != 3 or start[2] not in {"HTTP/1.1", "HTTP/1.0"} or len(lines) > MAX_HEADERS:
        raise BadQuestion
    headers: dict[str, list[str]] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadQuestion
        headers.setdefault(name.lower(), []).append(value.strip(" \t"))
    if any(len(headers[name]) > 1 for name in _ONCE & headers.keys()):
        raise BadQuestion
    headers["content-length"] = headers.get("x-original-content-length", []) if told in _TELL_LENGTH else []
    return _by_envoy(start, headers, checks) if told is Told.ENVOY else _by_headers(start, headers, _HEADERS[told])


def _by_headers(start: list[str], headers: dict[str, list[str]], names: tuple[str, ...]) -> Question:
    check, _, query = start[1].partition("?")
    method, target, host, client = (_one(headers, name) for name in names)
    if client is not None:
        # The last one is who connected to the proxy; those before are what somebody says.
        client = client.rpartition(",")[2].strip()
    by_nginx = names is _HEADERS[Told.NGINX]
    # There the query is the configuration's alone (Caddy's holds the client's): a slip in it must not open a route.
    if by_nginx and query and not ASKED.issuperset(part.partition("=")[0] for part in query.split("&")):
        raise BadQuestion
    return _question(check, query, method or "", target or "", host, client, headers)


def _by_envoy(start: list[str], headers: dict[str, list[str]], checks: frozenset[str]) -> Question:
    for check in checks:
        if start[1].startswith(f"{check}/"):
            client = _one(headers, "x-envoy-external-address")
            target = start[1][len(check) :]
            return _question(check, "", start[0], target, _one(headers, "host"), client, headers)
    return _question(start[1].partition("?")[0], "", start[0], "", None, None, headers)


def _question(
    check: str,
    query: str,
    method: str,
    target: str,
    host: str | None,
    client: str | None,
    headers: dict[str, list[str]],
) -> Question:
    return Question(
        check,
        _asked(query) if query else {},
        method,
        target,
        host,
        client,
        tuple(headers.get("authorization", ())),
        _joined(headers.get("content-type")),
        _joined(headers.get("content-length")),
    )


def _asked(query: str) -> dict[str, tuple[str, ...]]:
    """Raises: BadQuestion for a scope or role without name, such as an unset variable leaves: it would ask for nothing."""
    asked: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(query, max_num_fields=16, keep_blank_values=True):
        if name in ASKED and not value:
            raise BadQuestion
        asked[name] = (*asked.get(name, ()), value)
    return asked


def _one(headers: dict[str, list[str]], name: str) -> str | None:
    values = headers.get(name)
    return values[0] if values else None


def _joined(values: list[str] | None) -> str | None:
    return ",".join(values) if values else None
