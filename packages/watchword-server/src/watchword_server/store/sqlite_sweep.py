"""Deleting what is dead on SQLite, a batch a table, each in a transaction of its own.

Does not decide how long dead rows are kept for explanation: `retention` is given.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from watchword_server.store.records import SweepReport
from watchword_server.store.statements import idle_end

PAGES_AT_ONCE: Final = 256
"""Free pages given back to the file system by one sweep."""
PAGES_KEPT: Final = 1024
"""Free pages kept for reuse."""

Sweep = Callable[[sqlite3.Connection, float, int, float], SweepReport]

_DUE: Final = (
    f"SELECT s.sid, s.ended_at, min(s.expires_at, {idle_end('max')}), "
    "(SELECT count(*) FROM families i WHERE i.sid = s.sid) FROM sessions s WHERE s.due_at <= ? ORDER BY s.due_at LIMIT ?"
)
_CUT_OFF_ACCOUNTS: Final = "SELECT id FROM accounts WHERE cut_off_at <= ? ORDER BY cut_off_at LIMIT ?"
_SESSIONS_CUT_OFF: Final = (
    "SELECT s.sid, (SELECT count(*) FROM families i WHERE i.sid = s.sid) FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.account_id = ? AND s.rev < "
    "CASE WHEN a.cut_off_spares = s.sid THEN a.cut_off_floor ELSE a.cut_off END LIMIT ?"
)
_SIGN_ONS_CUT_OFF: Final = (
    "DELETE FROM sign_ons WHERE id IN (SELECT o.id FROM sign_ons o JOIN accounts a ON a.id = o.account_id "
    "WHERE o.account_id = ? AND o.rev < CASE WHEN a.cut_off_spares = o.id THEN a.cut_off_floor ELSE a.cut_off END LIMIT ?)"
)


def sweep_sessions(connection: sqlite3.Connection, now: float, limit: int, retention: float) -> SweepReport:
    """Sessions that are due: deleted when they ended long enough ago, put off to their end when they live on."""
    horizon = now - retention
    due = connection.execute(_DUE, (horizon, limit)).fetchall()
    dead, later, families = [], [], 0
    for sid, ended_at, runs_out_at, its_families in due:
        end = runs_out_at if ended_at is None else min(ended_at, runs_out_at)
        if end <= horizon:
            dead.append((sid,))
            families += its_families
        else:
            later.append((end, sid))
    _delete_sessions(connection, dead)
    connection.executemany("UPDATE sessions SET due_at = ? WHERE sid = ?", later)
    return SweepReport(deleted={"sessions": len(dead), "families": families}, more=len(due) == limit)


def sweep_cut_off_accounts(connection: sqlite3.Connection, now: float, limit: int, retention: float) -> SweepReport:
    """Sessions and sign-ons that a cut-off of their account ended long enough ago, however many."""
    room, families, sign_ons = limit, 0, 0
    accounts = connection.execute(_CUT_OFF_ACCOUNTS, (now - retention, limit)).fetchall()
    more = len(accounts) == limit
    for (account_id,) in accounts:
        dead = connection.execute(_SESSIONS_CUT_OFF, (account_id, room)).fetchall()
        _delete_sessions(connection, [(sid,) for sid, _ in dead])
        forgotten = connection.execute(_SIGN_ONS_CUT_OFF, (account_id, limit - sign_ons)).rowcount
        sign_ons += forgotten
        families += sum(its_families for _, its_families in dead)
        room -= len(dead)
        if room == 0 or sign_ons == limit:
            more = True
            break
        connection.execute("UPDATE accounts SET cut_off_at = NULL WHERE id = ?", (account_id,))
    return SweepReport(deleted={"sessions": limit - room, "families": families, "sign_ons": sign_ons}, more=more)


def sweep_revocations(connection: sqlite3.Connection, now: float, limit: int, retention: float) -> SweepReport:  # noqa: ARG001 - one shape for all
    """Entries past their end; never the head's, which every cursor ends on."""
    return delete_some(
        connection,
        "revocations",
        "position IN (SELECT position FROM revocations WHERE expires_at <= ? "
        "AND position < (SELECT position FROM revocation_head) LIMIT ?)",
        (now, limit),
    )


def settled_family_cutoffs(connection: sqlite3.Connection, now: float, limit: int) -> list[int]:
    """Positions of cut-offs of clients, tenants and everything that no session, sign-on or API key is older than. Reads all, so
    not in the writing thread; none that is older can be added meanwhile.
    """
    rows = connection.execute(
        "SELECT c.position FROM family_cutoffs c WHERE c.settled_at <= ? "
        "AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.rev < c.position) "
        "AND NOT EXISTS (SELECT 1 FROM sign_ons o WHERE o.rev < c.position) "
        "AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.ended_at IS NULL AND k.rev < c.position) LIMIT ?",
        (now, limit),
    )
    return [row[0] for row in rows]


def forget_family_cutoffs(connection: sqlite3.Connection, positions: list[int]) -> None:
    """Delete these. Logins still under way from a view that old are refused by `forgotten`."""
    connection.executemany("DELETE FROM family_cutoffs WHERE position = ?", [(position,) for position in positions])
    connection.execute("UPDATE revocation_head SET forgotten = max(forgotten, ?)", (max(positions),))


def sweep_failures(connection: sqlite3.Connection, now: float, limit: int, retention: float) -> SweepReport:  # noqa: ARG001 - one shape for all
    """Windows that are over."""
    return delete_some(
        connection,
        "failures",
        "name IN (SELECT name FROM failures WHERE window_ends_at <= ? LIMIT ?)",
        (now, limit),
    )


def sweep_notices(connection: sqlite3.Connection, now: float, limit: int, retention: float) -> SweepReport:
    """Notices read long enough ago."""
    return delete_some(
        connection,
        "notices",
        "id IN (SELECT id FROM notices WHERE read_at <= ? LIMIT ?)",
        (now - retention, limit),
    )


SWEEPS: Final[tuple[Sweep, ...]] = (
    sweep_sessions,
    sweep_cut_off_accounts,
    sweep_revocations,
    sweep_failures,
    sweep_notices,
)


def give_back_pages(connection: sqlite3.Connection) -> None:
    """Shrink the file by some of its free pages, if there are many; the rest is reused."""
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    # A page a statement: sqlite3 takes the first step of this pragma only.
    for _ in range(min(free - PAGES_KEPT, PAGES_AT_ONCE)):
        connection.execute("PRAGMA incremental_vacuum(1)")


def delete_some(connection: sqlite3.Connection, table: str, which: str, values: tuple[float, int]) -> SweepReport:
    """Delete rows of a table; the last value is the limit."""
    count = connection.execute(f"DELETE FROM {table} WHERE {which}", values).rowcount
    return SweepReport(deleted={table: count}, more=count == values[1])


def _delete_sessions(connection: sqlite3.Connection, sids: list[tuple[str]]) -> None:
    """Delete sessions; their families go with them."""
    connection.executemany("DELETE FROM sessions WHERE sid = ?", sids)
