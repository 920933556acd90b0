"""Hashing passwords with Argon2id (RFC 9106) in a pool of its own: bounded memory, bounded queue, low priority.

Decides nothing about accounts; who is told what stands in service.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError
from watchword.clock import Clock, system_clock

from watchword_server import entropy
from watchword_server.settings.tree import Passwords

_SALT_BYTES = 16
_HASH_BYTES = 32
_NICENESS = 19
_FIRST_GUESS = 0.05
_SMOOTHING = 0.2
_LONGEST_RETRY = 30

Result = TypeVar("Result")


class Engine(Protocol):
    """The primitive: one call is one Argon2 computation. Runs in a thread."""

    def hash(self, password: bytes, salt: bytes) -> str: ...

    def verify(self, encoded: str, password: bytes) -> bool:
        """Constant-time comparison with what the encoded parameters give."""
        ...

    def is_current(self, encoded: str) -> bool:
        """Whether the hash has the parameters of today."""
        ...

    def dummy(self) -> str:
        """A hash with the parameters of today that no password has."""
        ...


class Argon2Engine:
    """argon2-cffi with the parameters of the settings."""

    def __init__(self, settings: Passwords) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=settings.time_cost,
            memory_cost=settings.memory_kib,
            parallelism=settings.parallelism,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=argon2.Type.ID,
        )
        self._parameters = f"m={settings.memory_kib},t={settings.time_cost},p={settings.parallelism}"

    def hash(self, password: bytes, salt: bytes) -> str:
        return self._argon2.hash(password, salt=salt)

    def verify(self, encoded: str, password: bytes) -> bool:
        try:
            return self._argon2.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_current(self, encoded: str) -> bool:
        return not self._argon2.check_needs_rehash(encoded)

    def dummy(self) -> str:
        salt, digest = (_plain_base64(entropy.random_bytes(size)) for size in (_SALT_BYTES, _HASH_BYTES))
        return f"$argon2id$v=19${self._parameters}${salt}${digest}"


def _plain_base64(octets: bytes) -> str:
    return b64encode(octets).decode("ascii").rstrip("=")


class HasherBusy(Exception):  # noqa: N818 - a state, told to callers as Busy
    """The queue is full or too slow; nothing was hashed."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many passwords are waiting; come back in {retry_after} s")
        self.retry_after = retry_after


class Slot:
    """The right to hash, held by one caller. Made by ``PasswordHasher.slot`` only."""

    def __init__(self, hasher: PasswordHasher, *, waited: bool) -> None:
        self._hasher = hasher
        self.waited = waited
        """Whether others came first; then what was checked before may have changed."""

    async def verify(self, encoded: str | None, password: bytes | None) -> bool:
        """Whether the password has this hash. With None for either the same work is done, and the answer is False."""
        return await self._hasher.run(self._hasher.checked, encoded, password)

    async def hash(self, password: bytes) -> str:
        """The encoded hash, with a salt of its own."""
        return await self._hasher.run(self._hasher.engine.hash, password, entropy.random_bytes(_SALT_BYTES))

    async def think(self, work: Callable[[], Result]) -> Result:
        """Other slow work that belongs to passwords (their strength), under the same bounds."""
        return await self._hasher.run(work)


class PasswordHasher:
    """The pool. As many threads as processors and memory budget allow, each at a lower priority than the event loop's,
    so that a flood of logins does not slow refreshes down.
    """

    def __init__(self, settings: Passwords, *, engine: Engine | None = None, clock: Clock = system_clock) -> None:
        self.engine: Engine = engine or Argon2Engine(settings)
        self._clock = clock
        self._dummy = self.engine.dummy()
        budget = settings.hashing_memory_mib * 1024 // settings.memory_kib
        self.threads = max(1, min(budget, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1))
        self._pool = ThreadPoolExecutor(self.threads, "watchword-hash", initializer=_lower_priority)
        # One more than threads, so that a thread that finishes finds its next work ready.
        self._free = asyncio.Semaphore(self.threads + 1)
        self._limit = settings.queue_limit
        self._timeout = settings.queue_timeout
        self._mean = _FIRST_GUESS
        self.waiting = 0
        """Callers in the queue."""
        self.running = 0
        """Callers that hold a slot."""
        self.refused = 0
        """Callers told to come back, ever."""

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """The right to hash, in order of arrival.

        Raises HasherBusy at once when the queue is full or the wait would be longer than the settings allow, and when it
        turns out to be. A caller that is cancelled while it waits leaves the queue.
        """
        waited = self._free.locked()
        if waited:
            await self._queue()
        else:
            await self._free.acquire()
        self.running += 1
        try:
            yield Slot(self, waited=waited)
        finally:
            self.running -= 1
            self._free.release()

    async def _queue(self) -> None:
        expected = (self.waiting + 1) * self._mean / self.threads
        if self.waiting >= self._limit or expected > self._timeout:
            raise self._busy(expected)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._timeout):
                await self._free.acquire()
        except TimeoutError:
            raise self._busy(expected) from None
        finally:
            self.waiting -= 1

    def _busy(self, expected: float) -> HasherBusy:
        self.refused += 1
        return HasherBusy(min(max(math.ceil(expected), 1), _LONGEST_RETRY))

    async def run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Do the work in the pool. A caller that is cancelled is free at once; a hash under way ends by itself."""
        started = self._clock.monotonic()
        result = await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        took = max(self._clock.monotonic() - started, 0.0)
        self._mean += _SMOOTHING * (took - self._mean)
        return result

    def checked(self, encoded: str | None, password: bytes | None) -> bool:
        """One computation whatever is missing; runs in a thread."""
        right = self.engine.verify(encoded or self._dummy, password or b"\0")
        return right and encoded is not None and password is not None

    def needs_rehash(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than those of today."""
        return not self.engine.is_current(encoded)

    def close(self) -> None:
        """Drop what waits, let running hashes end."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _lower_priority() -> None:
    """Let the kernel prefer all other threads of the process. Linux keeps niceness by thread; elsewhere nothing is done."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
