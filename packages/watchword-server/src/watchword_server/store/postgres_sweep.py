"""Deleting what is dead on PostgreSQL, a batch a table, each in a transaction of its own.

Does not decide how long dead rows are kept for explanation: `retention` is given. Rows that others hold are skipped,
so no act waits for the sweep and the sweep for none.
"""

from __future__ import annotations

from typing import Final

from watchword_server.store.authorization_statements import EXPLAINED
from watchword_server.store.postgres_opaque import PostgresOpaque
from watchword_server.store.records import SweepReport
from watchword_server.store.text import limited

# Each takes now, retention and limit, and returns rows deleted and rows looked at. Session and family are locked
# together: a refresh that is being written is skipped, one just written is seen; a family that joins holds its session.
_DUE_SESSIONS: Final = """
WITH t AS MATERIALIZED (SELECT watchword_now($1) - $2 AS horizon),
due AS MATERIALIZED (
    SELECT s.sid, s.ended_at, s.expires_at, s.idle_expires_at FROM sessions s
    WHERE s.due_at <= (SELECT horizon FROM t) ORDER BY s.due_at LIMIT $3 FOR UPDATE OF s SKIP LOCKED
), held AS MATERIALIZED (
    -- Looked up by each session, or the planner reads all families there are.
    SELECT l.* FROM due CROSS JOIN LATERAL (
        SELECT f.sid, f.idle_expires_at FROM families f WHERE f.sid = due.sid OFFSET 0 FOR UPDATE OF f SKIP LOCKED
    ) l
), judged AS MATERIALIZED (
    SELECT due.sid, count(held.sid) AS families,
        least(due.ended_at, due.expires_at, greatest(due.idle_expires_at, max(held.idle_expires_at))) AS ends
    FROM due LEFT JOIN held ON held.sid = due.sid
    GROUP BY due.sid, due.ended_at, due.expires_at, due.idle_expires_at
    HAVING count(held.sid) = (SELECT count(*) FROM families f WHERE f.sid = due.sid)
), dead AS (
    DELETE FROM sessions s USING judged, t WHERE s.sid = judged.sid AND judged.ends <= t.horizon
    RETURNING judged.families
), later AS (
    UPDATE sessions s SET due_at = judged.ends FROM judged, t WHERE s.sid = judged.sid AND judged.ends > t.horizon
)
SELECT count(*), (SELECT count(*) FROM due), coalesce(sum(families), 0)::bigint FROM dead
"""
_REVOCATIONS: Final = """
WITH dead AS MATERIALIZED (
    SELECT r.position FROM revocations r, revocation_head h
    WHERE r.expires_at <= watchword_now($1) AND $2 >= 0 AND r.position < h.position
    LIMIT $3 FOR UPDATE OF r SKIP LOCKED
), gone AS (DELETE FROM revocations r USING dead WHERE r.position = dead.position RETURNING 1)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM dead)
"""
_FAILURES: Final = """
WITH t AS MATERIALIZED (SELECT watchword_now($1) AS now WHERE $2 >= 0),
dead AS MATERIALIZED (
    SELECT f.name FROM failures f, t WHERE f.window_ends_at <= t.now LIMIT $3 FOR UPDATE OF f SKIP LOCKED
), gone AS (DELETE FROM failures f USING dead WHERE f.name = dead.name RETURNING 1)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM dead)
"""
_NOTICES: Final = """
WITH t AS MATERIALIZED (SELECT watchword_now($1) - $2 AS horizon),
dead AS MATERIALIZED (
    SELECT n.id FROM notices n, t WHERE n.read_at <= t.horizon LIMIT $3 FOR UPDATE OF n SKIP LOCKED
), gone AS (DELETE FROM notices n USING dead WHERE n.id = dead.id RETURNING 1)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM dead)
"""
_API_KEYS: Final = """
WITH t AS MATERIALIZED (SELECT watchword_now($1) - $2 AS horizon),
dead AS MATERIALIZED (
    SELECT k.id FROM api_keys k, t WHERE coalesce(k.ended_at, k.expires_at) <= t.horizon LIMIT $3
    FOR UPDATE OF k SKIP LOCKED
), gone AS (DELETE FROM api_keys k USING dead WHERE k.id = dead.id RETURNING 1)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM dead)
"""
_DUE_SIGN_ONS: Final = """
WITH t AS MATERIALIZED (SELECT watchword_now($1) - $2 AS horizon),
due AS MATERIALIZED (
    SELECT o.id, least(o.ended_at, o.expires_at, o.idle_expires_at) AS ends FROM sign_ons o
    WHERE o.due_at <= (SELECT horizon FROM t) ORDER BY o.due_at LIMIT $3 FOR UPDATE OF o SKIP LOCKED
), dead AS (
    DELETE FROM sign_ons o USING due, t WHERE o.id = due.id AND due.ends <= t.horizon RETURNING 1
), later AS (
    UPDATE sign_ons o SET due_at = due.ends FROM due, t WHERE o.id = due.id AND due.ends > t.horizon
)
SELECT (SELECT count(*) FROM dead), (SELECT count(*) FROM due)
"""


def _expired(table: str, kept: str = "0") -> str:
    """Rows that expired so many seconds ago."""
    return f"""
WITH dead AS MATERIALIZED (
    SELECT x.ctid AS place FROM {table} x WHERE x.expires_at <= (SELECT watchword_now($1) - {kept} WHERE $2 >= 0)
    LIMIT $3 FOR UPDATE OF x SKIP LOCKED
), gone AS (DELETE FROM {table} x USING dead WHERE x.ctid = dead.place RETURNING 1)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM dead)
"""


