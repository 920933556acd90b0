"""Opaque access tokens, what is good once, and profiles on SQLite.

Does not make tokens or read what introspection answers of them.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from watchword.clock import EpochSeconds

from watchword_server.store.authorization_records import NewOpaqueToken, OpaqueView, TokenFacts
from watchword_server.store.authorization_rows import opaque_values, opaque_view_of, require_digests
from watchword_server.store.authorization_statements import token_alive
from watchword_server.store.records import AuditEvent
from watchword_server.store.sqlite_devices import SqliteDevices
from watchword_server.store.sqlite_log import append_audit
from watchword_server.store.text import require_document, require_storable, storable

_ADD: Final = (
    "INSERT INTO opaque_tokens (digest, jti, client_id, account_id, sid, tenant, rev, claims, expires_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_OWNERS: Final = "LEFT JOIN accounts a ON a.id = p.account_id LEFT JOIN sessions s ON s.sid = p.sid"
_LOOK: Final = (
    "SELECT p.jti, p.client_id, p.account_id, p.sid, p.tenant, p.rev, p.claims, p.expires_at, "
    f"p.expires_at > ?1 AND {token_alive('max', '?1')}, ?1 FROM opaque_tokens p {_OWNERS} WHERE p.digest = ?2"
)
_ALIVE: Final = (
    f"SELECT {token_alive('max', '?1', kid='p.kid')} FROM (SELECT ?2 AS jti, ?3 AS client_id, ?4 AS account_id, ?5 AS sid, "
    f"?6 AS tenant, ?7 AS rev, ?8 AS kid) p {_OWNERS}"
)
_FIRST_USE: Final = (
    "INSERT INTO replays (digest, purpose, expires_at) VALUES (?2, ?3, ?4) ON CONFLICT (digest, purpose) "
    "DO UPDATE SET expires_at = excluded.expires_at WHERE expires_at <= ?1"
)


class SqliteOpaque(SqliteDevices):
    """The OpaqueTokens, Replays and Profiles parts of the port."""

    async def add_opaque_token(self, new: NewOpaqueToken) -> None:
        """Record it."""
        require_storable(
            jti=new.jti, client_id=new.client_id, account_id=new.account_id, sid=new.sid, tenant=new.tenant
        )
        require_document(claims=new.claims)
        require_digests(new.digest)
        values = opaque_values(new)
        try:
            await self._write(lambda connection: connection.execute(_ADD, values).close(), whole=True)
        except sqlite3.IntegrityError as error:
            raise ValueError("that token exists") from error

    async def opaque_token(self, digest: bytes) -> OpaqueView | None:
        """The token with whether it lives, from one statement on the calling thread."""
        row = self._row(_LOOK, (self._now(), digest))
        return None if row is None else opaque_view_of(row)

    async def delete_opaque_token(self, digest: bytes, *, client_id: str) -> bool:
        """Forget it. True for exactly one caller; only one of that client."""
        if not storable(client_id):
            return False
        sql = "DELETE FROM opaque_tokens WHERE digest = ? AND client_id = ?"
        return await self._write(
            lambda connection: connection.execute(sql, (digest, client_id)).rowcount == 1, whole=True
        )

    async def is_alive(self, facts: TokenFacts) -> bool:
        """Whether none of it was cut off, its session lives and its account is enabled."""
        values = (facts.jti, facts.client_id, facts.account_id, facts.sid, facts.tenant, facts.rev, facts.kid)
        if not storable(facts.jti, facts.client_id, facts.account_id, facts.sid, facts.tenant, facts.kid):
            return False
        row = self._row(_ALIVE, (self._now(), *values))
        return row is not None and bool(row[0])

    async def first_use(self, purpose: str, digest: bytes, *, expires_at: EpochSeconds) -> bool:
        """Remember it until then. True for exactly one caller."""
        require_storable(purpose=purpose)
        require_digests(digest)

        def act(connection: sqlite3.Connection) -> bool:
            return connection.execute(_FIRST_USE, (self._now(), digest, purpose, expires_at)).rowcount == 1

        return await self._write(act, whole=True)

    async def profile(self, account_id: str) -> bytes:
        """Standard claims as JSON."""
        if not storable(account_id):
            return b"{}"
        row = self._row("SELECT profile FROM profiles WHERE account_id = ?", (account_id,))
        return b"{}" if row is None else row[0]

    async def set_profile(self, account_id: str, profile: bytes, audit: AuditEvent) -> bool:
        """Replace them. False: no such account."""
        require_document(profile=profile)
        if not storable(account_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            done = connection.execute(
                "INSERT INTO profiles (account_id, profile) SELECT id, ?2 FROM accounts WHERE id = ?1 "
                "ON CONFLICT (account_id) DO UPDATE SET profile = excluded.profile",
                (account_id, profile),
            )
            if done.rowcount != 1:
                return False
            append_audit(connection, self._now(), audit)
            return True

        return await self._write(act)
