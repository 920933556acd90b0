"""A PostgreSQL database as a store: the pool, migrations, one statement at a time, what its failures mean.

Holds no verbs of the port; postgres.py puts them together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from watchword.clock import Clock

from watchword_server.store import schema
from watchword_server.store.log import LEEWAY
from watchword_server.store.port import SchemaMismatch, StoreUnavailable
from watchword_server.store.rows import Row

OLDEST_POSTGRES: Final = 140000
"""Version 14: what is maintained still."""
CONNECTIONS: Final = 10
"""Connections a process keeps at most; each verb holds one for one statement."""
PATIENCE: Final = 15.0
"""Seconds for a connection, and again for a statement, before the store counts as away. Well under the leeway of a
cut-off: what takes longer than a cut-off is remembered could outlive it."""
_MIGRATION_LOCK: Final = 0x776174636877  # "watchw"

_AWAY: Final = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.PostgresSystemError,
    asyncpg.UndefinedTableError,
)
"""What says that the database is away, busy or not ready; anything else is a fault of ours."""

_SESSION: Final = """
SELECT set_config('default_transaction_isolation', 'read committed', false),
    set_config('statement_timeout', $1, false),
    set_config('lock_timeout', $1, false),
    set_config('idle_in_transaction_session_timeout', $1, false),
    set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'remote_apply'
        THEN 'remote_apply' ELSE 'on' END, false)
"""


def unavailable(error: BaseException) -> StoreUnavailable:
    """What callers are told: the kind of failure, no values and no address."""
    return StoreUnavailable(f"PostgreSQL: {type(error).__name__}")


class PostgresPool:
    """What all verbs stand on. One instance a process and event loop.

    dsn: ``postgresql://user:password@host/database``.
    clock: None takes the database's time, which all hosts then share.
    """

    def __init__(
        self, dsn: str, *, clock: Clock | None = None, leeway: float = LEEWAY, connections: int = CONNECTIONS
    ) -> None:
        self._dsn = dsn
        self._clock = clock
        self._leeway = leeway
        self._connections = connections
        self._pool: Any = None
        self._running = 0
        self._idle = asyncio.Event()

    async def open(self, *, migrate: bool) -> None:
        """Connect; see the port."""
        if self._pool is not None:
            raise RuntimeError("the store is open already")
        try:
            pool = await asyncpg.create_pool(
                self._dsn,
                min_size=1,
                max_size=self._connections,
                timeout=PATIENCE,
                command_timeout=PATIENCE * 2,
                init=_prepare_connection,
                reset=_leave_connection,
            )
        except _AWAY as error:
            raise unavailable(error) from error
        try:
            await _migrate(pool, run=migrate)
        except _AWAY as error:
            await pool.close()
            raise unavailable(error) from error
        except BaseException:
            await pool.close()
            raise
        self._pool = pool

    async def close(self) -> None:
        """Finish what was accepted, then close; a second close does nothing."""
        pool, self._pool = self._pool, None
        if pool is not None:
            while self._running:
                self._idle.clear()
                await self._idle.wait()
            await pool.close()

    def _now(self) -> float | None:
        """The time to pass to a statement; None has the database look at its own clock."""
        return None if self._clock is None else self._clock.now()

    async def _row(self, sql: str, *values: Any) -> Row | None:
        """The first row of one statement."""
        row: Row | None = await self._run("fetchrow", sql, values)
        return row

    async def _value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row of one statement."""
        return await self._run("fetchval", sql, values)

    async def _rows(self, sql: str, *values: Any) -> Sequence[Row]:
        """The rows of one statement."""
        rows: Sequence[Row] = await self._run("fetch", sql, values)
        return rows

    async def _run(self, method: str, sql: str, values: tuple[Any, ...]) -> Any:
        pool = self._pool
        if pool is None:
            raise StoreUnavailable("the store is not open")
        self._running += 1
        try:
            async with pool.acquire(timeout=PATIENCE) as connection:
                return await getattr(connection, method)(sql, *values)
        except _AWAY as error:
            if isinstance(error, ValueError):  # a value that asyncpg cannot encode is a fault of ours
                raise
            raise unavailable(error) from error
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()


async def _prepare_connection(connection: Any) -> None:
    # Not as start-up parameters, which connection poolers refuse. `on` waits for a synchronous standby too, where there
    # is one; only the stronger `remote_apply` is left as the operator set it.
    await connection.fetchrow(_SESSION, f"{PATIENCE:.0f}s")


async def _leave_connection(connection: Any) -> None:
    """Nothing to reset: no verb sets, listens, or leaves a cursor; saves a round trip for each statement."""


async def _migrate(pool: Any, *, run: bool) -> None:
    """Run pending steps in one transaction under an advisory lock, so that processes starting at once take turns."""
    async with pool.acquire(timeout=PATIENCE) as connection:
        version = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
        if version < OLDEST_POSTGRES:
            raise SchemaMismatch("PostgreSQL 14 or later is needed")
        if not run:
            if pending := schema.missing("postgres", await _done(connection)):
                raise schema.outdated("postgres", pending)
            return
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (version integer NOT NULL PRIMARY KEY, name text NOT NULL, "
                "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
            )
            for step in schema.missing("postgres", await _done(connection)):
                await connection.execute(step.sql)
                await connection.execute(
                    "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
                    *(step.version, step.name, step.checksum),
                )


async def _done(connection: Any) -> dict[int, str]:
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return {}
    return {row[0]: row[1] for row in await connection.fetch("SELECT version, checksum FROM schema_migrations")}
