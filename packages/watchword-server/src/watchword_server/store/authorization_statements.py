"""SQL of authorization that both engines share: columns in the order authorization_rows.py reads them, and who is dead.

Holds no parameters and no statement of its own; what sessions and families share is in statements.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from watchword_server.store.records import Axis
from watchword_server.store.statements import ACCOUNT_COLUMNS, SESSIONS, alive, family_cut_off, session_columns

CLIENT_COLUMNS: Final = (
    "n.client_id, n.origin, n.metadata, n.secret_digests, n.sealed_secret, n.registration_digest, n.tenant, "
    "n.created_at, n.updated_at, n.disabled_at"
)
SIGN_ON_COLUMNS: Final = (
    "o.id, o.account_id, o.rev, o.device, o.place, o.created_at, o.auth_time, o.amr, o.acr, o.last_used_at, "
    "o.idle_expires_at, o.expires_at, o.ended_at"
)
AUTHORIZATION_COLUMNS: Final = "z.account_id, z.client_id, z.scope, z.resource, z.details, z.granted_at, z.updated_at"
CODE_SOURCE: Final = "codes x JOIN accounts a ON a.id = x.account_id JOIN sign_ons o ON o.id = x.sign_on"
DEVICE_SOURCE: Final = (
    "device_codes d LEFT JOIN accounts a ON a.id = d.account_id LEFT JOIN sign_ons o ON o.id = d.sign_on"
)
EXPLAINED: Final = 600.0
"""Seconds a device code is kept after it ran out."""
SLOWER: Final = 5
"""Seconds more between polls of a device that polled too soon (RFC 8628 §3.5)."""
OF_CLIENTS: Final = "s.client_id <> 'first-party'"
"""Of a client's sessions, not of an application's own logins; written as in the index that leaves those out."""


def sign_on_alive(greatest: str, now: str) -> str:
    """Whether sign-on ``o`` of account ``a`` lives."""
    return (
        f"(o.ended_at IS NULL AND a.disabled_at IS NULL AND o.expires_at > {now} AND o.idle_expires_at > {now} "
        f"AND o.rev >= {family_cut_off(greatest, sid='o.id', client='NULL')})"
    )


def grant_alive(greatest: str, now: str, *, rev: str, client: str) -> str:
    """Whether what was decided at ``rev`` for a client in sign-on ``o`` of account ``a`` may still lead to tokens.

    ``h`` is the head of the log: cut-offs that were forgotten are at or under its ``forgotten``.
    """
    cut_off = family_cut_off(greatest, sid="o.id", client=client)
    return f"({sign_on_alive(greatest, now)} AND {rev} >= h.forgotten AND {rev} >= {cut_off})"


def code_columns(greatest: str, now: str) -> str:
    """A code with all that its exchange decides on, from CODE_SOURCE and head ``h``."""
    return (
        f"x.client_id, x.terms, x.expires_at, x.used_at IS NOT NULL, "
        f"{grant_alive(greatest, now, rev='x.rev', client='x.client_id')}, "
        "(SELECT s.sid FROM sessions s WHERE s.sign_on = o.id AND s.client_id = x.client_id AND s.account_id = a.id "
        f"AND {alive(greatest, now)} ORDER BY s.created_at DESC, s.sid LIMIT 1), h.position, {now}, "
        f"{ACCOUNT_COLUMNS}, {SIGN_ON_COLUMNS}"
    )


def device_columns(greatest: str, now: str, too_soon: str) -> str:
    """A device code, from DEVICE_SOURCE and head ``h``."""
    decided = grant_alive(greatest, now, rev="d.rev", client="d.client_id")
    return (
        f"d.client_id, d.request, d.terms, d.state, {too_soon}, d.poll_interval, d.expires_at, "
        f"CASE WHEN d.state = 'pending' THEN d.expires_at > {now} ELSE coalesce({decided}, 1 = 0) "
        f"END, h.position, {now}, a.id IS NOT NULL AND o.id IS NOT NULL, {ACCOUNT_COLUMNS}, {SIGN_ON_COLUMNS}"
    )


def token_alive(greatest: str, now: str, *, kid: str | None = None) -> str:
    """Whether a token with the facts of ``p`` was not cut off, with its account ``a`` and session ``s`` if it has them;
    ``kid`` names the key that signed it, where one did.
    """
    absolute = (("token", "p.jti"), ("session", "p.sid"), *(() if kid is None else (("key", kid),)))
    dead = " AND ".join(f"NOT EXISTS ({_entry('1', axis, value)})" for axis, value in absolute)
    compared = (
        ("account", "p.account_id"),
        ("client", "p.client_id"),
        ("tenant", "p.tenant"),
        ("everything", "''"),
    )
    kept = " AND ".join(f"p.rev >= coalesce(({_entry(_REACHES, axis, value)}), 0)" for axis, value in compared)
    return (
        f"({dead} AND {kept} AND (p.account_id IS NULL OR (a.id IS NOT NULL AND a.disabled_at IS NULL)) "
        f"AND (p.sid IS NULL OR (s.sid IS NOT NULL AND s.account_id = p.account_id AND {alive(greatest, now)})))"
    )


_REACHES: Final = "CASE WHEN r.spares = p.sid THEN r.floor ELSE r.position END"


def _entry(what: str, axis: str, value: str) -> str:
    # Axis told twice, or SQLite does not use the index, which leaves out replaced rows.
    return f"SELECT {what} FROM revocations r WHERE r.axis = '{axis}' AND r.axis <> '' AND r.value = {value}"


def client_session_columns(greatest: str) -> str:
    """A session as its client sees it, from SESSIONS."""
    ended = "EXISTS (SELECT 1 FROM sessions n WHERE n.sid = s.id_token_sid AND n.ended_at IS NOT NULL)"
    return f"{session_columns(greatest)}, s.sign_on, s.id_token_sid, {ended}"


_FILTERS: Final = {"account_id": "s.account_id", "sign_on": "s.sign_on", "client_id": "s.client_id"}


def client_sessions_statement(asked: Iterable[str], *, greatest: str, now: str, mark: str) -> str:
    """Living sessions of clients that meet what is ``asked``, in that order from the second parameter on; the last is the
    limit. ``mark`` is what a parameter's number follows.
    """
    tests = [f"{_FILTERS[name]} = {mark}{number}" for number, name in enumerate(asked, 2)]
    # Those of the page first, so that their families are looked for and not those of all.
    page = (
        f"SELECT s.sid FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE {alive(greatest, now)} AND {OF_CLIENTS} "
        f"{''.join(f'AND {test} ' for test in tests)}ORDER BY s.created_at DESC, s.sid DESC LIMIT {mark}{len(tests) + 2}"
    )
    return (
        f"SELECT {client_session_columns(greatest)} FROM {SESSIONS} WHERE s.sid IN ({page}) "
        "ORDER BY s.created_at DESC, s.sid DESC"
    )


def ended_by_statement(axis: Axis, *, greatest: str, marks: tuple[str, str, str, str, str]) -> str | None:
    """Sessions of clients that a cut-off ends: parameters are its value, position, spared session, the sid to begin after
    and the limit. None for an axis that ends no sessions.

    A session that was ended by itself is told by the position of that end alone. Any other is told while it is dead by a
    cut-off that ends families, at or before this one: one entry in the log may stand for several.
    """
    value, since, spares, after, limit = marks
    test = {
        "session": f"s.sid = {value}",
        "account": f"s.account_id = {value}",
        "client": f"s.client_id = {value}",
        "tenant": f"a.tenant = {value}",
        "everything": f"{value} = ''",
    }.get(axis)
    if test is None:
        return None
    if axis == "session":
        dead = f"{since} >= 0"
    else:
        dead = f"(s.end_position = {since} OR (s.ended_at IS NULL AND s.rev < {since} AND s.rev < {family_cut_off(greatest)}))"
    return (
        f"SELECT {client_session_columns(greatest)} FROM {SESSIONS} WHERE {OF_CLIENTS} AND {test} AND {dead} "
        f"AND s.sid > {after} AND ({spares} IS NULL OR s.sid <> {spares}) ORDER BY s.sid LIMIT {limit}"
    )
