"""The tail of the log in memory: it answers as the store would, or not at all."""

import random

import pytest
from watchword_server.revocation.tail import Tail
from watchword_server.store.port import Store
from watchword_server.store.records import Cursor


async def cut(store: Store, sample, axis: str = "token", value: str = "a", spares: str | None = None):
    return await store.cut_off(axis, value, spares=spares, ends_families=False, cause="test", audit=sample.event())


async def told(store: Store, cursor: Cursor, limit: int = 1000):
    return await store.cut_offs_after(cursor, limit=limit)


async def test_it_answers_after_every_place_within_as_the_store_does(store, sample):
    start = await store.head()
    tail = Tail(start)
    places = [start]
    for number in range(12):
        await cut(store, sample, value=f"t{number}")
        places.append(await store.head())
    tail.extend(await told(store, start))
    for place in places:
        for limit in (1, 3, 12, 100):
            assert tail.page(place, limit) == await told(store, place, limit)


async def test_it_does_not_answer_for_a_place_it_does_not_know(store, sample):
    await cut(store, sample, value="before")
    older = Cursor(epoch=(await store.head()).epoch, position=0, chain="0" * 64)
    tail = Tail(await store.head())
    await cut(store, sample, value="after")
    tail.extend(await told(store, tail.head))
    head = tail.head
    assert tail.page(older, 9) is None
    assert tail.page(Cursor(epoch="f" * 32, position=head.position, chain=head.chain), 9) is None
    assert tail.page(Cursor(epoch=head.epoch, position=head.position, chain="0" * 64), 9) is None
    assert tail.page(Cursor(epoch=head.epoch, position=head.position + 1, chain=head.chain), 9) is None


async def test_over_replaced_rows_it_knows_the_ends_of_what_was_read_alone(store, sample):
    start = await store.head()
    places = []
    for value in ("ada", "bob", "ada", "eve"):
        await cut(store, sample, "account", value)
        places.append(await store.head())
    tail = Tail(start)
    tail.extend(await told(store, start))
    assert [entry.position for entry in tail.page(start, 9).entries] == [2, 3, 4]
    assert tail.page(places[0], 9) is None
    assert tail.page(places[1], 9) is None
    assert tail.page(start, 1) is None, "the place where such a page would end is not known"
    assert tail.page(places[3], 9) == await told(store, places[3])


async def test_an_entry_that_was_replaced_later_may_be_told_and_means_nothing_new(store, sample):
    tail = Tail(await store.head())
    start = tail.head
    for _ in range(3):
        await cut(store, sample, "account", "ada")
        tail.extend(await told(store, tail.head))
    assert [entry.position for entry in tail.page(start, 9).entries] == [1, 2, 3]
    assert tail.page(start, 9).cursor == (await told(store, start)).cursor


async def test_entries_past_their_end_are_left_out(store, sample, store_clock):
    await store.declare_lifetime("short", 5)
    tail = Tail(await store.head())
    start = tail.head
    await cut(store, sample, value="old")
    store_clock.advance(60)
    await cut(store, sample, value="new")
    tail.extend(await told(store, start))
    store_clock.advance(10)
    tail.extend(await told(store, tail.head))
    assert [entry.value for entry in tail.page(start, 9).entries] == ["new"]
    assert tail.page(start, 9) == await told(store, start)


@pytest.mark.parametrize("seed", range(3))
async def test_it_forgets_its_oldest_entries_and_never_answers_without_them(store, sample, seed):
    chance = random.Random(seed)
    tail = Tail(await store.head(), most=8)
    places = [tail.head]
    for number in range(40):
        for _ in range(chance.randrange(1, 4)):
            await cut(store, sample, *(("account", "ada") if chance.random() < 0.3 else ("token", f"t{number}")))
            places.append(await store.head())
        tail.extend(await told(store, tail.head))
        for place in places:
            page = tail.page(place, 1000)
            if page is not None:
                wanted = await told(store, place)
                assert page.cursor == wanted.cursor
                assert set(wanted.entries) <= set(page.entries)
        assert tail.page(tail.head, 5) is not None
    assert tail.page(places[0], 1000) is None
