"""The written form of a place in the revocation log: `<epoch>.<position>.<chain>`.

Does not know whether the place exists; the store does.
"""

from __future__ import annotations

import re

from watchword_server.store.records import Cursor

_WRITTEN = re.compile(r"([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,17})\.([A-Za-z0-9_-]{1,64})", re.ASCII)


class CursorError(ValueError):
    """The text is not a cursor this server has ever written."""


def write_cursor(cursor: Cursor) -> str:
    """The text of a cursor, ASCII, at most 148 characters."""
    return f"{cursor.epoch}.{cursor.position}.{cursor.chain}"


def parse_cursor(text: str) -> Cursor:
    """The cursor a text stands for.

    Raises:
        CursorError: wrong shape, or longer than any this server writes.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise CursorError("The cursor is not one of this feed; ask without one for a snapshot.")
    return Cursor(epoch=match[1], position=int(match[2]), chain=match[3])
