"""Server-sent events out of lines (HTML Living Standard, §9.2.6), within limits.

Knows nothing of cut-offs; reads no network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

MEDIA_TYPE: Final = "text/event-stream"


class Event(NamedTuple):
    """One event, or, with an empty name, a sign of life: a comment, or a block without data."""

    name: str
    data: bytes


ALIVE: Final = Event("", b"")


class EventTooLong(ValueError):  # noqa: N818 - a finding about the stream
    """An event whose data is longer than allowed."""


def events(lines: Iterable[bytes], *, max_bytes: int) -> Iterator[Event]:
    """Put events together. What the stream ends in the middle of is left out.

    Raises: EventTooLong if the data of one is longer than ``max_bytes``.
    """
    name, length = "", 0
    data: list[bytes] = []
    for line in lines:
        if not line:
            if data:
                yield Event(name or "message", b"\n".join(data))
            name, data, length = "", [], 0
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not field:
            yield ALIVE
        elif field == b"event":
            name = value.decode("ascii", "replace")
        elif field == b"data":
            length += len(value) + 1
            if length > max_bytes:
                raise EventTooLong(f"event is longer than {max_bytes} bytes")
            data.append(value)
