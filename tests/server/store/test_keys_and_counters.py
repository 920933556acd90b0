import pytest


async def states(store):
    return {key.kid: key.state for key in await store.keys()}


async def test_a_key_is_kept_as_it_was_given(store, sample):
    key = sample.key(sealed=bytes(range(256)), activated_at=1.5, retired_at=2.5, state="retired")
    assert await store.add_key(key, unless_state=None, audit=sample.event("key.added"))
    assert await store.keys() == [key]
    assert not await store.add_key(key, unless_state=None, audit=sample.event("key.added"))
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="key.added")) == 1


async def test_a_key_is_added_unless_one_of_its_kind_is_in_that_state(store, sample):
    assert await store.add_key(sample.key("k1"), unless_state="next", audit=sample.event())
    assert not await store.add_key(sample.key("k2"), unless_state="next", audit=sample.event())
    assert await store.add_key(sample.key("k3"), unless_state="active", audit=sample.event())
    assert await store.add_key(sample.key("k4", algorithm="RS256"), unless_state="next", audit=sample.event())
    assert await store.add_key(sample.key("k5", purpose="feed"), unless_state="next", audit=sample.event())
    assert sorted(await states(store)) == ["k1", "k3", "k4", "k5"]


async def test_activating_retires_the_active_key_of_the_same_kind_in_one_act(store, sample, store_clock):
    for key in (sample.key("k1"), sample.key("k2"), sample.key("r1", algorithm="RS256")):
        await store.add_key(key, unless_state=None, audit=sample.event())
    assert await store.activate_key("k1", audit=sample.event())
    assert await store.activate_key("r1", audit=sample.event())
    store_clock.advance(5)
    assert await store.activate_key("k2", audit=sample.event("key.activated"))
    assert not await store.activate_key("k2", audit=sample.event("key.activated"))
    assert not await store.activate_key("k1", audit=sample.event("key.activated"))
    assert not await store.activate_key("nothing", audit=sample.event("key.activated"))
    keys = {key.kid: key for key in await store.keys()}
    assert (keys["k1"].state, keys["k1"].retired_at) == ("retired", store_clock.now())
    assert (keys["k2"].state, keys["k2"].activated_at) == ("active", store_clock.now())
    assert keys["r1"].state == "active"
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="key.activated")) == 1


async def test_two_active_keys_of_one_kind_cannot_be(store, sample):
    await store.add_key(sample.key("k1", state="active"), unless_state=None, audit=sample.event())
    with pytest.raises(ValueError, match="active already"):
        await store.add_key(sample.key("k2", state="active"), unless_state=None, audit=sample.event())
    assert await states(store) == {"k1": "active"}


async def test_only_a_retired_or_distrusted_key_is_forgotten(store, sample):
    for number, state in enumerate(("next", "active", "retired", "distrusted")):
        await store.add_key(sample.key(f"k{number}", state=state), unless_state=None, audit=sample.event())
    done = [await store.forget_key(f"k{number}", audit=sample.event("key.forgotten")) for number in range(5)]
    assert done == [False, False, True, True, False]
    assert sorted(await states(store)) == ["k0", "k1"]
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="key.forgotten")) == 2


@pytest.mark.parametrize("state", ["next", "active", "retired"])
async def test_a_distrusted_key_is_cut_off_by_exactly_one_caller(store, sample, state):
    await store.add_key(sample.key(state=state), unless_state=None, audit=sample.event())
    assert await store.distrust_key("k1", audit=sample.event("key.distrusted"))
    assert not await store.distrust_key("k1", audit=sample.event("key.distrusted"))
    assert not await store.distrust_key("nothing", audit=sample.event("key.distrusted"))
    assert await states(store) == {"k1": "distrusted"}
    (entry,) = (await store.cut_offs_after(None, limit=9)).entries
    assert (entry.axis, entry.value) == ("key", "k1")
    assert len(await store.audit_entries(before=None, limit=9, account_id=None, event="key.distrusted")) == 1


async def test_failures_are_counted_within_a_window_that_the_first_one_opens(store, store_clock):
    now = store_clock.now()
    for expected in (1, 2, 3):
        (counted,) = await store.count_failure(["account:ada"], window=60)
        assert (counted.key, counted.count, counted.window_ends_at) == ("account:ada", expected, now + 60)
        store_clock.advance(10)
    assert [failures.count for failures in await store.failures(["account:ada", "nobody"])] == [3]
    store_clock.advance(30)
    assert list(await store.failures(["account:ada"])) == []
    (counted,) = await store.count_failure(["account:ada"], window=60)
    assert (counted.count, counted.window_ends_at) == (1, store_clock.now() + 60)


async def test_failures_are_counted_under_each_key_once_in_the_order_asked(store):
    counted = await store.count_failure(["b", "a", "b"], window=60)
    assert [(failures.key, failures.count) for failures in counted] == [("b", 1), ("a", 1)]
    await store.count_failure(["a"], window=60)
    assert [(failures.key, failures.count) for failures in await store.failures(["c", "a", "b"])] == [
        ("a", 2),
        ("b", 1),
    ]
    await store.clear_failures(["a", "c"])
    assert [failures.key for failures in await store.failures(["a", "b"])] == ["b"]
    assert list(await store.count_failure([], window=60)) == []
    assert list(await store.failures([])) == []
    await store.clear_failures([])


async def test_a_key_that_strangers_chose_is_counted_whatever_it_holds(store):
    keys = ["\0", "\ud800", "x" * 100_000, "'; DROP TABLE failures; --", "", "x" * 99_999]
    for expected in (1, 2):
        counted = await store.count_failure(keys, window=60)
        assert [(failures.key, failures.count) for failures in counted] == [(key, expected) for key in keys]
    assert [failures.key for failures in await store.failures(keys)] == keys
    await store.clear_failures(keys)
    assert list(await store.failures(keys)) == []
