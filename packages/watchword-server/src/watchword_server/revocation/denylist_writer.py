"""Follows the revocation log and keeps the denylist's keys after it; any number of writers may do so at once.

Is told of nothing by request handlers: what is in the log gets written, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Never

from watchword.clock import Clock

from watchword_server.revocation.denylist import heartbeat_age, page_of, place_of
from watchword_server.store.denylist import DenylistKeys, DenylistUnavailable, Look, Outcome
from watchword_server.store.port import Revocations, StoreUnavailable
from watchword_server.store.records import CutOffBatch
from watchword_server.web.metrics import Metrics

PAGE: Final = 500
"""Cut-offs in one script: about a millisecond in which the Valkey serves nobody else."""
BEAT: Final = 1.0
"""Seconds between heartbeats when nothing happens."""
RETRY: Final = 0.5
"""Seconds until another try when the Valkey or the store was away."""
LOOK_AFTER_KEEPING: Final = 60.0
"""Seconds between looks whether the Valkey still keeps its keys."""

_log = logging.getLogger("watchword_server")


class DenylistWriter:
    """One writer. Remembers nothing that matters: the place in the log is kept beside the keys, and changes with them.

    So a restart of either side, an emptied Valkey, an older copy of it and a second writer need no case of their own:
    each turn starts from the place that is there. Lives on one event loop.
    """

    def __init__(
        self,
        log: Revocations,
        keys: DenylistKeys,
        metrics: Metrics,
        *,
        prefix: str,
        max_staleness: float,
        clock: Clock,
    ) -> None:
        self._log = log
        self._keys = keys
        self._metrics = metrics
        self._prefix = prefix
        self._max_staleness = max_staleness
        self._clock = clock
        self._stirred = asyncio.Event()
        self._reached = 0
        self._kept_until: float | None = None
        self._away = False

    async def run(self) -> Never:
        """Write until cancelled. Whatever goes wrong is logged and tried again, and hinders nobody else."""
        try:
            async with self._log.watching(self._stirred.set):
                while True:
                    if await self._turn():
                        await self._rest()
                    else:
                        await asyncio.sleep(RETRY)
        finally:
            await self._keys.close()

    async def catch_up(self, *, unless_beaten: bool = False) -> None:
        """Write all that is in the log and not in the keys, and a heartbeat.

        ``unless_beaten``: only if no other writer did so within half a beat. Raises DenylistUnavailable,
        StoreUnavailable.
        """
        while True:
            look = await self._keys.look()
            if unless_beaten and look.cursor and heartbeat_age(look) < BEAT / 2:
                return self._noted(look)
            cursor = place_of(look)
            # Begun after the look, so that the heartbeat is dated from before it: what it says is never too good.
            batch = await self._log.cut_offs_after(cursor, limit=PAGE)
            page = page_of(self._prefix, look, batch, max_staleness=self._max_staleness)
            outcome = await self._keys.apply(page)
            if outcome is Outcome.APPLIED:
                self._written(batch, anew=cursor is None or batch.snapshot)
                if not batch.more:
                    return None
                self._metrics.denylist_lag.set((await self._log.head()).position - batch.cursor.position)
            elif outcome is Outcome.CLOCK:
                _log.warning("the denylist's clock and the store's moved apart; all of it is written again")

    async def _turn(self) -> bool:
        news = self._stirred.is_set()
        self._stirred.clear()
        try:
            await self._require_keeping()
            await self.catch_up(unless_beaten=not news)
        except (DenylistUnavailable, StoreUnavailable) as error:
            await self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - the denylist must not fall silent, whatever went wrong once
            await self._failed(f"{type(error).__name__}: {error}")
        else:
            if self._away:
                self._away = False
                _log.info("the denylist is written again")
            return True
        return False

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(BEAT):
                await self._stirred.wait()
        except TimeoutError:
            pass

    async def _require_keeping(self) -> None:
        now = self._clock.monotonic()
        if self._kept_until is None or now >= self._kept_until:
            await self._keys.require_keeping()
            self._kept_until = now + LOOK_AFTER_KEEPING

    def _written(self, batch: CutOffBatch, *, anew: bool) -> None:
        self._reached = batch.cursor.position
        self._metrics.denylist_entries.inc(len(batch.entries))
        if anew:
            self._metrics.denylist_refills.inc()
            _log.info("the denylist is filled from the start of the log", extra={"entries": len(batch.entries)})
        if not batch.more:
            self._metrics.denylist_lag.set(0)
            self._metrics.denylist_written.set(self._clock.now())

    def _noted(self, look: Look) -> None:
        """Another writer was here a moment ago."""
        cursor = place_of(look)
        self._reached = self._reached if cursor is None else cursor.position
        self._metrics.denylist_lag.set(0)
        self._metrics.denylist_written.set(self._clock.now())

    async def _failed(self, reason: str) -> None:
        self._stirred.set()
        self._kept_until = None
        self._metrics.denylist_failures.inc()
        if not self._away:
            self._away = True
            _log.warning("the denylist is not written; its readers see it grow old", extra={"error": reason})
        try:
            head = await self._log.head()
        except StoreUnavailable:
            return
        self._metrics.denylist_lag.set(max(0, head.position - self._reached))
