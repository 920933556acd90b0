"""Cut-offs as they are made: a stream of signed batches, merged into the view within milliseconds.

Never renews the lease: a stream that is held back somewhere looks like one on which nothing happens (``feed`` renews).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final
from urllib.parse import quote

from watchword.transport import Request, Stream, StreamingTransport, TransportError
from watchword.verify import pace
from watchword.verify.answer import MAX_ANSWER_BYTES, FeedError, ForgedAnswer, PushedBatch
from watchword.verify.background import Background
from watchword.verify.errors import KeysUnavailable
from watchword.verify.event_stream import MEDIA_TYPE, Event, EventTooLong, events
from watchword.verify.revocation import RevocationView

_log: Final = logging.getLogger("watchword")
IDLE_SECONDS: Final = 40.0
"""The feed shows that it is alive every 15 s; without a line for so long the stream counts as dead."""
HOPEFUL_FAILURES: Final = 3
"""After so many failures in a row the feed is followed by questions that are held, and streams tried now and then."""
_LONGEST_WAIT: Final = 60.0
_DISTRUST_SECONDS: Final = 60.0

ReadPushed = Callable[[bytes], PushedBatch]


class Push:
    """One stream at a time, in a thread of its own. Knows of the feed only what it is given, so that it ends with it."""

    def __init__(
        self,
        transport: StreamingTransport,
        view: RevocationView,
        read: ReadPushed,
        *,
        url: str,
        headers: Callable[[], dict[str, str]],
        timeout: float,
    ) -> None:
        """Prepare it; nothing starts before `follow`."""
        self._transport = transport
        self._view = view
        self._read = read
        self._url = url
        self._headers = headers
        self._timeout = timeout
        self._start: str | None = None
        self._poll: Callable[[], Future[None] | None] = lambda: None
        self._stream: Stream | None = None
        self._stopped = threading.Event()
        self._asked_to_wait = 0.0
        self._given_up = False
        self.background: Background = Background("watchword-push", self.step, after_fork=self._after_fork)
        self.delivering: bool = False
        """Whether something has come through the present stream. Only then does it count as one."""
        self.failures: int = 0
        """Streams in a row that failed or brought nothing."""
        self.error: str | None = None
        self.cursor: str | None = None
        """Up to where the present stream has told everything."""
        self.newest: int = 0
        """The highest position the present stream has told."""
        self.batches: int = 0
        self.forged: int = 0

    @property
    def hopeful(self) -> bool:
        """Whether a stream may soon deliver, so that it is not worth while to have questions held."""
        return self.failures < HOPEFUL_FAILURES

    def follow(self, cursor: str, poll: Callable[[], Future[None] | None]) -> None:
        """Go on from ``cursor`` with the next stream; ``poll`` is called when a stream has ended or left a gap."""
        self._start = cursor
        self._poll = poll
        self.background.ensure()

    def step(self) -> float:
        """Open one stream and read it to its end. Returns: seconds until the next."""
        if self._stopped.is_set() or self._start is None:
            return pace.SLOWEST_RENEWAL
        self._asked_to_wait, self._given_up = 0.0, False
        error, delivered = None, False
        try:
            self._follow_stream(self._start)
        except (TransportError, FeedError, EventTooLong, KeysUnavailable) as caught:
            error = str(caught)
        finally:
            delivered, self.delivering = self.delivering, False
            self._stream = None
        if not self._given_up:
            self._ended(error)
        self.failures = 0 if delivered and error is None else self.failures + 1
        delay = pace.reconnect(self.failures, self._asked_to_wait, _chance())
        # What was made since the stream ended is asked for; not by all readers of a server that went in the same moment.
        self._stopped.wait(min(delay, 1.0) * _chance() if delivered else 0)
        if delivered and not self._stopped.is_set() and (polled := self._poll()) is not None:
            wait([polled], self._timeout)
        return delay

    def distrust(self, why: str) -> None:
        """Give the present stream up, and try none for a while: what it brings comes too late."""
        self._given_up = True
        self.failures = max(self.failures, HOPEFUL_FAILURES)
        self.delivering = False
        self._asked_to_wait = _DISTRUST_SECONDS
        self.error = why
        _log.warning("revocations are not pushed: %s", why)
        self._interrupt()

    def close(self) -> None:
        """End the stream and the thread, at once."""
        self._stopped.set()
        self.background.stop()
        self._interrupt()

    def _follow_stream(self, cursor: str) -> None:
        headers = {**self._headers(), "Accept": MEDIA_TYPE}
        url = f"{self._url}{'&' if '?' in self._url else '?'}cursor={quote(cursor, safe='')}"
        request = Request(url, headers=headers, timeout=self._timeout, max_bytes=MAX_ANSWER_BYTES)
        with self._transport.stream(request, idle=IDLE_SECONDS) as stream:
            self._check(stream)
            self.cursor, self.newest = cursor, 0
            self._stream = stream
            if self._stopped.is_set():  # after it can be interrupted, so that a close in between is not missed
                return
            for event in events(stream.lines(), max_bytes=MAX_ANSWER_BYTES):
                if self._stream is None or not self._take(event):
                    return

    def _check(self, stream: Stream) -> None:
        if stream.status in {429, 503}:
            with contextlib.suppress(ValueError):
                self._asked_to_wait = min(max(float(stream.headers.get("retry-after", "")), 0.0), _LONGEST_WAIT)
        if stream.status != 200:
            raise FeedError(f"feed answered {stream.status} when asked for a stream")
        if stream.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
            raise FeedError("feed does not push")

    def _take(self, event: Event) -> bool:
        """Heed one event. Returns: whether the stream goes on."""
        if event.name == "cut-offs":
            self._merge(event.data)
        self.delivering = True
        return event.name != "resync"

    def _merge(self, data: bytes) -> None:
        try:
            batch = self._read(data)
        except ForgedAnswer:
            self.forged += 1
            raise
        if batch.tenant != self._view.tenant:
            raise FeedError("pushed batch is for verifiers of another tenant")
        self._view.apply(batch.entries)
        gap = batch.since != self.cursor
        self.cursor = batch.cursor
        self.newest = max([self.newest, *(entry.position for entry in batch.entries)])
        self.batches += 1
        if gap:
            self._poll()

    def _ended(self, error: str | None) -> None:
        if error is not None and self.error is None and not self._stopped.is_set():
            _log.info("revocations are not pushed just now: %s", error)
        self.error = error

    def _interrupt(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.interrupt()

    def _after_fork(self) -> None:
        # The connection is the parent's, and must be let go of without a word on it.
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self.delivering = False
        stopped = self._stopped.is_set()
        self._stopped = threading.Event()
        if stopped:
            self._stopped.set()


def _chance() -> float:
    return int.from_bytes(os.urandom(2)) / 65_535
