"""The outbox and the news of the log, on both engines: each verb, its races, and that nothing is lost."""

import asyncio

import pytest
from watchword_server.store.delivery_records import NewDelivery
from watchword_server.store.open import store_from_url


@pytest.fixture
async def rivals(store, store_url, store_clock):
    """Two stores on one database, as two servers have them."""
    other = store_from_url(store_url, clock=store_clock)
    await other.open(migrate=True)
    yield store, other
    await other.close()


def new(dedupe="1", **members) -> NewDelivery:
    given = {"kind": "ssf_push", "destination": "stream-1", "payload": b"\x00payload", "dedupe": dedupe}
    return NewDelivery(**given | members)


async def lease(store, name="w1", **members):
    return await store.lease_deliveries(name, **{"seconds": 30, "limit": 10, "per_destination": 10} | members)


async def test_what_is_enqueued_is_leased_whole_and_forgotten_when_delivered(store, store_clock):
    assert await store.due_in() is None
    assert await store.enqueue([new("1"), new("2")]) == 2
    assert await store.due_in() == 0
    one, two = await lease(store)
    assert (one.kind, one.destination, one.payload, one.dedupe) == ("ssf_push", "stream-1", b"\x00payload", "1")
    assert (one.attempts, one.lease, one.state, two.id > one.id) == (1, "w1", "waiting", True)
    assert b"payload" not in repr(one).encode()
    assert "payload" not in repr(new())
    assert await store.delivered(one.id, "w1")
    assert not await store.delivered(one.id, "w1")
    assert (await store.outbox_figures()).waiting == 1


async def test_a_delivery_on_record_is_not_enqueued_twice_and_another_destinations_is(store):
    assert await store.enqueue([new("1"), new("1")]) == 1
    assert await store.enqueue([new("1"), new("1", destination="stream-2"), new("1", kind="mail")]) == 2
    assert len(await lease(store)) == 3


async def test_a_lease_that_ran_out_gives_the_delivery_to_another_and_its_first_worker_changes_nothing(
    store, store_clock
):
    await store.enqueue([new()])
    (first,) = await lease(store, "w1")
    assert await lease(store, "w2") == []
    assert await store.due_in() == 30
    store_clock.advance(30)
    (second,) = await lease(store, "w2")
    assert (second.id, second.attempts) == (first.id, 2)
    assert not await store.delivered(first.id, "w1")
    assert not await store.put_off(first.id, "w1", seconds=1, error="x")
    assert not await store.give_up(first.id, "w1", error="x")
    assert await store.delivered(second.id, "w2")


async def test_what_is_put_off_is_due_later_and_says_why(store, store_clock):
    await store.enqueue([new()])
    (one,) = await lease(store)
    assert await store.put_off(one.id, "w1", seconds=60, error="503\0" + "x" * 1000)
    assert await lease(store) == []
    store_clock.advance(60)
    (again,) = await lease(store)
    assert (again.attempts, len(again.last_error)) == (2, 512)


async def test_a_dead_letter_is_shown_and_retried_by_one_caller(rivals):
    store = rivals[0]
    await store.enqueue([new("1"), new("2")])
    for one in await lease(store):
        assert await store.give_up(one.id, "w1", error="410")
    assert await lease(store) == []
    first, second = await store.deliveries(dead=True, after=None, limit=10)
    assert [first.last_error, first.attempts, first.state] == ["410", 1, "dead"]
    assert await store.deliveries(dead=True, after=first.id, limit=10) == [second]
    assert (await store.outbox_figures()).dead == 2
    done = await asyncio.gather(*(rivals[n % 2].retry_delivery(first.id) for n in range(16)))
    assert done.count(True) == 1
    (again,) = await lease(store)
    assert (again.id, again.attempts) == (first.id, 1)
    gone = await asyncio.gather(*(rivals[n % 2].forget_delivery(second.id) for n in range(16)))
    assert gone.count(True) == 1
    assert not await store.retry_delivery(second.id)
    assert not await store.forget_delivery(first.id)


async def test_what_is_held_is_fetched_in_order_and_never_leased(store):
    await store.enqueue([new(str(n), kind="ssf_poll", held=True) for n in range(5)])
    assert await lease(store) == []
    assert await store.due_in() is None
    found = await store.held_deliveries("ssf_poll", "stream-1", limit=3)
    assert [one.dedupe for one in found] == ["0", "1", "2"]
    assert await store.held_deliveries("ssf_poll", "stream-2", limit=3) == []
    assert await store.drop_deliveries("ssf_poll", "stream-2", ["0"]) == 0
    assert await store.drop_deliveries("ssf_poll", "stream-1", ["0", "2", "9", "\0"]) == 2
    assert [one.dedupe for one in await store.held_deliveries("ssf_poll", "stream-1", limit=9)] == ["1", "3", "4"]
    assert await store.drop_deliveries("ssf_poll", "stream-1", None) == 3


async def test_resting_destinations_are_passed_over_and_the_longest_due_come_first(store, store_clock):
    await store.enqueue([new("1", destination="slow")])
    store_clock.advance(1)
    await store.enqueue([new("2", destination="fast"), new("3", destination="slow")])
    assert [one.dedupe for one in await lease(store, resting=["slow"])] == ["2"]
    assert [one.dedupe for one in await lease(store, limit=1)] == ["1"]


