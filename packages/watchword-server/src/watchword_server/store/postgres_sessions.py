"""Sessions and refresh families on PostgreSQL.

Does not decide the fate of a refresh token: tokens/refresh.py does, on a view from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import asyncpg
from watchword.clock import EpochSeconds

from watchword_server.store.postgres_accounts import PostgresAccounts
from watchword_server.store.postgres_batch import Batches
from watchword_server.store.records import (
    AuditEvent,
    Family,
    FamilyView,
    NewFamily,
    NewNotice,
    NewSession,
    Session,
    SessionView,
)
from watchword_server.store.rows import (
    audit_values,
    family_of,
    family_view_of,
    notice_values,
    own_idle_end,
    session_of,
    session_view_of,
)
from watchword_server.store.statements import (
    ACCOUNT_COLUMNS,
    FAMILY_COLUMNS,
    SESSIONS,
    alive,
    family_cut_off,
    refreshable,
    session_columns,
    token_cut_off,
)
from watchword_server.store.text import clean, integer, limited, pack_list, require_document, require_storable, storable

_NOW: Final = "WITH t AS MATERIALIZED (SELECT watchword_now($1) AS now) "
OPENING: Final = (
    "ROW($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)::watchword_new_session, "
    "ROW($14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)::watchword_new_family, $25"
)
"""A session, its family and the audit line of the act, as ``opening_values`` gives them after the time."""
_START: Final = f"SELECT watchword_start_session($1, {OPENING})"
_VIEW: Final = (
    _NOW
    + f"SELECT {ACCOUNT_COLUMNS}, {session_columns('greatest')}, {alive('greatest', 't.now')} AND NOT EXISTS (SELECT 1 "
    f"FROM revocations r WHERE r.axis = 'token' AND r.value = $4), {token_cut_off()}, h.position, t.now "
    f"FROM {SESSIONS} CROSS JOIN t CROSS JOIN revocation_head h WHERE s.sid = $2 AND s.account_id = $3"
)
_LIST: Final = (
    _NOW + f"SELECT {session_columns('greatest')} FROM {SESSIONS} CROSS JOIN t WHERE {alive('greatest', 't.now')} AND "
)
_LIST_OF_ONE: Final = _LIST + (
    "s.account_id = $2 AND ($3::text IS NULL OR (s.created_at, s.sid) < "
    "(SELECT created_at, sid FROM sessions WHERE sid = $3)) ORDER BY s.created_at DESC, s.sid DESC LIMIT $4"
)
_LIST_OF_ALL: Final = _LIST + "s.sid > coalesce($2, '') ORDER BY s.sid LIMIT $3"
_END: Final = "SELECT watchword_end_session($1, $2, $3, $4, $5, $6, NULL)"
_END_ALL: Final = "SELECT watchword_cut_off_account($1, $2, $3, $4, $5, $6)"

# Each family is looked up by itself (OFFSET 0 keeps it so), whatever the planner believes of the tables.
_FAMILIES: Final = (
    _NOW + f"SELECT v.* FROM t, revocation_head h, unnest($2::text[]) AS i (id) CROSS JOIN LATERAL (SELECT "
    f"{FAMILY_COLUMNS}, {ACCOUNT_COLUMNS}, s.ended_at IS NOT NULL OR s.expires_at <= t.now, coalesce(s.id_token_sid, s.sid), f.auth_time, f.amr, f.acr, "
    f"{family_cut_off('greatest')}, h.position, t.now FROM families f JOIN sessions s ON s.sid = f.sid "
    'JOIN accounts a ON a.id = s.account_id WHERE f.id = i.id COLLATE "C" OFFSET 0) v'
)
_OF_SESSION: Final = f"SELECT {FAMILY_COLUMNS} FROM families f JOIN sessions s ON s.sid = f.sid WHERE f.sid = $1 ORDER BY f.rotated_at DESC"
_ADVANCE: Final = "SELECT watchword_advance($1, $2, $3, $4, $5, $6)"
_MARK: Final = (
    _NOW
    + f""",
