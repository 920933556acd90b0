"""Slowing down guesses: failures counted by account and by client address, in the store that all workers share; and
registrations by client address, each of which costs a hash and tells whether a name is taken.

Of logins it counts failures only; whoever logs in rightly is never slowed by it. Keeps no name and no address in clear.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from watchword.clock import Clock, system_clock

from watchword_server.settings.tree import Throttle as ThrottleSettings
from watchword_server.store.port import Throttle
from watchword_server.store.records import Failures
from watchword_server.web.client_address import throttle_network

_MEMORY = 86_400.0
"""Seconds for which it is remembered that an account reached its limit; also the longest window."""
_MOST_DOUBLINGS = 10
_KNOWN = 30 * 86_400.0
"""Seconds for which it is remembered that an account was logged in to from a network."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose failures are counted: digests of account and network, of the account, of the network, of the account's past
    limits, and of a network that the account was logged in to from.
    """

    pair: str
    account: str
    network: str
    past: str
    known: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subject stands. ``retry_after`` in whole seconds, None when it may try."""

    retry_after: int | None
    failed_before: bool
    times_limited: int
    known: bool
    """Whether the account was logged in to from this network lately."""


class LoginThrottle:
    """The counters of logins. ``secret`` keys the digests, so that a stolen store names nobody."""

    def __init__(
        self, store: Throttle, settings: ThrottleSettings, *, secret: bytes, clock: Clock = system_clock
    ) -> None:
        self._store = store
        self._window = float(settings.window)
        self._limits = (settings.account_failures, settings.account_failures_total, settings.address_failures)
        self._registrations = settings.registrations
        self._key = hmac.digest(secret, b"watchword login throttle v1", hashlib.sha256)
        self._clock = clock

    async def registering(self, address: str | None, *, of: str = "registrations") -> int | None:
        """Count a registration tried from that address, of accounts or of what ``of`` names. None when it may go on; else the whole seconds to wait, and it
        is not counted. Of many at once no more than allowed go on.
        """
        key = self._digest(of, throttle_network(address))
        found = next(iter(await self._store.failures((key,))), None)
        if found is None or found.count < self._registrations:
            found = next(iter(await self._store.count_failure((key,), window=self._window)))
            if found.count <= self._registrations:
                return None
        return min(max(math.ceil(found.window_ends_at - self._clock.now()), 1), int(_MEMORY))

    def subject(self, identifier: str, address: str | None) -> Subject:
        """``identifier``: what is guessed at, its kind first (``name ada@example.test``, ``id 01…``), so that guesses of
        one kind are never counted for another; ``address``: the client's (IPv6 counts by /64).
        """
        network = throttle_network(address)
        return Subject(
            self._digest("pair", identifier, network),
            self._digest("account", identifier),
            self._digest("network", network),
            self._digest("past", identifier, network),
            self._digest("known", identifier, network),
        )

    def _digest(self, *parts: str) -> str:
        # Each part with its length: no two lists of parts give the same octets.
        octets = b"".join(len(raw).to_bytes(4) + raw for raw in (part.encode("utf-8", "replace") for part in parts))
        return "login:" + urlsafe_b64encode(hmac.digest(self._key, octets, hashlib.sha256)[:18]).decode("ascii")

    async def standing(self, subject: Subject) -> Standing:
        """How the subject stands now; one read."""
        keys = (subject.pair, subject.account, subject.network, subject.past, subject.known)
        return self._judge(subject, await self._store.failures(keys))

    def _judge(self, subject: Subject, found: Sequence[Failures]) -> Standing:
        counted = {item.key: item for item in found}
        now = self._clock.now()
        known = subject.known in counted
        # Where the account's owner logs in from, the failures of others elsewhere do not count: a handful of addresses
        # could else keep anybody out for good. The owner's network has its own limit still.
        limits = zip((subject.pair, subject.account, subject.network), self._limits, strict=True)
        over = [
            item.window_ends_at - now
            for key, limit in limits
            if not (known and key == subject.account)
            and (item := counted.get(key)) is not None
            and item.count >= limit
            and item.window_ends_at > now
        ]
        past = counted.get(subject.past)
        return Standing(
            min(max(math.ceil(max(over)), 1), int(_MEMORY)) if over else None,
            subject.pair in counted,
            past.count if past else 0,
            known,
        )

    async def failed(self, subject: Subject, before: Standing) -> bool:
        """Count a failure. True for the one failure that reached a limit: the moment worth a line in the audit log."""
        window = min(self._window * 2 ** min(before.times_limited, _MOST_DOUBLINGS), _MEMORY)
        keys = (subject.pair, subject.account, subject.network)
        if window == self._window:
            counted = await self._store.count_failure(keys, window=window)
        else:
            # Only the pair's window grows: others behind the same address have not failed again.
            counted = [
                *await self._store.count_failure(keys[:1], window=window),
                *await self._store.count_failure(keys[1:], window=self._window),
            ]
        counts = {item.key: item.count for item in counted}
        if counts.get(subject.pair) == self._limits[0]:
            await self._store.count_failure((subject.past,), window=_MEMORY)
        return any(counts.get(key) == limit for key, limit in zip(keys, self._limits, strict=True))

    async def succeeded(self, subject: Subject, before: Standing) -> None:
        """Forget the failures of this account at this network, and remember that it is one of the owner's. Failures of the
        account elsewhere, and of the network with other accounts, stay: else an attacker could wipe his count by logging
        in to an account of his own.
        """
        if before.failed_before:
            await self._store.clear_failures((subject.pair,))
        if not before.known:
            await self._store.count_failure((subject.known,), window=_KNOWN)
