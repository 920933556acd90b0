"""Numbers of sessions for status lists, on both engines."""

import asyncio

import pytest
from watchword_server.store.open import store_from_url


@pytest.fixture
async def rivals(store, store_url, store_clock):
    other = store_from_url(store_url, clock=store_clock)
    await other.open(migrate=True)
    yield store, other
    await other.close()


async def test_numbers_are_set_aside_for_one_caller_each(rivals):
    assert await rivals[0].status_numbers_end() == 0
    firsts = await asyncio.gather(*(rivals[n % 2].reserve_status_numbers(10) for n in range(16)))
    assert sorted(firsts) == list(range(0, 160, 10))
    assert await rivals[1].status_numbers_end() == 160


async def test_every_way_for_a_session_to_end_makes_its_number_a_dead_one(store, store_clock, sample):
    await sample.register(store, tenant="t1")
    await sample.register(store, "bob")
    for number in range(6):
        await sample.login(store, f"s.{number}", client_id=f"c{number}")
    await sample.login(store, "b.6", "bob")
    await sample.login(store, "unnumbered", "bob")
    assert await store.dead_status_numbers(0, 100) == []
    await store.end_session("s.2", account_id="ada", reason="logout", audit=sample.event())
    assert await store.dead_status_numbers(0, 100) == [2]
    await store.cut_off("client", "c4", spares=None, ends_families=True, cause="x", audit=sample.event())
    assert await store.dead_status_numbers(0, 100) == [2, 4]
    await store.cut_off("account", "ada", spares=None, ends_families=False, cause="x", audit=sample.event())
    assert await store.dead_status_numbers(0, 100) == [2, 4], "access tokens alone"
    assert await store.dead_status_numbers(3, 3) == []
    await store.end_all_sessions("ada", spares="s.1", reason="x", audit=sample.event())
    assert await store.dead_status_numbers(0, 100) == [0, 2, 3, 4, 5]
    await store.disable_account("bob", sample.event())
    assert await store.dead_status_numbers(0, 100) == [0, 2, 3, 4, 5, 6]
    store_clock.advance(40 * 86400)
    assert await store.dead_status_numbers(0, 100) == [0, 1, 2, 3, 4, 5, 6]


async def test_a_sid_that_only_looks_numbered_is_a_sid_like_any_other(store, sample):
    await sample.register(store)
    for sid in ("a.", "a.b", "a.1b", "a.-1", "a.1.2", "a." + "9" * 30):
        await sample.login(store, sid)
        await store.end_session(sid, account_id=None, reason="x", audit=sample.event())
    assert await store.dead_status_numbers(0, 2**62) == []


async def test_what_is_swept_has_no_number_any_more(store, store_clock, sample):
    await sample.register(store)
    await sample.login(store, "a.7")
    await store.end_session("a.7", account_id=None, reason="x", audit=sample.event())
    store_clock.advance(86400)
    while (await store.sweep(limit=100, retention=60)).more:
        pass
    assert await store.dead_status_numbers(0, 100) == []
