"""The follower of the revocation log: each entry is translated into deliveries once, whatever is killed meanwhile.

Knows no protocol; translators do. Never reads the log itself, where a later entry may have replaced an earlier one: the
store keeps each as news until `settle_news`, which forgets it and enqueues what it means in one transaction.

To have entries delivered somewhere, implement `Translator`, name it in deliveries.py among the translators, and give the outbox
worker a `Courier` for the kind of its deliveries. Back-channel logout (OpenID Connect Back-Channel Logout 1.0) is such a
translator: on `session`, `account` and the like, with `news.ends_sessions`, a delivery for each client of each session.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Never, Protocol

from watchword_server.store.delivery_port import LogNews
from watchword_server.store.delivery_records import NewDelivery, News
from watchword_server.store.delivery_rows import LARGEST_ENQUEUE
from watchword_server.store.port import Revocations, StoreUnavailable
from watchword_server.web.metrics import Metrics

PAGE: Final = 100
"""Entries translated together."""
LOOK_EVERY: Final = 5.0
"""Seconds between looks when nothing was told: news of a process that died between commit and translation."""
RETRY: Final = 0.5
"""Seconds until another try when the store was away, or a translator failed."""

_log = logging.getLogger("watchword_server")


class Translator(Protocol):
    """Says what an entry of the revocation log means for others."""

    async def translate(self, news: News) -> Sequence[NewDelivery]:
        """The deliveries of one entry; none for one that is nobody's business.

        May read the store, and changes nothing: it is asked again when another process was faster, or this one died. Two
        askings may differ; only one of the answers is kept. Keep ``dedupe`` the same for the same entry and destination.

        Raises: StoreUnavailable. Anything else holds up the log until it is mended, and is logged: nothing is lost.
        """
        ...


class Log(LogNews, Revocations, Protocol):
    """What the follower asks of a store."""


class LogFollower:
    """One follower; any number of processes have one. Which of them settles an entry does not matter."""

    def __init__(
        self,
        log: Log,
        translators: Sequence[Translator],
        metrics: Metrics,
        *,
        enqueued: Callable[[], None] = lambda: None,
        fraction: Callable[[], float],
    ) -> None:
        """``enqueued`` is called after deliveries went into the outbox."""
        self._log = log
        self._translators = translators
        self._metrics = metrics
        self._enqueued = enqueued
        self._fraction = fraction
        self._stirred = asyncio.Event()

    async def run(self) -> Never:
        """Follow until cancelled."""
        async with self._log.watching(self._stirred.set):
            while True:
                self._stirred.clear()
                try:
                    await self.catch_up()
                    wait = LOOK_EVERY
                except StoreUnavailable as error:
                    _log.warning("revocation log not followed", extra={"error": str(error)})
                    wait = RETRY
                except Exception:  # noqa: BLE001 - the log must be followed on, whatever one translator did
                    _log.exception("an entry of the revocation log was not translated; it is tried again")
                    wait = RETRY * 10
                await self._rest(wait)

    async def catch_up(self) -> None:
        """Translate and settle all there is. Raises what the store and the translators raise."""
        while news := await self._log.news(limit=PAGE):
            if not await self._settle(news):
                # Another process is at it: let it, rather than race it for each page.
                await asyncio.sleep(0.01 + 0.05 * self._fraction())

    async def _settle(self, news: Sequence[News]) -> bool:
        deliveries: list[NewDelivery] = []
        positions: list[int] = []
        for one in news:
            meant = [delivery for translator in self._translators for delivery in await translator.translate(one)]
            if positions and len(deliveries) + len(meant) > LARGEST_ENQUEUE:
                break
            deliveries += meant
            positions.append(one.position)
        settled = await self._log.settle_news(positions, deliveries)
        if settled:
            self._metrics.log_followed.inc(len(positions))
            if deliveries:
                self._enqueued()
        return settled

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            pass
