"""Requests that are held on purpose: how many there may be, when their reader goes away, and streams of events.

Knows nothing of cut-offs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from watchword_server.revocation.streams import Ending, Stream
from watchword_server.revocation.wire import ALIVE, RESYNC, STREAM_MEDIA_TYPE
from watchword_server.web.metrics import Metrics, held_for
from watchword_server.web.problem import ProblemError

COME_BACK: Final = {"retry-after": "5"}

Kind = Literal["poll", "stream"]


class Places:
    """Readers held by this process, at most ``most``."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most = most
        self._metrics = metrics
        self.taken = 0

    @contextmanager
    def taken_by(self, kind: Kind) -> Iterator[None]:
        """One place. Raises ProblemError 503 when there is none."""
        self.take(kind)
        try:
            yield
        finally:
            self.give_back(kind)

    def take(self, kind: Kind) -> None:
        """Raises ProblemError 503 when there is no place."""
        if self.taken >= self._most:
            detail = "This server holds as many readers of the feed as it may (feed.max_readers)."
            raise ProblemError(503, "feed_full", detail, headers=COME_BACK)
        self.taken += 1
        self._metrics.feed_readers.labels(kind).inc()

    def give_back(self, kind: Kind) -> None:
        """Once for each ``take``."""
        self.taken -= 1
        self._metrics.feed_readers.labels(kind).dec()


async def departure(receive: Receive) -> None:
    """Return once the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        continue


class EventStream(Response):
    """A stream of server-sent events (HTML Standard §9.2) until it ends or its reader goes away.

    Calls ``left`` once, whatever happens, and ``sent`` with events that the connection has taken.
    """

    media_type = STREAM_MEDIA_TYPE

    def __init__(
        self,
        stream: Stream,
        *,
        keep_alive: float,
        left: Callable[[], None],
        sent: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        # Reverse proxies must hand on each event as it comes; nginx is told by the last header.
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._stream = stream
        self._keep_alive = keep_alive
        self._left = left
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what the stream gives, and a comment where it gives nothing for ``keep_alive`` seconds."""
        stream = self._stream
        gone = asyncio.create_task(departure(receive))
        gone.add_done_callback(lambda _: stream.end(Ending.GONE))
        try:
            with held_for(scope):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await send({"type": "http.response.body", "body": ALIVE, "more_body": True})
                while (events := await stream.take(self._keep_alive)) or stream.ending is None:
                    await send({"type": "http.response.body", "body": events or ALIVE, "more_body": True})
                    self._sent(events)
                last = RESYNC if stream.ending in {Ending.SLOW, Ending.LOST} else b""
                await send({"type": "http.response.body", "body": last, "more_body": False})
        finally:
            self._left()
            gone.cancel()
