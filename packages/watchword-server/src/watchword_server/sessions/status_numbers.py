"""Numbers of sessions for status lists, at hand before a session is recorded: a sid is ``<chance>.<number>``.

Says nothing of whether a session lives; the store does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from watchword_server.store.status_port import StatusNumbers

LIST_SIZE: Final = 32_768
"""Sessions a list: 4 KiB before compression, and an eighth of a second of reading for the store."""
BLOCK: Final = 2048
"""Numbers set aside at a time. Those not used when the process ends are never used."""


class NumberedSessions:
    """Makes the ids of sessions. A process that has no number at hand makes one without, and its tokens name no status."""

    def __init__(self, store: StatusNumbers, identifier: Callable[[], str]) -> None:
        self._store = store
        self._identifier = identifier
        self._next = 0
        self._end = 0
        self._after: range | None = None

    async def tend(self) -> None:
        """Have numbers at hand. To be called at the start, and about once a second. Raises StoreUnavailable."""
        if self._end - self._next < BLOCK // 2 and self._after is None:
            first = await self._store.reserve_status_numbers(BLOCK)
            self._after = range(first, first + BLOCK)

    def session_identifier(self) -> str:
        """The id of a new session."""
        if self._next == self._end and self._after is not None:
            self._next, self._end, self._after = self._after.start, self._after.stop, None
        if self._next == self._end:
            return self._identifier()
        number, self._next = self._next, self._next + 1
        return f"{self._identifier()}.{number}"


def status_reference(sid: str, *, issuer: str) -> dict[str, object] | None:
    """The `status` claim of a session's tokens (draft-ietf-oauth-status-list §6.2); None when it has no number."""
    _, dot, number = sid.partition(".")
    if not dot or not number.isdecimal():
        return None
    place, index = divmod(int(number), LIST_SIZE)
    return {"status_list": {"idx": index, "uri": status_list_uri(place, issuer=issuer)}}


def status_list_uri(place: int, *, issuer: str) -> str:
    """Where a list is."""
    return f"{issuer}/status-lists/{place}"
