"""The two shells around the engine: one for asyncio, one for threads. All they add is waiting.

Hold no rule: what is verified, and how, is the same in both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import wait
from typing import Final, Self

from watchword.verify.access_token import AccessToken
from watchword.verify.engine import Engine, Step
from watchword.verify.errors import TokenRejected, VerifierUnavailable
from watchword.verify.health import Health

_REMEDIES: Final = 2
"""How often one verification may wait: once for keys, once for the first view of revocations."""


class Verifier(Engine):
    """Verifies access tokens in asyncio applications. One for the whole application; safe in threads, too."""

    async def verify(self, raw: str, *, scopes: Collection[str] = (), roles: Collection[str] = ()) -> AccessToken:
        """Verify an access token; wait, for at most ``timeout`` seconds, if keys must be fetched first.

        As `verify_now` otherwise, which does all the work once keys are at hand.
        """
        for _ in range(_REMEDIES):
            try:
                return self.verify_now(raw, scopes=scopes, roles=roles)
            except (TokenRejected, VerifierUnavailable) as error:
                step = self.remedy(error)
                if step is None:
                    raise
            await _settled([step], self.timeout)
        return self.verify_now(raw, scopes=scopes, roles=roles)

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


class SyncVerifier(Engine):
    """Verifies access tokens in threaded applications. One for the whole process; safe in threads."""

    def verify(self, raw: str, *, scopes: Collection[str] = (), roles: Collection[str] = ()) -> AccessToken:
        """Verify an access token; wait, for at most ``timeout`` seconds, if keys must be fetched first.

        As `verify_now` otherwise, which does all the work once keys are at hand.
        """
        for _ in range(_REMEDIES):
            try:
                return self.verify_now(raw, scopes=scopes, roles=roles)
            except (TokenRejected, VerifierUnavailable) as error:
                step = self.remedy(error)
                if step is None:
                    raise
            _wait([step], self.timeout)
        return self.verify_now(raw, scopes=scopes, roles=roles)

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


async def _settled(steps: Collection[Step], seconds: float) -> None:
    if not steps:
        return
    futures = [asyncio.wrap_future(step) for step in steps]
    try:
        await asyncio.wait(futures, timeout=seconds)
    finally:
        for future in futures:
            future.cancel()  # of the waiting, not of the step: others may wait for that, too


def _wait(steps: Collection[Step], seconds: float) -> None:
    wait(steps, timeout=seconds)
