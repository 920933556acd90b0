"""The list of sessions as an account sees it.

Holds no query; the store lists.
"""

from __future__ import annotations

import msgspec

from watchword_server.store.records import Session

HOUR = 3600


class ListedSession(msgspec.Struct, frozen=True):
    """One session of the list (http.md)."""

    sid: str
    device: str
    place: str
    created_at: int
    last_used_at: int
    current: bool


def listed(session: Session, *, current_sid: str) -> ListedSession:
    """As shown to the session ``current_sid``.

    Last use is told to the hour of any session but the one that asks: a thief who reads the list must not learn when
    his victim refreshes, or he could keep in step with him (rotation.md).
    """
    current = session.sid == current_sid
    used = int(session.last_used_at)
    return ListedSession(
        sid=session.sid,
        device=session.device,
        place=session.place,
        created_at=int(session.created_at),
        last_used_at=used if current else used - used % HOUR,
        current=current,
    )
