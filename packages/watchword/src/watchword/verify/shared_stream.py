"""The one stream of a feed that is shared: read by whoever serves the socket, handed on to all workers as it comes.

Reads nothing of it but where one event ends and the next begins.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from watchword.transport import Stream, TransportError
from watchword.verify import answer
from watchword.verify.shared_words import HEADERS_TOLD, Asked, Told, hang_up, send

MOST_REMEMBERED: Final = 256
"""Events kept for workers that come a moment late."""
_MOST_REMEMBERED_BYTES: Final = 4 << 20
_ALIVE: Final = b": alive\n\n"
"""For workers that come late to a stream through which something has come: it is not held back on its way."""


class SharedStream:
    """One stream of the feed, and the workers it goes to."""

    def __init__(self, open_stream: Callable[[Asked], Stream], asked: Asked) -> None:
        self._open = open_stream
        self._asked = asked
        self._guard = threading.Lock()
        self._readers: set[socket.socket] = set()
        self._place = (asked.cursor or "").encode("ascii", "replace")
        self._recent: deque[tuple[bytes, bytes]] = deque()
        self._recent_bytes = 0
        self._stream: Stream | None = None
        self._came = False
        self._head = Told(error="the feed was not asked")
        self._opened = threading.Event()
        self.ended: threading.Event = threading.Event()
        threading.Thread(target=self._run, name="watchword-shared-stream", daemon=True).start()

    def join(self, sock: socket.socket, asked: Asked) -> bool:
        """Have the stream handed on, with what came since the worker's cursor if that is remembered."""
        self._opened.wait(asked.timeout)
        with self._guard:
            if self._head.status != 200 or self.ended.is_set():
                head = self._head if self._head.status != 200 else Told(error="the stream has ended")
                send(sock, head)
                return False
            send(sock, self._head)
            if self._came:
                sock.sendall(_ALIVE)
            cursor, missed = (asked.cursor or "").encode("ascii", "replace"), False
            for before, block in self._recent:
                missed = missed or before == cursor
                if missed:
                    sock.sendall(block)
            self._readers.add(sock)
            return True

    def leave(self, sock: socket.socket) -> None:
        """The worker is gone. With the last one the stream ends."""
        with self._guard:
            self._readers.discard(sock)
            last = not self._readers
        if last:
            self.end()

    def end(self) -> None:
        """Let go of the feed's stream, and with it of all workers."""
        self.ended.set()
        stream = self._stream
        if stream is not None:
            stream.interrupt()

    def forget(self) -> None:
        """In the child of a fork."""
        if self._stream is not None:
            self._stream.close()
        for sock in self._readers:
            sock.close()

    def _run(self) -> None:
        try:
            with self._open(self._asked) as stream:
                self._stream = stream
                told = {name: stream.headers[name] for name in HEADERS_TOLD if name in stream.headers}
                self._head = Told(stream.status, told)
                self._opened.set()
                if stream.status == 200 and not self.ended.is_set():
                    self._hand_on(stream)
        except (TransportError, answer.FeedError) as error:
            if not self._opened.is_set():
                self._head = Told(error=str(error))
        finally:
            self.ended.set()
            self._opened.set()
            with self._guard:
                for sock in self._readers:
                    hang_up(sock)

    def _hand_on(self, stream: Stream) -> None:
        block: list[bytes] = []
        size = 0
        for line in stream.lines():
            block.append(line)
            size += len(line)
            if not line:
                self._tell(b"\n".join([*block, b""]), block)
                block, size = [], 0
            elif size > 2 * answer.MAX_ANSWER_BYTES:
                raise TransportError("an event of the feed is too long")

    def _tell(self, block: bytes, lines: list[bytes]) -> None:
        with self._guard:
            self._came = True
            place = next((line[4:] for line in lines if line.startswith(b"id: ")), None)
            if place is not None:
                self._recent.append((self._place, block))
                self._recent_bytes += len(block)
                self._place = place
                while len(self._recent) > MOST_REMEMBERED or self._recent_bytes > _MOST_REMEMBERED_BYTES:
                    self._recent_bytes -= len(self._recent.popleft()[1])
            for sock in tuple(self._readers):
                try:
                    sock.sendall(block)
                except OSError:
                    # Too slow, or gone: it comes back, and asks for what it missed.
                    self._readers.discard(sock)
                    hang_up(sock)
