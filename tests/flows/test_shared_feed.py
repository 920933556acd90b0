"""Workers of one host share one connection to the feed, and whoever serves it may die, freeze or lie."""

import contextlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest
from process import Process
from revoking import SOON, Account, until
from road import Road

WORKER = pathlib.Path(__file__).parents[1] / "shared_worker.py"
BOUND = 3.0
REFUSED = "TokenRejected"


class Worker:
    """A process that verifies, and is asked by lines."""

    def __init__(self, issuer: str, feed: str, path: pathlib.Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, WORKER, issuer, feed, path, str(BOUND)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, line: str):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def find(self, raw: str) -> str | None:
        return self.ask(f"find {raw}")

    @property
    def state(self) -> dict:
        return self.ask("state")

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("server") / "home")
    yield process
    process.kill()


@pytest.fixture
def crew(server, road, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    workers = [Worker(server.url, f"{road.url}/revocations", folder / "feed.sock") for _ in range(4)]
    until(lambda: all(worker.state["mode"] == "push" for worker in workers))
    yield workers
    for worker in workers:
        worker.end()


def metric(server, name: str) -> float:
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE))


def readers(server) -> tuple[float, float]:
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    found = dict(re.findall(r'^watchword_feed_readers\{kind="(\w+)"\} (\S+)$', text, re.MULTILINE))
    return float(found.get("stream", 0)), float(found.get("poll", 0))


def leader_of(crew) -> Worker:
    [leader] = [worker for worker in crew if worker.state["leading"]]
    return leader


def never_let_in_late(workers: list[Worker], gone: str, acknowledged: float) -> None:
    """Ask each of them without pause, until a second after the bound, whether it lets a revoked token in."""
    while time.monotonic() < acknowledged + BOUND + 1:
        for worker in workers:
            before = time.monotonic()
            found = worker.find(gone)
            assert found is not None or before < acknowledged + BOUND


def connections(road: Road) -> int:
    return len(road._ends) // 2


def test_four_workers_follow_by_one_connection_and_each_refuses_at_once(server, road, crew):
    leader_of(crew)
    until(lambda: readers(server) == (1.0, 0.0))
    account = Account(server)
    late = []
    for _ in range(5):
        raw = account.login()
        until(lambda raw=raw: all(worker.find(raw) is None for worker in crew))
        acknowledged = account.logout(raw)
        until(lambda raw=raw: all(worker.find(raw) == REFUSED for worker in crew))
        late.append(time.monotonic() - acknowledged)
    # One stream, and at most one question at a time beside it.
    assert connections(road) <= 2
    assert all(worker.state["forged"] == 0 for worker in crew)
    assert min(late) < 1, "by the stream, not by a question"
    print("all four refused after ms:", [round(1000 * one, 1) for one in late])


def test_the_leases_of_all_are_renewed_by_the_questions_of_about_one(server, road, crew):
    raw = Account(server).login()
    before, began = metric(server, "watchword_feed_reads_total"), time.monotonic()
    attempts = 0
    while time.monotonic() < began + 2.5 * BOUND:
        for worker in crew:
            assert worker.find(raw) is None
            attempts += 1
    asked = metric(server, "watchword_feed_reads_total") - before
    took = time.monotonic() - began
    # One verifier alone asks each 0.7 to 1 times of two fifths of the bound; four would ask four times as often.
    alone = took / (0.7 * 0.4 * BOUND)
    # A busy machine has one take over from another now and then, which then asks once more.
    assert took / BOUND < asked < 2.5 * alone
    print(
        f"{asked:.0f} questions in {took:.1f} s for four workers; one alone asks at most {alone:.0f}; {attempts} checks"
    )


def test_when_who_serves_is_killed_another_does_and_nobody_is_let_in_late(server, road, crew):
    account = Account(server)
    raw, gone = account.login(), account.login()
    leader = leader_of(crew)
    rest = [worker for worker in crew if worker is not leader]
    leader.process.kill()
    acknowledged = account.logout(gone)
    never_let_in_late(rest, gone, acknowledged)
    assert all(worker.find(raw) is None for worker in rest), [worker.state for worker in rest]
    assert all(worker.find(gone) == REFUSED for worker in rest)


def test_while_who_serves_is_frozen_the_others_ask_by_themselves(server, road, crew):
    account = Account(server)
    raw, gone = account.login(), account.login()
    leader = leader_of(crew)
    rest = [worker for worker in crew if worker is not leader]
    leader.process.send_signal(signal.SIGSTOP)
    acknowledged = account.logout(gone)
    never_let_in_late(rest, gone, acknowledged)
    until(lambda: all(worker.find(raw) is None for worker in rest))
    assert all(worker.find(gone) == REFUSED for worker in rest)
    leader.process.send_signal(signal.SIGCONT)
    until(lambda: leader.find(gone) == REFUSED)


def test_in_a_partition_all_refuse_by_their_own_bound(server, road, crew):
    account = Account(server)
    raw, gone = account.login(), account.login()
    assert all(worker.find(raw) is None for worker in crew)
    road.open.clear()
    acknowledged = account.logout(gone)
    never_let_in_late(crew, gone, acknowledged)
    assert all(worker.find(raw) == "RevocationViewStale" for worker in crew)
    road.open.set()
    until(lambda: all(worker.find(raw) is None for worker in crew))
    assert all(worker.find(gone) == REFUSED for worker in crew)
    assert time.monotonic() < acknowledged + SOON
