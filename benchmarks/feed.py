"""The live feed of one server process: what a poll costs, how soon a push is there, how often the database is read.

The server is pinned to one core and its readers to the other, over loopback; on SQLite and PostgreSQL, durable. Every
answer and event is checked. Latency is from the moment the revoker has its acknowledgement to the last reader.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import resource
import statistics
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent / "http_parts"))

from over_http import LOAD_CORE, post, watchword
from postgres_for_benchmarks import postgres

TOKEN = "feed-token-of-the-benchmark"
NONCE = "AAAAAAAAAAAAAAAAAAAAAA"
PASSWORD = "correct horse battery staple"
SETTINGS = {
    "WATCHWORD_FEED__TOKEN": TOKEN,
    "WATCHWORD_PASSWORDS__MEMORY_KIB": "8",
    "WATCHWORD_PASSWORDS__TIME_COST": "1",
}
SESSIONS_AN_ACCOUNT = 25
"""Under the quota of 50 above which the log keeps one entry for the account."""


def get(port: int, path: str) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def head(port: int) -> str:
    cursor = None
    while True:
        page = json.loads(get(port, "/revocations?limit=5000" + (f"&cursor={cursor}" if cursor else "")))
        cursor = page["cursor"]
        if not page["more"]:
            return cursor


def metric(port: int, name: str) -> float:
    for line in get(port, "/metrics").decode().splitlines():
        if line.startswith(name):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def sessions(port: int, count: int) -> list[str]:
    """Access tokens of so many sessions, each to be logged out."""
    found, email = [], ""
    for number in range(count):
        if not number % SESSIONS_AN_ACCOUNT:
            email = f"u{time.monotonic_ns()}@example.test"
            post(port, "/auth/register", {"email": email, "password": PASSWORD})
        login = {"identifier": email, "password": PASSWORD, "delivery": "body"}
        found.append(post(port, "/auth/login", login)["access_token"])
    return found


class Reader(asyncio.Protocol):
    """One stream of events; notes when each came."""

    def __init__(self, port: int, cursor: str) -> None:
        self._question = (
            f"GET /revocations?cursor={cursor} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Accept: text/event-stream\r\n\r\n"
        ).encode()
        self.times: list[float] = []
        self.begun = asyncio.get_running_loop().create_future()
        self._end = b""

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(self._question)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        data = self._end + data
        if not self.begun.done():
            assert data.startswith(b"HTTP/1.1 200 OK"), data[:200]
            self.begun.set_result(None)
        assert b"event: resync" not in data
        self.times += [now] * data.count(b"event: cut-offs")
        self._end = data[1 - len(b"event: cut-offs") :]  # shorter than what is looked for, so never counted twice


class Asker:
    """One connection that is kept alive, and asks one question after another."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def ask(self, method: str, path: str, token: str = TOKEN) -> tuple[int, bytes]:
        self.writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        top = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(top.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        return int(top.split(b" ", 2)[1]), await self.reader.readexactly(length)


async def joined(port: int, count: int, cursor: str) -> list[Reader]:
    loop = asyncio.get_running_loop()
    readers = []
    for _ in range(count):
        _, reader = await loop.create_connection(lambda: Reader(port, cursor), "127.0.0.1", port)
        readers.append(reader)
    await asyncio.gather(*(reader.begun for reader in readers))
    return readers


async def heard(readers: list[Reader], count: int) -> None:
    async with asyncio.timeout(60):
        while min(len(reader.times) for reader in readers) < count:
            await asyncio.sleep(0.0005)


async def cost_of_polls(server, seconds: float, connections: int = 64) -> None:
    """CPU of the server for an answer without news, where the reader knows the head already."""
    cursor = head(server.port)
    for name, path in (
        ("floor: /healthz, no feed at all", "/healthz"),
        ("plain", f"/revocations?cursor={cursor}"),
        ("signed for its nonce", f"/revocations?cursor={cursor}&nonce={NONCE}"),
    ):
        rounds = []
        for _ in range(3):
            answered = 0

            async def go() -> None:
                nonlocal answered
                async with Asker(server.port) as asker:
                    while time.perf_counter() < until:  # noqa: B023 - used within the round alone
                        status, body = await asker.ask("GET", path)  # noqa: B023
                        assert status == 200
                        assert body
                        answered += 1

            reads, cpu, began = (
                metric(server.port, "watchword_feed_store_reads_total"),
                server.cpu(),
                time.perf_counter(),
            )
            until = began + seconds
            await asyncio.gather(*(go() for _ in range(connections)))
            spent, took = server.cpu() - cpu, time.perf_counter() - began
            reads = metric(server.port, "watchword_feed_store_reads_total") - reads
            rounds.append((spent / answered * 1e6, answered / took, reads / answered))
        micros, rate, reads = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"  poll, {name}: {micros:.0f} us of CPU, {rate:.0f}/s, {reads:.2f} reads of the store each", flush=True)


