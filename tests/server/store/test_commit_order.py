"""Positions appear in commit order: whoever reads on from his cursor misses nothing, whatever is written meanwhile."""

import asyncio

import asyncpg
import pytest
from watchword_server.store.open import store_from_url

WRITE = "SELECT watchword_write_cut_off(NULL, 60, 'token', $1, NULL, 'x', NULL)"


async def follow(store, cursor, enough) -> tuple[list[int], list[str]]:
    """Read on from a cursor until there is enough; what was seen, in the order it was seen."""
    positions: list[int] = []
    values: list[str] = []
    while len(values) < enough:
        batch = await store.cut_offs_after(cursor, limit=7)
        assert not batch.snapshot
        positions += [entry.position for entry in batch.entries]
        values += [entry.value for entry in batch.entries]
        cursor = batch.cursor
        await asyncio.sleep(0)
    return positions, values


async def watch_writers(store_url, store_clock, sample, each: int) -> None:
    stores = [store_from_url(store_url, clock=store_clock) for _ in range(3)]
    for store in stores:
        await store.open(migrate=True)
    reader = stores[0]
    for number in range(8):
        await sample.register(reader, f"a{number}")

    async def write(number: int) -> list[str]:
        store = stores[number % 3]
        written = []
        for turn in range(each):
            sid = f"{number}-{turn}"
            if turn % 2:
                await store.cut_off("token", sid, spares=None, ends_families=False, cause="x", audit=sample.event())
                written.append(sid)
            elif turn < 80:
                await sample.login(store, sid, f"a{number}")
                await store.end_session(sid, account_id=None, reason="x", audit=sample.event())
                written.append(sid)
        return written

    start = await reader.head()
    seen = asyncio.ensure_future(follow(reader, start, 8 * (each // 2 + min(40, each - each // 2))))
    written = [value for values in await asyncio.gather(*(write(number) for number in range(8))) for value in values]
    positions, values = await asyncio.wait_for(seen, 60)
    assert sorted(values) == sorted(written)
    assert positions == list(range(1, len(written) + 1))
    for store in stores:
        await store.close()


async def test_a_reader_beside_eight_writers_misses_nothing(store_url, store_clock, sample):
    await watch_writers(store_url, store_clock, sample, each=30)


@pytest.mark.soak
async def test_a_reader_beside_eight_writers_misses_nothing_for_long(store_url, store_clock, sample):
    await watch_writers(store_url, store_clock, sample, each=3000)


async def test_an_open_transaction_holds_later_cut_offs_back_so_none_overtakes(migrated_postgres_dsn, sample):
    """A cut-off not committed yet has its position; the next one waits for it and is never seen before it."""
    store = store_from_url(migrated_postgres_dsn)
    await store.open(migrate=True)
    slow = await asyncpg.connect(migrated_postgres_dsn)
    transaction = slow.transaction()
    await transaction.start()
    await slow.fetchval(WRITE, "slow")
    later = asyncio.ensure_future(
        store.cut_off("token", "later", spares=None, ends_families=False, cause="x", audit=sample.event())
    )
    watcher = await asyncpg.connect(migrated_postgres_dsn)
    while not await watcher.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        await asyncio.sleep(0)
    assert (await store.cut_offs_after(None, limit=9)).entries == ()
    assert not later.done()
    await transaction.commit()
    assert (await later).position == 2
    assert [entry.value for entry in (await store.cut_offs_after(None, limit=9)).entries] == ["slow", "later"]
    for connection in (slow, watcher):
        await connection.close()
    await store.close()


async def test_a_cut_off_rolled_back_leaves_no_gap_and_no_trace(migrated_postgres_dsn, sample):
    store = store_from_url(migrated_postgres_dsn)
    await store.open(migrate=True)
    before = await store.head()
    slow = await asyncpg.connect(migrated_postgres_dsn)
    transaction = slow.transaction()
    await transaction.start()
    await slow.fetchval(WRITE, "lost")
    await transaction.rollback()
    await slow.close()
    assert await store.head() == before
    entry = await store.cut_off("token", "next", spares=None, ends_families=False, cause="x", audit=sample.event())
    assert entry.position == 1
    await store.close()
