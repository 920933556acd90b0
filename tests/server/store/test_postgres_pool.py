"""What only a database across a connection can do: go away, be busy, be stronger or weaker than asked."""

import asyncio

import asyncpg
import pytest
from watchword_server.store import postgres_pool
from watchword_server.store.port import StoreUnavailable
from watchword_server.store.postgres import PostgresStore


@pytest.fixture
async def store(migrated_postgres_dsn, store_clock):
    store = PostgresStore(migrated_postgres_dsn, clock=store_clock, connections=4)
    await store.open(migrate=True)
    yield store
    await store.close()


@pytest.fixture
async def operator(migrated_postgres_dsn):
    """A connection past the store."""
    connection = await asyncpg.connect(migrated_postgres_dsn)
    yield connection
    await connection.close()


async def test_a_lost_connection_is_unavailable_and_the_next_act_has_another(store, operator, sample):
    await sample.register(store)
    held = operator.transaction()
    await held.start()
    await operator.execute("SELECT 1 FROM accounts FOR UPDATE")
    waiting = asyncio.ensure_future(store.disable_account("ada", sample.event()))
    other = await asyncpg.connect(store._dsn)
    while not (
        pid := await other.fetchval(
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%dis%'"
        )
    ):
        await asyncio.sleep(0)
    await other.execute("SELECT pg_terminate_backend($1)", pid)
    with pytest.raises(StoreUnavailable) as told:
        await waiting
    assert "postgres" not in str(told.value).lower().replace("postgresql", "")
    await held.rollback()
    await other.close()
    assert (await store.account("ada")).account.disabled_at is None
    assert await store.disable_account("ada", sample.event())


async def test_a_lock_held_too_long_is_unavailable_and_nothing_was_done(
    migrated_postgres_dsn, operator, sample, monkeypatch
):
    monkeypatch.setattr(
        postgres_pool, "_SESSION", postgres_pool._SESSION.replace("'lock_timeout', $1", "'lock_timeout', '1ms'")
    )
    store = PostgresStore(migrated_postgres_dsn)
    await store.open(migrate=True)
    await sample.register(store)
    held = operator.transaction()
    await held.start()
    await operator.execute("SELECT 1 FROM revocation_head FOR UPDATE")
    with pytest.raises(StoreUnavailable):
        await store.disable_account("ada", sample.event())
    await held.rollback()
    assert (await store.account("ada")).account.disabled_at is None
    assert await store.disable_account("ada", sample.event())
    await store.close()


async def test_a_database_that_is_not_there_or_not_ours_is_unavailable(postgres_server):
    for dsn in (
        "postgresql://nobody:secret-of-mine@127.0.0.1:1/none",
        postgres_server.replace("/postgres?", "/there-is-none?"),
    ):
        with pytest.raises(StoreUnavailable) as told:
            await PostgresStore(dsn).open(migrate=True)
        assert "secret" not in str(told.value)


async def test_a_read_only_database_fails_the_ping(store, operator):
    database = await operator.fetchval("SELECT current_database()")
    await store.ping()
    await operator.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    try:
        fresh = PostgresStore(store._dsn)
        await fresh.open(migrate=False)
        with pytest.raises(StoreUnavailable, match="read-only"):
            await fresh.ping()
        await fresh.close()
    finally:
        await operator.execute("SET default_transaction_read_only = off")
        await operator.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply"), ("local", "on"), ("remote_write", "on")],
)
async def test_commits_are_never_less_than_durable(store, operator, given, kept):
    database = await operator.fetchval("SELECT current_database()")
    await operator.execute(f"ALTER DATABASE {database} SET synchronous_commit = {given}")
    try:
        fresh = PostgresStore(store._dsn)
        await fresh.open(migrate=False)
        assert await fresh._value("SHOW synchronous_commit") == kept
        assert await fresh._value("SHOW transaction_isolation") == "read committed"
        await fresh.close()
    finally:
        await operator.execute(f"ALTER DATABASE {database} RESET synchronous_commit")


async def test_without_a_clock_times_are_the_databases(migrated_postgres_dsn, operator, sample):
    store = PostgresStore(migrated_postgres_dsn)
    await store.open(migrate=True)
    before = await operator.fetchval("SELECT extract(epoch FROM clock_timestamp())::double precision")
    account = await sample.register(store)
    view = await store.account("ada")
    after = await operator.fetchval("SELECT extract(epoch FROM clock_timestamp())::double precision")
    assert before <= account.created_at <= view.read_at <= after
    await store.close()


async def test_a_caller_that_was_cancelled_leaves_the_pool_in_order(store, sample):
    await sample.register(store)
    for _ in range(5):
        acts = [asyncio.ensure_future(store.append_audit(sample.event())) for _ in range(20)]
        await asyncio.sleep(0)
        for act in acts[::2]:
            act.cancel()
        outcomes = await asyncio.gather(*acts, return_exceptions=True)
        assert outcomes[1::2] == [None] * 10
    assert (await store.account("ada")).account.id == "ada"


async def test_a_schema_changed_under_cached_statements_is_no_fault(store, operator, sample):
    await sample.register(store)
    assert (await store.account("ada")).account.id == "ada"
    await operator.execute("ALTER TABLE accounts ADD COLUMN later text")
    try:
        assert (await store.account("ada")).account.id == "ada"
        assert (await store.set_roles("ada", ("x",), sample.event())).roles == ("x",)
    finally:
        await operator.execute("ALTER TABLE accounts DROP COLUMN later")
    assert (await store.account("ada")).account.id == "ada"
