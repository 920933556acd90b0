"""Used once, by exactly one caller."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import redis.asyncio
from denylist import KeyServer
from watchword.testing import FakeClock
from watchword.verify.replay import (
    AsyncSharedReplayMemory,
    LocalReplayMemory,
    ReplayMemoryUnavailable,
    SharedReplayMemory,
)

NOW = 1_800_000_000.0


def memory(**options):
    clock = FakeClock(NOW)
    return LocalReplayMemory(clock=clock, **options), clock


@pytest.mark.rfc("9449 §11.1")
def test_the_first_use_is_the_only_one():
    used, clock = memory()
    assert used.first_use("a", NOW + 60)
    assert not used.first_use("a", NOW + 60)
    assert used.first_use("b", NOW + 60)
    clock.advance(59)
    assert not used.first_use("a", NOW + 60)


def test_what_expired_is_forgotten():
    used, clock = memory()
    for n in range(1000):
        assert used.first_use(str(n), NOW + 60)
    clock.advance(120)
    assert used.first_use("new", NOW + 180)
    assert len(used) == 1


def test_a_full_memory_refuses_and_forgets_nothing_that_lives():
    used, clock = memory(max_entries=10)
    assert all(used.first_use(str(n), NOW + 60) for n in range(10))
    with pytest.raises(ReplayMemoryUnavailable):
        used.first_use("eleventh", NOW + 60)
    assert not any(used.first_use(str(n), NOW + 60) for n in range(10))
    clock.advance(100)
    assert used.first_use("eleventh", NOW + 160)


def test_a_proof_that_claims_to_live_for_ever_does_not_fill_the_memory_for_ever():
    used, clock = memory(max_entries=1)
    assert used.first_use("a", float("inf"))
    clock.advance(86_410)
    assert used.first_use("b", NOW + 86_500)


def test_of_many_threads_one_is_first():
    used, _ = memory()
    with ThreadPoolExecutor(8) as pool:
        for n in range(50):
            answers = list(pool.map(lambda _, n=n: used.first_use(f"key-{n}", NOW + 60), range(16)))
            assert answers.count(True) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_with_the_lock_held_goes_on():
    used, _ = memory()
    used.first_use("a", NOW + 60)
    with used._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if used.first_use("b", NOW + 60) and not used.first_use("a", NOW + 60) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Down:
    def set(self, *_args, **_options):
        raise ConnectionError("redis://:password@cache:6379 is down")


def test_a_store_that_cannot_be_reached_accepts_nothing_and_leaks_nothing(caplog):
    with pytest.raises(ReplayMemoryUnavailable) as caught:
        SharedReplayMemory(Down()).first_use("a", NOW)
    with pytest.raises(ReplayMemoryUnavailable):
        asyncio.run(AsyncSharedReplayMemory(Down()).first_use("a", NOW))
    assert "password" not in str(caught.value) + caplog.text


@pytest.fixture(params=["valkey", "redis"])
async def server(request, tmp_path):
    server = KeyServer(request.param, tmp_path)
    await server.start()
    yield server
    server.kill()


@pytest.mark.rfc("9449 §11.1")
async def test_in_a_shared_memory_exactly_one_of_many_is_first_and_the_entry_ends_by_itself(server):
    clock = FakeClock()
    blocking, client = redis.Redis.from_url(server.url), redis.asyncio.Redis.from_url(server.url)
    used, awaited = SharedReplayMemory(blocking, clock=clock), AsyncSharedReplayMemory(client, clock=clock)
    until = clock.now() + 60
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: used.first_use("a", until), range(32)))
    assert answers.count(True) == 1
    assert not await awaited.first_use("a", until)
    answers = await asyncio.gather(*(awaited.first_use("b", until) for _ in range(16)))
    assert answers.count(True) == 1
    assert not used.first_use("b", until)
    assert 50_000 < await client.pttl("watchword:used:a") <= 61_000
    server.kill()
    with pytest.raises(ReplayMemoryUnavailable):
        used.first_use("c", until)
    with pytest.raises(ReplayMemoryUnavailable):
        await awaited.first_use("c", until)
    blocking.close()
    await client.aclose()
