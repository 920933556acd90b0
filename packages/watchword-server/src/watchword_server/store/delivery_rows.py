"""From rows to deliveries and news, whatever engine the row came from, and what of a new delivery can be kept.

Does not query; the columns stand here in the order in which they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword_server.store.delivery_records import Delivery, NewDelivery, News
from watchword_server.store.rows import Row
from watchword_server.store.text import require_storable

DELIVERY_COLUMNS: Final = "o.id, o.kind, o.destination, o.payload, o.dedupe, o.created_at, o.due_at, o.attempts, o.lease, o.state, o.last_error"
NEWS: Final = """
SELECT n.position, n.axis, n.value, n.spares, n.cause, n.account_id, n.at, CASE
    WHEN n.axis = 'account' THEN EXISTS (SELECT 1 FROM accounts a WHERE a.id = n.value AND a.cut_off >= n.position)
    WHEN n.axis IN ('client', 'tenant', 'everything') THEN EXISTS (SELECT 1 FROM family_cutoffs c
        WHERE c.axis = n.axis AND c.value = n.value AND c.position >= n.position)
    ELSE n.axis IN ('session', 'family') END
FROM revocation_news n ORDER BY n.position LIMIT
"""
"""Without the limit. Whether sessions end is looked up: it is written after the entry, in the same transaction."""

LARGEST_PAYLOAD: Final = 65_536
"""Bytes of one delivery."""
LOOKED_AT: Final = 1000
"""Due deliveries among which a lease chooses."""
LARGEST_ENQUEUE: Final = 10_000
"""Deliveries put in by one act."""


def delivery_of(row: Row) -> Delivery:
    """From DELIVERY_COLUMNS."""
    return Delivery(
        id=row[0],
        kind=row[1],
        destination=row[2],
        payload=bytes(row[3]),
        dedupe=row[4],
        created_at=row[5],
        due_at=row[6],
        attempts=row[7],
        lease=row[8],
        state=row[9],
        last_error=row[10],
    )


def news_of(row: Row) -> News:
    """From the columns of NEWS."""
    return News(
        position=row[0],
        axis=row[1],
        value=row[2],
        spares=row[3],
        cause=row[4],
        account_id=row[5],
        at=row[6],
        ends_sessions=bool(row[7]),
    )


def require_deliverable(deliveries: Sequence[NewDelivery]) -> None:
    """Raises ValueError for what cannot be kept: too many, too large, or a name that is no key."""
    if len(deliveries) > LARGEST_ENQUEUE:
        raise ValueError(f"at most {LARGEST_ENQUEUE} deliveries go in by one act")
    for new in deliveries:
        require_storable(kind=new.kind, destination=new.destination, dedupe=new.dedupe)
        if len(new.payload) > LARGEST_PAYLOAD:
            raise ValueError(f"a payload has at most {LARGEST_PAYLOAD} bytes")


def state_of(new: NewDelivery) -> str:
    """The state that a new delivery begins in."""
    return "held" if new.held else "waiting"
