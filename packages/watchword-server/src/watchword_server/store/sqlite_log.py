"""Writing the revocation log, audit lines and notices within a SQLite transaction already begun.

Begins and commits nothing. The writer's transaction is exclusive, so positions are allocated in commit order.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from watchword_server.store.log import ABSOLUTE_AXES, SESSION_QUOTA, UNDECLARED_LIFETIME, floor_of, link
from watchword_server.store.records import AuditEvent, Axis, CutOff, NewNotice
from watchword_server.store.rows import audit_values, cut_off_of, notice_values
from watchword_server.store.statements import CUT_OFF_COLUMNS


class Told(NamedTuple):
    """What a cut-off is: axis and value, who is spared, why, and whose session it is on the session axis."""

    axis: Axis
    value: str
    cause: str
    spares: str | None = None
    account_id: str | None = None


def write_cut_off(connection: sqlite3.Connection, now: float, leeway: float, told: Told) -> CutOff:
    """Write one entry, replacing the one alive on its axis and value, and take the head one further.

    On an absolute axis an entry alive is returned as it is: dead is dead. A session entry beyond the account's quota
    becomes an entry of the account that covers all of them. Does not touch accounts, sessions or families.
    """
    if told.account_id is not None and _sessions_in_log(connection, told.account_id, now) >= SESSION_QUOTA:
        _retire(connection, "account_id = ?", (told.account_id,))
        return _write(connection, now, leeway, Told("account", told.account_id, told.cause), news=told)
    return _write(connection, now, leeway, told, news=told)


def _write(connection: sqlite3.Connection, now: float, leeway: float, told: Told, *, news: Told) -> CutOff:
    row = connection.execute(
        # Told twice, or the index, which leaves out replaced rows, is not used, and each act looks through the whole log.
        f"SELECT {CUT_OFF_COLUMNS} FROM revocations r WHERE r.axis = ? AND r.axis <> '' AND r.value = ?",
        (told.axis, told.value),
    ).fetchone()
    previous = None if row is None else cut_off_of(row)
    if previous is not None:
        if told.axis in ABSOLUTE_AXES and previous.expires_at > now:
            return previous
        _retire(connection, "position = ?", (previous.position,))
    entry = _append(connection, now, leeway, told, previous)
    # What was meant, also where the quota has an entry of the account stand for it: others are told of the session.
    connection.execute(
        "INSERT INTO revocation_news (position, axis, value, spares, cause, account_id, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (entry.position, news.axis, news.value, news.spares, news.cause, news.account_id, now),
    )
    return entry


def _append(connection: sqlite3.Connection, now: float, leeway: float, told: Told, previous: CutOff | None) -> CutOff:
    axis, value, cause, spares, account_id = told
    head, chain = connection.execute("SELECT position, chain FROM revocation_head").fetchone()
    position = head + 1
    floor = floor_of(None if previous is None else (previous.position, previous.spares, previous.floor), spares)
    expires_at = now + longest_lifetime(connection) + leeway
    chain = link(chain, position, axis, value, spares, floor, now, expires_at)
    connection.execute(
        "INSERT INTO revocations (position, axis, value, spares, floor, at, expires_at, cause, account_id, chain) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (position, axis, value, spares, floor, now, expires_at, cause, account_id, chain),
    )
    connection.execute("UPDATE revocation_head SET position = ?, chain = ?", (position, chain))
    return CutOff(
        position=position,
        axis=axis,
        value=value,
        spares=spares,
        floor=floor,
        at=now,
        expires_at=expires_at,
        cause=cause,
    )


def longest_lifetime(connection: sqlite3.Connection) -> float:
    """Seconds the longest-lived token of any declared class can live."""
    seconds: float | None = connection.execute("SELECT max(seconds) FROM lifetimes").fetchone()[0]
    return UNDECLARED_LIFETIME if seconds is None else seconds


def _sessions_in_log(connection: sqlite3.Connection, account_id: str, now: float) -> int:
    count: int = connection.execute(
        "SELECT count(*) FROM revocations WHERE account_id = ? AND expires_at > ?", (account_id, now)
    ).fetchone()[0]
    return count


def _retire(connection: sqlite3.Connection, which: str, values: tuple[str | int, ...]) -> None:
    """Empty a row that another replaces; its place and chain stay known until it expires."""
    connection.execute(
        f"UPDATE revocations SET axis = '', value = '', spares = NULL, cause = '', account_id = NULL WHERE {which}",
        values,
    )


def end_account_families(connection: sqlite3.Connection, now: float, entry: CutOff) -> None:
    """Remember an account cut-off that ends families, in the account's row: one write whatever the number of sessions."""
    row = connection.execute(
        "SELECT cut_off, cut_off_spares, cut_off_floor FROM accounts WHERE id = ?", (entry.value,)
    ).fetchone()
    if row is not None:
        floor = floor_of(row if row[0] else None, entry.spares)
        connection.execute(
            "UPDATE accounts SET cut_off = ?, cut_off_spares = ?, cut_off_floor = ?, cut_off_at = ? WHERE id = ?",
            (entry.position, entry.spares, floor, now, entry.value),
        )


def end_shared_families(connection: sqlite3.Connection, entry: CutOff) -> None:
    """Remember a cut-off of a client, a tenant or everything that ends families."""
    row = connection.execute(
        "SELECT position, spares, floor FROM family_cutoffs WHERE axis = ? AND value = ?", (entry.axis, entry.value)
    ).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO family_cutoffs (axis, value, position, spares, floor, settled_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (entry.axis, entry.value, entry.position, entry.spares, floor_of(row, entry.spares), entry.expires_at),
    )


def append_audit(connection: sqlite3.Connection, now: float, event: AuditEvent) -> None:
    """Append one line to the audit log."""
    connection.execute(
        "INSERT INTO audit (at, event, actor, address, user_agent, account_id, sid, client_id, reason, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (now, *audit_values(event)),
    )


def leave_notice(connection: sqlite3.Connection, now: float, account_id: str, notice: NewNotice | None) -> None:
    """Leave a notice, if there is one, for the account."""
    if (values := notice_values(notice)) is not None:
        connection.execute(
            "INSERT INTO notices (account_id, at, kind, detail) VALUES (?, ?, ?, ?)", (account_id, now, *values)
        )
