"""Learning that the log has moved: by whichever process, soon, and again after contact was lost."""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from watchword_server.store.open import store_from_url
from watchword_server.store.port import StoreUnavailable

RIVAL = Path(__file__).with_name("rival.py")


class Heard:
    """Counts the calls; `next` waits for one after those already taken."""

    def __init__(self) -> None:
        self.calls = 0
        self._taken = 0
        self._called = asyncio.Event()

    def __call__(self) -> None:
        self.calls += 1
        self._called.set()

    async def next(self) -> int:
        async with asyncio.timeout(60):
            while self.calls == self._taken:
                self._called.clear()
                await self._called.wait()
        self._taken = self.calls
        return self.calls


@contextlib.asynccontextmanager
async def listening(store):
    """Watches the store until it has settled: on PostgreSQL, until it listens."""
    heard = Heard()
    async with store.watching(heard):
        await heard.next()
        yield heard


async def cut(store, sample, value="a"):
    return await store.cut_off("token", value, spares=None, ends_families=False, cause="test", audit=sample.event())


async def test_a_watch_begins_with_a_call_and_calls_again_when_the_head_has_moved(store, sample):
    async with listening(store) as heard:
        for value in "abc":
            entry = await cut(store, sample, value)
            await heard.next()
            assert (await store.head()).position == entry.position


async def test_commits_that_leave_the_head_alone_are_not_told(store, sample):
    async with listening(store) as heard:
        before = heard.calls
        await sample.register(store)
        for _ in range(3):
            await store.append_audit(sample.event())
        await store.declare_lifetime("x", 5)
        await cut(store, sample)
        assert await heard.next() == before + 1


async def test_every_act_that_writes_a_cut_off_is_told(store, sample, store_clock):
    await sample.register(store)
    family = await sample.login(store, "s1")
    for sid in ("s2", "s3"):
        await sample.login(store, sid)
    await store.add_key(sample.key("k1"), unless_state=None, audit=sample.event())
    acts = (
        lambda: store.revoke_family(family, reason="x", audit=sample.event(), notice=None),
        lambda: store.end_session("s2", account_id=None, reason="x", audit=sample.event()),
        lambda: store.end_all_sessions("ada", spares=None, reason="x", audit=sample.event()),
        lambda: store.change_password("ada", old_hash=None, new_hash="n", spares=None, audit=sample.event()),
        lambda: store.distrust_key("k1", audit=sample.event()),
        lambda: store.disable_account("ada", sample.event()),
    )
    async with listening(store) as heard:
        for act in acts:
            await act()
            await heard.next()


async def test_what_another_store_on_the_same_database_commits_is_told(store, store_url, sample, store_clock):
    other = store_from_url(store_url, clock=store_clock)
    await other.open(migrate=False)
    async with listening(store) as heard:
        for value in "ab":
            await cut(other, sample, value)
            await heard.next()
            assert (await store.cut_offs_after(None, limit=9)).entries[-1].value == value
    await other.close()


async def test_what_another_process_commits_is_told(store, store_url, sample):
    await sample.register(store, "a0")
    with subprocess.Popen(
        [sys.executable, str(RIVAL), store_url, "disable_account", "1", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as rival:
        assert await asyncio.to_thread(rival.stdout.readline) == "ready\n"
        async with listening(store) as heard:
            rival.stdin.write("go\n")
            rival.stdin.flush()
            await heard.next()
            assert (await store.head()).position == 1
            assert await asyncio.to_thread(rival.stdout.readline) == "[0]\n"


async def test_several_watch_and_one_that_left_is_called_no_more(store, sample):
    async with listening(store) as first:
        async with listening(store) as second:
            await cut(store, sample, "a")
            await first.next()
            await second.next()
        left = second.calls
        await cut(store, sample, "b")
        await first.next()
        assert second.calls == left


async def test_a_watch_outlives_a_store_that_is_closed(store_url, store_clock):
    store = store_from_url(store_url, clock=store_clock)
    await store.open(migrate=True)
    async with listening(store):
        await store.close()
        with pytest.raises(StoreUnavailable):
            await store.head()


async def test_a_listener_whose_connection_is_cut_comes_back_and_has_missed_nothing(migrated_postgres_dsn, sample):
    store = store_from_url(migrated_postgres_dsn)
    await store.open(migrate=False)
    other = await asyncpg.connect(migrated_postgres_dsn)
    async with listening(store) as heard:
        for value in "ab":
            async with asyncio.timeout(60):
                while not await other.fetchval(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND application_name = 'watchword listening'"
                ):
                    await asyncio.sleep(0.01)
            await cut(store, sample, value)
            await heard.next()
    await other.close()
    await store.close()


async def test_where_notifications_are_lost_the_log_is_looked_at(migrated_postgres_dsn, sample, monkeypatch):
    """As behind a pooler that hands connections about: listening, and never told."""
    from watchword_server.store import postgres_watch

    monkeypatch.setattr(postgres_watch, "CHANNEL", "elsewhere")
    store = store_from_url(migrated_postgres_dsn)
    await store.open(migrate=False)
    async with listening(store) as heard:
        await cut(store, sample)
        await heard.next()
    await store.close()


async def test_where_no_connection_can_listen_the_log_is_looked_at_by_the_pool(
    migrated_postgres_dsn, sample, monkeypatch
):
    store = store_from_url(migrated_postgres_dsn)
    await store.open(migrate=False)

    async def refused(*_args, **_named):
        raise asyncpg.TooManyConnectionsError

    monkeypatch.setattr(asyncpg, "connect", refused)
    async with listening(store) as heard:
        for value in "ab":
            await cut(store, sample, value)
            await heard.next()
    await store.close()


async def test_a_cut_off_that_is_rolled_back_is_not_told(migrated_postgres_dsn, sample):
    store = store_from_url(migrated_postgres_dsn)
    await store.open(migrate=False)
    other = await asyncpg.connect(migrated_postgres_dsn)
    async with listening(store) as heard:
        before = heard.calls
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT watchword_write_cut_off(NULL, 60, 'token', 'a', NULL, 'test', NULL)")
        await transaction.rollback()
        await cut(store, sample, "b")
        assert await heard.next() == before + 1
    await other.close()
    await store.close()


async def test_a_database_that_cannot_be_written_does_not_answer_for_the_log(migrated_postgres_dsn, sample):
    """A standby, or a primary set aside, may not know what was acknowledged elsewhere."""
    store = store_from_url(migrated_postgres_dsn)
    await store.open(migrate=False)
    await cut(store, sample)
    assert len((await store.cut_offs_after(None, limit=9)).entries) == 1
    other = await asyncpg.connect(migrated_postgres_dsn)
    name = await other.fetchval("SELECT current_database()")
    await other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        fenced = store_from_url(migrated_postgres_dsn)
        await fenced.open(migrate=False)
        with pytest.raises(StoreUnavailable, match="read-only"):
            await fenced.cut_offs_after(None, limit=9)
        await fenced.close()
    finally:
        await other.execute("SET transaction_read_only = off")
        await other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await other.close()
        await store.close()
