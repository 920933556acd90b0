"""An account service over a real store, with a hash engine that records what it is asked to compute."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchword.testing import FakeClock
from watchword_server.accounts.hasher import Argon2Engine, PasswordHasher
from watchword_server.accounts.service import AccountService, Registration
from watchword_server.accounts.throttle import LoginThrottle
from watchword_server.settings.tree import Passwords, Settings
from watchword_server.store.records import Origin
from watchword_server.store.sqlite import SqliteStore

GOOD = "plum-orbit-cactus-41"
HERE = Origin(actor="anonymous", address="192.0.2.1", user_agent="test")


class RecordingEngine:
    """The real primitive with small parameters; remembers kind and parameters of every computation."""

    def __init__(self, settings: Passwords) -> None:
        self.real = Argon2Engine(settings)
        self.computed: list[tuple[str, str]] = []
        self.gate: threading.Event | None = None

    def hash(self, password: bytes, salt: bytes) -> str:
        encoded = self.real.hash(password, salt)
        self._note("hash", encoded)
        return encoded

    def verify(self, encoded: str, password: bytes) -> bool:
        self._note("verify", encoded)
        return self.real.verify(encoded, password)

    def _note(self, kind: str, encoded: str) -> None:
        if self.gate is not None:
            assert self.gate.wait(20)
        self.computed.append((kind, "$".join(encoded.split("$")[:4])))

    def is_current(self, encoded: str) -> bool:
        return self.real.is_current(encoded)

    def dummy(self) -> str:
        return self.real.dummy()


class CountingStore:
    """Passes everything on and counts the calls by verb."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._store, name)

        async def counted(*arguments: Any, **keywords: Any) -> Any:
            self.calls.append(name)
            return await verb(*arguments, **keywords)

        return counted


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_800_000_000.0)


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[CountingStore]:
    opened = SqliteStore(tmp_path / "accounts.db", clock=clock)
    await opened.open(migrate=True)
    yield CountingStore(opened)
    await opened.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {
            "environment": "development",
            "home": tmp_path,
            "master_key": "0123456789abcdefghijklmnopqrstuv",
            "passwords": {"memory_kib": 64, "time_cost": 1, "hashing_memory_mib": 1},
            "throttle": {"account_failures": 3, "account_failures_total": 6, "address_failures": 8, "window": 60},
        }
    )


@pytest.fixture
def engine(settings: Settings) -> RecordingEngine:
    return RecordingEngine(settings.passwords)


@pytest.fixture
def hasher(settings: Settings, engine: RecordingEngine) -> Iterator[PasswordHasher]:
    made = PasswordHasher(settings.passwords, engine=engine)
    yield made
    made.close()


@pytest.fixture
def throttle(store: Any, settings: Settings, clock: FakeClock) -> LoginThrottle:
    return LoginThrottle(store, settings.throttle, secret=b"secret", clock=clock)


@pytest.fixture
def service(
    store: Any, hasher: PasswordHasher, throttle: LoginThrottle, settings: Settings, clock: FakeClock
) -> AccountService:
    return AccountService(store=store, hasher=hasher, throttle=throttle, settings=settings, clock=clock)


@pytest.fixture
async def ada(service: AccountService) -> Any:
    return await service.register(Registration(email="ada@example.test", password=GOOD, username="ada"), HERE)
