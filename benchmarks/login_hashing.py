"""Logins against the bare primitive: Argon2id alone, through the pool, and through the whole account service.

Prints ratios of one run, and how late the event loop is while the pool is busy. Run: python benchmarks/login_hashing.py [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from watchword_server.accounts.hasher import Argon2Engine, PasswordHasher
from watchword_server.accounts.service import AccountService, Authenticated, Registration
from watchword_server.accounts.throttle import LoginThrottle
from watchword_server.settings.tree import Settings
from watchword_server.store.records import Account, Origin
from watchword_server.store.sqlite import SqliteStore

PASSWORD = "plum-orbit-cactus-41"
HERE = Origin(actor="anonymous", address="192.0.2.1")


Figures = tuple[float, float]
"""Calls a second, and milliseconds of CPU a call: the second is steadier where others use the machine too."""


def raw(threads: int, count: int, settings: Settings) -> Figures:
    """Verifications by the primitive in as many plain threads."""
    engine = Argon2Engine(settings.passwords)
    encoded = engine.hash(PASSWORD.encode(), b"0123456789abcdef")
    with ThreadPoolExecutor(threads) as pool:
        started, used = time.perf_counter(), time.process_time()
        assert all(pool.map(lambda _: engine.verify(encoded, PASSWORD.encode()), range(count)))
        return count / (time.perf_counter() - started), (time.process_time() - used) * 1000 / count


async def rate(work: Callable[[], Awaitable[bool]], count: int, clients: int) -> Figures:
    """Calls by so many clients at once, each answer checked."""
    left = iter(range(count))

    async def client() -> None:
        for _ in left:
            assert await work()

    started, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*[client() for _ in range(clients)])
    return count / (time.perf_counter() - started), (time.process_time() - used) * 1000 / count


async def lateness(busy: Awaitable[Figures] | None, ticks: int) -> list[float]:
    """Milliseconds by which a 2 ms timer comes late, sorted, while ``busy`` runs."""
    task = asyncio.ensure_future(busy) if busy is not None else None
    late = []
    while len(late) < ticks and not (task is not None and task.done()):
        started = time.perf_counter()
        await asyncio.sleep(0.002)
        late.append((time.perf_counter() - started - 0.002) * 1000)
    if task is not None:
        await task
    return sorted(late)


async def main(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.model_validate({"environment": "development", "home": home, "master_key": "benchmark-" * 4})
        store = SqliteStore(Path(home) / "bench.db")
        await store.open(migrate=True)
        hasher = PasswordHasher(settings.passwords)
        throttle = LoginThrottle(store, settings.throttle, secret=b"benchmark")
        service = AccountService(store=store, hasher=hasher, throttle=throttle, settings=settings)
        assert isinstance(
            await service.register(Registration(email="a@example.test", password=PASSWORD), HERE), Account
        )
        view = await service.find("a@example.test")
        assert view is not None
        encoded = view.password_hash

        async def verify() -> bool:
            async with hasher.slot() as slot:
                return await slot.verify(encoded, PASSWORD.encode())

        async def login() -> bool:
            return isinstance(await service.authenticate("a@example.test", PASSWORD, HERE), Authenticated)

        figures: dict[str, list[Figures]] = {"raw": [], "pool": [], "login": []}
        for _ in range(rounds):
            figures["raw"].append(await asyncio.to_thread(raw, hasher.threads, count, settings))
            figures["pool"].append(await rate(verify, count, 16))
            figures["login"].append(await rate(login, count, 16))
        bare, bare_cpu = (statistics.median(values) for values in zip(*figures["raw"], strict=True))
        print(
            f"Argon2id m={settings.passwords.memory_kib} KiB t={settings.passwords.time_cost}, {hasher.threads} threads"
        )
        for name, found in figures.items():
            rates, cpu = zip(*found, strict=True)
            middle, cost = statistics.median(rates), statistics.median(cpu)
            spread = f"({min(rates):.1f} to {max(rates):.1f})"
            print(
                f"{name:<6} {middle:7.1f}/s  {middle / bare:5.2f} of raw {spread}; CPU {cost:.1f} ms, {bare_cpu / cost:.2f} of raw"
            )
        idle = await lateness(None, 300)
        busy = await lateness(rate(login, count * 2, 16), 300)
        for name, late in (("idle", idle), ("busy", busy)):
            print(
                f"event loop {name}: late p50 {late[len(late) // 2]:.2f} ms, p99 {late[len(late) * 99 // 100]:.2f} ms"
            )
        hasher.close()
        await store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few hashes only")
    quick = parser.parse_args().quick
    asyncio.run(main(20 if quick else 150, 1 if quick else 3))
