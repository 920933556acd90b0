"""Accounts on PostgreSQL.

Does not decide who may log in: it keeps what port.py says, each verb one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import asyncpg

from watchword_server.store.postgres_pool import PostgresPool
from watchword_server.store.records import Account, AccountView, AuditEvent, NewAccount
from watchword_server.store.rows import account_of, account_view_of, audit_values
from watchword_server.store.statements import ACCOUNT_COLUMNS
from watchword_server.store.text import limited, pack_list, require_storable, storable

_VIEW: Final = f"SELECT {ACCOUNT_COLUMNS}, a.password_hash, h.position, watchword_now($1) FROM accounts a, revocation_head h WHERE "
_BY_ID: Final = _VIEW + "a.id = $2"
_FOR_LOGIN: Final = _VIEW + "a.email_key = $2 OR a.username_key = $3 ORDER BY a.email_key = $2 DESC LIMIT 1"
_CREATE: Final = f"""
WITH t AS MATERIALIZED (SELECT watchword_now($1) AS now),
a AS (
    INSERT INTO accounts (id, email, email_key, username, username_key, password_hash, roles, permissions, tenant,
        email_verified, created_at, password_changed_at)
    SELECT $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, t.now, t.now FROM t
    RETURNING *
), noted AS (SELECT watchword_audit(a.created_at, $12) FROM a)
SELECT {ACCOUNT_COLUMNS} FROM a, noted
"""
_TAKEN: Final = "SELECT EXISTS (SELECT 1 FROM accounts WHERE email_key = $1), EXISTS (SELECT 1 FROM accounts WHERE username_key = $2)"
_LIST: Final = (
    f"SELECT {ACCOUNT_COLUMNS} FROM accounts a WHERE a.id > $1 AND ($2::text IS NULL OR strpos(a.email, $2) > 0 "
    "OR strpos(a.email_key, $3) > 0 OR strpos(a.username, $2) > 0 OR strpos(a.username_key, $3) > 0) "
    "ORDER BY a.id LIMIT $4"
)
_REHASH: Final = "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING true"
_ENABLE: Final = """
WITH done AS (UPDATE accounts SET disabled_at = NULL WHERE id = $2 AND disabled_at IS NOT NULL RETURNING id)
SELECT watchword_audit(watchword_now($1), $3) FROM done
"""


class PostgresAccounts(PostgresPool):
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
        if (taken := await self._taken(new)) is not None:
            return taken
        try:
            row = await self._row(
                _CREATE,
                *(self._now(), new.id, new.email, new.email_key, new.username, new.username_key, new.password_hash),
                *(roles, permissions, new.tenant, new.email_verified, audit_values(audit)),
            )
        except asyncpg.UniqueViolationError as error:
            if (taken := await self._taken(new)) is not None:  # another was faster
                return taken
            raise ValueError("an account with that id exists") from error
        assert row is not None  # noqa: S101 - an INSERT that raises nothing returns its row
        return account_of(row)

    async def _taken(self, new: NewAccount) -> Literal["email", "username"] | None:
        row = await self._row(_TAKEN, new.email_key, new.username_key)
        if row is None or not (row[0] or row[1]):
            return None
        return "email" if row[0] else "username"

    async def account_for_login(self, *, email_key: str | None, username_key: str | None) -> AccountView | None:
        """The account with that email, else with that username."""
        email_key = email_key if storable(email_key) else None
        username_key = username_key if storable(username_key) else None
        if email_key is None and username_key is None:
            return None
        row = await self._row(_FOR_LOGIN, self._now(), email_key, username_key)
        return None if row is None else account_view_of(row)

    async def account(self, account_id: str) -> AccountView | None:
        """The account with that id."""
        row = await self._row(_BY_ID, self._now(), account_id) if storable(account_id) else None
        return None if row is None else account_view_of(row)

    async def list_accounts(self, *, after: str | None, limit: int, search: str | None) -> Sequence[Account]:
        """Accounts by ascending id; `search` may be in the email or username as written or as normalised."""
        if not storable(after, search):
            return ()
        rows = await self._rows(_LIST, after or "", search or None, search and search.casefold(), limited(limit))
        return [account_of(row) for row in rows]

    async def rehash_password(self, account_id: str, *, old_hash: str, new_hash: str) -> bool:
        """Replace the hash of the same password unless it was changed meanwhile."""
        require_storable(new_hash=new_hash)
        return storable(account_id, old_hash) and bool(await self._value(_REHASH, account_id, old_hash, new_hash))

    async def change_password(
        self, account_id: str, *, old_hash: str | None, new_hash: str, spares: str | None, audit: AuditEvent
    ) -> bool:
        """Set a new password and cut the account off, sparing session `spares`."""
        require_storable(new_hash=new_hash)
        if not storable(account_id, old_hash, spares):
            return False
        done = await self._value(
            "SELECT watchword_change_password($1, $2, $3, $4, $5, $6, $7)",
            *(self._now(), self._leeway, account_id, old_hash, new_hash, spares, audit_values(audit)),
        )
        return bool(done)

    async def set_roles(self, account_id: str, roles: tuple[str, ...], audit: AuditEvent) -> Account | None:
        """Set the roles; one taken away cuts off access tokens, not sessions."""
        packed = pack_list("roles", roles)
        if not storable(account_id):
            return None
        row = await self._row(
            f"SELECT {ACCOUNT_COLUMNS} FROM watchword_set_roles($1, $2, $3, $4, $5) a",
            *(self._now(), self._leeway, account_id, packed, audit_values(audit)),
        )
        return None if row is None else account_of(row)

    async def disable_account(self, account_id: str, audit: AuditEvent) -> bool:
        """Disable and cut off. True for exactly one caller."""
        if not storable(account_id):
            return False
        sql = "SELECT watchword_disable_account($1, $2, $3, $4)"
        return bool(await self._value(sql, self._now(), self._leeway, account_id, audit_values(audit)))

    async def enable_account(self, account_id: str, audit: AuditEvent) -> bool:
        """Enable again. What was cut off stays so."""
        if not storable(account_id):
            return False
        return await self._row(_ENABLE, self._now(), account_id, audit_values(audit)) is not None
