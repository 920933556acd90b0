"""From an address to a store: the one place that knows which engines there are.

Imports a driver only when its engine is named, and opens nothing.
"""

from __future__ import annotations

from pathlib import Path

from watchword.clock import Clock, system_clock

from watchword_server.store.denylist import DenylistKeys, DriverMissing
from watchword_server.store.port import Store

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


def store_from_url(url: str, *, clock: Clock | None = None, connections: int = 10) -> Store:
    """The store at an address, not opened yet.

    url: ``sqlite:///file.db`` (relative), ``sqlite:////var/lib/watchword/file.db`` (absolute) or
        ``postgresql://user@host/database``.
    clock: where times come from; None is this machine's clock on SQLite and the database's on PostgreSQL.
    connections: to PostgreSQL, at most.
    Raises ValueError, without the address (it may hold a password), when it is neither.
    """
    if url.startswith(_SQLITE) and (path := url.removeprefix(_SQLITE)) and not path.startswith(":memory:"):
        from watchword_server.store.sqlite import SqliteStore  # noqa: PLC0415 - the driver of the engine in use only

        return SqliteStore(Path(path), clock=clock or system_clock)
    if url.startswith(_POSTGRES):
        from watchword_server.store.postgres import PostgresStore  # noqa: PLC0415 - the driver of the engine in use only

        return PostgresStore(url, clock=clock, connections=connections)
    raise ValueError("a store's address is sqlite:///path/to/file.db or postgresql://user@host/database")


def denylist_from_url(url: str, *, place: str, heartbeat: str) -> DenylistKeys:
    """The denylist's keys at ``redis://``, ``rediss://`` or ``unix://``, not connected yet.

    Raises DriverMissing.
    """
    try:
        from watchword_server.store.valkey import ValkeyKeys  # noqa: PLC0415 - an extra, and only where it is in use
    except ImportError as missing:
        raise DriverMissing(
            "denylist.url is set and its driver is not installed: pip install 'watchword-server[valkey]'"
        ) from missing
    return ValkeyKeys(url, place=place, heartbeat=heartbeat)
