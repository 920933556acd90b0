"""The two shells around the engine: one for asyncio, one for threads. All they add is waiting.

Hold no rule: what is verified, and how, is the same in both.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import weakref
from collections.abc import Collection, Coroutine
from concurrent.futures import wait
from typing import Any, Final, Self, Unpack

from watchword.clock import system_clock
from watchword.verify.access_token import AccessToken
from watchword.verify.dpop import DpopProof
from watchword.verify.engine import Engine
from watchword.verify.errors import RejectionReason, TokenRejected, VerifierUnavailable
from watchword.verify.health import Health
from watchword.verify.lookup import Step
from watchword.verify.possession import FirstUseDue
from watchword.verify.replay import ReplayMemoryUnavailable
from watchword.verify.staleness import AsyncIntrospector, IntrospectionDue, Introspector, WhenStale
from watchword.verify.wanted import Wanted
from watchword.verify.watch import Watch, Watches

_log: Final = logging.getLogger("watchword")

_REMEDIES: Final = 2
"""How often one verification may wait: once for keys, once for the first view of revocations."""


class Verifier(Engine[AsyncIntrospector]):
    """Verifies access tokens in asyncio applications. One for the whole application; safe in threads, too."""

    awaits: bool = True

    async def verify(self, raw: str, **wanted: Unpack[Wanted]) -> AccessToken:
        """Verify an access token; wait, for at most ``timeout`` seconds, if keys must be fetched first.

        As `verify_now` otherwise, which does all the work once keys are at hand, and knows the arguments.
        """
        try:
            return await self._verified(raw, wanted)
        except FirstUseDue as due:
            await self._first_use(due.proof)
            return due.token

    async def _verified(self, raw: str, wanted: Wanted) -> AccessToken:
        left = self.timeout
        try:
            for _ in range(_REMEDIES):
                try:
                    return self.verify_now(raw, **wanted)
                except (TokenRejected, VerifierUnavailable) as error:
                    step = self.remedy(error)
                    if step is None:
                        raise
                left = await _settled([step], left)
            return self.verify_now(raw, **wanted)
        except IntrospectionDue as due:
            proof = self.examine(raw, due.token, wanted)
            await self._introspect(raw, due)
            if proof is not None:
                self.possession.used_first(due.token, proof)
            return due.token

    async def _first_use(self, proof: DpopProof) -> None:
        memory = self.possession.dpop.replay
        asking: Coroutine[Any, Any, bool]
        if inspect.iscoroutinefunction(memory.first_use):
            asking = memory.first_use(proof.replay_key, proof.expires_at)
        else:
            asking = asyncio.to_thread(memory.first_use, proof.replay_key, proof.expires_at)  # type: ignore[arg-type]
        try:
            first = await asyncio.wait_for(asking, self.timeout)
        except TimeoutError:
            raise ReplayMemoryUnavailable("the memory of used proofs does not answer") from None
        if first is not True:
            raise TokenRejected(RejectionReason.REPLAYED)

    def watch(
        self, token: AccessToken, *, max_staleness: float | None = None, when_stale: WhenStale | None = None
    ) -> Watch:
        """Watch over a token for as long as something stays open in its name: ``with verifier.watch(token) as watch``.

        The watch ends when the token is cut off, expires, or the view is older than ``max_staleness`` and
        ``when_stale`` does not accept that; ``introspect`` does not, since only the token's text could be asked about.
        Costs no thread and no polling of its own. To be called on a running event loop.
        """
        if max_staleness is not None:
            self.keep_within(max_staleness)
        if when_stale is not None:
            self._lookup.check_policy(max_staleness, when_stale)
        return self._watches().watch(
            token, max_staleness, self._lookup.when_stale if when_stale is None else when_stale
        )

    def _watches(self) -> Watches:
        loop = asyncio.get_running_loop()
        watches = self._watched.get(loop)
        if watches is None:
            watches = self._watched[loop] = Watches(
                loop,
                view=self._view,
                freshness=self._freshness,
                now=self._now,
                leeway=self.policy.leeway,
                ensure=(lambda: None) if self._feed is None else self._feed.background.ensure,
            )
        return watches

    @functools.cached_property
    def _watched(self) -> weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Watches]:
        return weakref.WeakKeyDictionary()

    async def _introspect(self, raw: str, due: IntrospectionDue) -> None:
        if self._introspector is None:
            raise due
        try:
            active = await asyncio.wait_for(self._introspector.introspect(raw), self.timeout)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is not known whether the token is good
            # Its name alone: the message may hold the token.
            _log.warning("introspection failed: %s", type(error).__name__)
            raise due from None
        if active is not True:
            raise TokenRejected(RejectionReason.REVOKED)

    async def start(self) -> Health:
        """Fetch keys and revocations, for at most ``timeout`` seconds, and go on doing so in the background.

        Returns: how it went. Does not raise if they cannot be had yet: the verifier goes on trying.
        """
        await _settled(self.begin(), self.timeout)
        return self.health()

    async def aclose(self) -> None:
        """End what runs in the background. Keys and revocations then grow old, until nothing is accepted any more."""
        self.end()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


class SyncVerifier(Engine[Introspector]):
    """Verifies access tokens in threaded applications. One for the whole process; safe in threads."""

    def verify(self, raw: str, **wanted: Unpack[Wanted]) -> AccessToken:
        """Verify an access token; wait, for at most ``timeout`` seconds, if keys must be fetched first.

        As `verify_now` otherwise, which does all the work once keys are at hand, and knows the arguments.
        """
        try:
            return self._verified(raw, wanted)
        except FirstUseDue as due:
            proof = due.proof
            if self.possession.dpop.replay.first_use(proof.replay_key, proof.expires_at) is not True:
                raise TokenRejected(RejectionReason.REPLAYED) from None
            return due.token

    def _verified(self, raw: str, wanted: Wanted) -> AccessToken:
        left = self.timeout
        try:
            for _ in range(_REMEDIES):
                try:
                    return self.verify_now(raw, **wanted)
                except (TokenRejected, VerifierUnavailable) as error:
                    step = self.remedy(error)
                    if step is None:
                        raise
                left = _wait([step], left)
            return self.verify_now(raw, **wanted)
        except IntrospectionDue as due:
            proof = self.examine(raw, due.token, wanted)
            self._introspect(raw, due)
            if proof is not None:
                self.possession.used_first(due.token, proof)
            return due.token

    def _introspect(self, raw: str, due: IntrospectionDue) -> None:
        if self._introspector is None:
            raise due
        try:
            active = self._introspector.introspect(raw)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is not known whether the token is good
            # Its name alone: the message may hold the token.
            _log.warning("introspection failed: %s", type(error).__name__)
            raise due from None
        if active is not True:
            raise TokenRejected(RejectionReason.REVOKED)

    def start(self) -> Health:
        """Fetch keys and revocations, for at most ``timeout`` seconds, and go on doing so in the background.

        Returns: how it went. Does not raise if they cannot be had yet: the verifier goes on trying.
        """
        _wait(self.begin(), self.timeout)
        return self.health()

    def close(self) -> None:
        """End what runs in the background. Keys and revocations then grow old, until nothing is accepted any more."""
        self.end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


async def _settled(steps: Collection[Step], seconds: float) -> float:
    """Wait for steps. Returns: the seconds that are left of those given."""
    if not steps:
        return seconds
    began = system_clock.monotonic()
    futures = [asyncio.wrap_future(step) for step in steps]
    try:
        await asyncio.wait(futures, timeout=seconds)
    finally:
        for future in futures:
            future.cancel()  # of the waiting, not of the step: others may wait for that, too
    return max(0.0, seconds - (system_clock.monotonic() - began))


def _wait(steps: Collection[Step], seconds: float) -> float:
    began = system_clock.monotonic()
    wait(steps, timeout=seconds)
    return max(0.0, seconds - (system_clock.monotonic() - began))
