"""A small memory of what was decoded before, bounded in entries and in the size of each.

Holds nothing secret and decides nothing: whoever forgets everything only decodes it again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TypeVar

Value = TypeVar("Value")

MAX_ENTRIES = 256
MAX_KEY_BYTES = 1024


class Remembered(dict[bytes, Value]):
    """A dict that lets its oldest entry go when it is full; reading it (``get``) is as fast as any dict.

    Safe between threads, and takes no lock, so that a fork at any moment leaves nothing locked in the child: each step
    is atomic by itself, a reader meets an entry or none, and writers at once exceed the bound by one each at most.
    """

    __slots__ = ()

    def keep(self, text: bytes, value: Value) -> None:
        """Remember a value under the very bytes it was decoded from, unless they are long."""
        if len(text) > MAX_KEY_BYTES:
            return
        while len(self) >= MAX_ENTRIES:
            # Another thread may have changed the size between the two, or emptied it.
            with suppress(RuntimeError, StopIteration):
                self.pop(next(iter(self)), None)
        self[text] = value
