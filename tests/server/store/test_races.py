"""Exactly one winner: between tasks, between two stores on one database, between threads, between processes."""

import asyncio
import threading
from collections import Counter

import pytest
from watchword_server.store.open import store_from_url

from tests.server.store.rivals import won_by_processes

ACTS = (
    "end_session",
    "advance_refresh",
    "mark_odd",
    "revoke_family",
    "disable_account",
    "change_password",
    "create_account",
    "activate_key",
    "distrust_key",
)


@pytest.fixture
async def rivals(store, store_url, store_clock):
    """Two stores on one database, as two servers have them."""
    other = store_from_url(store_url, clock=store_clock)
    await other.open(migrate=True)
    yield store, other
    await other.close()


async def won_by(rivals, times, attempt):
    """How many of many attempts at once, by both stores, were told that they did it."""
    outcomes = await asyncio.gather(*(attempt(rivals[number % 2]) for number in range(times)))
    return [
        outcome for outcome in outcomes if outcome is True or (outcome is not False and not isinstance(outcome, str))
    ]


@pytest.mark.parametrize("act", ACTS)
async def test_one_of_many_at_once_wins(rivals, sample, act):
    store = rivals[0]
    await sample.register(store)
    await sample.login(store)
    await store.add_key(sample.key(), unless_state=None, audit=sample.event())
    event = sample.event("race.won")
    names = iter(range(32))
    attempts = {
        "end_session": lambda s: s.end_session("s1", account_id="ada", reason="x", audit=event),
        "advance_refresh": lambda s: sample.advance(s, "f-s1"),
        "mark_odd": lambda s: s.mark_odd("f-s1", generation=0, audit=event, notice=sample.notice()),
        "revoke_family": lambda s: s.revoke_family("f-s1", reason="x", audit=event, notice=sample.notice()),
        "disable_account": lambda s: s.disable_account("ada", event),
        "change_password": lambda s: s.change_password(
            "ada", old_hash="hash of ada", new_hash="n", spares=None, audit=event
        ),
        "create_account": lambda s: s.create_account(sample.account(f"x{next(names)}", email_key="e"), event),
        "activate_key": lambda s: s.activate_key("k1", audit=event),
        "distrust_key": lambda s: s.distrust_key("k1", audit=event),
    }
    assert len(await won_by(rivals, 32, attempts[act])) == 1
    lines = await store.audit_entries(before=None, limit=99, account_id=None, event="race.won")
    assert len(lines) == (0 if act == "advance_refresh" else 1)
    assert len(await store.notices("ada")) == (1 if act in {"mark_odd", "revoke_family"} else 0)
    assert (await store.head()).position == (
        1 if act in {"end_session", "revoke_family", "disable_account", "change_password", "distrust_key"} else 0
    )


async def test_one_of_many_keys_of_a_kind_is_added(rivals, sample):
    names = iter(range(32))
    done = await won_by(
        rivals, 32, lambda s: s.add_key(sample.key(f"k{next(names)}"), unless_state="next", audit=sample.event())
    )
    assert len(done) == len(await rivals[0].keys()) == 1


async def test_two_keys_activated_at_once_leave_one_active(rivals, sample):
    for kid in ("k1", "k2"):
        await rivals[0].add_key(sample.key(kid), unless_state=None, audit=sample.event())
    await asyncio.gather(*(rivals[n % 2].activate_key(f"k{n % 2 + 1}", audit=sample.event()) for n in range(8)))
    assert sorted(key.state for key in await rivals[0].keys()) == ["active", "retired"]


async def test_different_ends_of_one_session_write_one_entry(rivals, sample):
    await sample.register(rivals[0])
    await sample.login(rivals[0])
    event = sample.event("race.won")
    done = await asyncio.gather(
        *(
            act
            for store in rivals
            for act in (
                store.end_session("s1", account_id=None, reason="x", audit=event),
                store.revoke_family("f-s1", reason="x", audit=event, notice=None),
                store.end_session("s1", account_id="ada", reason="y", audit=event),
            )
        )
    )
    assert done.count(True) == 1
    assert (await rivals[0].head()).position == 1


async def test_a_refresh_racing_the_end_of_its_session_never_follows_it(rivals, sample):
    await sample.register(rivals[0])
    for number in range(20):
        sid = f"s{number}"
        family_id = await sample.login(rivals[0], sid)
        ended, *advanced = await asyncio.gather(
            rivals[0].end_session(sid, account_id=None, reason="x", audit=sample.event()),
            *(sample.advance(rivals[turn % 2], family_id) for turn in range(4)),
        )
        assert ended
        family = (await rivals[1].family(family_id)).family
        assert family.revoked_at is not None
        assert family.generation == advanced.count(True) <= 1
        assert not await sample.advance(rivals[1], family_id, family.generation)