_SWEEPS: Final = (
    ("sessions", _DUE_SESSIONS),
    ("revocations", _REVOCATIONS),
    ("failures", _FAILURES),
    ("notices", _NOTICES),
    ("sign_ons", _DUE_SIGN_ONS),
    # Until no access token it gave can be alive, a replay of a code must find it.
    ("codes", _expired("codes", "watchword_longest_lifetime()")),
    # A device that still polls is told for a while that it was late.
    ("device_codes", _expired("device_codes", str(EXPLAINED))),
    ("pushed_requests", _expired("pushed_requests")),
    ("registration_tokens", _expired("registration_tokens")),
    ("opaque_tokens", _expired("opaque_tokens")),
    ("replays", _expired("replays")),
    ("api_keys", _API_KEYS),
)

_CUT_OFF_ACCOUNTS: Final = (
    "SELECT id, cut_off FROM accounts WHERE cut_off_at <= watchword_now($1) - $2 ORDER BY cut_off_at LIMIT $3"
)
_SESSIONS_CUT_OFF: Final = """
WITH dead AS MATERIALIZED (
    SELECT s.sid, (SELECT count(*) FROM families f WHERE f.sid = s.sid) AS families
    FROM sessions s JOIN accounts a ON a.id = s.account_id
    WHERE s.account_id = $1 AND a.cut_off = $2
        AND s.rev < CASE WHEN a.cut_off_spares = s.sid THEN a.cut_off_floor ELSE a.cut_off END
    LIMIT $3 FOR UPDATE OF s SKIP LOCKED
), gone AS (DELETE FROM sessions s USING dead WHERE s.sid = dead.sid RETURNING dead.families)
SELECT count(*), coalesce(sum(families), 0)::bigint FROM gone
"""
_SIGN_ONS_CUT_OFF: Final = """
WITH dead AS MATERIALIZED (
    SELECT o.id FROM sign_ons o JOIN accounts a ON a.id = o.account_id
    WHERE o.account_id = $1 AND a.cut_off = $2
        AND o.rev < CASE WHEN a.cut_off_spares = o.id THEN a.cut_off_floor ELSE a.cut_off END
    LIMIT $3 FOR UPDATE OF o SKIP LOCKED
), gone AS (DELETE FROM sign_ons o USING dead WHERE o.id = dead.id RETURNING 1)
SELECT count(*) FROM gone
"""
_SWEPT: Final = "UPDATE accounts SET cut_off_at = NULL WHERE id = $1 AND cut_off = $2"
_SETTLED: Final = """
SELECT c.position FROM family_cutoffs c
WHERE c.settled_at <= watchword_now($1) AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.rev < c.position)
    AND NOT EXISTS (SELECT 1 FROM sign_ons o WHERE o.rev < c.position)
    AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.ended_at IS NULL AND k.rev < c.position) LIMIT $2
"""


class PostgresSweep(PostgresOpaque):
    """The sweeping part of the port."""

    async def sweep(self, *, limit: int, retention: float) -> SweepReport:
        """Delete dead rows, at most about `limit` a table, each table in a short transaction of its own."""
        most = max(1, limited(limit))
        deleted: dict[str, int] = {}
        more = False
        for table, sql in _SWEEPS:
            row = await self._row(sql, self._now(), float(retention), most)
            gone, seen = (0, 0) if row is None else (row[0], row[1])
            deleted[table] = gone
            if table == "sessions":
                deleted["families"] = 0 if row is None else row[2]
            more = more or seen >= most
        ended, families, sign_ons, more_ended = await self._sweep_cut_off_accounts(most, retention)
        deleted["sessions"] += ended
        deleted["families"] += families
        deleted["sign_ons"] += sign_ons
        deleted["family_cutoffs"] = await self._sweep_family_cutoffs(most)
        return SweepReport(deleted=deleted, more=more or more_ended or deleted["family_cutoffs"] >= most)

    async def _sweep_cut_off_accounts(self, limit: int, retention: float) -> tuple[int, int, int, bool]:
        """Sessions and sign-ons that a cut-off of their account ended long enough ago: how many sessions went, with how
        many families, how many sign-ons, and whether more may be.
        """
        room, families, sign_ons = limit, 0, 0
        accounts = await self._rows(_CUT_OFF_ACCOUNTS, self._now(), float(retention), limit)
        for account_id, cut_off in accounts:
            row = await self._row(_SESSIONS_CUT_OFF, account_id, cut_off, room)
            room, families = (room, families) if row is None else (room - row[0], families + row[1])
            sign_ons += await self._value(_SIGN_ONS_CUT_OFF, account_id, cut_off, limit - sign_ons)
            if room == 0 or sign_ons == limit:
                return limit - room, families, sign_ons, True
            await self._rows(_SWEPT, account_id, cut_off)
        return limit - room, families, sign_ons, len(accounts) == limit

    async def _sweep_family_cutoffs(self, limit: int) -> int:
        """Cut-offs of clients, tenants and everything that no session, sign-on or API key is older than: how many went."""
        settled = [row[0] for row in await self._rows(_SETTLED, self._now(), limit)]
        if not settled:
            return 0
        return int(await self._value("SELECT watchword_forget_family_cutoffs($1)", settled))
