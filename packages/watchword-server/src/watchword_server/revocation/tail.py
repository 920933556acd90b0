"""The newest part of the revocation log in memory, so that most questions after a cursor need no query of their own.

Reads nothing: node.py extends it by what it has read. Forgets its oldest entries; the store does not.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from watchword.clock import EpochSeconds

from watchword_server.store.log import link
from watchword_server.store.records import Cursor, CutOff, CutOffBatch

MOST_ENTRIES: Final = 10_000
"""About 5 MB; a verifier whose cursor is older is answered from the store."""


class Tail:
    """Every entry after a place of the log, up to its head as of the last read."""

    def __init__(self, start: Cursor, *, most: int = MOST_ENTRIES) -> None:
        self._most = most
        self._entries: list[CutOff] = []
        self._positions: list[int] = []
        self._chains = {start.position: start.chain}
        self.head = start
        self.read_at: EpochSeconds = 0.0
        """The store's time of the last read."""

    def extend(self, batch: CutOffBatch) -> None:
        """Add what follows the head. ``batch`` was asked for after the head and is no snapshot."""
        self._learn_chains(batch)
        self._entries += batch.entries
        self._positions += [entry.position for entry in batch.entries]
        self._chains[batch.cursor.position] = batch.cursor.chain
        self.head = batch.cursor
        self.read_at = batch.read_at
        if len(self._entries) > self._most + self._most // 4 or len(self._chains) > 2 * self._most + 2:
            self._forget()

    def page(self, cursor: Cursor, limit: int) -> CutOffBatch | None:
        """Entries alive after the cursor, in order of position; None when only the store can tell.

        An entry that a later one has replaced since may be among them: verifiers merge, so it says nothing new.
        """
        if cursor.epoch != self.head.epoch or self._chains.get(cursor.position) != cursor.chain:
            return None
        alive: list[CutOff] = []
        for place in range(bisect_right(self._positions, cursor.position), len(self._entries)):
            entry = self._entries[place]
            if entry.expires_at > self.read_at:
                alive.append(entry)
                if len(alive) > limit:
                    break
        more = len(alive) > limit
        end = self.head
        if more:
            del alive[limit:]
            chain = self._chains.get(alive[-1].position)
            if chain is None:
                return None
            end = Cursor(epoch=end.epoch, position=alive[-1].position, chain=chain)
        return CutOffBatch(entries=tuple(alive), cursor=end, more=more, snapshot=False, read_at=self.read_at)

    def _learn_chains(self, batch: CutOffBatch) -> None:
        """Know every place within the batch, for cursors that another node gave; not where replaced rows are left out."""
        position, chain = self.head.position, bytes.fromhex(self.head.chain)
        found: dict[int, str] = {}
        for entry in batch.entries:
            position += 1
            if entry.position != position:
                return
            told = (entry.axis, entry.value, entry.spares, entry.floor, entry.at, entry.expires_at)
            chain = link(chain, position, *told)
            found[position] = chain.hex()
        if batch.cursor.position == position and batch.cursor.chain == chain.hex():
            self._chains |= found

    def _forget(self) -> None:
        """Leave out the oldest entries, and the places from which they would be missing."""
        cut = max(0, len(self._entries) - self._most)
        floor = self._positions[cut - 1] if cut else -1
        del self._entries[:cut]
        del self._positions[:cut]
        kept = [item for item in self._chains.items() if item[0] >= floor]
        self._chains = dict(kept[-2 * self._most :])
