"""Of which tenant accounts, sessions and families are: one statement that both engines share but for placeholders.

Decides nothing: what a tenant's verifiers are shown, revocation/tenants.py does.
"""

from __future__ import annotations

from typing import Final

from watchword_server.store.records import Axis

OWNED_AXES: Final[tuple[Axis, ...]] = ("account", "session", "family")
"""Axes whose values belong to an account, in the order of the statement's parameters."""


def tenants_statement(among: str) -> str:
    """The statement, with the engine's test of membership in parameter ``{number}``. Its rows: axis, value, tenant."""
    accounts, sessions, families = (among.format(number=number) for number in (1, 2, 3))
    return (
        f"SELECT 'account', a.id, a.tenant FROM accounts a WHERE a.id {accounts} "
        "UNION ALL SELECT 'session', s.sid, a.tenant FROM sessions s "
        f"JOIN accounts a ON a.id = s.account_id WHERE s.sid {sessions} "
        "UNION ALL SELECT 'family', f.id, a.tenant FROM families f JOIN sessions s ON s.sid = f.sid "
        f"JOIN accounts a ON a.id = s.account_id WHERE f.id {families}"
    )