marked AS (
    UPDATE families f SET odd_marked = true, odd_count = f.odd_count + 1
    FROM sessions s, accounts a, t
    WHERE f.id = $2 AND f.generation = $3 AND NOT f.odd_marked AND s.sid = f.sid AND a.id = s.account_id
        AND {refreshable("greatest", "t.now", "f")}
    RETURNING s.account_id, t.now
)
SELECT watchword_audit(marked.now, $4), watchword_notice(marked.now, marked.account_id, $5) FROM marked
"""
)
_REVOKE: Final = "SELECT watchword_end_session($1, $2, (SELECT sid FROM families WHERE id = $3), NULL, $4, $5, $6)"


Advance: TypeAlias = tuple[int, str, str, EpochSeconds]
"""From which generation, by what kind of device, from where, and until when it may be idle."""


def opening_values(new: NewSession, audit: AuditEvent) -> list[Any]:
    """What stands for OPENING in a statement. Raises ValueError when a text cannot be kept."""
    require_storable(
        sid=new.sid, client_id=new.client_id, sign_on=new.sign_on, acr=new.acr, id_token_sid=new.id_token_sid
    )
    return [
        *(new.sid, new.account_id, new.client_id, new.rev, clean(new.device), clean(new.place), new.auth_time),
        *(pack_list("amr", new.amr), new.acr, new.sign_on, own_idle_end(new), new.expires_at),
        *_family_values(new.family),
        audit_values(audit),
    ]


def _family_values(family: NewFamily | None) -> list[Any]:
    if family is None:
        return [None] * 11
    require_storable(family=family.id, sender_key=family.sender_key, key_id=family.key_id)
    require_document(terms=family.terms)
    return [
        *(family.id, pack_list("scope", family.scope), pack_list("resource", family.resource), family.sender_key),
        *(family.delivery, family.salt, family.key_id, clean(family.device_kind), family.idle_expires_at),
        *(family.expires_at, family.terms),
    ]


class PostgresSessions(PostgresAccounts):
    """The Sessions part of the port."""

    async def start_session(self, new: NewSession, audit: AuditEvent) -> bool:
        """Record the login and its family, unless the account is gone or was cut off since `new.rev`."""
        values = opening_values(new, audit)
        if not storable(new.account_id):
            return False
        try:
            return bool(await self._value(_START, self._now(), *values))
        except asyncpg.UniqueViolationError as error:
            raise ValueError("a session or family with that id exists") from error

    async def session_view(self, sid: str, account_id: str, *, jti: str | None = None) -> SessionView | None:
        """The account and session behind a token."""
        if not storable(sid, account_id, jti):
            return None
        row = await self._row(_VIEW, self._now(), sid, account_id, jti)
        return None if row is None else session_view_of(row)

    async def list_sessions(
        self, account_id: str | None, *, after: str | None = None, limit: int = 100
    ) -> Sequence[Session]:
        """Living sessions: of one account newest first, of all by sid; after that sid."""
        if not storable(account_id, after):
            return ()
        sql = _LIST_OF_ALL if account_id is None else _LIST_OF_ONE
        own = () if account_id is None else (account_id,)
        return [session_of(row) for row in await self._rows(sql, self._now(), *own, after, limited(limit))]

    async def end_session(self, sid: str, *, account_id: str | None, reason: str, audit: AuditEvent) -> bool:
        """End the session, its family and its access tokens. True for exactly one caller."""
        if not storable(sid, account_id):
            return False
        values = (self._now(), self._leeway, sid, account_id, clean(reason), audit_values(audit))
        return bool(await self._value(_END, *values))

    async def end_all_sessions(self, account_id: str, *, spares: str | None, reason: str, audit: AuditEvent) -> int:
        """One cut-off that ends all sessions of the account but `spares`. Returns its position."""
        require_storable(account_id=account_id, spares=spares)
        position: int = await self._value(
            _END_ALL, self._now(), self._leeway, account_id, spares, clean(reason), audit_values(audit)
        )
        return position


class PostgresFamilies(PostgresSessions):
    """The Families part of the port."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._views = Batches(self._view)
        self._advances = Batches(self._advance)

    async def close(self) -> None:
        """Finish what was accepted, then close; a second close does nothing."""
        await self._views.drain()
        await self._advances.drain()
        await super().close()

    async def _view(self, calls: dict[str, None]) -> dict[str, FamilyView]:
        """All of these families in one statement."""
        return {row[0]: family_view_of(row) for row in await self._rows(_FAMILIES, self._now(), list(calls))}

    async def _advance(self, calls: dict[str, Advance]) -> dict[str, bool]:
        """Do all of these advances in one statement. Returns the families that were advanced."""
        ids = sorted(calls)
        rows = await self._rows(_ADVANCE, self._now(), ids, *zip(*(calls[one] for one in ids), strict=True))
        return {row[0]: True for row in rows}

    async def family(self, family_id: str) -> FamilyView | None:
        """Everything a refresh decides on, from one statement."""
        return await self._views.submit(family_id, None) if storable(family_id) else None

    async def families_of(self, sid: str) -> Sequence[Family]:
        """The families of a session that are on record."""
        return [family_of(row) for row in await self._rows(_OF_SESSION, sid)] if storable(sid) else ()

    async def advance_refresh(
        self, family_id: str, *, from_generation: int, device_kind: str, place: str, idle_expires_at: EpochSeconds
    ) -> bool:
        """Move one generation on. True for exactly one caller."""
        if not storable(family_id):
            return False
        call = (integer(from_generation), clean(device_kind), clean(place), idle_expires_at)
        return await self._advances.submit(family_id, call) is not None

    async def mark_odd(self, family_id: str, *, generation: int, audit: AuditEvent, notice: NewNotice | None) -> bool:
        """Note an odd repeat. True for exactly one caller a generation."""
        if not storable(family_id):
            return False
        values = (family_id, integer(generation), audit_values(audit), notice_values(notice))
        return await self._row(_MARK, self._now(), *values) is not None

    async def revoke_family(self, family_id: str, *, reason: str, audit: AuditEvent, notice: NewNotice | None) -> bool:
        """Cut off the family and its session, access tokens included. True for exactly one caller."""
        if not storable(family_id):
            return False
        values = (family_id, clean(reason), audit_values(audit), notice_values(notice))
        return bool(await self._value(_REVOKE, self._now(), self._leeway, *values))
