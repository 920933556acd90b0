"""Cut-offs as keys and values for verifiers in any language: `docs/reference/denylist.md` is this in words.

Pure: reads no log and writes no key; denylist_writer.py does.
"""

from __future__ import annotations

import math
from typing import Final

from watchword_server.revocation.cursor import CursorError, parse_cursor, write_cursor
from watchword_server.store.denylist import Entry, Look, Page
from watchword_server.store.log import ABSOLUTE_AXES
from watchword_server.store.records import Axis, Cursor, CutOff, CutOffBatch

DEAD: Final = "1"
"""The value on axes that cut off absolutely."""


def place_key(prefix: str) -> str:
    """Where the writers note up to where the log is in the keys; nobody else needs it."""
    return f"{prefix}cursor"


def heartbeat_key(prefix: str) -> str:
    """The heartbeat: ``<position>;<milliseconds>``, gone when no writer has come by for too long."""
    return f"{prefix}as_of"


def key_of(prefix: str, axis: Axis, value: str) -> str:
    """The key of a cut-off: ``<prefix><axis>:<value>``, and ``<prefix>everything``.

    The value comes last and as it is, so two cut-offs never share a key, whatever their values hold.
    """
    return f"{prefix}everything" if axis == "everything" else f"{prefix}{axis}:{value}"


def value_of(entry: CutOff) -> str:
    """The value of a cut-off: ``1``, or ``<position>;<floor>;<spares>``, with nothing last when nobody is spared."""
    if entry.axis in ABSOLUTE_AXES:
        return DEAD
    return f"{entry.position};{min(entry.floor, entry.position)};{entry.spares or ''}"


def entry_of(prefix: str, entry: CutOff, read_at: float) -> Entry:
    """What to write for a cut-off that the store read at ``read_at``.

    It is held for a span, not until an instant: no clocks are compared, and a delay on the way makes it longer.
    """
    hold = max(1, math.ceil((entry.expires_at - read_at) * 1000))
    return Entry(key_of(prefix, entry.axis, entry.value), value_of(entry), hold)


def page_of(prefix: str, look: Look, batch: CutOffBatch, *, max_staleness: float) -> Page:
    """What to write of a batch that was read after the look, from the place it found.

    ``max_staleness``: seconds after the look for which the heartbeat vouches, if the batch leads to the head.
    """
    return Page(
        expected=look.cursor,
        cursor=write_cursor(batch.cursor),
        entries=tuple(entry_of(prefix, entry, batch.read_at) for entry in batch.entries),
        read_at=int(batch.read_at * 1000),
        asked=look.now,
        head=None if batch.more else batch.cursor.position,
        stays=int(max_staleness * 1000),
    )


def place_of(look: Look) -> Cursor | None:
    """The place in the log that was found; None when there is none, or nothing this server has ever written."""
    try:
        return parse_cursor(look.cursor)
    except CursorError:
        return None


def heartbeat_age(look: Look) -> float:
    """Seconds since a writer last vouched for the keys, by the Valkey's own clock; infinite when none does."""
    position, _, asked = (look.as_of or "").partition(";")
    return (look.now - int(asked)) / 1000 if position.isdigit() and asked.isdigit() else math.inf
