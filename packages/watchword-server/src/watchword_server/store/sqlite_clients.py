"""Clients on record and initial access tokens on SQLite.

Does not read what a client's metadata says, nor judge what may be registered: clients/ does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from watchword.clock import EpochSeconds

from watchword_server.store.authorization_records import NewClient, StoredClient
from watchword_server.store.authorization_rows import client_of, pack_digests, require_digests
from watchword_server.store.authorization_statements import CLIENT_COLUMNS
from watchword_server.store.records import AuditEvent
from watchword_server.store.sqlite_keys import SqliteKeys
from watchword_server.store.sqlite_log import Told, append_audit
from watchword_server.store.text import integer, limited, require_document, require_storable, storable

_ONE: Final = f"SELECT {CLIENT_COLUMNS} FROM clients n WHERE n.client_id = ?"
_LIST: Final = f"SELECT {CLIENT_COLUMNS} FROM clients n WHERE n.client_id > ? ORDER BY n.client_id LIMIT ?"
_CREATE: Final = (
    "INSERT INTO clients (client_id, origin, metadata, secret_digests, sealed_secret, registration_digest, tenant, "
    "created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) ON CONFLICT (client_id) DO NOTHING"
)
# Later than before even where the clock stands still or went back: it is what tells one version from another.
_LATER: Final = "updated_at = max(?2, updated_at + 1e-6)"


class SqliteClients(SqliteKeys):
    """The Clients part of the port."""

    async def create_client(self, new: NewClient, audit: AuditEvent) -> StoredClient | None:
        """Put it on record. None when the client_id is taken."""
        require_storable(client_id=new.client_id, tenant=new.tenant)
        require_document(metadata=new.metadata, sealed_secret=new.sealed_secret)
        require_digests(new.registration_digest)
        digests = pack_digests(new.secret_digests)

        def act(connection: sqlite3.Connection) -> StoredClient | None:
            now = self._now()
            done = connection.execute(
                _CREATE,
                (
                    *(new.client_id, new.origin, new.metadata, digests, new.sealed_secret),
                    *(new.registration_digest, new.tenant, now),
                ),
            )
            if done.rowcount != 1:
                return None
            append_audit(connection, now, audit)
            return client_of(connection.execute(_ONE, (new.client_id,)).fetchone())

        return await self._write(act)

    async def client(self, client_id: str) -> StoredClient | None:
        """The client on record with that client_id."""
        row = self._row(_ONE, (client_id,)) if storable(client_id) else None
        return None if row is None else client_of(row)

    async def list_clients(self, *, after: str | None, limit: int) -> Sequence[StoredClient]:
        """By ascending client_id, after that one."""
        if not storable(after):
            return ()
        values = (after or "", limited(limit))
        return await self._beside(lambda connection: [client_of(row) for row in connection.execute(_LIST, values)])

    async def update_client(
        self,
        client_id: str,
        *,
        seen: EpochSeconds,
        metadata: bytes,
        secret_digests: tuple[bytes, ...],
        sealed_secret: bytes | None,
        registration_digest: bytes | None,
        audit: AuditEvent,
    ) -> StoredClient | None:
        """Replace what is kept of it, if nobody did since ``seen``."""
        require_document(metadata=metadata, sealed_secret=sealed_secret)
        require_digests(registration_digest)
        digests = pack_digests(secret_digests)
        if not storable(client_id):
            return None

        def act(connection: sqlite3.Connection) -> StoredClient | None:
            now = self._now()
            done = connection.execute(
                f"UPDATE clients SET metadata = ?4, secret_digests = ?5, sealed_secret = ?6, registration_digest = ?7, {_LATER} "
                "WHERE client_id = ?1 AND updated_at = ?3",
                (client_id, now, seen, metadata, digests, sealed_secret, registration_digest),
            )
            if done.rowcount != 1:
                return None
            append_audit(connection, now, audit)
            return client_of(connection.execute(_ONE, (client_id,)).fetchone())

        return await self._write(act)

    async def disable_client(self, client_id: str, audit: AuditEvent) -> bool:
        """Disable and cut off. True for exactly one caller."""
        sql = f"UPDATE clients SET disabled_at = ?2, {_LATER} WHERE client_id = ?1 AND disabled_at IS NULL"
        return await self._change_client(sql, client_id, "client.disabled", audit)

    async def enable_client(self, client_id: str, audit: AuditEvent) -> bool:
        """Enable again. What was cut off stays so."""
        sql = f"UPDATE clients SET disabled_at = NULL, {_LATER} WHERE client_id = ?1 AND disabled_at IS NOT NULL"
        return await self._change_client(sql, client_id, None, audit)

    async def delete_client(self, client_id: str, audit: AuditEvent) -> bool:
        """Delete and cut off. True for exactly one caller. Its codes and opaque tokens die by the cut-off, and are swept
        once they have expired.
        """
        sql = "DELETE FROM clients WHERE client_id = ?1 AND ?2 > 0"
        return await self._change_client(sql, client_id, "client.deleted", audit)

    async def _change_client(self, sql: str, client_id: str, cause: str | None, audit: AuditEvent) -> bool:
        """Do it, cutting the client off when there is a cause to."""
        if not storable(client_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            if connection.execute(sql, (client_id, now)).rowcount != 1:
                return False
            if cause == "client.deleted":
                connection.execute("DELETE FROM authorizations WHERE client_id = ?", (client_id,))
            append_audit(connection, now, audit)
            if cause is not None:
                self._enforce(connection, now, Told("client", client_id, cause), ends_families=True)
            return True

        return await self._write(act)

    async def add_registration_token(
        self, digest: bytes, *, uses: int, expires_at: EpochSeconds, audit: AuditEvent
    ) -> None:
        """Record an initial access token (RFC 7591 §3)."""
        require_digests(digest)

        def act(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO registration_tokens VALUES (?, ?, ?)", (digest, integer(uses), expires_at))
            append_audit(connection, self._now(), audit)

        try:
            await self._write(act)
        except sqlite3.IntegrityError as error:
            raise ValueError("that registration token exists") from error

    async def use_registration_token(self, digest: bytes) -> bool:
        """Take one use of it."""

        def act(connection: sqlite3.Connection) -> bool:
            done = connection.execute(
                "UPDATE registration_tokens SET uses = uses - 1 WHERE digest = ? AND uses > 0 AND expires_at > ?",
                (digest, self._now()),
            )
            return done.rowcount == 1

        return await self._write(act, whole=True)
