"""Handing events to a receiver that fetches them (RFC 8936): acknowledged ones go, others come, once there are some.

Reads no request; endpoints/ssf does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from watchword_server.ssf.names import POLL_KIND
from watchword_server.store.delivery_port import Outbox
from watchword_server.store.signal_records import Stream
from watchword_server.web.problem import ProblemError

MOST_EVENTS: Final = 100
"""Events in one answer."""
MOST_ACKNOWLEDGED: Final = 1000
LOOK_EVERY: Final = 0.5
"""Seconds between looks while a receiver waits."""

_log = logging.getLogger("watchword_server")


class SetError(msgspec.Struct, frozen=True):
    """What a receiver found wrong with an event (RFC 8936 §2.3)."""

    err: str
    description: str | None = None


class Poll(msgspec.Struct, frozen=True, rename="camel"):
    """A poll (RFC 8936 §2.4)."""

    max_events: int | None = None
    return_immediately: bool = False
    ack: list[str] = []
    set_errs: dict[str, SetError] = {}


class Polling:
    """Over one store. ``wait``: seconds that a receiver is held at most; ``most_held``: receivers held at a time."""

    def __init__(self, store: Outbox, *, sign: Callable[[bytes], str], wait: float, most_held: int) -> None:
        self._store = store
        self._sign = sign
        self._wait = wait
        self._most_held = most_held
        self._held = 0

    async def poll(self, stream: Stream, asked: Poll) -> dict[str, Any]:
        """Forget what is acknowledged, and what cannot be used; give what there is.

        Returns: ``sets`` by ``jti``, and ``moreAvailable``. What is not acknowledged comes again.
        """
        done = [*asked.ack, *asked.set_errs]
        if len(done) > MOST_ACKNOWLEDGED:
            raise ProblemError(
                400, "too_many_acknowledged", f"At most {MOST_ACKNOWLEDGED} events are acknowledged at once."
            )
        if asked.max_events is not None and asked.max_events < 0:
            raise ProblemError(400, "max_events_negative", "maxEvents is 0 or more.")
        for error in list(asked.set_errs.values())[:10]:
            _log.warning("a receiver could not use an event", extra={"stream": stream.id, "error": error.err[:64]})
        if done:
            await self._store.drop_deliveries(POLL_KIND, stream.id, done)
        most = MOST_EVENTS if asked.max_events is None else min(asked.max_events, MOST_EVENTS)
        # Asked for none: an acknowledgement alone (RFC 8936 §2.4).
        if most == 0 or stream.status != "enabled":
            return {"sets": {}, "moreAvailable": False}
        held = await self._some(stream.id, most + 1, at_once=asked.return_immediately)
        sets = {one.dedupe: self._sign(one.payload) for one in held[:most]}
        return {"sets": sets, "moreAvailable": len(held) > most}

    async def _some(self, stream_id: str, limit: int, *, at_once: bool) -> Any:
        held = await self._store.held_deliveries(POLL_KIND, stream_id, limit=limit)
        if held or at_once or self._held >= self._most_held:
            return held
        loop = asyncio.get_running_loop()
        until = loop.time() + self._wait
        self._held += 1
        try:
            while not held and loop.time() < until:
                await asyncio.sleep(LOOK_EVERY)
                held = await self._store.held_deliveries(POLL_KIND, stream_id, limit=limit)
        finally:
            self._held -= 1
        return held
