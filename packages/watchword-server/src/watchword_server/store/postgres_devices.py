"""Device codes on PostgreSQL (RFC 8628).

Does not make user codes nor count wrong guesses of them.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from watchword_server.store.authorization_records import DeviceView, NewDeviceCode
from watchword_server.store.authorization_rows import device_view_of, require_digests
from watchword_server.store.authorization_statements import DEVICE_SOURCE, SLOWER, device_columns
from watchword_server.store.postgres_codes import PostgresCodes
from watchword_server.store.postgres_sessions import OPENING
from watchword_server.store.postgres_sign_ons import NOW
from watchword_server.store.records import AuditEvent, NewSession
from watchword_server.store.rows import audit_values
from watchword_server.store.text import integer, require_document, require_storable, storable

_ADD: Final = "SELECT watchword_add_device_code($1, $2, $3, $4, $5, $6, $7)"
_PENDING: Final = (
    NOW + f"SELECT {device_columns('greatest', 't.now', too_soon='false')} FROM {DEVICE_SOURCE} CROSS JOIN t "
    "CROSS JOIN revocation_head h WHERE d.user_code = $2 AND d.state = 'pending' AND d.expires_at > t.now"
)
_POLL: Final = NOW.rstrip() + (
    ", polled AS (UPDATE device_codes d SET polled_at = t.now, "
    f"poll_interval = d.poll_interval + CASE WHEN before.too_soon THEN {SLOWER} ELSE 0 END FROM t, (SELECT digest, "
    "coalesce(polled_at + poll_interval > t.now, false) AS too_soon FROM device_codes, t WHERE digest = $2 FOR UPDATE OF "
    "device_codes) before WHERE d.digest = before.digest RETURNING d.*, before.too_soon) "
    f"SELECT {device_columns('greatest', 't.now', too_soon='d.too_soon')} FROM "
    f"{DEVICE_SOURCE.replace('device_codes', 'polled')} CROSS JOIN t CROSS JOIN revocation_head h"
)
_DECIDE: Final = "SELECT watchword_decide_device($1, $2, $3, $4, $5, $6, $7)"
_REDEEM: Final = f"SELECT watchword_redeem_device($1, {OPENING}, $26)"


class PostgresDevices(PostgresCodes):
    """Device codes of the Codes part of the port."""

    async def add_device_code(self, new: NewDeviceCode) -> bool:
        """Record it. False when the user code is taken by a living one."""
        require_storable(user_code=new.user_code, client_id=new.client_id)
        require_document(request=new.request)
        require_digests(new.digest)
        values = (new.digest, new.user_code, new.client_id, new.request, integer(new.interval), new.expires_at)
        try:
            return bool(await self._value(_ADD, self._now(), *values))
        except asyncpg.UniqueViolationError as error:
            raise ValueError("that device code exists") from error

    async def device_request(self, user_code: str) -> DeviceView | None:
        """The pending, living one with that user code."""
        row = await self._row(_PENDING, self._now(), user_code) if storable(user_code) else None
        return None if row is None else device_view_of(row)

    async def decide_device(
        self, user_code: str, *, terms: bytes | None, sign_on: str, rev: int, audit: AuditEvent
    ) -> bool:
        """Approve or deny. True for exactly one caller; False also when the sign-on is over or cut off since ``rev``."""
        require_document(terms=terms)
        if not storable(user_code, sign_on):
            return False
        state = "denied" if terms is None else "approved"
        values = (user_code, state, terms or b"", sign_on, integer(rev), audit_values(audit))
        return bool(await self._value(_DECIDE, self._now(), *values))

    async def poll_device(self, digest: bytes) -> DeviceView | None:
        """Look, and note the poll."""
        row = await self._row(_POLL, self._now(), digest)
        return None if row is None else device_view_of(row)

    async def redeem_device(self, digest: bytes, *, session: NewSession, audit: AuditEvent) -> bool:
        """Mark it redeemed and open or join the session. True for exactly one caller."""
        return await self._redeem(_REDEEM, session, audit, digest)
