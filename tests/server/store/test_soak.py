"""State follows the living: a million logins and logouts, and rows and bytes are back to where they were."""

import asyncio
import sqlite3

import asyncpg
import pytest
from watchword_server.store.log import LEEWAY, UNDECLARED_LIFETIME
from watchword_server.store.open import store_from_url

ACCOUNTS = 500
CALLERS = 64


async def come_and_go(store, sample, clock, first: int, times: int) -> None:
    rev = (await store.head()).position
    numbers = iter(range(first, first + times))

    async def caller() -> None:
        for number in numbers:
            sid, account_id = f"s{number}", f"a{number % ACCOUNTS}"
            new = sample.session(clock.now(), sid, account_id, rev=rev)
            assert await store.start_session(new, sample.event("login.succeeded"))
            assert await store.end_session(sid, account_id=None, reason="logout", audit=sample.event("session.ended"))

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def sweep_all(store) -> None:
    while (await store.sweep(limit=5000, retention=0)).more:
        pass


async def follow_all(store) -> None:
    """What the follower of the log does, where an entry means no delivery."""
    while news := await store.news(limit=5000):
        assert await store.settle_news([one.position for one in news], [])


async def archive_audit(url: str) -> None:
    """What an operator does once in a while: put the guard aside, take the old lines away, put it back."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)
        guard = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_keeps_all'").fetchone()[0]
        connection.execute("DROP TRIGGER audit_keeps_all")
        connection.execute("DELETE FROM audit")
        connection.execute(guard)
        connection.commit()
        connection.close()
        return
    connection = await asyncpg.connect(url)
    await connection.execute(
        "ALTER TABLE audit DISABLE TRIGGER ALL; TRUNCATE audit; ALTER TABLE audit ENABLE TRIGGER ALL"
    )
    await connection.execute("VACUUM")
    await connection.close()


async def measure(store, url) -> tuple[dict[str, int], int]:
    await archive_audit(url)
    for _ in range(2000):
        await sweep_all(store)
        if not url.startswith("sqlite"):
            break
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        connection.close()
        if free <= 1024:
            break
    figures = await store.figures()
    return figures.rows, figures.bytes


async def soak(url, clock, sample, rounds: int, each: int) -> tuple[int, int]:
    """Returns bytes after the first round and after the last."""
    store = store_from_url(url, clock=clock)
    await store.open(migrate=True)
    for number in range(ACCOUNTS):
        await sample.register(store, f"a{number}")
    await sample.login(store, "living", "a0")
    rows, first = {}, 0
    for number in range(rounds):
        await come_and_go(store, sample, clock, number * each, each)
        await follow_all(store)
        clock.advance(UNDECLARED_LIFETIME + LEEWAY)
        await sweep_all(store)
        after, size = await measure(store, url)
        if not number:
            rows, first = after, size
        assert after == rows
        assert after["sessions"] == after["families"] == after["revocations"] == 1
    await store.close()
    return first, size


async def test_rows_and_bytes_come_back_after_some_logins_and_logouts(store_url, store_clock, sample):
    first, last = await soak(store_url, store_clock, sample, rounds=3, each=600)
    assert last <= first * 1.5 + (1 << 20)


@pytest.mark.soak
async def test_rows_and_bytes_come_back_after_a_million_logins_and_logouts(store_url, store_clock, sample):
    first, last = await soak(store_url, store_clock, sample, rounds=20, each=50_000)
    assert last <= first * 1.5 + (1 << 20)


@pytest.mark.soak
async def test_a_family_is_one_row_after_a_million_refreshes(store_url, store_clock, sample):
    store = store_from_url(store_url, clock=store_clock)
    await store.open(migrate=True)
    await sample.register(store)
    families = [await sample.login(store, f"s{number}") for number in range(CALLERS)]
    before = await store.figures()

    async def refresh(family: str, first: int) -> None:
        for generation in range(first, first + 4000):
            assert await store.advance_refresh(
                family, from_generation=generation, device_kind="x", place="x", idle_expires_at=store_clock.now() + 1000
            )

    for first in range(0, 16_000, 4000):
        await asyncio.gather(*(refresh(family, first) for family in families))
        if not store_url.startswith("sqlite"):
            connection = await asyncpg.connect(store_url)
            await connection.execute("VACUUM families")
            await connection.close()
    after = await store.figures()
    assert after.rows == before.rows
    assert after.bytes <= before.bytes + (4 << 20)
    await store.close()
