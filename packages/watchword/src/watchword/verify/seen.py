"""Tokens seen before: a bounded memory of what was verified, keyed by the text of the token.

Judges nothing: whoever finds a token here must still look at the time, at revocations, and now and then at the keys.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from watchword.clock import EpochSeconds
from watchword.jose.jwk import KeySet
from watchword.verify.access_token import AccessToken

DEFAULT_CACHE_SIZE: Final = 10_000
MAX_CACHED_LENGTH: Final = 4096
"""Characters of a token that is remembered; with the size it bounds the memory taken."""


Seen: TypeAlias = tuple[AccessToken, EpochSeconds, EpochSeconds, int]
"""What is remembered of a token: the token; from when it is valid, leeway granted; until when time and keys need no
closer look; the version of the revocation view in which it was last looked up and not found."""


class SeenTokens:
    """Tokens verified with one set of keys. Another set begins another memory: a token must not outlive its key.

    Two generations of entries: when the recent one is half the size it becomes the older one, which is forgotten.

    An entry used at least once a generation stays. Only verified tokens come in, so strangers cannot push them out.
    Takes no lock: each step is one atomic operation on a dict, and a lost entry costs one verification. To forget all,
    begin a new memory: what is still being written into the old one is then lost with it.
    """

    __slots__ = ("_half", "_older", "keys", "recent")

    def __init__(self, size: int, keys: KeySet | None = None) -> None:
        self.keys: KeySet | None = keys
        """What all that is in here was verified with."""
        self._half = max(0, size) // 2
        self._older: dict[str, Seen] = {}
        self.recent: dict[str, Seen] = {}
        """The recent generation, to be asked directly first."""

    def __len__(self) -> int:
        return len(self.recent) + len(self._older)

    def find_older(self, raw: str) -> Seen | None:
        """Look in the older generation, and bring what is found into the recent one."""
        found = self._older.pop(raw, None)
        if found is not None:
            self.put(raw, found)
        return found

    def put(self, raw: str, seen: Seen) -> None:
        """Remember a verified token."""
        if len(raw) > MAX_CACHED_LENGTH or not self._half:
            return
        if len(self.recent) >= self._half and raw not in self.recent:
            self._older, self.recent = self.recent, {}
        self.recent[raw] = seen

    def forget(self, raw: str) -> None:
        """Forget one token."""
        self.recent.pop(raw, None)
        self._older.pop(raw, None)
