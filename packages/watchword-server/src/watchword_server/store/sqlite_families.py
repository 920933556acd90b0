"""Refresh families on SQLite.

Does not decide the fate of a refresh token: tokens/refresh.py does, on the view from here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from watchword.clock import EpochSeconds

from watchword_server.store.records import AuditEvent, Family, FamilyView, NewNotice
from watchword_server.store.rows import family_of, family_view_of
from watchword_server.store.sqlite_log import append_audit, leave_notice
from watchword_server.store.sqlite_sessions import SqliteSessions
from watchword_server.store.statements import ACCOUNT_COLUMNS, FAMILY_COLUMNS, family_cut_off, refreshable
from watchword_server.store.text import clean, integer, storable

_VIEW: Final = (
    f"SELECT {FAMILY_COLUMNS}, {ACCOUNT_COLUMNS}, s.ended_at IS NOT NULL OR s.expires_at <= ?1, coalesce(s.id_token_sid, s.sid), f.auth_time, f.amr, f.acr, "
    f"{family_cut_off('max')}, h.position, ?1 FROM families f JOIN sessions s ON s.sid = f.sid "
    "JOIN accounts a ON a.id = s.account_id, revocation_head h WHERE f.id = ?2"
)
_OF_SESSION: Final = f"SELECT {FAMILY_COLUMNS} FROM families f JOIN sessions s ON s.sid = f.sid WHERE f.sid = ? ORDER BY f.rotated_at DESC"
_ALIVE: Final = (
    "EXISTS (SELECT 1 FROM sessions s JOIN accounts a ON a.id = s.account_id "
    f"WHERE s.sid = families.sid AND {refreshable('max', '?1', 'families')})"
)
_ADVANCE: Final = (
    "UPDATE families SET generation = generation + 1, rotated_at = ?1, refresh_count = refresh_count + 1, "
    "odd_count = CASE WHEN odd_marked OR odd_count = 0 THEN odd_count ELSE odd_count - 1 END, odd_marked = 0, "
    f"device_kind = ?4, place = ?5, idle_expires_at = ?6 WHERE id = ?2 AND generation = ?3 AND {_ALIVE}"
)
_MARK: Final = (
    "UPDATE families SET odd_marked = 1, odd_count = odd_count + 1 "
    f"WHERE id = ?2 AND generation = ?3 AND NOT odd_marked AND {_ALIVE} RETURNING sid"
)


class SqliteFamilies(SqliteSessions):
    """The Families part of the port."""

    async def family(self, family_id: str) -> FamilyView | None:
        """Everything a refresh decides on, from one statement."""
        row = self._row(_VIEW, (self._now(), family_id)) if storable(family_id) else None
        return None if row is None else family_view_of(row)

    async def families_of(self, sid: str) -> Sequence[Family]:
        """The families of a session that are on record."""
        return [family_of(row) for row in self._rows(_OF_SESSION, (sid,))] if storable(sid) else ()

    async def advance_refresh(
        self, family_id: str, *, from_generation: int, device_kind: str, place: str, idle_expires_at: EpochSeconds
    ) -> bool:
        """Move one generation on. True for exactly one caller."""
        if not storable(family_id):
            return False
        rest = (family_id, integer(from_generation), clean(device_kind), clean(place), idle_expires_at)

        def act(connection: sqlite3.Connection) -> bool:
            return connection.execute(_ADVANCE, (self._now(), *rest)).rowcount == 1

        return await self._write(act, whole=True)

    async def mark_odd(self, family_id: str, *, generation: int, audit: AuditEvent, notice: NewNotice | None) -> bool:
        """Note an odd repeat. True for exactly one caller a generation."""
        if not storable(family_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            row = connection.execute(_MARK, (now, family_id, integer(generation))).fetchone()
            if row is None:
                return False
            append_audit(connection, now, audit)
            if notice is not None:
                owner = connection.execute("SELECT account_id FROM sessions WHERE sid = ?", row).fetchone()[0]
                leave_notice(connection, now, owner, notice)
            return True

        return await self._write(act)

    async def revoke_family(self, family_id: str, *, reason: str, audit: AuditEvent, notice: NewNotice | None) -> bool:
        """Cut off the family and its session, access tokens included. True for exactly one caller."""
        if not storable(family_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            row = connection.execute("SELECT sid FROM families WHERE id = ?", (family_id,)).fetchone()
            owner = None if row is None else self._end(connection, now, row[0], None, reason)
            if owner is None:
                return False
            append_audit(connection, now, audit)
            leave_notice(connection, now, owner, notice)
            return True

        return await self._write(act)
