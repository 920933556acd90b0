"""Rules of the revocation log that both engines keep: floor, chain, quota, how long an entry lives.

Holds no SQL; `watchword_write_cut_off` in migrations/postgres says the same in the database's own language.
"""

from __future__ import annotations

import re
import struct
from hashlib import sha256
from typing import Final

from watchword_server.store.records import Axis, Cursor

LEEWAY: Final = 60.0
"""Seconds a cut-off outlives the last token it could kill: clocks of verifiers differ."""
UNDECLARED_LIFETIME: Final = 3600.0
"""Seconds an access token is taken to live while nobody has declared how long it does."""
SESSION_QUOTA: Final = 50
"""Session entries of one account in the log; the next one becomes an account entry that covers them all."""

ABSOLUTE_AXES: Final[frozenset[Axis]] = frozenset({"token", "session", "family", "key"})
SHARED_AXES: Final[frozenset[Axis]] = frozenset({"client", "tenant", "everything"})
"""Axes of family cut-offs kept in a table of their own; the account's is in its row."""

EPOCH_JUMP: Final = 1 << 32
"""Positions left out when an epoch begins: a token issued after the backup carries one that the restored log has not
reached, and must be older than the cut-off all the same."""
START: Final = bytes(32)
"""The chain of a log without entries; a cursor there is known for good."""

_CHAIN: Final = re.compile(r"[0-9a-f]{64}")
_EPOCH: Final = re.compile(r"[0-9a-f]{32}")


def floor_of(previous: tuple[int, str | None, int] | None, spares: str | None) -> int:
    """Highest earlier position on the same axis and value that did not spare ``spares``; ``previous`` is the last
    cut-off there as (position, spares, floor).
    """
    if previous is None or spares is None:
        return 0
    position, spared, floor = previous
    return floor if spared == spares else position


def link(
    chain: bytes, position: int, axis: str, value: str, spares: str | None, floor: int, at: float, expires_at: float
) -> bytes:
    """SHA-256 over the chain so far and the entry: numbers big-endian in 8 bytes, texts after their length in 4."""
    return sha256(
        b"".join(
            (
                chain,
                struct.pack(">qqdd", position, floor, at, expires_at),
                _text(axis),
                _text(value),
                _text(spares),
            )
        )
    ).digest()


def known_form(cursor: Cursor) -> bool:
    """Whether the cursor could be one of ours at all; it comes from strangers."""
    return (
        0 <= cursor.position < 1 << 62
        and _EPOCH.fullmatch(cursor.epoch) is not None
        and _CHAIN.fullmatch(cursor.chain) is not None
    )


def require_axis(axis: Axis, value: str) -> None:
    """Raises ValueError unless the value is one of that axis: '' on everything, and there only."""
    if (axis == "everything") != (value == ""):
        raise ValueError("the value is '' on the axis everything, and there only")


def require_lifetime(seconds: float) -> None:
    """Raises ValueError unless it is a number of seconds that can be added to a time; NaN is none."""
    if not 0 <= seconds < 1e10:
        raise ValueError("a lifetime is a number of seconds, 0 or more")


def _text(text: str | None) -> bytes:
    if text is None:
        return b"\xff\xff\xff\xff"
    raw = text.encode()
    return struct.pack(">i", len(raw)) + raw
