"""The pool: right answers, bounded queue, low priority, and nobody left hanging."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import pytest
from watchword_server.accounts.hasher import Argon2Engine, HasherBusy, PasswordHasher
from watchword_server.settings.tree import Passwords

SMALL = {"memory_kib": 64, "time_cost": 1, "hashing_memory_mib": 1}


def small(**given) -> Passwords:
    return Passwords(**{**SMALL, **given})


async def test_a_hash_is_argon2id_with_the_parameters_of_the_settings_and_its_own_salt(hasher):
    async with hasher.slot() as slot:
        one, two = await slot.hash(b"secret"), await slot.hash(b"secret")
        assert one.startswith("$argon2id$v=19$m=64,t=1,p=1$")
        assert one != two
        assert await slot.verify(one, b"secret")
        assert not await slot.verify(one, b"Secret")


@pytest.mark.parametrize(
    "encoded", ["", "garbage", "$argon2id$v=19$m=64,t=1,p=1$x", "$2b$12$abcdefghijklmnopqrstuv", "plain"]
)
async def test_a_broken_hash_in_the_store_is_a_wrong_password(hasher, encoded):
    async with hasher.slot() as slot:
        assert not await slot.verify(encoded, b"secret")


async def test_nothing_to_compare_with_costs_one_computation_of_the_same_parameters_and_is_wrong(hasher, engine):
    async with hasher.slot() as slot:
        right = await slot.hash(b"secret")
        engine.computed.clear()
        assert not await slot.verify(None, b"secret")
        assert not await slot.verify(right, None)
        assert not await slot.verify(None, None)
        assert await slot.verify(right, b"secret")
    assert engine.computed == [("verify", "$argon2id$v=19$m=64,t=1,p=1")] * 4


def test_the_dummy_is_a_well_formed_hash_that_nothing_matches():
    engine = Argon2Engine(small())
    assert engine.is_current(engine.dummy())
    assert engine.dummy() != engine.dummy()
    assert not engine.verify(engine.dummy(), b"\0")


def test_other_parameters_call_for_a_new_hash():
    old = Argon2Engine(small()).hash(b"x", b"0123456789abcdef")
    assert Argon2Engine(small()).is_current(old)
    assert not Argon2Engine(small(time_cost=2)).is_current(old)
    assert not Argon2Engine(small(memory_kib=128)).is_current(old)


def test_threads_follow_the_memory_budget():
    assert PasswordHasher(small(memory_kib=1024, hashing_memory_mib=1)).threads == 1
    assert PasswordHasher(small(hashing_memory_mib=1024)).threads == len(os.sched_getaffinity(0))


async def until(condition) -> None:
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("never came true")


@pytest.fixture
async def full(engine):
    """A hasher of one thread whose two slots (one running, one next) are held until the gate opens."""
    hasher = PasswordHasher(small(memory_kib=1024, queue_limit=3, queue_timeout=600), engine=engine)
    engine.gate = threading.Event()
    entered = 0

    async def hold() -> None:
        nonlocal entered
        async with hasher.slot() as slot:
            entered += 1
            await slot.hash(b"x")

    holders = [asyncio.create_task(hold()) for _ in range(2)]
    await until(lambda: entered == 2)
    yield hasher
    engine.gate.set()
    await asyncio.gather(*holders)
    hasher.close()


async def enter(hasher) -> bool:
    async with hasher.slot() as slot:
        return slot.waited


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(full, engine):
    waiting = [asyncio.create_task(enter(full)) for _ in range(3)]
    await until(lambda: full.waiting == 3)
    with pytest.raises(HasherBusy) as busy:
        await enter(full)
    assert busy.value.retry_after >= 1
    assert full.refused == 1
    engine.gate.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    assert await enter(full) is False


async def test_a_cancelled_caller_leaves_the_queue_to_others(full, engine):
    waiting = [asyncio.create_task(enter(full)) for _ in range(3)]
    await until(lambda: full.waiting == 3)
    waiting[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[1]
    assert full.waiting == 2
    another = asyncio.create_task(enter(full))
    await until(lambda: full.waiting == 3)
    engine.gate.set()
    assert await asyncio.gather(waiting[0], waiting[2], another) == [True] * 3


async def test_a_caller_cancelled_while_its_hash_runs_is_free_at_once_and_its_slot_comes_back(engine):
    hasher = PasswordHasher(small(memory_kib=1024), engine=engine)
    engine.gate = threading.Event()

    async def hold() -> None:
        async with hasher.slot() as slot:
            await slot.hash(b"x")

    holders = [asyncio.create_task(hold()) for _ in range(2)]
    await asyncio.sleep(0)
    for holder in holders:
        holder.cancel()
    assert [type(result) for result in await asyncio.gather(*holders, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * 2
    assert await enter(hasher) is False
    engine.gate.set()
    hasher.close()


async def test_a_wait_longer_than_allowed_is_refused_before_it_begins(engine):
    hasher = PasswordHasher(small(memory_kib=1024, queue_timeout=0.001), engine=engine)
    engine.gate = threading.Event()

    async def hold() -> None:
        async with hasher.slot() as slot:
            await slot.hash(b"x")

    holders = [asyncio.create_task(hold()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(HasherBusy):
        await enter(hasher)
    assert hasher.waiting == 0
    engine.gate.set()
    await asyncio.gather(*holders)
    hasher.close()


async def test_an_error_in_the_work_gives_the_slot_back(hasher):
    for _ in range(hasher.threads + 5):
        with pytest.raises(ZeroDivisionError):
            async with hasher.slot() as slot:
                await slot.think(lambda: 1 // 0)
    assert await enter(hasher) is False


@pytest.mark.skipif(sys.platform != "linux", reason="niceness by thread is Linux's")
async def test_hashes_run_at_a_lower_priority_than_the_event_loop(hasher):
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    async with hasher.slot() as slot:
        theirs = await slot.think(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert theirs > own
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own


async def test_the_event_loop_runs_on_while_a_password_is_hashed(engine, hasher):
    engine.gate = threading.Event()

    async def check() -> bool:
        async with hasher.slot() as slot:
            return await slot.verify(None, b"x")

    checking = asyncio.create_task(check())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not checking.done()
    engine.gate.set()
    assert await checking is False
