"""The server's own sweeping: dead rows are deleted in small batches, a little at a time.

Does not decide what is dead; the store's `sweep` does.
"""

from __future__ import annotations

import asyncio
import logging

from watchword_server import entropy
from watchword_server.store.port import StoreUnavailable, Upkeep
from watchword_server.web.metrics import Metrics

BATCH = 500
"""Rows a table and a transaction: short enough not to be felt by a refresh that waits behind it."""
INTERVAL = 60.0
"""Seconds between sweeps, jittered by half, so that several hosts do not sweep in step."""
PAUSE = 0.05
"""Seconds between batches while there is more."""

_log = logging.getLogger(__name__)


class Sweeper:
    """Sweeps until cancelled."""

    def __init__(self, store: Upkeep, *, retention: float, metrics: Metrics) -> None:
        self._store = store
        self._retention = retention
        self._metrics = metrics

    async def run(self) -> None:
        """Sweep now and then; a store that is away is tried again the next time."""
        while True:
            await asyncio.sleep(INTERVAL * (0.5 + entropy.fraction()))
            try:
                await self.sweep_all()
            except StoreUnavailable as error:
                _log.warning("sweep postponed", extra={"error": str(error)})

    async def sweep_all(self) -> dict[str, int]:
        """Sweep until nothing dead is left. Returns rows deleted by table."""
        total: dict[str, int] = {}
        while True:
            report = await self._store.sweep(limit=BATCH, retention=self._retention)
            for table, count in report.deleted.items():
                if count:
                    total[table] = total.get(table, 0) + count
                    self._metrics.swept_rows.labels(table).inc(count)
            if not report.more:
                return total
            await asyncio.sleep(PAUSE)
