"""A server on a real socket in this process, and readers of its feed's stream."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import httpx
import uvicorn
from watchword.jose.jwk import KeySet
from watchword.jose.jws import verify
from watchword_server.web.http_protocol import GuardedHttpProtocol

FEED = {"Authorization": "Bearer feed-token-of-the-tests"}
NONCE = "AAAAAAAAAAAAAAAAAAAAAA"
PATIENCE = 60.0
"""Seconds after which a test gives up; none waits so long unless something is wrong."""


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def live(server) -> AsyncIterator[str]:
    """The server's own application over HTTP, and its node following the log. Gives the address."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(512)
    sock.setblocking(False)
    config = uvicorn.Config(server.app, http=GuardedHttpProtocol, ws="none", lifespan="off", log_config=None)
    serving = _Quiet(config)
    async with server.services.feed.following():
        running = asyncio.create_task(serving.serve(sockets=[sock]))
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.services.feed.drain()
            serving.should_exit = True
            async with asyncio.timeout(PATIENCE):
                await running


def reader(url: str, **headers: str) -> httpx.AsyncClient:
    """A verifier's client, with the feed's token."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(base_url=url, headers=FEED | headers, timeout=PATIENCE, limits=limits)


async def until(holds) -> None:
    """Look until it holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.002)


def held(server, kind: str) -> int:
    """Readers the server says it holds."""
    return int(server.services.metrics.feed_readers.labels(kind)._value.get())


async def settled(server, *, polls: int = 0, streams: int = 0) -> None:
    """Wait until so many are held, each of them waiting."""
    node = server.services.feed
    await until(
        lambda: (
            (held(server, "poll"), held(server, "stream")) == (polls, streams)
            and len(node._waiting) == polls
            and len(node._streams) == streams
        )
    )


class Events:
    """One stream, read event by event, with comments beside."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.comments: list[str] = []

    async def next(self) -> dict[str, str] | None:
        """The fields of the next event; None at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments.append(line)
                elif line:
                    name, _, value = line.partition(": ")
                    assert name not in fields
                    fields[name] = value
                elif fields:
                    return fields
        assert not fields
        return None

    async def payload(self, keys: KeySet | None = None) -> dict:
        """What the next event says, its signature verified where keys are given."""
        event = await self.next()
        assert event is not None
        assert event.keys() == {"event", "id", "data"}
        assert event["event"] == "cut-offs"
        jws = verify(event["data"], keys, algorithms={"ES256"}, max_length=1 << 22) if keys is not None else None
        if jws is None:
            from watchword.jose.jws import parse

            jws = parse(event["data"], max_length=1 << 22)
        assert jws.header["typ"] == "revocations+jwt"
        payload = json.loads(jws.payload)
        assert payload["cursor"] == event["id"]
        return payload


@contextlib.asynccontextmanager
async def streaming(client: httpx.AsyncClient, cursor: str | None = None, **headers: str) -> AsyncIterator[Events]:
    """A stream after the cursor."""
    params = {"cursor": cursor} if cursor is not None else {}
    headers = {"accept": "text/event-stream"} | headers
    async with client.stream("GET", "/revocations", params=params, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Events(response)


async def cursor_of(client: httpx.AsyncClient) -> str:
    """Where the log ends."""
    cursor = None
    while True:
        page = (await client.get("/revocations", params={"cursor": cursor} if cursor else {})).json()
        cursor = page["cursor"]
        if not page["more"]:
            return cursor


async def feed_keys(client: httpx.AsyncClient) -> KeySet:
    return KeySet.from_json((await client.get("/revocations/keys")).content)
