"""A clock to move by hand, an open SQLite store, and rings over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from watchword_server.entropy import random_bytes
from watchword_server.keys.ring import KeyRing
from watchword_server.keys.schedule import KeySchedule
from watchword_server.keys.sealing import MasterKey, Sealer
from watchword_server.store.open import store_from_url
from watchword_server.store.port import Store

DAY = 86_400.0
MASTER = "8f1e6d5c4b3a29180716f5e4d3c2b1a0ffeeddccbbaa99887766554433221100"


class HandClock:
    def __init__(self) -> None:
        self.at = 1_900_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def ring_store(tmp_path: Path, clock: HandClock) -> AsyncIterator[Store]:
    store = store_from_url(f"sqlite:///{tmp_path}/keys.db", clock=clock)
    await store.open(migrate=True)
    yield store
    await store.close()


@pytest.fixture
def make_ring(ring_store: Store, clock: HandClock) -> Callable[..., KeyRing]:
    def make(*, environment: str = "production", master: str = MASTER, algorithm: str = "ES256") -> KeyRing:
        return KeyRing(
            store=ring_store,
            sealer=Sealer(MasterKey.parse(master), environment, random_bytes),
            clock=clock,
            random_bytes=random_bytes,
            algorithm=algorithm,
            access_token=KeySchedule(rotate_every=90 * DAY, announce_before=DAY, retire_after=DAY),
            refresh_mac=KeySchedule(rotate_every=90 * DAY, announce_before=0, retire_after=30 * DAY),
        )

    return make