async def test_a_login_racing_a_cut_off_is_refused_or_dead(rivals, sample):
    await sample.register(rivals[0])
    for number in range(20):
        view = await rivals[0].account("ada")
        new = [
            sample.session(view.read_at, f"s{number}-{turn}", rev=view.rev, family={"id": f"f{number}-{turn}"})
            for turn in range(4)
        ]
        *_, position = await asyncio.gather(
            *(rivals[turn % 2].start_session(new[turn], sample.event()) for turn in range(4)),
            rivals[1].end_all_sessions("ada", spares=None, reason="x", audit=sample.event()),
        )
        assert position == (await rivals[0].head()).position
        assert await rivals[0].list_sessions("ada") == []


async def test_failures_counted_at_once_are_all_counted(rivals):
    await asyncio.gather(
        *(rivals[n % 2].count_failure(["b", "a"] if n % 3 else ["a", "b"], window=60) for n in range(40)),
        *(rivals[n % 2].clear_failures(["c", "d"]) for n in range(10)),
    )
    assert [failures.count for failures in await rivals[0].failures(["a", "b"])] == [40, 40]


async def test_counting_and_clearing_the_same_keys_at_once_never_waits_in_a_circle(rivals):
    keys = [f"k{number}" for number in range(8)]
    await asyncio.gather(
        *(rivals[n % 2].count_failure(keys if n % 2 else keys[::-1], window=60) for n in range(40)),
        *(rivals[n % 2].clear_failures(keys[::-1] if n % 2 else keys) for n in range(40)),
    )
    assert len(await rivals[0].count_failure(keys, window=60)) == 8


async def test_all_kinds_of_acts_at_once_finish_and_positions_have_no_gap(rivals, sample):
    """Locks are taken in one order: nothing waits in a circle."""
    for name in ("ada", "bob"):
        await sample.register(rivals[0], name, roles=("r",))
    for number in range(30):
        await sample.login(rivals[0], f"s{number}", "ada" if number % 2 else "bob")
    event = sample.event()

    def acts(number):
        store, name, sid = rivals[number % 2], "ada" if number % 2 else "bob", f"s{number}"
        return (
            store.end_session(sid, account_id=None, reason="x", audit=event),
            store.revoke_family(f"f-{sid}", reason="x", audit=event, notice=sample.notice()),
            store.end_all_sessions(name, spares=sid, reason="x", audit=event),
            store.change_password(name, old_hash=None, new_hash="x", spares=sid, audit=event),
            store.set_roles(name, ("r",) if number % 3 else (), event),
            store.cut_off("client", "web", spares=None, ends_families=True, cause="x", audit=event),
            store.cut_off("account", name, spares=None, ends_families=True, cause="x", audit=event),
            store.cut_off("session", sid, spares=None, ends_families=False, cause="x", audit=event),
            store.declare_lifetime("x", number),
            store.sweep(limit=10, retention=0),
            store.disable_account(name, event),
            store.enable_account(name, event),
        )

    await asyncio.gather(*(act for number in range(30) for act in acts(number)))
    entries = (await rivals[0].cut_offs_after(None, limit=1000)).entries
    positions = [entry.position for entry in entries]
    assert positions == sorted(set(positions))
    assert len({(entry.axis, entry.value) for entry in entries}) == len(entries)
    assert (await rivals[1].head()).position == positions[-1]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_one_store_serves_several_threads_with_a_loop_each(store, sample):
    await sample.register(store)
    for number in range(20):
        await sample.login(store, f"s{number}")
    winners: Counter[int] = Counter()
    start = threading.Barrier(4)

    def race() -> None:
        async def run() -> None:
            start.wait()
            for number in range(20):
                await store.session_view(f"s{number}", "ada")
                if await store.end_session(f"s{number}", account_id=None, reason="x", audit=sample.event()):
                    winners[number] += 1

        asyncio.run(run())

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert winners == Counter(dict.fromkeys(range(20), 1))


@pytest.mark.parametrize("act", ACTS)
async def test_one_of_three_processes_wins_each(store, store_url, store_clock, sample, act):
    count = 40
    for number in range(count):
        name = f"a{number}"
        await sample.register(store, name, email_key=name)
        await store.start_session(
            sample.session(
                *(store_clock.now(), f"s{number}", name),
                expires_at=9e9,
                family={"idle_expires_at": 8e9, "expires_at": 9e9},
            ),
            sample.event(),
        )
        await store.add_key(sample.key(f"k{number}", algorithm=str(number)), unless_state=None, audit=sample.event())
    assert await won_by_processes(store_url, act, count) == Counter(dict.fromkeys(range(count), 1))
