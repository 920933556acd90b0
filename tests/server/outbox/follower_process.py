"""A process to be killed: cuts off, follows the log and delivers as fast as it can, and tells what was acknowledged.

Not a test; test_follower_killed.py starts it. Arguments: the store's address, a name for this run. Lines: `cut <token>`.
"""

import asyncio
import os
import sys

from watchword.clock import system_clock
from watchword_server import entropy
from watchword_server.outbox.courier import Delivered
from watchword_server.outbox.follower import LogFollower
from watchword_server.outbox.worker import OutboxWorker
from watchword_server.store.delivery_records import NewDelivery
from watchword_server.store.open import store_from_url
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.web.metrics import Metrics

AUDIT = AuditEvent(event="hammer", origin=Origin(actor="system"))


class Translator:
    async def translate(self, news):
        return [NewDelivery(kind="told", destination="d", payload=news.value.encode(), dedupe=f"{news.position}")]


class Courier:
    async def carry(self, delivery):
        os.write(1, b"got " + delivery.payload + b"\n")
        return Delivered()


async def cut(store, name):
    number = 0
    while True:
        await store.cut_off("token", f"{name}-{number}", spares=None, ends_families=False, cause="x", audit=AUDIT)
        os.write(1, f"cut {name}-{number}\n".encode())
        number += 1


async def main(url, name):
    store = store_from_url(url)
    await store.open(migrate=True)
    metrics = Metrics()
    worker = OutboxWorker(
        store,
        {"told": Courier()},
        metrics,
        clock=system_clock,
        identifier=entropy.identifier,
        fraction=entropy.fraction,
    )
    follower = LogFollower(store, [Translator()], metrics, enqueued=worker.stir, fraction=entropy.fraction)
    work = [cut(store, f"{name}{lane}") for lane in range(4)] if name != "heir" else []
    await asyncio.gather(follower.run(), worker.run(), *work)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
