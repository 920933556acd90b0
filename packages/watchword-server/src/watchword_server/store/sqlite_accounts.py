"""Accounts on SQLite.

Does not decide who may log in: it keeps what port.py says, atomically.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, Literal

from watchword_server.store.records import Account, AccountView, AuditEvent, CutOff, NewAccount
from watchword_server.store.rows import account_of, account_view_of
from watchword_server.store.sqlite_file import SqliteFile
from watchword_server.store.sqlite_log import Told, append_audit, end_account_families, write_cut_off
from watchword_server.store.statements import ACCOUNT_COLUMNS
from watchword_server.store.text import limited, pack_list, require_storable, storable

_VIEW: Final = f"SELECT {ACCOUNT_COLUMNS}, a.password_hash, h.position, ? FROM accounts a, revocation_head h WHERE "
_BY_ID: Final = _VIEW + "a.id = ?"
_BY_EMAIL: Final = _VIEW + "a.email_key = ?"
_BY_USERNAME: Final = _VIEW + "a.username_key = ?"
_ONE: Final = f"SELECT {ACCOUNT_COLUMNS} FROM accounts a WHERE a.id = ?"
_LIST: Final = (
    f"SELECT {ACCOUNT_COLUMNS} FROM accounts a WHERE a.id > ?1 AND (?2 IS NULL OR instr(a.email, ?2) "
    "OR instr(a.email_key, ?3) OR instr(a.username, ?2) OR instr(a.username_key, ?3)) ORDER BY a.id LIMIT ?4"
)


class SqliteAccounts(SqliteFile):
    """The Accounts part of the port."""

    async def create_account(self, new: NewAccount, audit: AuditEvent) -> Account | Literal["email", "username"]:
        """Create it, or say which unique name is taken. Raises ValueError when a text cannot be kept."""
        require_storable(
            id=new.id,
            email=new.email,
            email_key=new.email_key,
            username=new.username,
            username_key=new.username_key,
            password_hash=new.password_hash,
            tenant=new.tenant,
        )
        roles, permissions = pack_list("roles", new.roles), pack_list("permissions", new.permissions)

        def act(connection: sqlite3.Connection) -> Account | Literal["email", "username"]:
            if _taken(connection, "email_key", new.email_key):
                return "email"
            if _taken(connection, "username_key", new.username_key):
                return "username"
            now = self._now()
            connection.execute(
                "INSERT INTO accounts (id, email, email_key, username, username_key, password_hash, roles, permissions, "
                "tenant, email_verified, created_at, password_changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(new.id, new.email, new.email_key, new.username, new.username_key, new.password_hash),
                    *(roles, permissions, new.tenant, new.email_verified, now, now),
                ),
            )
            append_audit(connection, now, audit)
            return account_of(connection.execute(_ONE, (new.id,)).fetchone())

        try:
            return await self._write(act)
        except sqlite3.IntegrityError as error:
            raise ValueError("an account with that id exists") from error

    async def account_for_login(self, *, email_key: str | None, username_key: str | None) -> AccountView | None:
        """The account with that email, else with that username."""
        for sql, key in ((_BY_EMAIL, email_key), (_BY_USERNAME, username_key)):
            if key is not None and storable(key) and (row := self._row(sql, (self._now(), key))) is not None:
                return account_view_of(row)
        return None

    async def account(self, account_id: str) -> AccountView | None:
        """The account with that id."""
        row = self._row(_BY_ID, (self._now(), account_id)) if storable(account_id) else None
        return None if row is None else account_view_of(row)

    async def list_accounts(self, *, after: str | None, limit: int, search: str | None) -> Sequence[Account]:
        """Accounts by ascending id; `search` may be in the email or username as written or as normalised."""
        if not storable(after, search):
            return ()
        values = (after or "", search or None, search and search.casefold(), limited(limit))
        return await self._beside(lambda connection: [account_of(row) for row in connection.execute(_LIST, values)])

    async def rehash_password(self, account_id: str, *, old_hash: str, new_hash: str) -> bool:
        """Replace the hash of the same password unless it was changed meanwhile."""
        require_storable(new_hash=new_hash)
        if not storable(account_id, old_hash):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            done = connection.execute(
                "UPDATE accounts SET password_hash = ? WHERE id = ? AND password_hash = ?",
                (new_hash, account_id, old_hash),
            )
            return done.rowcount == 1

        return await self._write(act, whole=True)

    async def change_password(
        self, account_id: str, *, old_hash: str | None, new_hash: str, spares: str | None, audit: AuditEvent
    ) -> bool:
        """Set a new password and cut the account off, sparing session `spares`."""
        require_storable(new_hash=new_hash)
        if not storable(account_id, old_hash, spares):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            done = connection.execute(
                "UPDATE accounts SET password_hash = ?1, password_changed_at = ?2 "
                "WHERE id = ?3 AND (?4 IS NULL OR password_hash = ?4)",
                (new_hash, now, account_id, old_hash),
            )
            if done.rowcount != 1:
                return False
            self._cut_off_account(connection, now, account_id, spares, "password.changed", audit)
            return True

        return await self._write(act)

    async def set_roles(self, account_id: str, roles: tuple[str, ...], audit: AuditEvent) -> Account | None:
        """Set the roles; one taken away cuts off access tokens, not sessions."""
        packed = pack_list("roles", roles)
        if not storable(account_id):
            return None

        def act(connection: sqlite3.Connection) -> Account | None:
            row = connection.execute(_ONE, (account_id,)).fetchone()
            if row is None:
                return None
            before = account_of(row)
            if before.roles != roles:
                now = self._now()
                connection.execute("UPDATE accounts SET roles = ? WHERE id = ?", (packed, account_id))
                append_audit(connection, now, audit)
                if not set(before.roles) <= set(roles):
                    write_cut_off(connection, now, self._leeway, Told("account", account_id, "roles.taken"))
            return account_of(connection.execute(_ONE, (account_id,)).fetchone())

        return await self._write(act)

    async def disable_account(self, account_id: str, audit: AuditEvent) -> bool:
        """Disable and cut off. True for exactly one caller."""
        if not storable(account_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            now = self._now()
            done = connection.execute(
                "UPDATE accounts SET disabled_at = ? WHERE id = ? AND disabled_at IS NULL", (now, account_id)
            )
            if done.rowcount != 1:
                return False
            self._cut_off_account(connection, now, account_id, None, "account.disabled", audit)
            return True

        return await self._write(act)

    async def enable_account(self, account_id: str, audit: AuditEvent) -> bool:
        """Enable again. What was cut off stays so."""
        if not storable(account_id):
            return False

        def act(connection: sqlite3.Connection) -> bool:
            done = connection.execute(
                "UPDATE accounts SET disabled_at = NULL WHERE id = ? AND disabled_at IS NOT NULL", (account_id,)
            )
            if done.rowcount != 1:
                return False
            append_audit(connection, self._now(), audit)
            return True

        return await self._write(act)

    def _cut_off_account(
        self,
        connection: sqlite3.Connection,
        now: float,
        account_id: str,
        spares: str | None,
        cause: str,
        audit: AuditEvent,
    ) -> CutOff:
        """Cut the account off, its families too, with the audit line of the act that does."""
        append_audit(connection, now, audit)
        entry = write_cut_off(connection, now, self._leeway, Told("account", account_id, cause, spares))
        end_account_families(connection, now, entry)
        return entry


def _taken(connection: sqlite3.Connection, column: str, key: str | None) -> bool:
    return connection.execute(f"SELECT 1 FROM accounts WHERE {column} = ?", (key,)).fetchone() is not None
