"""Clients on record, initial access tokens and profiles on PostgreSQL.

Does not read what a client's metadata says, nor judge what may be registered: clients/ does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg
from watchword.clock import EpochSeconds

from watchword_server.store.authorization_records import NewClient, StoredClient
from watchword_server.store.authorization_rows import client_of, pack_digests, require_digests
from watchword_server.store.authorization_statements import CLIENT_COLUMNS
from watchword_server.store.postgres_keys import PostgresKeys
from watchword_server.store.records import AuditEvent
from watchword_server.store.rows import audit_values
from watchword_server.store.text import integer, limited, require_document, require_storable, storable

_ONE: Final = f"SELECT {CLIENT_COLUMNS} FROM clients n WHERE n.client_id = $1"
_LIST: Final = f"SELECT {CLIENT_COLUMNS} FROM clients n WHERE n.client_id > $1 ORDER BY n.client_id LIMIT $2"
_CREATE: Final = f"""
WITH n AS (
    INSERT INTO clients (client_id, origin, metadata, secret_digests, sealed_secret, registration_digest, tenant,
        created_at, updated_at)
    SELECT $2, $3, $4, $5, $6, $7, $8, t.now, t.now FROM (SELECT watchword_now($1) AS now) t
    ON CONFLICT (client_id) DO NOTHING
    RETURNING *
), noted AS (SELECT watchword_audit(n.created_at, $9) FROM n)
SELECT {CLIENT_COLUMNS} FROM n, noted
"""
# Later than before even where the clock went back: it is what tells one version from another.
_LATER: Final = "updated_at = greatest(watchword_now($1), updated_at + 0.000001::double precision)"
_UPDATE: Final = f"""
WITH n AS (
    UPDATE clients SET metadata = $4, secret_digests = $5, sealed_secret = $6, registration_digest = $7, {_LATER}
    WHERE client_id = $2 AND updated_at = $3
    RETURNING *
), noted AS (SELECT watchword_audit(watchword_now($1), $8) FROM n)
SELECT {CLIENT_COLUMNS} FROM n, noted
"""
_ENABLE: Final = f"""
WITH n AS (
    UPDATE clients SET disabled_at = NULL, {_LATER} WHERE client_id = $2 AND disabled_at IS NOT NULL RETURNING 1
)
SELECT watchword_audit(watchword_now($1), $3) FROM n
"""
_ADD_INITIAL: Final = """
WITH n AS (INSERT INTO registration_tokens (digest, uses, expires_at) VALUES ($2, $3, $4) RETURNING 1)
SELECT watchword_audit(watchword_now($1), $5) FROM n
"""
_USE_INITIAL: Final = (
    "UPDATE registration_tokens SET uses = uses - 1 WHERE digest = $2 AND uses > 0 AND expires_at > watchword_now($1) "
    "RETURNING true"
)
_SET_PROFILE: Final = """
WITH n AS (
    INSERT INTO profiles (account_id, profile) SELECT a.id, $3 FROM accounts a WHERE a.id = $2
    ON CONFLICT (account_id) DO UPDATE SET profile = excluded.profile
    RETURNING 1
)
SELECT watchword_audit(watchword_now($1), $4) FROM n
"""


class PostgresClients(PostgresKeys):
    """The Clients and Profiles parts of the port."""

    async def create_client(self, new: NewClient, audit: AuditEvent) -> StoredClient | None:
        """Put it on record. None when the client_id is taken."""
        require_storable(client_id=new.client_id, tenant=new.tenant)
        require_document(metadata=new.metadata, sealed_secret=new.sealed_secret)
        require_digests(new.registration_digest)
        row = await self._row(
            _CREATE,
            *(self._now(), new.client_id, new.origin, new.metadata, pack_digests(new.secret_digests)),
            *(new.sealed_secret, new.registration_digest, new.tenant, audit_values(audit)),
        )
        return None if row is None else client_of(row)

    async def client(self, client_id: str) -> StoredClient | None:
        """The client on record with that client_id."""
        row = await self._row(_ONE, client_id) if storable(client_id) else None
        return None if row is None else client_of(row)

    async def list_clients(self, *, after: str | None, limit: int) -> Sequence[StoredClient]:
        """By ascending client_id, after that one."""
        if not storable(after):
            return ()
        return [client_of(row) for row in await self._rows(_LIST, after or "", limited(limit))]

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
        values = (client_id, seen, metadata, digests, sealed_secret, registration_digest, audit_values(audit))
        row = await self._row(_UPDATE, self._now(), *values)
        return None if row is None else client_of(row)

    async def disable_client(self, client_id: str, audit: AuditEvent) -> bool:
        """Disable and cut off. True for exactly one caller."""
        return await self._cut_off_client("SELECT watchword_disable_client($1, $2, $3, $4)", client_id, audit)

    async def enable_client(self, client_id: str, audit: AuditEvent) -> bool:
        """Enable again. What was cut off stays so."""
        if not storable(client_id):
            return False
        return await self._row(_ENABLE, self._now(), client_id, audit_values(audit)) is not None

    async def delete_client(self, client_id: str, audit: AuditEvent) -> bool:
        """Delete and cut off. True for exactly one caller. Its codes and opaque tokens die by the cut-off, and are swept
        once they have expired.
        """
        return await self._cut_off_client("SELECT watchword_delete_client($1, $2, $3, $4)", client_id, audit)

    async def _cut_off_client(self, sql: str, client_id: str, audit: AuditEvent) -> bool:
        if not storable(client_id):
            return False
        return bool(await self._value(sql, self._now(), self._leeway, client_id, audit_values(audit)))

    async def add_registration_token(
        self, digest: bytes, *, uses: int, expires_at: EpochSeconds, audit: AuditEvent
    ) -> None:
        """Record an initial access token (RFC 7591 §3)."""
        require_digests(digest)
        try:
            await self._row(_ADD_INITIAL, self._now(), digest, integer(uses), expires_at, audit_values(audit))
        except asyncpg.UniqueViolationError as error:
            raise ValueError("that registration token exists") from error

    async def use_registration_token(self, digest: bytes) -> bool:
        """Take one use of it."""
        return bool(await self._value(_USE_INITIAL, self._now(), digest))

    async def profile(self, account_id: str) -> bytes:
        """Standard claims as JSON."""
        if not storable(account_id):
            return b"{}"
        held: bytes | None = await self._value("SELECT profile FROM profiles WHERE account_id = $1", account_id)
        return b"{}" if held is None else held

    async def set_profile(self, account_id: str, profile: bytes, audit: AuditEvent) -> bool:
        """Replace them. False: no such account."""
        require_document(profile=profile)
        if not storable(account_id):
            return False
        return await self._row(_SET_PROFILE, self._now(), account_id, profile, audit_values(audit)) is not None
