"""Sessions on SQLite: starting, viewing, listing, ending.

Does not rotate refresh tokens; sqlite_families.py does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from watchword_server.store.records import AuditEvent, NewSession, Session, SessionView
from watchword_server.store.rows import own_idle_end, session_of, session_view_of
from watchword_server.store.sqlite_accounts import SqliteAccounts
from watchword_server.store.sqlite_log import Told, append_audit, longest_lifetime, write_cut_off
from watchword_server.store.statements import (
    ACCOUNT_COLUMNS,
    SESSIONS,
    alive,
    family_cut_off,
    idle_end,
    session_columns,
    token_cut_off,
)
from watchword_server.store.text import (
    clean,
    limited,
    pack_list,
    require_document,
    require_storable,
    storable,
)

_MAY_START: Final = (
    "SELECT 1 FROM accounts a, (SELECT ?2 AS sid, ?3 AS client_id) s, revocation_head h "
    f"WHERE a.id = ?1 AND a.disabled_at IS NULL AND ?4 >= {family_cut_off('max')} AND ?4 >= h.forgotten"
)
_START: Final = (
    "INSERT INTO sessions (sid, account_id, client_id, rev, device, place, created_at, used_at, auth_time, amr, acr, "
    "sign_on, idle_expires_at, expires_at, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_JOIN: Final = (
    "UPDATE sessions SET used_at = ?2, place = ?3, idle_expires_at = max(idle_expires_at, ?4), "
    "expires_at = max(expires_at, ?5), due_at = max(due_at, ?6), amr = CASE WHEN auth_time <= ?7 THEN ?8 ELSE amr END, "
    "acr = CASE WHEN auth_time <= ?7 THEN ?9 ELSE acr END, auth_time = max(auth_time, ?7) WHERE sid = ?1"
)
_START_FAMILY: Final = (
    "INSERT INTO families (id, sid, scope, resource, sender_key, delivery, salt, key_id, rotated_at, device_kind, "
    "place, idle_expires_at, expires_at, terms, auth_time, amr, acr) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_VIEW: Final = (
    f"SELECT {ACCOUNT_COLUMNS}, {session_columns('max')}, {alive('max', '?1')} AND NOT EXISTS (SELECT 1 FROM revocations r "
    f"WHERE r.axis = 'token' AND r.axis <> '' AND r.value = ?4), {token_cut_off()}, h.position, ?1 "
    f"FROM {SESSIONS}, revocation_head h WHERE s.sid = ?2 AND s.account_id = ?3"
)
_LIST: Final = f"SELECT {session_columns('max')} FROM {SESSIONS} WHERE {alive('max', '?1')} AND "
_LIST_OF_ONE: Final = _LIST + (
    "s.account_id = ?2 AND (?3 IS NULL OR (s.created_at, s.sid) < (SELECT created_at, sid FROM sessions WHERE sid = ?3)) "
    "ORDER BY s.created_at DESC, s.sid DESC LIMIT ?4"
)
_LIST_OF_ALL: Final = _LIST + "s.sid > coalesce(?2, '') ORDER BY s.sid LIMIT ?3"
# A session that has run out may have left an access token that has not: it can be ended still.
_TO_END: Final = (
    "SELECT s.account_id FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.sid = ?1 "
    "AND (?2 IS NULL OR s.account_id = ?2) AND s.ended_at IS NULL AND s.expires_at > ?3 "
    f"AND {idle_end('max')} > ?3 AND s.rev >= {family_cut_off('max')}"
)


class Opening:
    """A session about to be recorded, as rows. Judges nothing: the act that opens it has."""

    def __init__(self, new: NewSession) -> None:
        """Raises ValueError when a text of it cannot be kept."""
        self._session = new
        self._amr = pack_list("amr", new.amr)
        require_storable(
            sid=new.sid, client_id=new.client_id, sign_on=new.sign_on, acr=new.acr, id_token_sid=new.id_token_sid
        )
        if (family := new.family) is not None:
            self._scope, self._resource = pack_list("scope", family.scope), pack_list("resource", family.resource)
            require_storable(family=family.id, sender_key=family.sender_key, key_id=family.key_id)
            require_document(terms=family.terms)
        self.idle_expires_at = own_idle_end(new)
        """Without its family."""

    def open(self, connection: sqlite3.Connection, now: float) -> None:
        """Insert the session and its family."""
        new = self._session
        idle_end = self.idle_expires_at if new.family is None else max(self.idle_expires_at, new.family.idle_expires_at)
        connection.execute(
            _START,
            (
                *(new.sid, new.account_id, new.client_id, new.rev, clean(new.device), clean(new.place), now, now),
                *(new.auth_time, self._amr, new.acr, new.sign_on, self.idle_expires_at, new.expires_at),
                min(idle_end, new.expires_at),
            ),
        )
        self.add_family(connection, now)

    def join(self, connection: sqlite3.Connection, now: float) -> None:
        """Add the family to the session that is there, which is used by this and lives as long as this would."""
        new = self._session
        idle_end = self.idle_expires_at if new.family is None else max(self.idle_expires_at, new.family.idle_expires_at)
        connection.execute(
            _JOIN,
            (
                *(new.sid, now, clean(new.place), self.idle_expires_at, new.expires_at, min(idle_end, new.expires_at)),
                *(new.auth_time, self._amr, new.acr),
            ),
        )
        self.add_family(connection, now)

    def add_family(self, connection: sqlite3.Connection, now: float) -> None:
        """Insert the family, if it has one, to the session that is there."""
        new, family = self._session, self._session.family
        if family is None:
            return
        connection.execute(
            _START_FAMILY,
            (
                *(family.id, new.sid, self._scope, self._resource, family.sender_key, family.delivery, family.salt),
                *(family.key_id, now, clean(family.device_kind), clean(new.place)),
                *(family.idle_expires_at, family.expires_at, family.terms, new.auth_time, self._amr, new.acr),
            ),
        )


class SqliteSessions(SqliteAccounts):
    """The Sessions part of the port."""

    async def start_session(self, new: NewSession, audit: AuditEvent) -> bool:
        """Record the login and its family, unless the account is gone or was cut off since `new.rev`."""
        opening = Opening(new)
        if not storable(new.account_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            key = (new.account_id, new.sid, new.client_id, new.rev)
            if connection.execute(_MAY_START, key).fetchone() is None:
                return False
            now = self._now()
            opening.open(connection, now)
            append_audit(connection, now, audit)
            return True

        try:
            return await self._write(act)
        except sqlite3.IntegrityError as error:
            raise ValueError("a session or family with that id exists") from error

    async def session_view(self, sid: str, account_id: str, *, jti: str | None = None) -> SessionView | None:
        """The account and session behind a token."""
        if not storable(sid, account_id, jti):
            return None
        row = self._row(_VIEW, (self._now(), sid, account_id, jti))
        return None if row is None else session_view_of(row)

    async def list_sessions(
        self, account_id: str | None, *, after: str | None = None, limit: int = 100
    ) -> Sequence[Session]:
        """Living sessions: of one account newest first, of all by sid; after that sid."""
        if not storable(account_id, after):
            return ()
        sql = _LIST_OF_ALL if account_id is None else _LIST_OF_ONE
        own = () if account_id is None else (account_id,)
        values = (self._now(), *own, after, limited(limit))
        return await self._beside(lambda connection: [session_of(row) for row in connection.execute(sql, values)])

    async def end_session(self, sid: str, *, account_id: str | None, reason: str, audit: AuditEvent) -> bool:
        """End the session, its family and its access tokens. True for exactly one caller."""
        if not storable(sid, account_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            if self._end(connection, now, sid, account_id, reason) is None:
                return False
            append_audit(connection, now, audit)
            return True

        return await self._write(act)

    async def end_all_sessions(self, account_id: str, *, spares: str | None, reason: str, audit: AuditEvent) -> int:
        """One cut-off that ends all sessions of the account but `spares`. Returns its position."""
        require_storable(account_id=account_id, spares=spares)

        def act(connection: sqlite3.Connection) -> int:
            return self._cut_off_account(connection, self._now(), account_id, spares, clean(reason), audit).position

        return await self._write(act)

    def _end(
        self, connection: sqlite3.Connection, now: float, sid: str, account_id: str | None, reason: str
    ) -> str | None:
        """End a living session with its family and cut-off. Returns whose it was, or None when it is dead already."""
        tokens_end = now - longest_lifetime(connection) - self._leeway
        row = connection.execute(_TO_END, (sid, account_id, tokens_end)).fetchone()
        if row is None:
            return None
        owner: str = row[0]
        reason = clean(reason)
        entry = write_cut_off(connection, now, self._leeway, Told("session", sid, reason, account_id=owner))
        connection.execute(
            "UPDATE sessions SET ended_at = ?1, end_reason = ?2, due_at = ?1, end_position = ?3 WHERE sid = ?4",
            (now, reason, entry.position, sid),
        )
        connection.execute("UPDATE families SET revoked_at = ?, revoked_reason = ? WHERE sid = ?", (now, reason, sid))
        return owner
