"""Slowing down guesses at the codes that devices show (RFC 8628 §5.1), and devices that ask for codes without end.

Counts wrong codes, by client address and in all, in the store that all workers share; whoever types rightly is never
slowed by it. Keeps no address and no code in clear.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from base64 import urlsafe_b64encode
from typing import Final

from watchword.clock import Clock

from watchword_server.settings.tree import Throttle as ThrottleSettings
from watchword_server.store.port import Throttle
from watchword_server.web.client_address import throttle_network

_EVERYWHERE: Final = "device:all"
_PUSHES: Final = 10
"""Requests that may be pushed for each code that may be asked for: every login of a page makes one."""


class DeviceThrottle:
    """The counters. ``secret`` keys the digests, so that a stolen store names nobody."""

    def __init__(self, store: Throttle, settings: ThrottleSettings, *, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._secret = secret
        self._clock = clock

    async def wait(self, address: str | None) -> int | None:
        """Whole seconds before that address may try a code again; None when it may now. To be asked before a code is looked
        up, so that from then on a right one is told from a wrong one by nothing.
        """
        limits = {
            self._key("guess", address): self._settings.device_failures,
            _EVERYWHERE: self._settings.device_failures_total,
        }
        now = self._clock.now()
        over = [
            found.window_ends_at - now
            for found in await self._store.failures(tuple(limits))
            if found.count >= limits[found.key] and found.window_ends_at > now
        ]
        return max(math.ceil(max(over)), 1) if over else None

    async def wrong(self, address: str | None) -> None:
        """Count a code that is none."""
        keys = (self._key("guess", address), _EVERYWHERE)
        await self._store.count_failure(keys, window=float(self._settings.window))

    async def admits(self, address: str | None) -> bool:
        """Count a code asked for from that address. False when it were one too many: of many at once no more than allowed
        go on.
        """
        return await self._admits(self._key("asking", address), self._settings.device_requests)

    async def admits_push(self, address: str | None) -> bool:
        """As `admits`, for authorization requests that public clients push (RFC 9126)."""
        return await self._admits(self._key("push", address), _PUSHES * self._settings.device_requests)

    async def _admits(self, key: str, limit: int) -> bool:
        found = next(iter(await self._store.failures((key,))), None)
        if found is not None and found.count >= limit and found.window_ends_at > self._clock.now():
            return False
        counted = next(iter(await self._store.count_failure((key,), window=float(self._settings.window))))
        return counted.count <= limit

    def _key(self, kind: str, address: str | None) -> str:
        octets = f"watchword device throttle v1\0{kind}\0{throttle_network(address)}".encode("utf-8", "replace")
        return "device:" + urlsafe_b64encode(hmac.digest(self._secret, octets, hashlib.sha256)[:18]).decode("ascii")
