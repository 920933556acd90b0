"""What others ask of the way out, so that they can be tried without a network.

Holds no code of it; requests.py does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from watchword_server.web.outgoing.answer import Answer


class Getting(Protocol):
    """Whoever fetches needs this much of `OutgoingRequests`."""

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int | None = None) -> Answer:
        """Raises OutgoingRefused, OutgoingFailed."""
        ...


class Posting(Protocol):
    """Whoever delivers needs this much of `OutgoingRequests`."""

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        content_type: str,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """Raises OutgoingRefused, OutgoingFailed."""
        ...
