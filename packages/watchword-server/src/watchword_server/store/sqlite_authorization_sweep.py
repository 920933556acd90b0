"""Deleting dead codes, requests, tokens and sign-ons on SQLite, a batch a table, each in a transaction of its own.

Does not delete clients or what accounts allowed them: those live until somebody takes them away.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from watchword_server.store.authorization_statements import EXPLAINED
from watchword_server.store.records import SweepReport
from watchword_server.store.sqlite_log import longest_lifetime
from watchword_server.store.sqlite_sweep import Sweep, delete_some

_DUE: Final = (
    "SELECT id, coalesce(min(ended_at, expires_at, idle_expires_at), min(expires_at, idle_expires_at)) FROM sign_ons "
    "WHERE due_at <= ? ORDER BY due_at LIMIT ?"
)


def sweep_sign_ons(connection: sqlite3.Connection, now: float, limit: int, retention: float) -> SweepReport:
    """Sign-ons that are due: deleted when they ended long enough ago, put off to their end when they live on."""
    horizon = now - retention
    due = connection.execute(_DUE, (horizon, limit)).fetchall()
    dead = [(sign_on,) for sign_on, end in due if end <= horizon]
    connection.executemany("DELETE FROM sign_ons WHERE id = ?", dead)
    later = [(end, sign_on) for sign_on, end in due if end > horizon]
    connection.executemany("UPDATE sign_ons SET due_at = ? WHERE id = ?", later)
    return SweepReport(deleted={"sign_ons": len(dead)}, more=len(due) == limit)


def sweep_codes(connection: sqlite3.Connection, now: float, limit: int, retention: float) -> SweepReport:  # noqa: ARG001 - one shape for all
    """Codes so old that no access token they gave can be alive: until then a replay must find them."""
    which = "digest IN (SELECT digest FROM codes WHERE expires_at <= ? LIMIT ?)"
    return delete_some(connection, "codes", which, (now - longest_lifetime(connection), limit))


def sweep_device_codes(connection: sqlite3.Connection, now: float, limit: int, retention: float) -> SweepReport:  # noqa: ARG001 - one shape for all
    """Device codes that ran out, some time ago: a device that still polls is told so."""
    which = "digest IN (SELECT digest FROM device_codes WHERE expires_at <= ? LIMIT ?)"
    return delete_some(connection, "device_codes", which, (now - EXPLAINED, limit))


def sweep_api_keys(connection: sqlite3.Connection, now: float, limit: int, retention: float) -> SweepReport:
    """Keys that expired or were revoked long enough ago."""
    which = "id IN (SELECT id FROM api_keys WHERE coalesce(ended_at, expires_at) <= ? LIMIT ?)"
    return delete_some(connection, "api_keys", which, (now - retention, limit))


def _sweep_expired(table: str, key: str) -> Sweep:
    which = f"{key} IN (SELECT {key.strip('()')} FROM {table} WHERE expires_at <= ? LIMIT ?)"

    def sweep(connection: sqlite3.Connection, now: float, limit: int, retention: float) -> SweepReport:  # noqa: ARG001 - one shape for all
        return delete_some(connection, table, which, (now, limit))

    return sweep


AUTHORIZATION_SWEEPS: Final[tuple[Sweep, ...]] = (
    sweep_sign_ons,
    sweep_codes,
    sweep_device_codes,
    _sweep_expired("pushed_requests", "digest"),
    _sweep_expired("registration_tokens", "digest"),
    _sweep_expired("opaque_tokens", "rowid"),
    _sweep_expired("replays", "(digest, purpose)"),
    sweep_api_keys,
)
