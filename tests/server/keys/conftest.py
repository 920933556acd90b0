"""Key rings over a store of each engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from watchword_server.entropy import random_bytes
from watchword_server.keys.ring import KeyRing
from watchword_server.keys.schedule import KeySchedule
from watchword_server.keys.sealing import MasterKey, Sealer
from watchword_server.store.port import Store

DAY = 86_400.0
MASTER = "8f1e6d5c4b3a29180716f5e4d3c2b1a0ffeeddccbbaa99887766554433221100"


@pytest.fixture
def clock(store_clock: Any) -> Any:
    return store_clock


@pytest.fixture
def ring_store(store: Store) -> Store:
    return store


@pytest.fixture
def make_ring(ring_store: Store, clock: Any) -> Callable[..., KeyRing]:
    def make(
        *,
        environment: str = "production",
        master: str = MASTER,
        algorithm: str = "ES256",
        offered: tuple[str, ...] = (),
        encrypted_by: tuple[str, ...] = (),
    ) -> KeyRing:
        return KeyRing(
            store=ring_store,
            sealer=Sealer(MasterKey.parse(master), environment, random_bytes),
            clock=clock,
            random_bytes=random_bytes,
            algorithm=algorithm,
            offered=offered,
            access_token=KeySchedule(rotate_every=90 * DAY, announce_before=DAY, retire_after=DAY),
            refresh_mac=KeySchedule(rotate_every=90 * DAY, announce_before=0, retire_after=30 * DAY),
            feed=KeySchedule(rotate_every=90 * DAY, announce_before=DAY, retire_after=DAY),
            request_object=KeySchedule(rotate_every=90 * DAY, announce_before=0, retire_after=DAY),
            encrypted_by=encrypted_by,
        )

    return make
