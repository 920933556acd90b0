"""What is cut off, as this node itself knows it: the library's view, filled by the node's own reads of the log.

For tokens that this server is asked with; judges neither scope nor signature, and serves no verifier.
"""

from __future__ import annotations

from typing import Final

from watchword.clock import Clock
from watchword.verify.access_token import AccessToken
from watchword.verify.revocation import CutOff, RevocationView

from watchword_server.revocation.node import PAGE, FeedNode
from watchword_server.store.records import Cursor

_GRACE: Final = 60.0


class OwnView:
    """Empty until it is first asked to catch up, so a server that needs none pays for none. Lives on one event loop."""

    def __init__(self, node: FeedNode, clock: Clock, *, leeway: float) -> None:
        self._node = node
        self._view = RevocationView(clock=clock, grace=max(_GRACE, 2 * leeway))
        self._cursor: Cursor | None = None

    async def catch_up(self) -> None:
        """Learn every cut-off that was made before this call. Those who call together share their reads.

        Raises StoreUnavailable.
        """
        more = True
        while more:
            batch = await self._node.page(self._cursor, PAGE)
            self._view.apply(
                CutOff(
                    entry.position,
                    entry.axis,
                    entry.value,
                    max(0.0, entry.expires_at - batch.read_at),
                    entry.spares,
                    entry.floor,
                )
                for entry in batch.entries
            )
            # Whoever else caught up meanwhile may have come farther; merging again what it merged changes nothing.
            self._cursor, more = batch.cursor, batch.more
        self._view.prune()

    def kills(self, token: AccessToken) -> bool:
        """Whether the token is cut off; every token is, for a view that could not take everything in."""
        return self._view.full or self._view.kills(token) is not None
