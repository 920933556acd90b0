"""The key ring's rows and counters of failures on SQLite.

Holds no private key in clear: `sealed` is what keys/ gave.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from watchword_server.store.records import AuditEvent, Failures, KeyState, SigningKey
from watchword_server.store.rows import failures_of, key_of
from watchword_server.store.sqlite_log import Told, append_audit, write_cut_off
from watchword_server.store.sqlite_revocations import SqliteRevocations
from watchword_server.store.statements import KEY_COLUMNS
from watchword_server.store.text import counter_key, require_storable, storable

_COUNT: Final = (
    "INSERT INTO failures (name, count, window_ends_at) VALUES (?1, 1, ?2) ON CONFLICT (name) DO UPDATE SET "
    "count = CASE WHEN window_ends_at > ?3 THEN count + 1 ELSE 1 END, "
    "window_ends_at = CASE WHEN window_ends_at > ?3 THEN window_ends_at ELSE excluded.window_ends_at END "
    "RETURNING name, count, window_ends_at"
)


class SqliteKeys(SqliteRevocations):
    """The Keys and Throttle parts of the port."""

    async def keys(self) -> Sequence[SigningKey]:
        """All keys, oldest first."""
        sql = f"SELECT {KEY_COLUMNS} FROM signing_keys k ORDER BY k.created_at, k.kid"
        return [key_of(row) for row in self._rows(sql, ())]

    async def add_key(self, key: SigningKey, *, unless_state: KeyState | None, audit: AuditEvent) -> bool:
        """Add it unless its kid is there, or a key of the same purpose and algorithm is in `unless_state`."""
        require_storable(kid=key.kid, algorithm=key.algorithm)

        def act(connection: sqlite3.Connection) -> bool:
            done = connection.execute(
                "INSERT INTO signing_keys (kid, purpose, algorithm, state, public_jwk, sealed, created_at, activated_at, "
                "retired_at) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE NOT EXISTS (SELECT 1 FROM signing_keys "
                "WHERE kid = ?1 OR (purpose = ?2 AND algorithm = ?3 AND state = ?10)) ",
                (
                    *(key.kid, key.purpose, key.algorithm, key.state, key.public_jwk, key.sealed),
                    *(key.created_at, key.activated_at, key.retired_at, unless_state),
                ),
            )
            if done.rowcount != 1:
                return False
            append_audit(connection, self._now(), audit)
            return True

        try:
            return await self._write(act)
        except sqlite3.IntegrityError as error:
            raise ValueError("a key of that purpose and algorithm is active already") from error

    async def activate_key(self, kid: str, *, audit: AuditEvent) -> bool:
        """Make `next` active, and the active one of its kind retired. True for exactly one caller."""
        if not storable(kid):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            kind = connection.execute(
                "SELECT purpose, algorithm FROM signing_keys WHERE kid = ? AND state = 'next'", (kid,)
            ).fetchone()
            if kind is None:
                return False
            now = self._now()
            connection.execute(
                "UPDATE signing_keys SET state = 'retired', retired_at = ? "
                "WHERE purpose = ? AND algorithm = ? AND state = 'active'",
                (now, *kind),
            )
            connection.execute("UPDATE signing_keys SET state = 'active', activated_at = ? WHERE kid = ?", (now, kid))
            append_audit(connection, now, audit)
            return True

        return await self._write(act)

    async def forget_key(self, kid: str, *, audit: AuditEvent) -> bool:
        """Delete a retired or distrusted key. True for exactly one caller."""
        return await self._change_key(
            "DELETE FROM signing_keys WHERE kid = ? AND state IN ('retired', 'distrusted')", kid, audit
        )

    async def distrust_key(self, kid: str, *, audit: AuditEvent) -> bool:
        """Any state -> distrusted, with its cut-off. True for exactly one caller."""
        return await self._change_key(
            "UPDATE signing_keys SET state = 'distrusted' WHERE kid = ? AND state <> 'distrusted'",
            kid,
            audit,
            told=Told("key", kid, "key.distrusted"),
        )

    async def _change_key(self, sql: str, kid: str, audit: AuditEvent, told: Told | None = None) -> bool:
        if not storable(kid):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            if connection.execute(sql, (kid,)).rowcount != 1:
                return False
            now = self._now()
            append_audit(connection, now, audit)
            if told is not None:
                write_cut_off(connection, now, self._leeway, told)
            return True

        return await self._write(act)

    async def failures(self, keys: Sequence[str]) -> Sequence[Failures]:
        """For each key with a running window, its count."""
        now, found = self._now(), []
        for key in dict.fromkeys(keys):
            row = self._row(
                "SELECT name, count, window_ends_at FROM failures WHERE name = ? AND window_ends_at > ?",
                (counter_key(key), now),
            )
            if row is not None:
                found.append(failures_of(row, key))
        return found

    async def count_failure(self, keys: Sequence[str], *, window: float) -> Sequence[Failures]:
        """Count one failure under each key, opening a window of that many seconds where none runs."""

        def act(connection: sqlite3.Connection) -> list[Failures]:
            now = self._now()
            return [
                failures_of(connection.execute(_COUNT, (counter_key(key), now + window, now)).fetchone(), key)
                for key in dict.fromkeys(keys)
            ]

        return await self._write(act)

    async def clear_failures(self, keys: Sequence[str]) -> None:
        """Forget the counts under these keys."""
        names = [(counter_key(key),) for key in dict.fromkeys(keys)]
        await self._write(
            lambda connection: connection.executemany("DELETE FROM failures WHERE name = ?", names).close()
        )
