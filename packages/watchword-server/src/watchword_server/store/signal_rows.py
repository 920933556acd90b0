"""From rows to streams, and the SQL that both engines share.

Does not query.
"""

from __future__ import annotations

from typing import Any, Final

from watchword_server.store.rows import Row
from watchword_server.store.signal_records import Addressed, Stream
from watchword_server.store.text import clean, pack_list, require_storable, unpack_list

STREAM_COLUMNS: Final = (
    "g.id, g.receiver, g.method, g.endpoint, g.sealed, g.requested, g.description, g.status, g.reason, g.created_at, "
    "g.verified_at, g.version"
)
WANTING: Final = f"""
SELECT {STREAM_COLUMNS}, (SELECT count(*) FROM outbox o WHERE o.kind IN ('ssf_push', 'ssf_poll') AND o.destination = g.id)
FROM ssf_streams g WHERE g.status <> 'disabled' AND CASE
    WHEN EXISTS (SELECT 1 FROM ssf_subjects u WHERE u.stream_id = g.id AND u.subject {{names}} AND u.included) THEN {{yes}}
    WHEN EXISTS (SELECT 1 FROM ssf_subjects u WHERE u.stream_id = g.id AND u.subject {{names}}) THEN {{no}}
    ELSE {{by_default}} END
ORDER BY g.id
"""


def stream_of(row: Row) -> Stream:
    """From STREAM_COLUMNS."""
    return Stream(
        id=row[0],
        receiver=row[1],
        method=row[2],
        endpoint=row[3],
        sealed=None if row[4] is None else bytes(row[4]),
        requested=unpack_list(row[5]),
        description=row[6],
        status=row[7],
        reason=row[8],
        created_at=row[9],
        verified_at=row[10],
        version=row[11],
    )


def addressed_of(row: Row) -> Addressed:
    """From the columns of WANTING."""
    return Addressed(stream=stream_of(row), queued=row[12])


def stream_values(stream: Stream) -> tuple[Any, ...]:
    """What of a stream can change, in the order of STREAM_COLUMNS from `method` on, without the version."""
    require_storable(id=stream.id, receiver=stream.receiver, endpoint=stream.endpoint)
    return (
        *(stream.method, stream.endpoint, stream.sealed, pack_list("requested", stream.requested)),
        *(clean(stream.description), stream.status, clean(stream.reason), stream.created_at, stream.verified_at),
    )