async def cost_and_speed_of_pushes(server, count: int, revocations: int) -> None:
    """Streams: how soon the last of them has a cut-off, and what it costs the server a reader."""
    tokens = sessions(server.port, 2 * revocations)
    async with Asker(server.port) as revoker:
        began = server.cpu()
        for token in tokens[:revocations]:
            assert (await revoker.ask("POST", "/auth/logout", token))[0] == 204
        alone = (server.cpu() - began) / revocations
        memory = server.memory_mib()
        readers = await joined(server.port, count, head(server.port))
        memory = server.memory_mib() - memory
        latencies, first = [], []
        reads, cpu = metric(server.port, "watchword_feed_store_reads_total"), server.cpu()
        for number, token in enumerate(tokens[revocations:], 1):
            assert (await revoker.ask("POST", "/auth/logout", token))[0] == 204
            acknowledged = time.perf_counter()
            await heard(readers, number)
            arrived = [reader.times[number - 1] for reader in readers]
            latencies.append((max(arrived) - acknowledged) * 1e3)
            first.append((min(arrived) - acknowledged) * 1e3)
        spent = (server.cpu() - cpu) / revocations
        reads = metric(server.port, "watchword_feed_store_reads_total") - reads
    for reader in readers:
        reader.transport.close()
    latencies.sort()
    p99 = latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]
    print(
        f"  push, {count} readers, {revocations} revocations: acknowledged -> last reader p50 "
        f"{statistics.median(latencies):.1f} ms, p99 {p99:.1f} ms, worst {latencies[-1]:.1f} ms "
        f"(first reader p50 {statistics.median(first):.1f} ms)\n"
        f"       {max(0.0, spent - alone) / count * 1e6:.0f} us of CPU a reader and event, "
        f"{reads / revocations:.1f} reads of the store a revocation, {memory / count * 1024:.0f} KiB a reader",
        flush=True,
    )


async def pace(server, count: int, form: str, seconds: float, tokens: list[str]) -> None:
    """Reads of the database a second while so many verifiers watch, and five sessions a second are logged out."""
    cursor = head(server.port)
    done = asyncio.Event()
    answers = 0

    async def poll(wait: str, pause: float, late: float) -> None:
        nonlocal answers
        place = cursor
        await asyncio.sleep(late)
        async with Asker(server.port) as asker:
            while not done.is_set():
                status, body = await asker.ask("GET", f"/revocations?cursor={place}{wait}")
                assert status == 200, body
                place = json.loads(body)["cursor"]
                answers += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(done.wait(), pause)

    tasks, readers = [], []
    if form == "stream":
        readers = await joined(server.port, count, cursor)
    else:
        wait, pause = ("&wait=3", 0.001) if form == "long poll" else ("", 2.0)
        tasks = [asyncio.create_task(poll(wait, pause, 2.0 * n / count)) for n in range(count)]
        await asyncio.sleep(2.5)
    reads, cpu, began = metric(server.port, "watchword_feed_store_reads_total"), server.cpu(), time.perf_counter()
    before = answers
    async with Asker(server.port) as revoker:
        for number, token in enumerate(tokens):
            assert (await revoker.ask("POST", "/auth/logout", token))[0] == 204
            await asyncio.sleep(max(0.0, began + (number + 1) * seconds / len(tokens) - time.perf_counter()))
    took = time.perf_counter() - began
    reads = (metric(server.port, "watchword_feed_store_reads_total") - reads) / took
    busy = (server.cpu() - cpu) / took
    told = sum(len(reader.times) for reader in readers) if readers else answers - before
    done.set()
    for reader in readers:
        reader.transport.close()
    await asyncio.gather(*tasks)
    print(
        f"  {count} readers by {form}: {reads:.1f} reads of the store/s, {told / took:.0f} answers or events/s, "
        f"{busy * 100:.0f} % of a core",
        flush=True,
    )


def measure(server, *, quick: bool) -> None:
    asyncio.run(cost_of_polls(server, 1 if quick else 3))
    asyncio.run(cost_and_speed_of_pushes(server, 100, 25 if quick else 200))
    if not quick:
        asyncio.run(cost_and_speed_of_pushes(server, 1000, 50))
    seconds = 2 if quick else 6
    for count in (100, 1000):
        for form in ("poll each 2 s", "long poll", "stream"):
            asyncio.run(pace(server, count, form, seconds, sessions(server.port, 5 * seconds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds, fewer readers")
    arguments = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files[1], 8192), files[1]))
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory() as folder, postgres() as dsn:
        for engine, url in (("SQLite", None), ("PostgreSQL", dsn)):
            print(engine, flush=True)
            server = watchword(pathlib.Path(folder) / engine, url, **SETTINGS)
            try:
                measure(server, quick=arguments.quick)
            finally:
                server.stop()


if __name__ == "__main__":
    main()
