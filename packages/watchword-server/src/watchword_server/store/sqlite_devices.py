"""Device codes on SQLite (RFC 8628).

Does not make user codes nor count wrong guesses of them.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from watchword_server.store.authorization_records import DeviceView, NewDeviceCode
from watchword_server.store.authorization_rows import device_view_of, require_digests
from watchword_server.store.authorization_statements import (
    DEVICE_SOURCE,
    SLOWER,
    device_columns,
    grant_alive,
)
from watchword_server.store.records import AuditEvent, NewSession
from watchword_server.store.sqlite_codes import SqliteCodes
from watchword_server.store.sqlite_log import append_audit
from watchword_server.store.sqlite_sessions import Opening
from watchword_server.store.text import integer, require_document, require_storable, storable

_ADD: Final = (
    "INSERT INTO device_codes (digest, user_code, client_id, request, poll_interval, expires_at) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_code) DO NOTHING"
)
_PENDING: Final = (
    f"SELECT {device_columns('max', '?1', too_soon='0')} FROM {DEVICE_SOURCE}, revocation_head h "
    "WHERE d.user_code = ?2 AND d.state = 'pending' AND d.expires_at > ?1"
)
_POLLED: Final = (
    f"SELECT {device_columns('max', '?1', too_soon='?3')} FROM {DEVICE_SOURCE}, revocation_head h WHERE d.digest = ?2"
)
_DECIDE: Final = (
    "UPDATE device_codes SET state = ?5, terms = ?6, account_id = found.account_id, sign_on = ?3, rev = ?4 "
    "FROM (SELECT d.digest, o.account_id FROM device_codes d, sign_ons o JOIN accounts a ON a.id = o.account_id, "
    "revocation_head h WHERE d.user_code = ?2 AND d.state = 'pending' AND d.expires_at > ?1 AND o.id = ?3 "
    f"AND {grant_alive('max', '?1', rev='?4', client='d.client_id')}) found WHERE device_codes.digest = found.digest"
)
_REDEEMABLE: Final = (
    "SELECT 1 FROM device_codes d JOIN accounts a ON a.id = d.account_id JOIN sign_ons o ON o.id = d.sign_on, "
    "revocation_head h WHERE d.digest = ?2 AND d.state = 'approved' AND d.expires_at > ?1 AND d.account_id = ?3 "
    "AND d.client_id = ?4 AND (?5 IS NULL OR d.sign_on = ?5) "
    f"AND {grant_alive('max', '?1', rev='min(d.rev, ?6)', client='d.client_id')}"
)


class SqliteDevices(SqliteCodes):
    """Device codes of the Codes part of the port."""

    async def add_device_code(self, new: NewDeviceCode) -> bool:
        """Record it. False when the user code is taken by a living one."""
        require_storable(user_code=new.user_code, client_id=new.client_id)
        require_document(request=new.request)
        require_digests(new.digest)
        values = (new.digest, new.user_code, new.client_id, new.request, integer(new.interval), new.expires_at)

        def act(connection: sqlite3.Connection) -> bool:
            sql = "UPDATE device_codes SET user_code = NULL WHERE user_code = ? AND (expires_at <= ? OR state = 'redeemed')"
            connection.execute(sql, (new.user_code, self._now()))
            return connection.execute(_ADD, values).rowcount == 1

        try:
            return await self._write(act)
        except sqlite3.IntegrityError as error:
            raise ValueError("that device code exists") from error

    async def device_request(self, user_code: str) -> DeviceView | None:
        """The pending, living one with that user code."""
        row = self._row(_PENDING, (self._now(), user_code)) if storable(user_code) else None
        return None if row is None else device_view_of(row)

    async def decide_device(
        self, user_code: str, *, terms: bytes | None, sign_on: str, rev: int, audit: AuditEvent
    ) -> bool:
        """Approve or deny. True for exactly one caller; False also when the sign-on is over or cut off since ``rev``."""
        require_document(terms=terms)
        if not storable(user_code, sign_on):
            return False
        values = (user_code, sign_on, integer(rev), "denied" if terms is None else "approved", terms or b"")

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            if connection.execute(_DECIDE, (now, *values)).rowcount != 1:
                return False
            append_audit(connection, now, audit)
            return True

        return await self._write(act)

    async def poll_device(self, digest: bytes) -> DeviceView | None:
        """Look, and note the poll."""

        def act(connection: sqlite3.Connection) -> DeviceView | None:
            now = self._now()
            sql = "SELECT polled_at + poll_interval > ? FROM device_codes WHERE digest = ?"
            row = connection.execute(sql, (now, digest)).fetchone()
            if row is None:
                return None
            too_soon = bool(row[0])
            connection.execute(
                "UPDATE device_codes SET polled_at = ?, poll_interval = poll_interval + ? WHERE digest = ?",
                (now, SLOWER if too_soon else 0, digest),
            )
            return device_view_of(connection.execute(_POLLED, (now, digest, too_soon)).fetchone())

        return await self._write(act)

    async def redeem_device(self, digest: bytes, *, session: NewSession, audit: AuditEvent) -> bool:
        """Mark it redeemed and open or join the session. True for exactly one caller."""
        opening = Opening(session)
        key = (digest, session.account_id, session.client_id, session.sign_on, session.rev)

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            if connection.execute(_REDEEMABLE, (now, *key)).fetchone() is None:
                return False
            if not self._open_or_join(connection, now, session, opening):
                return False
            connection.execute("UPDATE device_codes SET state = 'redeemed' WHERE digest = ?", (digest,))
            append_audit(connection, now, audit)
            return True

        return await self._redeem(act) if storable(session.account_id) else False
