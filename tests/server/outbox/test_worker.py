"""The worker over a real outbox on both engines, with couriers of the tests' own."""

import asyncio

import pytest
from watchword_server.outbox.backoff import Backoff
from watchword_server.outbox.courier import Delivered, Never, NotYet, Paused
from watchword_server.outbox.worker import OutboxWorker, Pace
from watchword_server.store.delivery_records import NewDelivery
from watchword_server.store.port import StoreUnavailable
from watchword_server.web.metrics import Metrics


class Courier:
    """Answers what it is told, one outcome an attempt, the last for ever; remembers what it carried."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.carried = []
        self.at_once = 0
        self.most_at_once = 0
        self.gate = None

    async def carry(self, delivery):
        self.carried.append((delivery.destination, delivery.dedupe))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
            outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome
        finally:
            self.at_once -= 1


@pytest.fixture
def working(store, store_clock):
    def make(courier, **members):
        names = iter(range(10**6))
        return OutboxWorker(
            store,
            {"mail": courier},
            Metrics(),
            clock=store_clock,
            identifier=lambda: f"lease-{id(courier)}-{next(names)}",
            fraction=lambda: 0.0,
            **members,
        )

    return make


def mail(dedupe, destination="ada"):
    return NewDelivery(kind="mail", destination=destination, payload=b"hello", dedupe=str(dedupe))


async def turns(worker, times=1):
    for _ in range(times):
        await worker.turn()
        await worker.idle()


async def test_what_is_delivered_is_gone(store, working):
    courier = Courier(Delivered())
    await store.enqueue([mail(n) for n in range(3)])
    await turns(working(courier))
    assert sorted(courier.carried) == [("ada", "0"), ("ada", "1"), ("ada", "2")]
    assert (await store.outbox_figures()).waiting == 0


async def test_what_failed_comes_again_later_until_it_arrives(store, store_clock, working):
    courier = Courier(NotYet("503"), NotYet("503"), Delivered())
    worker = working(courier)
    await store.enqueue([mail(1)])
    await turns(worker, 3)
    assert len(courier.carried) == 1
    (waiting,) = await store.deliveries(dead=False, after=None, limit=9)
    assert waiting.last_error == "503"
    store_clock.advance(2.5)
    await turns(worker, 3)
    assert len(courier.carried) == 2
    store_clock.advance(5)
    await turns(worker, 3)
    assert len(courier.carried) == 3
    assert (await store.outbox_figures()).waiting == 0


async def test_what_will_never_arrive_and_what_is_too_old_become_dead_letters(store, store_clock, working):
    await store.enqueue([mail(1)])
    await turns(working(Courier(Never("410 gone"))))
    await store.enqueue([mail(2)])
    store_clock.advance(100)
    await turns(working(Courier(NotYet("500")), backoff=Backoff(give_up_after=100)))
    assert [one.last_error for one in await store.deliveries(dead=True, after=None, limit=9)] == ["410 gone", "500"]


async def test_a_pause_is_no_failure(store, store_clock, working):
    courier = Courier(Paused(60), Delivered())
    worker = working(courier, backoff=Backoff(give_up_after=0))
    await store.enqueue([mail(1)])
    await turns(worker)
    assert (await store.outbox_figures()).dead == 0
    store_clock.advance(60)
    await turns(worker)
    assert (await store.outbox_figures()).waiting == 0


async def test_a_courier_that_raises_harms_nobody_else_and_its_words_are_not_kept(store, working):
    courier = Courier(ValueError("secret token"), Delivered())
    await store.enqueue([mail(1, "a"), mail(2, "b")])
    await turns(working(courier))
    (left,) = await store.deliveries(dead=False, after=None, limit=9)
    assert left.last_error == "unexpected ValueError"


async def test_a_courier_that_hangs_is_given_up_in_time(store, working):
    courier = Courier(Delivered())
    courier.gate = asyncio.Event()
    await store.enqueue([mail(1)])
    await turns(working(courier, pace=Pace(attempt=0.05)))
    (left,) = await store.deliveries(dead=False, after=None, limit=9)
    assert left.last_error == "timed out"


async def test_a_kind_that_nobody_carries_waits(store, store_clock, working):
    await store.enqueue([NewDelivery(kind="pigeon", destination="x", payload=b"", dedupe="1")])
    await turns(working(Courier(Delivered())))
    (left,) = await store.deliveries(dead=False, after=None, limit=9)
    assert (left.kind, left.lease) == ("pigeon", None)


async def test_one_destination_gets_only_its_share_and_holds_up_nobody(store, working):
    courier = Courier(Delivered())
    courier.gate = asyncio.Event()
    worker = working(courier, pace=Pace(concurrency=8, per_destination=2))
    await store.enqueue([*(mail(n, "slow") for n in range(20)), mail(1, "fast")])
    for _ in range(4):
        await worker.turn()
        await asyncio.sleep(0)
    assert courier.carried.count(("fast", "1")) == 1
    assert courier.most_at_once == 3
    courier.gate.set()
    await worker.idle()
    await turns(worker, 20)
    assert (await store.outbox_figures()).waiting == 0


async def test_a_destination_that_failed_rests_before_its_next_delivery(store, store_clock, working):
    courier = Courier(NotYet("503"))
    worker = working(courier, pace=Pace(per_destination=1))
    await store.enqueue([mail(n) for n in range(5)])
    await turns(worker, 4)
    assert len(courier.carried) == 1
    store_clock.advance(3)
    await turns(worker, 4)
    assert len(courier.carried) == 2


async def test_two_workers_deliver_each_once(store, working):
    one, two = Courier(Delivered()), Courier(Delivered())
    workers = [working(one, pace=Pace(per_destination=99)), working(two, pace=Pace(per_destination=99))]
    await store.enqueue([mail(n) for n in range(64)])
    while (await store.outbox_figures()).waiting:
        await asyncio.gather(*(turns(worker) for worker in workers))
    assert sorted(one.carried + two.carried) == sorted(("ada", str(n)) for n in range(64))


async def test_what_a_killed_worker_had_taken_comes_to_another(store, store_clock, working):
    killed = Courier(Delivered())
    killed.gate = asyncio.Event()
    worker = working(killed)
    await store.enqueue([mail(1)])
    await worker.turn()
    await asyncio.sleep(0)
    assert killed.carried
    store_clock.advance(60)
    heir = Courier(Delivered())
    await turns(working(heir))
    assert heir.carried == [("ada", "1")]
    killed.gate.set()
    await worker.idle()
    assert (await store.outbox_figures()).waiting == 0


async def test_a_store_that_was_away_when_the_outcome_was_told_lets_it_come_again(store, store_clock, working):
    courier = Courier(Delivered())
    worker = working(courier)
    await store.enqueue([mail(1)])

    async def away(*_):
        raise StoreUnavailable("away")

    known, store.delivered = store.delivered, away
    await turns(worker)
    store.delivered = known
    store_clock.advance(60)
    await turns(worker)
    assert len(courier.carried) == 2
    assert (await store.outbox_figures()).waiting == 0


async def test_a_worker_runs_until_it_is_cancelled_and_sees_what_is_enqueued(store, working):
    courier = Courier(Delivered())
    await store.enqueue([NewDelivery(kind="x", destination="x", payload=b"", dedupe="held", held=True)])
    worker = working(courier)
    running = asyncio.create_task(worker.run())
    await store.enqueue([mail(1)])
    worker.stir()
    async with asyncio.timeout(20):
        while (await store.outbox_figures()).waiting:
            await asyncio.sleep(0.01)
        while 'watchword_outbox{state="held"} 1.0' not in worker._metrics.exposition().decode():
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
