"""A small memory of what was decoded before, bounded in entries and in the size of each.

Holds nothing secret and decides nothing: whoever forgets everything only decodes it again.
"""

from __future__ import annotations

from threading import Lock
from typing import TypeVar

Value = TypeVar("Value")

MAX_ENTRIES = 256
MAX_KEY_BYTES = 1024


class Remembered(dict[bytes, Value]):
    """A dict that lets its oldest entry go when it is full; reading it (``get``) is as fast as any dict.

    Safe between threads: a reader meets an entry or none, and writers take turns.
    """

    __slots__ = ("_turns",)

    def __init__(self) -> None:
        super().__init__()
        self._turns = Lock()

    def keep(self, text: bytes, value: Value) -> None:
        """Remember a value under the very bytes it was decoded from, unless they are long."""
        if len(text) > MAX_KEY_BYTES:
            return
        with self._turns:
            if len(self) >= MAX_ENTRIES:
                del self[next(iter(self))]
            self[text] = value