async def test_a_lease_takes_no_more_of_one_destination_than_its_share(store):
    await store.enqueue([new(str(n)) for n in range(5)] + [new("9", destination="stream-2")])
    assert [one.dedupe for one in await lease(store, per_destination=2)] == ["0", "1", "9"]
    assert [one.dedupe for one in await lease(store, "w2", per_destination=2)] == ["2", "3"]


async def test_each_delivery_goes_to_exactly_one_of_many_workers(rivals):
    await rivals[0].enqueue([new(str(n)) for n in range(100)])
    taken = await asyncio.gather(*(lease(rivals[n % 2], f"w{n}", limit=7) for n in range(32)))
    while more := await lease(rivals[0], "last"):
        taken.append(more)
    ids = [one.id for batch in taken for one in batch]
    assert len(ids) == len(set(ids)) == 100


async def test_what_is_too_large_or_no_key_is_refused_whole(store):
    for bad in (new("\0"), new("x" * 2000), new("2", payload=b"x" * 65_537)):
        with pytest.raises(ValueError):
            await store.enqueue([new("1"), bad])
        with pytest.raises(ValueError):
            await store.settle_news([], [new("1"), bad])
    with pytest.raises(ValueError):
        await store.enqueue([new(str(n)) for n in range(10_001)])
    assert (await store.outbox_figures()).waiting == 0


async def test_each_entry_of_the_log_is_news_even_when_another_has_replaced_it(store, sample):
    await sample.register(store)
    await sample.login(store)
    await store.set_roles("ada", ("a",), sample.event())
    await store.set_roles("ada", (), sample.event())
    await store.change_password("ada", old_hash=None, new_hash="n", spares="s1", audit=sample.event())
    await store.end_session("s1", account_id="ada", reason="logout", audit=sample.event())
    assert len((await store.cut_offs_after(None, limit=10)).entries) == 2, "the log keeps one entry an axis and value"
    told = await store.news(limit=10)
    assert [(one.position, one.axis, one.value, one.cause, one.spares, one.account_id) for one in told] == [
        (1, "account", "ada", "roles.taken", None, None),
        (2, "account", "ada", "password.changed", "s1", None),
        (3, "session", "s1", "logout", None, "ada"),
    ]
    assert [one.ends_sessions for one in told][1:] == [True, True]


async def test_each_session_is_news_also_beyond_the_quota_of_its_account(store, sample):
    await sample.register(store)
    for number in range(55):
        await sample.login(store, f"s{number}")
        assert await store.end_session(f"s{number}", account_id="ada", reason="logout", audit=sample.event())
    assert any(entry.axis == "account" for entry in (await store.cut_offs_after(None, limit=100)).entries)
    told = await store.news(limit=100)
    assert [(one.axis, one.value, one.account_id, one.ends_sessions) for one in told] == [
        ("session", f"s{number}", "ada", True) for number in range(55)
    ]


async def test_a_cut_off_of_access_tokens_alone_ends_no_session(store, sample):
    await sample.register(store)
    for axis, value in (("account", "ada"), ("tenant", "t"), ("token", "j"), ("key", "k"), ("everything", "")):
        await store.cut_off(axis, value, spares=None, ends_families=False, cause="x", audit=sample.event())
    await store.cut_off("tenant", "u", spares=None, ends_families=True, cause="x", audit=sample.event())
    assert [one.ends_sessions for one in await store.news(limit=10)] == [False] * 5 + [True]
    assert [one.position for one in await store.news(limit=2)] == [1, 2]


async def test_news_are_settled_by_one_of_many_and_their_deliveries_enqueued_once(rivals, sample):
    store = rivals[0]
    for number in range(3):
        await store.cut_off("token", f"t{number}", spares=None, ends_families=False, cause="x", audit=sample.event())

    def attempt(number):
        return rivals[number % 2].settle_news([1, 2], [new(f"{number}-a"), new(f"{number}-b")])

    done = await asyncio.gather(*(attempt(number) for number in range(16)))
    assert done.count(True) == 1
    winner = done.index(True)
    assert [one.dedupe for one in await lease(store)] == [f"{winner}-a", f"{winner}-b"]
    assert [one.position for one in await store.news(limit=10)] == [3]


async def test_news_of_which_one_is_settled_are_left_as_they_are(store, sample):
    for number in range(2):
        await store.cut_off("token", f"t{number}", spares=None, ends_families=False, cause="x", audit=sample.event())
    assert await store.settle_news([1], [])
    assert not await store.settle_news([1, 2], [new()])
    assert [one.position for one in await store.news(limit=10)] == [2]
    assert await lease(store) == []
    assert await store.settle_news([2], [new()])


async def test_a_cut_off_that_is_refused_leaves_no_news(store, sample):
    with pytest.raises(ValueError):
        await store.cut_off("token", "x" * 5000, spares=None, ends_families=False, cause="x", audit=sample.event())
    assert not await store.end_session("nobody", account_id=None, reason="x", audit=sample.event())
    assert await store.news(limit=10) == []
