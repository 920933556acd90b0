"""As much HTTP/1.1 as a proxy needs to ask: questions without body, one after another on connections that are kept.

Decides nothing: ``question`` reads, ``checker`` answers. Not for the open network.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from watchword.edge.checker import CHECKS, Answer, Checker
from watchword.edge.question import MAX_HEAD, BadQuestion, Told, read

_log: Final = logging.getLogger("watchword")

IDLE_SECONDS: Final = 75.0
_END: Final = b"\r\n\r\n"


class _Connection(asyncio.Protocol):
    """One connection of a proxy. Questions are answered in the order they came."""

    def __init__(self, checker: Checker, told: Told, known: set[_Connection]) -> None:
        self._checker = checker
        self._told = told
        self._known = known
        self._buffer = b""
        self._waiting: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream server makes no other
        self._transport = transport
        self._known.add(self)
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        self._known.discard(self)
        if self._idle is not None:
            self._idle.cancel()
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._waiting is None:
            self._answer_all()
        elif len(self._buffer) > MAX_HEAD:
            self._transport.abort()

    def end(self) -> None:
        """Close, once what was asked is answered."""
        if self._waiting is None:
            self._transport.close()

    def _answer_all(self) -> None:
        while self._waiting is None and not self._transport.is_closing():
            head, end, rest = self._buffer.partition(_END)
            if not end:
                if len(self._buffer) > MAX_HEAD:
                    self._send(Answer(431), last=True)
                else:
                    self._rest()
                return
            self._buffer = rest
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        try:
            question = read(head, self._told, CHECKS)
        except (BadQuestion, ValueError):
            self._send(Answer(400), last=True)
            return
        # A body would be taken for the next question. Proxies are told to leave it out, and where they cannot, to close.
        last = _has_body(head)
        try:
            answer = self._checker.answer_now(question)
        except Exception as error:  # noqa: BLE001 - a question that breaks the checker lets nobody pass
            _log.error("edge: %s", type(error).__name__)
            answer = Answer(503)
        if answer is not None:
            self._send(answer, last=last)
        else:
            self._waiting = asyncio.get_running_loop().create_task(self._wait(question, last=last))

    async def _wait(self, question: object, *, last: bool) -> None:
        try:
            answer = await self._checker.answer(question)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - as above
            _log.error("edge: %s", type(error).__name__)
            answer = Answer(503)
        self._waiting = None
        self._send(answer, last=last)
        self._answer_all()

    def _send(self, answer: Answer, *, last: bool) -> None:
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        lines.append(f"Content-Length: {len(answer.body)}")
        if last:
            lines.append("Connection: close")
        self._transport.write("\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body)
        if last:
            self._transport.close()

    def _rest(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._transport.close)


def _has_body(head: bytes) -> bool:
    lowered = head.lower()
    if b"\r\ntransfer-encoding:" in lowered:
        return True
    _, found, rest = lowered.partition(b"\r\ncontent-length:")
    return bool(found) and rest.partition(b"\r\n")[0].strip() != b"0"


@asynccontextmanager
async def serve(checker: Checker, where: str, told: Told = Told.NGINX) -> AsyncIterator[str]:
    """Answer at ``where``: ``host:port``, or ``unix:/path``, which only its owner and group may then use.

    Gives: where it listens, the port told where it was 0. Ends when left, connections that wait included.
    Raises: OSError, ValueError.
    """
    known: set[_Connection] = set()
    loop = asyncio.get_running_loop()

    def connection() -> _Connection:
        return _Connection(checker, told, known)

    if where.startswith("unix:"):
        path = Path(where[5:])
        _take_over(path)
        before = os.umask(0o007)
        try:
            server = await loop.create_unix_server(connection, str(path))
        finally:
            os.umask(before)
    else:
        host, _, port = where.rpartition(":")
        server = await loop.create_server(connection, host.strip("[]"), int(port), reuse_port=True)
        if where.endswith(":0"):
            where = f"{host}:{server.sockets[0].getsockname()[1]}"
    try:
        yield where
    finally:
        server.close()
        for open_ in tuple(known):
            open_.end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 5)
        if where.startswith("unix:"):
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - at the end, nobody waits


def _take_over(path: Path) -> None:
    """Remove the socket of a checker that is gone. Raises: OSError if one listens there, or it is no socket."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise OSError(f"{path} is there already, and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise OSError(f"{path}: another one listens there")
