"""The worker that serves the socket: asks the feed once for all who wait together, and hands on the one stream.

Reads nothing of what it hands on, and is believed by nobody: others check signatures and nonces themselves.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from watchword.clock import system_clock
from watchword.transport import Request, Stream, StreamingTransport, TransportError
from watchword.verify import answer
from watchword.verify.event_stream import MEDIA_TYPE
from watchword.verify.nonces import MOST_NONCES, joined_nonce, sound
from watchword.verify.shared_stream import SharedStream
from watchword.verify.shared_words import HEADERS_TOLD, LONGEST_ASKED, Asked, Told, decode_asked, peer_uid, send

PAGE_ENTRIES: Final = 1000
IDLE_SECONDS: Final = 40.0
MOST_CONNECTIONS: Final = 1024
_SLOWEST_READER: Final = 2
"""Seconds in which a worker must take an event, or it is sent away."""
_FIRST_LINE_SECONDS: Final = 5.0


class _Group:
    """Questions after one cursor that wait to be asked as one."""

    def __init__(self) -> None:
        self.nonces: list[str] = []
        self.due = float("inf")
        self.answered = threading.Event()
        self.head = Told(error="the feed was not asked")
        self.body = b""


class Leader:
    """Serves the socket from threads of its own until closed. Raises OSError when it cannot be bound."""

    def __init__(
        self, path: str, transport: StreamingTransport, *, url: str, headers: Callable[[], dict[str, str]]
    ) -> None:
        """To be made by whoever holds the lock beside ``path``, alone."""
        self._transport = transport
        self._url = url
        self._headers = headers
        self._path = path
        self._changed = threading.Condition()
        self._groups: dict[str | None, _Group] = {}
        self._asking = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._following = threading.Lock()
        self._pump: SharedStream | None = None
        self._closed = False
        Path(path).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Bound under another name until nobody but us can connect: between bind and chmod anybody could.
        hidden = Path(f"{path}.{os.getpid()}")
        hidden.unlink(missing_ok=True)
        try:
            self._listener.bind(str(hidden))
            hidden.chmod(0o600)
            self._listener.listen(128)
            hidden.rename(path)
        except OSError:
            self._listener.close()
            raise
        threading.Thread(target=self._accept, name="watchword-shared-feed", daemon=True).start()

    def close(self) -> None:
        """Serve no longer. Those who wait are let go."""
        self._closed = True
        with contextlib.suppress(OSError):
            Path(self._path).unlink()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._following:
            pump = self._pump
        if pump is not None:
            pump.end()

    def forget(self) -> None:
        """In the child of a fork: close what is the parent's, without a word on it."""
        self._closed = True
        self._listener.close()
        if self._pump is not None:
            self._pump.forget()

    def _accept(self) -> None:
        while not self._closed:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if not self._places.acquire(blocking=False):
                sock.close()
                continue
            threading.Thread(target=self._serve, args=(sock,), name="watchword-shared-feed", daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock, contextlib.suppress(OSError):
                # Nobody else can connect where the system heeds the socket's mode; where it does not, this tells.
                if peer_uid(sock) in {None, os.geteuid()}:
                    self._answer(sock)
        finally:
            self._places.release()

    def _answer(self, sock: socket.socket) -> None:
        sock.settimeout(_FIRST_LINE_SECONDS)
        with sock.makefile("rb") as reading:
            line = reading.readline(LONGEST_ASKED)
        # Reading and writing are in two threads from here on, each with a patience of its own.
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SLOWEST_READER, 0))
        try:
            asked: Asked = decode_asked(line)
        except msgspec.MsgspecError:
            return
        if asked.url != self._url:
            send(sock, Told(error="it is of another feed"))
        elif asked.nonce is None:
            self._hand_on(sock, asked)
        elif sound([asked.nonce]):
            group = self._join(asked, asked.nonce)
            send(sock, group.head, group.body)

    def _join(self, asked: Asked, nonce: str) -> _Group:
        """Wait in a group until it is answered; whoever began the group asks for all."""
        with self._changed:
            group = self._groups.get(asked.cursor)
            first = group is None or len(group.nonces) >= MOST_NONCES
            if group is None or first:
                group = self._groups[asked.cursor] = _Group()
            group.nonces.append(nonce)
            group.due = min(group.due, system_clock.monotonic() + asked.gather)
            self._changed.notify_all()
            if first:
                while (left := group.due - system_clock.monotonic()) > 0 and not self._closed:
                    self._changed.wait(left)
        if not first:
            group.answered.wait(asked.timeout + asked.gather)
            return group
        try:
            self._ask(asked, group)
        finally:
            group.answered.set()
        return group

    def _ask(self, asked: Asked, group: _Group) -> None:
        with self._asking:  # one question at a time, over one connection
            with self._changed:
                # Whoever comes from now on waits for the next: its question must have left before this one does.
                if self._groups.get(asked.cursor) is group:
                    del self._groups[asked.cursor]
            query = f"limit={PAGE_ENTRIES}&nonce={joined_nonce(group.nonces)}"
            if asked.cursor is not None:
                query = f"cursor={quote(asked.cursor, safe='')}&{query}"
            try:
                response = self._transport.fetch(
                    Request(
                        f"{self._url}{'&' if '?' in self._url else '?'}{query}",
                        headers=self._headers(),
                        timeout=max(asked.timeout, 0.1),
                        max_bytes=answer.MAX_ANSWER_BYTES,
                    )
                )
            except (TransportError, answer.FeedError) as error:
                group.head = Told(error=str(error))
                return
        told = {name: response.headers[name] for name in HEADERS_TOLD if name in response.headers}
        group.body = response.body
        group.head = Told(response.status, told, ",".join(group.nonces), len(response.body))

    def _hand_on(self, sock: socket.socket, asked: Asked) -> None:
        with self._following:
            pump = self._pump
            if pump is None or pump.ended.is_set():
                pump = self._pump = SharedStream(self._open, asked)
        if pump.join(sock, asked):
            with contextlib.suppress(OSError):
                sock.recv(1)  # it says nothing more: this returns when it is gone, or was sent away
            pump.leave(sock)

    def _open(self, asked: Asked) -> Stream:
        query = f"cursor={quote(asked.cursor or '', safe='')}"
        request = Request(
            f"{self._url}{'&' if '?' in self._url else '?'}{query}",
            headers={**self._headers(), "Accept": MEDIA_TYPE},
            timeout=max(asked.timeout, 0.1),
            max_bytes=answer.MAX_ANSWER_BYTES,
        )
        return self._transport.stream(request, idle=IDLE_SECONDS)
