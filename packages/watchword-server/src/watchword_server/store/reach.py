"""What a cut-off would end, counted: one statement that both engines share but for names and placeholders.

Writes nothing, and looks at a bounded number of sessions: an operator asks while people log in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from watchword_server.store.records import Axis, Reach
from watchword_server.store.statements import alive

MOST_LOOKED_AT: Final = 10_000
"""Sessions one count looks at; of more, a part is counted and said to be one."""

_CANDIDATES: Final[dict[Axis, str]] = {
    "session": "WHERE s.sid = {value}",
    "family": "WHERE s.sid = (SELECT sid FROM families WHERE id = {value})",
    "account": "WHERE s.account_id = {value}",
    "key": "WHERE EXISTS (SELECT 1 FROM signing_keys WHERE kid = {value}) ORDER BY s.sid",
    # The store keeps no list of single tokens, so none of its sessions can be named.
    "token": "WHERE {value} IS NULL",
}
_EVERY: Final = "WHERE {value} IS NOT NULL ORDER BY s.sid"
_TESTS: Final[dict[Axis, str]] = {"client": "s.client_id = {value}", "tenant": "a.tenant = {value}"}
_KNOWN: Final[dict[Axis, str]] = {
    "session": "EXISTS (SELECT 1 FROM sessions WHERE sid = {value})",
    "family": "EXISTS (SELECT 1 FROM families WHERE id = {value})",
    "account": "EXISTS (SELECT 1 FROM accounts WHERE id = {value})",
    "key": "EXISTS (SELECT 1 FROM signing_keys WHERE kid = {value})",
}


def reach_statement(axis: Axis, *, greatest: str, now: str, value: str, axis_value: str, limit: str) -> str:
    """The statement, with the engine's name for the larger of two values and its expressions for what varies.

    ``limit`` is one more than may be looked at.
    """
    candidates = _CANDIDATES.get(axis, _EVERY).format(value=value)
    test = _TESTS.get(axis, "1 = 1").format(value=value)
    known = _KNOWN.get(axis, "NULL").format(value=value)
    return (
        f"WITH t AS MATERIALIZED (SELECT {now} AS now), "
        f"looked AS MATERIALIZED (SELECT s.* FROM sessions s {candidates} LIMIT {limit}), "
        "dying AS MATERIALIZED (SELECT s.account_id, s.client_id FROM looked s "
        f"JOIN accounts a ON a.id = s.account_id WHERE {alive(greatest, '(SELECT now FROM t)')} AND {test}) "
        "SELECT (SELECT count(*) FROM dying), (SELECT count(DISTINCT account_id) FROM dying), "
        "(SELECT count(DISTINCT client_id) FROM dying), (SELECT count(*) FROM looked), "
        f"{known}, (SELECT max(r.position) FROM revocations r WHERE r.axis = {axis_value} AND r.axis <> '' AND r.value = {value} "
        f"AND r.expires_at > (SELECT now FROM t))"
    )


def reach_of(row: Sequence[Any], limit: int) -> Reach:
    """The record of its one row."""
    sessions, accounts, clients, looked, known, standing = row
    return Reach(
        sessions=sessions,
        accounts=accounts,
        clients=clients,
        more=looked > limit,
        known=None if known is None else bool(known),
        standing=standing,
    )
