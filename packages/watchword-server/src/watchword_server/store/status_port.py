"""What the server asks of a store for status lists: numbers for sessions, and which of them are dead.

Holds no implementation. A session's number is in its sid, after a dot; the store files it when the session is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class StatusNumbers(Protocol):
    """Numbers of sessions."""

    async def reserve_status_numbers(self, count: int) -> int:
        """Set aside so many numbers in a row, which nobody else is given ever; returns the first."""
        ...

    async def dead_status_numbers(self, first: int, last: int) -> Sequence[int]:
        """Of the numbers from `first` to `last`, those whose session ended, ran out, was cut off by any axis that ends
        sessions, or belongs to a disabled account; read in one snapshot. Numbers of no session are not among them.
        """
        ...

    async def status_numbers_end(self) -> int:
        """The first number that nobody was given yet."""
        ...
