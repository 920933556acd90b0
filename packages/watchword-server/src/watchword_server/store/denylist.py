"""What the writer of the denylist asks of a Redis or Valkey: look, apply, and say whether keys are kept.

Holds no driver (valkey.py does) and no format of keys (revocation/denylist.py does).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol


class DenylistUnavailable(Exception):  # noqa: N818 - a state of the Valkey, which the writer waits out
    """It cannot be reached, written or trusted to keep what it is given; says why, without its address or password."""


class DriverMissing(Exception):  # noqa: N818 - a finding about the installation
    """The driver is not installed; says how to install it."""


class Look(NamedTuple):
    """Where the denylist is, told before the log is read."""

    now: int
    """Milliseconds of the Valkey's own clock."""
    cursor: str
    """Up to where the log is in it; '' when it says nothing."""
    as_of: str | None
    """The heartbeat as it is, None when it is missing or has run out."""


class Entry(NamedTuple):
    """A key to hold a value for so many milliseconds at least."""

    key: str
    value: str
    hold: int


class Page(NamedTuple):
    """Entries, and the place in the log they lead to from the place that was looked up."""

    expected: str
    cursor: str
    entries: tuple[Entry, ...]
    read_at: int
    """Milliseconds of the store's clock when it read them."""
    asked: int
    """Milliseconds of the Valkey's clock before the store was asked."""
    head: int | None
    """The head of the log, when the page leads there; None when more is to come."""
    stays: int
    """Milliseconds after ``asked`` at which the heartbeat runs out."""


class Outcome(StrEnum):
    """What became of a page."""

    APPLIED = "applied"
    MOVED = "moved"
    """The place was not the expected one: another writer was there, or the keys are gone. Nothing was done."""
    CLOCK = "clock"
    """The Valkey's clock has leapt, so keys may have expired too early: the place was forgotten, all must be written."""


class DenylistKeys(Protocol):
    """The keys of one denylist."""

    async def look(self) -> Look:
        """Raises DenylistUnavailable."""
        ...

    async def apply(self, page: Page) -> Outcome:
        """Write the entries, the new place and (with ``head``) the heartbeat: all of it or, when the place is not the
        expected one, nothing. No cut-off goes backwards and no key is held for less than it already is.

        Raises DenylistUnavailable; then it may have been applied.
        """
        ...

    async def require_keeping(self) -> None:
        """Raise DenylistUnavailable when keys may be evicted before they expire."""
        ...

    async def close(self) -> None: ...
