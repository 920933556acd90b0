"""An ASGI caller for tests of middlewares: raw headers in, raw answer out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    scope: dict[str, Any] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name]
        assert len(found) <= 1, f"{name} comes {len(found)} times"
        return found[0] if found else None

    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    app: Any,
    method: str = "GET",
    path: str = "/",
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | Iterable[bytes] = b"",
    client: tuple[str, int] | None = ("192.0.2.1", 4711),
    query: str = "",
    receive: Callable[[], Awaitable[dict[str, Any]]] | None = None,
) -> Answer:
    chunks = [body] if isinstance(body, bytes) else list(body)
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": client,
        "server": ("127.0.0.1", 8000),
    }

    async def receive_chunks() -> dict[str, Any]:
        if chunks:
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}
        return {"type": "http.disconnect"}

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive or receive_chunks, send)
    assert sent, "no answer"
    start = sent[0]
    return Answer(
        start["status"],
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start.get("headers", ())],
        b"".join(message.get("body", b"") for message in sent[1:]),
        scope,
    )


@pytest.fixture(name="call")
def call_fixture() -> Any:
    return call


async def plain(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"fine"})


@pytest.fixture(name="plain")
def plain_fixture() -> Any:
    return plain
