"""SQL that both engines share: the columns of each record in the order rows.py reads them, and who is dead.

Holds no parameters: each engine writes its own statements around these. ``{greatest}`` is the engine's name for the
larger of two values.
"""

from __future__ import annotations

from typing import Final

ACCOUNT_COLUMNS: Final = (
    "a.id, a.email, a.username, a.roles, a.permissions, a.tenant, a.email_verified, a.created_at, "
    "a.password_changed_at, a.disabled_at"
)
SESSIONS: Final = (
    "sessions s JOIN accounts a ON a.id = s.account_id LEFT JOIN families f ON f.id = (SELECT l.id FROM families l "
    "WHERE l.sid = s.sid ORDER BY l.rotated_at DESC, l.id DESC LIMIT 1)"
)
"""Each session once, with its account and the family of it that was used last, if any."""
FAMILY_COLUMNS: Final = (
    "f.id, f.sid, s.account_id, s.client_id, f.scope, f.resource, f.sender_key, f.delivery, f.salt, f.key_id, s.rev, "
    "f.generation, f.rotated_at, f.device_kind, f.odd_count, f.odd_marked, f.refresh_count, f.idle_expires_at, "
    "f.expires_at, f.revoked_at, f.revoked_reason, f.terms"
)
CUT_OFF_COLUMNS: Final = "r.position, r.axis, r.value, r.spares, r.floor, r.at, r.expires_at, r.cause"
KEY_COLUMNS: Final = (
    "k.kid, k.purpose, k.algorithm, k.state, k.public_jwk, k.sealed, k.created_at, k.activated_at, k.retired_at"
)
AUDIT_COLUMNS: Final = (
    "l.id, l.at, l.event, l.actor, l.address, l.user_agent, l.account_id, l.sid, l.client_id, l.reason, l.detail"
)
NOTICE_COLUMNS: Final = "n.id, n.account_id, n.kind, n.at, n.detail"

TABLES: Final = (
    "accounts",
    "sessions",
    "families",
    "revocations",
    "family_cutoffs",
    "lifetimes",
    "signing_keys",
    "audit",
    "notices",
    "failures",
    "clients",
    "registration_tokens",
    "sign_ons",
    "authorizations",
    "codes",
    "device_codes",
    "pushed_requests",
    "opaque_tokens",
    "replays",
    "profiles",
    "outbox",
    "revocation_news",
    "ssf_streams",
    "ssf_subjects",
    "status_numbers",
    "api_keys",
)
"""What `figures` counts."""


def family_cut_off(greatest: str, *, sid: str = "s.sid", client: str = "s.client_id") -> str:
    """Highest cut-off that ends families of session ``s`` of account ``a``, its spared session allowed for; or what else
    is known to be spared by the name ``sid`` and belongs to ``client``.
    """
    return (
        f"{greatest}(CASE WHEN a.cut_off_spares = {sid} THEN a.cut_off_floor ELSE a.cut_off END, coalesce((SELECT "
        f"max(CASE WHEN c.spares = {sid} THEN c.floor ELSE c.position END) FROM family_cutoffs c "
        f"WHERE (c.axis = 'client' AND c.value = {client}) OR (c.axis = 'tenant' AND c.value = a.tenant) "
        "OR (c.axis = 'everything' AND c.value = '')), 0))"
    )


def token_cut_off() -> str:
    """Highest cut-off in the log on the axes that compare ``rev``, for tokens of session ``s`` of account ``a``."""
    # SQLite uses the index, which leaves out replaced rows, only where each part says so itself.
    own = (("account", "a.id"), ("client", "s.client_id"), ("tenant", "a.tenant"), ("everything", "''"))
    parts = (f"(r.axis = '{axis}' AND r.axis <> '' AND r.value = {value})" for axis, value in own)
    return (
        "coalesce((SELECT max(CASE WHEN r.spares = s.sid THEN r.floor ELSE r.position END) FROM revocations r "
        f"WHERE {' OR '.join(parts)}), 0)"
    )


def session_columns(greatest: str) -> str:
    """The columns of a session, from SESSIONS."""
    return (
        "s.sid, s.account_id, s.client_id, s.rev, s.device, coalesce(f.place, s.place), s.created_at, s.auth_time, s.amr, "
        f"{greatest}(s.used_at, coalesce(f.rotated_at, s.used_at)), coalesce(f.refresh_count, 0), {idle_end(greatest)}, "
        "s.expires_at, s.ended_at, s.end_reason"
    )


def idle_end(greatest: str) -> str:
    """When session ``s`` idles out: the latest of its own idle end and its families'."""
    return f"{greatest}(s.idle_expires_at, coalesce((SELECT max(i.idle_expires_at) FROM families i WHERE i.sid = s.sid), 0))"


def alive(greatest: str, now: str) -> str:
    """Whether session ``s`` of account ``a`` lives at the time of expression ``now``."""
    return (
        f"(s.ended_at IS NULL AND a.disabled_at IS NULL AND s.expires_at > {now} AND (s.idle_expires_at > {now} OR EXISTS "
        f"(SELECT 1 FROM families i WHERE i.sid = s.sid AND i.revoked_at IS NULL AND i.idle_expires_at > {now})) "
        f"AND s.rev >= {family_cut_off(greatest)})"
    )


def refreshable(greatest: str, now: str, family: str) -> str:
    """Whether a family, by the name or alias it has, of session ``s`` of account ``a`` may be used at ``now``."""
    return (
        f"({family}.revoked_at IS NULL AND {family}.idle_expires_at > {now} AND s.ended_at IS NULL "
        f"AND a.disabled_at IS NULL AND s.expires_at > {now} AND s.rev >= {family_cut_off(greatest)})"
    )
