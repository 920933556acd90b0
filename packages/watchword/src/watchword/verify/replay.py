"""What was used before and must not be used again: the port, a memory in this process, and a shared one.

Judges nothing: what is remembered (proofs, client assertions), and under which name, its callers know.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import threading
import weakref
from collections.abc import Awaitable
from typing import Final, Protocol

from watchword.clock import Clock, EpochSeconds, system_clock
from watchword.verify.errors import VerifierUnavailable

_log: Final = logging.getLogger("watchword")

DEFAULT_MAX_ENTRIES: Final = 1_000_000
"""Things remembered at once in one process, more than it can check in the life of a proof; each takes about 150 bytes."""
_SLOT_SECONDS: Final = 8
_LONGEST_SECONDS: Final = 86_400.0
_DIGEST_BYTES: Final = 16


class ReplayMemory(Protocol):
    """Remembers what was used, until it expires."""

    def first_use(self, key: str, expires_at: EpochSeconds) -> bool:
        """Whether this is the first use of ``key``: True for exactly one caller, False for every other.

        ``expires_at`` is when it is refused anyway, and may be forgotten.

        Raises: ReplayMemoryUnavailable if it cannot be told. Then it must not be accepted.
        """
        ...


class AsyncReplayMemory(Protocol):
    """As `ReplayMemory`, for asyncio."""

    async def first_use(self, key: str, expires_at: EpochSeconds) -> bool: ...


class ReplayMemoryUnavailable(VerifierUnavailable):
    """It cannot be told whether something was used before: the memory is full, or cannot be reached."""


class LocalReplayMemory:
    """Remembers in this process, a bounded number of things; never forgets one that could still be used.

    Full, it refuses everything new, since to forget would be to accept a replay. Each process has its own: where several
    serve the same resource, a proof could be used once in each, and `SharedReplayMemory` is the one to take.
    """

    def __init__(self, *, max_entries: int = DEFAULT_MAX_ENTRIES, clock: Clock = system_clock) -> None:
        """Make an empty memory. Raises: ValueError if it has no room."""
        if max_entries < 1:
            raise ValueError("max_entries must be positive")
        self._max_entries = max_entries
        self._clock = clock
        self._until: dict[bytes, int] = {}
        self._slots: dict[int, list[bytes]] = {}
        self._lock = threading.Lock()
        _memories.add(self)

    def __len__(self) -> int:
        return len(self._until)

    def first_use(self, key: str, expires_at: EpochSeconds) -> bool:
        """As `ReplayMemory.first_use`."""
        now = self._clock.now()
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:_DIGEST_BYTES]
        slot = math.ceil(min(max(expires_at, now), now + _LONGEST_SECONDS) / _SLOT_SECONDS)
        with self._lock:
            if digest in self._until:
                return False
            if len(self._until) >= self._max_entries and not self._forget(now):
                raise ReplayMemoryUnavailable("the memory of used proofs is full")
            self._until[digest] = slot
            entries = self._slots.get(slot)
            if entries is None:
                # Now and then, and never later than the memory would grow for it: once a slot.
                self._forget(now)
                self._slots[slot] = [digest]
            else:
                entries.append(digest)
        return True

    def _forget(self, now: EpochSeconds) -> bool:
        """Forget what has expired. Returns: whether there is room."""
        over = [slot for slot in self._slots if slot * _SLOT_SECONDS < now]
        for slot in over:
            for digest in self._slots.pop(slot):
                del self._until[digest]
        return len(self._until) < self._max_entries

    def after_fork(self) -> None:
        """In the child of a fork: another thread may have held the lock, in the middle of a change."""
        self._lock = threading.Lock()
        self._slots = {}
        for digest, slot in self._until.items():
            self._slots.setdefault(slot, []).append(digest)


class _SyncClient(Protocol):
    def set(self, name: str, value: str, *, px: int, nx: bool) -> object: ...


class _AsyncClient(Protocol):
    def set(self, name: str, value: str, *, px: int, nx: bool) -> Awaitable[object]: ...


class SharedReplayMemory:
    """Remembers in Valkey or Redis, for all processes that serve the same resource (extra ``valkey``).

    ``client`` is a ``redis.Redis`` or ``valkey.Valkey``, with time-outs of its own. One ``SET NX`` a thing, so exactly
    one of all callers is the first.
    """

    def __init__(self, client: _SyncClient, *, prefix: str = "watchword:used:", clock: Clock = system_clock) -> None:
        self._client = client
        self._prefix = prefix
        self._clock = clock

    def first_use(self, key: str, expires_at: EpochSeconds) -> bool:
        """As `ReplayMemory.first_use`."""
        try:
            done = self._client.set(self._prefix + key, "1", px=_milliseconds(expires_at, self._clock.now()), nx=True)
        except Exception as error:  # noqa: BLE001 - whatever it was, it cannot be told; see `_unreachable`
            raise _unreachable(error) from None
        return bool(done)


class AsyncSharedReplayMemory:
    """As `SharedReplayMemory`, over a ``redis.asyncio.Redis`` or ``valkey.asyncio.Valkey``."""

    def __init__(self, client: _AsyncClient, *, prefix: str = "watchword:used:", clock: Clock = system_clock) -> None:
        self._client = client
        self._prefix = prefix
        self._clock = clock

    async def first_use(self, key: str, expires_at: EpochSeconds) -> bool:
        """As `ReplayMemory.first_use`."""
        try:
            done = await self._client.set(
                self._prefix + key, "1", px=_milliseconds(expires_at, self._clock.now()), nx=True
            )
        except Exception as error:  # noqa: BLE001 - whatever it was, it cannot be told; see `_unreachable`
            raise _unreachable(error) from None
        return bool(done)


def _milliseconds(expires_at: EpochSeconds, now: EpochSeconds) -> int:
    # A second more: the clocks that say when it expires are several, and one replay is one too many.
    return math.ceil(1000 * (min(max(expires_at - now, 0.0), _LONGEST_SECONDS) + 1.0))


def _unreachable(error: Exception) -> ReplayMemoryUnavailable:
    # Its name alone: the message may hold the address and the credentials of the store.
    _log.warning("the memory of used proofs cannot be reached: %s", type(error).__name__)
    return ReplayMemoryUnavailable("the memory of used proofs cannot be reached")


_memories: weakref.WeakSet[LocalReplayMemory] = weakref.WeakSet()


def _after_fork() -> None:
    for memory in list(_memories):
        memory.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
