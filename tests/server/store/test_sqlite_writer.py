"""What only SQLite's one writing thread can get wrong: batches, cancelled callers, a medium that fails."""

import asyncio
import gc
import sqlite3
import subprocess
import sys

import pytest
from watchword_server.store.port import StoreUnavailable
from watchword_server.store.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.db"


@pytest.fixture
async def store(path, store_clock):
    store = SqliteStore(path, clock=store_clock)
    await store.open(migrate=True)
    yield store
    await store.close()


class StumbleError(Exception):
    """What a faulty act raises."""


def insert(name):
    return lambda connection: connection.execute("INSERT INTO lifetimes VALUES (?, 1)", (name,)).rowcount


async def names(store):
    return {row[0] for row in store._rows("SELECT token_class FROM lifetimes", ())}


async def test_an_act_that_fails_in_a_batch_is_undone_alone(store):
    def stumble(connection):
        insert("lost")(connection)
        raise StumbleError

    def break_rule(connection):
        insert("lost too")(connection)
        return insert("a")(connection)

    outcomes = await asyncio.gather(
        store._write(insert("a")),
        store._write(stumble),
        store._write(break_rule),
        store._write(insert("b"), whole=True),
        store._write(lambda connection: connection.execute("NOT SQL"), whole=True),
        store._write(insert("c")),
        return_exceptions=True,
    )
    kinds = [outcome if isinstance(outcome, int) else type(outcome) for outcome in outcomes]
    assert kinds == [1, StumbleError, sqlite3.IntegrityError, 1, sqlite3.OperationalError, 1]
    assert await names(store) == {"a", "b", "c"}


async def test_acts_that_wait_together_share_one_commit(store):
    commits = []
    await store._write(lambda connection: connection.set_trace_callback(commits.append))
    await asyncio.gather(*(store._write(insert(str(number))) for number in range(100)))
    await store._write(lambda connection: connection.set_trace_callback(None))
    assert commits.count("COMMIT") <= 3
    assert len(await names(store)) == 100


async def test_nobody_is_answered_before_the_commit(store, path):
    """Each caller, on waking, sees its own row through a connection of its own."""

    async def write_and_look(number):
        await store._write(insert(str(number)))
        other = sqlite3.connect(path)
        try:
            return other.execute("SELECT count(*) FROM lifetimes WHERE token_class = ?", (str(number),)).fetchone()[0]
        finally:
            other.close()

    assert await asyncio.gather(*(write_and_look(number) for number in range(50))) == [1] * 50


async def test_a_caller_that_was_cancelled_loses_nothing_for_the_others(store):
    futures = [asyncio.ensure_future(store._write(insert(str(number)))) for number in range(50)]
    await asyncio.sleep(0)
    for future in futures[::3]:
        future.cancel()
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert [outcome for number, outcome in enumerate(outcomes) if number % 3] == [1] * 33
    assert {str(number) for number in range(50) if number % 3} <= await names(store)
    assert await store._write(insert("after")) == 1


def test_a_loop_that_closed_meanwhile_harms_nobody(path, store_clock):
    store = SqliteStore(path, clock=store_clock)
    asyncio.run(store.open(migrate=True))

    async def leave():
        for number in range(20):
            store._write(insert(str(number)))
        await asyncio.sleep(0)

    asyncio.run(leave())

    async def go_on():
        assert await store._write(insert("after")) == 1
        await store.close()

    asyncio.run(go_on())
    gc.collect()


async def test_a_full_disk_is_unavailable_nothing_is_half_done_and_the_store_recovers(store, sample):
    await sample.register(store)
    await store._write(lambda connection: connection.execute("PRAGMA max_page_count = 1").close(), whole=True)
    before = await store.figures()
    acts = [sample.register(store, f"a{number}", password_hash="x" * 1000) for number in range(200)]
    outcomes = await asyncio.gather(*acts, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert (await store.figures()).rows == before.rows
    await sample.register(store, "after")  # by a new connection, whose limit is gone
    await sample.login(store)


async def test_a_commit_that_fails_fails_for_all_of_its_batch(store):
    class Refusing:
        """A connection whose commit fails as on a broken disk."""

        def __init__(self, real):
            self._real = real

        def __getattr__(self, name):
            return getattr(self._real, name)

        def execute(self, sql, *values):
            if sql == "COMMIT":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return self._real.execute(sql, *values)

    await store._write(insert("before"))
    writer = store._writer
    writer._connection = Refusing(writer._connection)
    outcomes = await asyncio.gather(*(store._write(insert(str(n))) for n in range(5)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert "disk I/O error" in str(outcomes[0])
    assert await store._write(insert("after")) == 1
    assert await names(store) == {"before", "after"}


async def test_a_file_that_another_process_holds_is_unavailable_until_it_lets_go(store, path, monkeypatch):
    await store._write(lambda connection: connection.execute("PRAGMA busy_timeout = 1").close())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store._write(insert("a"))
    assert (await store.head()).position == 0, "readers are not held up"
    other.execute("ROLLBACK")
    other.close()
    assert await store._write(insert("a")) == 1


LIMITED = """
import asyncio, resource, signal, sys
from watchword_server.store.sqlite import SqliteStore
from watchword_server.store.port import StoreUnavailable

async def main(path):
    store = SqliteStore(path)
    await store.open(migrate=True)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    done = failed = 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    for number in range(400):
        try:
            await store.count_failure([f"{number:04}" + "x" * 900], window=60)
            done += 1
        except StoreUnavailable:
            failed += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.count_failure(["after"], window=60)
    rows = (await store.figures()).rows["failures"]
    await store.close()
    print(done, failed, rows)

asyncio.run(main(sys.argv[1]))
"""


def test_a_medium_that_refuses_to_grow_fails_cleanly_and_is_written_again_when_it_can(path):
    answer = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    done, failed, rows = map(int, answer.stdout.split())
    assert done > 0
    assert failed > 0
    assert done + 1 == rows
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_readers_see_what_another_store_on_the_file_wrote(store, path, sample, store_clock):
    other = SqliteStore(path, clock=store_clock)
    await other.open(migrate=False)
    await sample.register(other)
    position = await other.end_all_sessions("ada", spares=None, reason="cli", audit=sample.event())
    assert (await store.head()).position == position
    assert (await store.account("ada")).rev == position
    await other.close()


async def test_pages_freed_by_the_sweep_are_given_back(store, sample, store_clock):
    await sample.register(store)
    before = (await store.figures()).bytes
    await asyncio.gather(*(store.count_failure([f"{n:05}" + "x" * 900], window=60) for n in range(9000)))
    swollen = (await store.figures()).bytes
    store_clock.advance(60)
    while (await store.sweep(limit=1000, retention=0)).more:
        pass
    for _ in range(20):
        await store.sweep(limit=1000, retention=0)
    after = (await store.figures()).bytes
    assert swollen > before + 8_000_000
    assert after <= before + 1024 * 4096 + 100_000, "at most the pages kept for reuse"
