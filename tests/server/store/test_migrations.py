import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import asyncpg
import pytest
from watchword_server.store import schema
from watchword_server.store.open import store_from_url
from watchword_server.store.port import SchemaMismatch, StoreUnavailable

RIVAL = Path(__file__).with_name("rival.py")


@pytest.fixture(params=["sqlite", "postgres"])
def bare_url(request, tmp_path) -> str:
    """A store nobody has opened."""
    return f"sqlite:///{tmp_path}/bare.db" if request.param == "sqlite" else request.getfixturevalue("postgres_dsn")


async def run_sql(url: str, statement: str):
    """One statement past the store, as an operator would."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        with connection:
            rows = connection.execute(statement).fetchall()
        connection.close()
        return [tuple(row) for row in rows]
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_steps_are_numbered_from_one_without_a_gap(dialect):
    steps = schema.steps(dialect)
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    assert schema.missing(dialect, {}) == steps
    assert schema.missing(dialect, {step.version: step.checksum for step in steps}) == ()
    assert schema.missing(dialect, {1: steps[0].checksum}) == steps[1:]


async def test_an_old_schema_is_refused_by_the_name_of_the_cure(bare_url):
    store = store_from_url(bare_url)
    with pytest.raises(SchemaMismatch, match="run `watchword migrate`"):
        await store.open(migrate=False)
    await store.open(migrate=True)
    await store.close()
    await store.open(migrate=False)
    await store.close()
    await run_sql(
        bare_url, "DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)"
    )
    with pytest.raises(SchemaMismatch, match=r"schema \d+ and .* needs \d+: run `watchword migrate`"):
        await store.open(migrate=False)
    with pytest.raises(StoreUnavailable):
        await store.ping()


@pytest.mark.parametrize("migrate", [True, False])
async def test_a_newer_schema_is_refused_and_left_as_it_is(bare_url, migrate):
    store = store_from_url(bare_url)
    await store.open(migrate=True)
    await store.close()
    await run_sql(
        bare_url,
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) SELECT 99, 'later', 'x', applied_at "
        "FROM schema_migrations WHERE version = 1",
    )
    with pytest.raises(SchemaMismatch, match=r"schema 99 .* run a newer Watchword"):
        await store.open(migrate=migrate)
    assert (
        len(await run_sql(bare_url, "SELECT version FROM schema_migrations"))
        == len(schema.steps("sqlite" if bare_url.startswith("sqlite") else "postgres")) + 1
    )


@pytest.mark.parametrize("migrate", [True, False])
async def test_a_schema_made_by_an_edited_step_is_refused(bare_url, migrate):
    store = store_from_url(bare_url)
    await store.open(migrate=True)
    await store.close()
    await run_sql(bare_url, "UPDATE schema_migrations SET checksum = 'other' WHERE version = 1")
    with pytest.raises(SchemaMismatch, match=r"step 1 \(initial\)"):
        await store.open(migrate=migrate)


async def test_a_step_that_fails_leaves_nothing_behind(bare_url, monkeypatch):
    good = schema.steps("sqlite" if bare_url.startswith("sqlite") else "postgres")
    broken = (*good, schema.Step(len(good) + 1, "broken", "CREATE TABLE half (x integer);\nNOT SQL;\n", "c"))
    monkeypatch.setattr(schema, "steps", lambda _dialect: broken)
    store = store_from_url(bare_url)
    with pytest.raises((StoreUnavailable, asyncpg.PostgresSyntaxError)):
        await store.open(migrate=True)
    monkeypatch.setattr(schema, "steps", lambda _dialect: good)
    await store.open(migrate=True)
    await store.ping()
    await store.close()
    with pytest.raises((sqlite3.OperationalError, asyncpg.UndefinedTableError)):
        await run_sql(bare_url, "SELECT * FROM half")


async def test_stores_that_start_at_once_migrate_once(bare_url):
    stores = [store_from_url(bare_url) for _ in range(6)]
    await asyncio.gather(*(store.open(migrate=True) for store in stores))
    heads = [await store.head() for store in stores]
    for store in stores:
        await store.close()
    assert len(set(head.epoch for head in heads)) == 1


async def test_a_new_file_that_somebody_holds_is_waited_for(tmp_path):
    """SQLite does not wait by itself where a file becomes one with a write-ahead log."""
    path = tmp_path / "store.db"
    first = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    first.execute("CREATE TABLE held (a)")
    first.execute("BEGIN IMMEDIATE")
    first.execute("INSERT INTO held VALUES (1)")
    threading.Timer(0.3, first.execute, ["ROLLBACK"]).start()
    store = store_from_url(f"sqlite:///{path}")
    await store.open(migrate=True)
    assert (await store.head()).epoch
    await store.close()
    first.close()


async def test_processes_that_start_at_once_migrate_once(bare_url):
    rivals = [
        subprocess.Popen(
            [sys.executable, str(RIVAL), bare_url, "create_account", "3", str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(3)
    ]
    answers = await asyncio.gather(*(asyncio.to_thread(rival.communicate, "go\n") for rival in rivals))
    assert [rival.returncode for rival in rivals] == [0, 0, 0]
    assert sum(answer.count(",") + (not answer.endswith("[]\n")) for answer, _ in answers) == 3


async def test_a_sqlite_file_is_readable_by_its_owner_alone(tmp_path, sample):
    old = os.umask(0)
    try:
        store = store_from_url(f"sqlite:///{tmp_path}/w.db")
        await store.open(migrate=True)
        await sample.register(store)
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
        assert len(list(tmp_path.iterdir())) == 3
        await store.close()
    finally:
        os.umask(old)


async def test_a_file_that_cannot_be_is_unavailable(tmp_path):
    store = store_from_url(f"sqlite:///{tmp_path}/absent/w.db")
    with pytest.raises(StoreUnavailable):
        await store.open(migrate=True)
    (tmp_path / "text.db").write_bytes(b"this is no database" * 1000)
    for migrate in (True, False):
        with pytest.raises(StoreUnavailable):
            await store_from_url(f"sqlite:///{tmp_path}/text.db").open(migrate=migrate)


async def test_opening_without_migrating_makes_no_file(tmp_path):
    with pytest.raises(SchemaMismatch):
        await store_from_url(f"sqlite:///{tmp_path}/w.db").open(migrate=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    ["", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://u:secret@h/d", "watchword.db", "postgresql:/x"],
)
def test_an_address_of_neither_engine_is_refused_without_its_password(url):
    with pytest.raises(ValueError, match="sqlite:///path") as refusal:
        store_from_url(url)
    assert "secret" not in str(refusal.value)


def test_only_the_driver_of_the_engine_in_use_is_imported(tmp_path):
    program = (
        "import sys; from watchword_server.store.open import store_from_url; "
        f"store_from_url('sqlite:///{tmp_path}/w.db'); print('asyncpg' in sys.modules, 'sqlite3' in sys.modules); "
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "False True\n"


async def test_sessions_of_an_older_schema_live_on_with_their_families(bare_url, monkeypatch):
    all_steps = schema.steps("sqlite" if bare_url.startswith("sqlite") else "postgres")
    older = tuple(
        step for step in all_steps if step.version < next(s.version for s in all_steps if s.name == "sessions")
    )
    monkeypatch.setattr(schema, "steps", lambda _dialect: older)
    store = store_from_url(bare_url)
    await store.open(migrate=True)
    await store.close()
    blob = "x''" if bare_url.startswith("sqlite") else "''"
    false = "0" if bare_url.startswith("sqlite") else "false"
    await run_sql(
        bare_url,
        "INSERT INTO accounts (id, email, email_key, password_hash, roles, permissions, email_verified, created_at, "
        f"password_changed_at) VALUES ('ada', 'a', 'a', 'x', '[]', '[]', {false}, 1.0, 1.0)",
    )
    for sid, resource in (("s1", "NULL"), ("s2", "'https://r/\"\\'")):
        await run_sql(
            bare_url,
            "INSERT INTO sessions (sid, account_id, client_id, rev, device, created_at, auth_time, amr, expires_at, due_at) "
            f"VALUES ('{sid}', 'ada', 'web', 0, 'Firefox', 5.0, 6.0, '[\"pwd\"]', 9e9, 9e9)",
        )
        await run_sql(
            bare_url,
            "INSERT INTO families (id, sid, scope, resource, delivery, salt, key_id, rotated_at, device_kind, place, "
            f"idle_expires_at, expires_at, refresh_count, generation) VALUES ('f-{sid}', '{sid}', '[\"a\"]', {resource}, 'body', {blob}, "
            "'k', 7.0, 'x', 'Graz', 9e9, 9e9, 3, 3)",
        )
    monkeypatch.setattr(schema, "steps", lambda _dialect: all_steps)
    await store.open(migrate=True)
    seen = (await store.session_view("s1", "ada")).session
    assert (seen.created_at, seen.last_used_at, seen.place, seen.refresh_count) == (5, 7, "Graz", 3)
    assert (seen.auth_time, seen.idle_expires_at) == (6, 9e9)
    first, second = await store.family("f-s1"), await store.family("f-s2")
    assert (first.family.resource, second.family.resource) == ((), ('https://r/"\\',))
    assert (first.auth_time, first.amr, first.acr, first.family.terms) == (6, ("pwd",), None, b"")
    assert await store.advance_refresh("f-s2", from_generation=3, device_kind="x", place="x", idle_expires_at=9e9)
    assert {one.sid for one in await store.list_sessions("ada")} == {"s1", "s2"}
    await store.close()
