"""Ending sessions, with the audit line of each act.

Holds no HTTP and no choice of who may: callers have decided that.
"""

from __future__ import annotations

from watchword_server.store.port import Sessions
from watchword_server.store.records import AuditEvent, Origin


class SessionEnding:
    """Ends one session or all of an account; access tokens die with them by a cut-off in the same transaction."""

    def __init__(self, store: Sessions) -> None:
        self._store = store

    async def end(self, sid: str, *, account_id: str | None, reason: str, origin: Origin) -> bool:
        """End one. With ``account_id`` only if it is that account's. Returns whether this call ended it."""
        audit = AuditEvent(event="session.ended", origin=origin, account_id=account_id, sid=sid, reason=reason)
        return await self._store.end_session(sid, account_id=account_id, reason=reason, audit=audit)

    async def end_all(self, account_id: str, *, reason: str, origin: Origin, spares: str | None = None) -> int:
        """End all of an account's but ``spares``, by one cut-off. Returns the cut-off's position."""
        audit = AuditEvent(event="sessions.ended_all", origin=origin, account_id=account_id, sid=spares, reason=reason)
        return await self._store.end_all_sessions(account_id, spares=spares, reason=reason, audit=audit)
