"""The worker: takes what is due from the outbox and gives it to couriers, several at once, a few a destination.

Decides no protocol; couriers do. Any number of workers in any number of processes share one outbox.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from typing import Never as Forever

from watchword.clock import Clock

from watchword_server.outbox.backoff import Backoff
from watchword_server.outbox.courier import Courier, Delivered, Never, NotYet, Outcome, Paused
from watchword_server.store.delivery_port import Outbox
from watchword_server.store.delivery_records import Delivery
from watchword_server.store.port import StoreUnavailable
from watchword_server.web.metrics import Metrics

COUNT_EVERY: Final = 15.0
"""Seconds between counts of the outbox for metrics."""
LOOK_EVERY: Final = 1.0
"""Seconds between looks at an outbox in which nothing is due: how late another process's deliveries may be seen."""
AWAY: Final = 1.0
"""Seconds until another look when the store was away."""

_log = logging.getLogger("watchword_server")


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once. ``lease``: seconds that a worker has for an attempt before another may take it."""

    concurrency: int = 32
    per_destination: int = 4
    attempt: float = 20.0
    lease: float = 60.0


class OutboxWorker:
    """One worker. Remembers only who is slow; all else is in the store, so it may be killed at any moment.

    A destination that failed rests for the wait of its delivery: the next ones in its queue do not each find out anew.
    """

    def __init__(
        self,
        outbox: Outbox,
        couriers: Mapping[str, Courier],
        metrics: Metrics,
        *,
        clock: Clock,
        identifier: Callable[[], str],
        fraction: Callable[[], float],
        pace: Pace | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._outbox = outbox
        self._couriers = couriers
        self._metrics = metrics
        self._clock = clock
        self._identifier = identifier
        self._fraction = fraction
        self._pace = pace or Pace()
        self._backoff = backoff or Backoff()
        self._stirred = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._busy: Counter[str] = Counter()
        self._resting: dict[str, float] = {}
        self._counted_at = -math.inf

    def stir(self) -> None:
        """Say that something was enqueued."""
        self._stirred.set()

    async def run(self) -> Forever:
        """Deliver until cancelled; what is under way then is due again when its lease has run out."""
        try:
            while True:
                self._stirred.clear()
                try:
                    await self.turn()
                    await self._count()
                    wait = await self._until_due()
                except StoreUnavailable as error:
                    _log.warning("outbox not read", extra={"error": str(error)})
                    wait = AWAY
                await self._rest(wait)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def turn(self) -> int:
        """Take what is due and there is room for, and begin to deliver it. Returns how many were begun."""
        room = self._pace.concurrency - len(self._under_way)
        if room <= 0:
            return 0
        now = self._clock.monotonic()
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        lease = self._identifier()
        taken = await self._outbox.lease_deliveries(
            lease,
            seconds=self._pace.lease,
            limit=room,
            per_destination=self._pace.per_destination,
            # Its share at a time, and the next when that is done.
            resting=[*self._resting, *self._busy],
        )
        for delivery in taken:
            self._busy[delivery.destination] += 1
            task = asyncio.create_task(self._deliver(delivery, lease))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return len(taken)

    async def idle(self) -> None:
        """Wait until nothing is under way in this worker."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _deliver(self, delivery: Delivery, lease: str) -> None:
        try:
            outcome = await self._carry(delivery)
            await self._settle(delivery, lease, outcome)
        except StoreUnavailable as error:
            # The lease runs out by itself, and it comes again.
            _log.warning("outcome of a delivery not recorded", extra={"kind": delivery.kind, "error": str(error)})
        finally:
            self._busy[delivery.destination] -= 1
            self._busy += Counter()  # drops those at zero
            self._stirred.set()

    async def _carry(self, delivery: Delivery) -> Outcome:
        courier = self._couriers.get(delivery.kind)
        if courier is None:
            # Of a newer version, or of something that was switched off: it waits for a process that knows it.
            return Paused(60.0)
        try:
            async with asyncio.timeout(self._pace.attempt):
                return await courier.carry(delivery)
        except TimeoutError:
            return NotYet("timed out")
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one delivery must not end the others
            _log.exception("courier failed", extra={"kind": delivery.kind})
            return NotYet(f"unexpected {type(error).__name__}")

    async def _settle(self, delivery: Delivery, lease: str, outcome: Outcome) -> None:
        match outcome:
            case Delivered():
                self._metrics.deliveries.labels(delivery.kind, "delivered").inc()
                await self._outbox.delivered(delivery.id, lease)
            case Paused(seconds=seconds):
                self._rest_for(delivery.destination, seconds)
                await self._outbox.put_off(delivery.id, lease, seconds=seconds, error=delivery.last_error)
            case Never(reason=reason):
                await self._give_up(delivery, lease, reason)
            case NotYet() as failed:
                age = self._clock.now() - delivery.created_at
                wait = self._backoff.wait(failed, attempts=delivery.attempts, age=age, fraction=self._fraction())
                if wait is None:
                    await self._give_up(delivery, lease, failed.reason)
                else:
                    self._metrics.deliveries.labels(delivery.kind, "failed").inc()
                    self._rest_for(delivery.destination, min(wait, self._backoff.first))
                    await self._outbox.put_off(delivery.id, lease, seconds=wait, error=failed.reason)

    async def _give_up(self, delivery: Delivery, lease: str, reason: str) -> None:
        self._metrics.deliveries.labels(delivery.kind, "dead").inc()
        _log.warning(
            "delivery given up; see `watchword outbox list`",
            extra={
                "delivery": delivery.id,
                "kind": delivery.kind,
                "destination": delivery.destination,
                "error": reason,
            },
        )
        await self._outbox.give_up(delivery.id, lease, error=reason)

    def _rest_for(self, destination: str, seconds: float) -> None:
        self._resting[destination] = self._clock.monotonic() + seconds

    async def _count(self) -> None:
        now = self._clock.monotonic()
        if now - self._counted_at < COUNT_EVERY:
            return
        self._counted_at = now
        figures = await self._outbox.outbox_figures()
        for state, count in (("waiting", figures.waiting), ("held", figures.held), ("dead", figures.dead)):
            self._metrics.outbox.labels(state).set(count)
        self._metrics.outbox_age.set(figures.oldest_waiting)

    async def _until_due(self) -> float:
        if len(self._under_way) >= self._pace.concurrency:
            return LOOK_EVERY
        due_in = await self._outbox.due_in()
        # What is due now and was not taken belongs to destinations that rest or are full.
        return LOOK_EVERY if due_in is None or due_in <= 0 else min(LOOK_EVERY, due_in)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            pass
