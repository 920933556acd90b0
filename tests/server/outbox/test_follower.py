"""The follower over a real store: each entry becomes deliveries once, whoever follows and whatever fails."""

import asyncio

import pytest
from watchword_server.outbox.follower import LogFollower
from watchword_server.store.delivery_records import NewDelivery
from watchword_server.store.open import store_from_url
from watchword_server.store.port import StoreUnavailable
from watchword_server.web.metrics import Metrics


class Translator:
    """Each entry means one delivery to each of some destinations."""

    def __init__(self, name, destinations=("a", "b")):
        self.name = name
        self.destinations = destinations
        self.faults = []

    async def translate(self, news):
        if self.faults:
            raise self.faults.pop(0)
        return [
            NewDelivery(kind=self.name, destination=to, payload=news.cause.encode(), dedupe=str(news.position))
            for to in self.destinations
        ]


def following(store, *translators):
    return LogFollower(store, translators, Metrics(), fraction=lambda: 0.5)


async def cut(store, sample, name):
    await store.cut_off("token", name, spares=None, ends_families=False, cause=f"of {name}", audit=sample.event())


async def outbox(store):
    return [
        (one.kind, one.destination, one.dedupe) for one in await store.deliveries(dead=False, after=None, limit=999)
    ]


async def test_each_entry_becomes_the_deliveries_of_each_translator(store, sample):
    await cut(store, sample, "t1")
    await cut(store, sample, "t2")
    told = []
    follower = LogFollower(
        store,
        [Translator("x"), Translator("y", ("c",))],
        Metrics(),
        enqueued=lambda: told.append(1),
        fraction=lambda: 0.5,
    )
    await follower.catch_up()
    assert await outbox(store) == [
        *(("x", "a", "1"), ("x", "b", "1"), ("y", "c", "1")),
        *(("x", "a", "2"), ("x", "b", "2"), ("y", "c", "2")),
    ]
    assert told == [1]
    assert await store.news(limit=9) == []
    await follower.catch_up()
    assert len(await outbox(store)) == 6


async def test_entries_are_forgotten_where_nobody_translates(store, sample):
    await cut(store, sample, "t1")
    await following(store).catch_up()
    assert await store.news(limit=9) == []


@pytest.mark.parametrize("fault", [StoreUnavailable("away"), RuntimeError("a fault of ours")])
async def test_an_entry_whose_translation_failed_is_not_lost(store, sample, fault):
    await cut(store, sample, "t1")
    translator = Translator("x")
    translator.faults = [fault]
    follower = following(store, translator)
    with pytest.raises(type(fault)):
        await follower.catch_up()
    assert len(await store.news(limit=9)) == 1
    await follower.catch_up()
    assert len(await outbox(store)) == 2


async def test_many_followers_on_two_stores_translate_each_entry_once(store, store_url, store_clock, sample):
    other = store_from_url(store_url, clock=store_clock)
    await other.open(migrate=True)
    followers = [following((store, other)[n % 2], Translator("x", (f"w{n}",))) for n in range(6)]

    async def write():
        for number in range(40):
            await cut(store, sample, f"t{number}")

    async def follow(follower):
        while not written.done() or await store.news(limit=1):
            await follower.catch_up()
            await asyncio.sleep(0)

    written = asyncio.ensure_future(write())
    await asyncio.gather(written, *map(follow, followers))
    await other.close()
    assert sorted(int(position) for _, _, position in await outbox(store)) == list(range(1, 41))


async def test_a_follower_told_of_a_cut_off_translates_it_at_once(store, sample):
    follower = following(store, Translator("x", ("a",)))
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(20):
        for number in range(3):
            await cut(store, sample, f"t{number}")
            while len(await outbox(store)) <= number:
                await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_entry_that_means_more_than_one_act_can_enqueue_is_told_alone(store, sample):
    for number in range(3):
        await cut(store, sample, f"t{number}")
    wide = Translator("x", tuple(f"d{n}" for n in range(4000)))
    await following(store, wide).catch_up()
    assert (await store.outbox_figures()).waiting == 12_000
