"""What was acknowledged is there after kill -9, of the server's process or of the database."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from watchword_server.store.open import store_from_url
from watchword_server.store.port import Store, StoreUnavailable

HAMMER = Path(__file__).with_name("hammer.py")


def hammer(url: str, name: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(HAMMER), url, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


async def lines_until(process: subprocess.Popen, count: int, kill) -> list[list[str]]:
    """What it told: `count` lines, then `kill`, then what was still on its way."""

    def read() -> list[list[str]]:
        found = [process.stdout.readline() for _ in range(count)]
        kill()
        found += process.stdout.readlines()
        return [line.split() for line in found if line.endswith("\n")]

    return await asyncio.to_thread(read)


async def nothing_lost(store: Store, told: list[list[str]]) -> int:
    """Check every act that was told. Returns how many there were."""
    cut = set()
    cursor = None
    while True:
        batch = await store.cut_offs_after(cursor, limit=1000)
        cut |= {(entry.axis, entry.value) for entry in batch.entries}
        cursor = batch.cursor
        if not batch.more:
            break
    for act, subject, *rest in told:
        if act == "account":
            assert await store.account(subject) is not None
        elif act == "session":
            assert await store.family(f"f-{subject}") is not None
        elif act == "advance":
            assert (await store.family(subject)).family.generation >= int(rest[0])
        elif act == "redeemed":
            view = await store.code(subject.encode())
            assert (view.used, view.sid) == (True, rest[0])
            assert await store.session_view(rest[0], view.account.id) is not None
        elif act == "opaque":
            assert (await store.opaque_token(subject.encode())).facts.jti == subject
        elif act == "cut":
            assert ("token", subject) in cut
        else:
            family = await store.family(f"f-{subject}")
            account = family.family.account_id
            assert family.session_ended
            assert ("session", subject) in cut or ("account", account) in cut
    return len(told)


async def kill_clients(url: str, rounds: int, lines: int) -> None:
    total = 0
    for number in range(rounds):
        process = hammer(url, f"r{number}")
        told = await lines_until(process, lines + 37 * number, process.kill)
        process.wait()
        store = store_from_url(url)
        await store.open(migrate=False)
        total += await nothing_lost(store, told)
        await store.close()
    assert total >= rounds * lines


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_a_server_killed_loses_nothing_it_acknowledged(engine, tmp_path, request):
    url = f"sqlite:///{tmp_path}/w.db" if engine == "sqlite" else request.getfixturevalue("postgres_dsn")
    await kill_clients(url, rounds=3, lines=300)


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_a_server_killed_many_times_during_100000_acts_loses_nothing(engine, tmp_path, request):
    url = f"sqlite:///{tmp_path}/w.db" if engine == "sqlite" else request.getfixturevalue("postgres_dsn")
    await kill_clients(url, rounds=25, lines=4000)


async def kill_database(cluster, rounds: int, lines: int) -> None:
    onlooker = store_from_url(cluster.dsn)
    await onlooker.open(migrate=True)
    for number in range(rounds):
        postmaster = psutil.Process(cluster.server.get_pid())
        family = [postmaster, *postmaster.children(recursive=True)]

        def kill(family=family) -> None:
            for process in family:
                process.send_signal(signal.SIGKILL)

        process = hammer(cluster.dsn, f"r{number}")
        told = await lines_until(process, lines, kill)
        process.wait()
        with pytest.raises(StoreUnavailable):
            await onlooker.ping()
        await asyncio.to_thread(psutil.wait_procs, family, 20)
        await asyncio.to_thread(cluster.restart)
        assert await nothing_lost(onlooker, told) >= lines
    await onlooker.close()


async def test_a_database_killed_loses_nothing_it_acknowledged_and_its_servers_recover(own_postgres):
    await kill_database(own_postgres, rounds=1, lines=300)


@pytest.mark.soak
async def test_a_database_killed_many_times_loses_nothing(own_postgres):
    await kill_database(own_postgres, rounds=10, lines=4000)
