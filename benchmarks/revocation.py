"""What revocation promises, beside what it does: latency, the bound under faults, cost, memory, losses.

    python benchmarks/revocation.py --quick    # three minutes
    python benchmarks/revocation.py            # half an hour
    python benchmarks/revocation.py --svg      # writes docs/images/revocation-latency.svg, too
    python benchmarks/revocation.py --only latency faults

The server is a process with the settings of production, over TLS, on SQLite and on PostgreSQL, both durable. Verifiers
live in processes of their own, and nothing is pinned to a core: server, database, revoker and all verifiers share this
machine, so with many verifiers the figure is of the machine's cores, and an upper bound.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import psutil

sys.path.insert(0, str(pathlib.Path(__file__).parent / "http_parts"))
sys.path.insert(0, str(pathlib.Path(__file__).parent / "revocation_parts"))

import faults
import losses
import many_sessions
import picture
import units
from postgres_for_benchmarks import postgres
from verify import measure, seen_before
from watchword import Revocations, SyncVerifier
from watchword.transport import HttpTransport
from world import FEED_TOKEN, Caller, Production, Verifiers

HERE = pathlib.Path(__file__).parent
SVG = HERE.parent / "docs" / "images" / "revocation-latency.svg"
LAYOUTS = ((1, 1), (5, 2), (10, 10))
"""Processes, and verifiers in each."""
PARTS = ("latency", "network", "cost", "memory", "logout-all", "faults", "losses", "units")


class Table:
    """Lines of figures beside their targets."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def line(self, what: str, found: str, target: str, *, good: bool) -> None:
        print(f"  {what:<58} {found:<58} {target:<26} {'met' if good else 'MISSED'}", flush=True)
        if not good:
            self.missed.append(what)


class Stalls(threading.Thread):
    """The machine's own part: how late a thread comes that does nothing but sleep for a millisecond at a time."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.late: list[float] = []
        self.done = False

    def run(self) -> None:
        while not self.done:
            before = time.monotonic()
            time.sleep(0.001)
            self.late.append((time.monotonic() - before - 0.001) * 1e3)


def latency(server: Production, processes: int, each: int, revocations: int) -> dict[str, list[float]]:
    """Milliseconds from acknowledgement to the last acceptance, and to the first refusal of the slowest verifier."""
    caller = Caller(server)
    raws = caller.sessions(revocations)
    pause = 0.0005 if processes < 10 else 0.002
    found: dict[str, list[float]] = {"last": [], "refused": []}
    stalls = Stalls()
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(contextlib.closing(Verifiers(server, each))) for _ in range(processes)]
        for one in crowd:
            one.hear()
        stalls.start()
        for raw in raws:
            for one in crowd:
                one.say(do="race", raw=raw, pause=pause)
            for one in crowd:
                one.hear()
            acknowledged = caller.logout(raw)
            reports = [one.hear() for one in crowd]
            for key, values in found.items():
                values.append((max(max(report[key]) for report in reports) - acknowledged) * 1e3)
        stalls.done = True
    return found | {"stalls": stalls.late}


def print_latency(table: Table, store: str, server: Production, revocations: int) -> dict[int, list[float]]:
    by_count = {}
    for processes, each in LAYOUTS:
        found = latency(server, processes, each, revocations)
        last, refused = found["last"], found["refused"]
        by_count[processes * each] = last
        p50, p99 = max(0.0, statistics.median(last)), max(0.0, picture.quantile(last, 0.99))
        layout = f"{processes * each} = {processes} processes x {each}"
        table.line(
            f"last acceptance, {store}, verifiers {layout}",
            f"p50 {p50:.1f}, p99 {p99:.1f}, max {max(last):.1f} ms (n {len(last)})",
            "p50 < 20, p99 < 100 ms",
            good=p50 < 20 and p99 < 100,
        )
        print(
            f"      refused by all: p50 {statistics.median(refused):.1f}, p99 {picture.quantile(refused, 0.99):.1f}, "
            f"max {max(refused):.1f} ms; a thread that only sleeps was late by p99 "
            f"{picture.quantile(found['stalls'], 0.99):.1f}, max {max(found['stalls']):.1f} ms; in {sum(one <= 0 for one in last)} of {len(last)} nobody accepted after the answer"
        )
    return by_count


class Counting(HttpTransport):
    """Counts what is asked, by thread."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self.by_thread: dict[int, int] = {}

    def _count(self) -> None:
        ident = threading.get_ident()
        self.by_thread[ident] = self.by_thread.get(ident, 0) + 1

    def fetch(self, request):
        self._count()
        return super().fetch(request)

    def stream(self, request, *, idle):
        self._count()
        return super().stream(request, idle=idle)


def network(table: Table, server: Production, times: int) -> None:
    """Count calls to the network: in the thread that verifies, and in all."""
    transport = Counting(tls=server.tls)
    raws = Caller(server).sessions(50)
    sockets: list[str] = []
    here = threading.get_ident()

    def heard(event: str, _details: object) -> None:
        if counting and event.startswith("socket.") and threading.get_ident() == here:
            sockets.append(event)

    counting = False
    sys.addaudithook(heard)
    follow = Revocations(token=FEED_TOKEN)
    with SyncVerifier(server.issuer, server.issuer, transport=transport, revocations=follow) as verifier:
        before, counting = sum(transport.by_thread.values()), True
        for _ in range(times // len(raws)):
            for raw in raws:
                verifier.verify(raw)
        counting, after = False, sum(transport.by_thread.values())
    calls = transport.by_thread.get(here, 0) + len(sockets)
    table.line(
        "network calls per verification",
        f"{calls} in {times:,} ({after - before} by the threads behind meanwhile)",
        "0",
        good=calls == 0,
    )


def cost(table: Table, *, quick: bool) -> None:
    found = measure(seen_before(), 5 if quick else 15, 0.02 if quick else 0.05)
    bare = found["without revocation"]
    warm, again = found["following the feed"] - bare, found["all axes looked up"] - bare
    table.line(
        "added to a warm verify",
        f"{warm * 1e6:.3f} us; {again * 1e6:.3f} us right after a new cut-off",
        "< 1 us",
        good=warm < 1e-6,
    )


def memory_here(count: int) -> None:
    """In a process of its own: what so many cut-offs, decoded as they come from a feed, take."""
    import msgspec
    from watchword.verify.revocation import CutOff, RevocationView

    def page(start: int) -> list[CutOff]:
        rows = [
            {"position": n, "axis": "session", "value": f"pQ8dJ2nV5xG7s{n:09}", "expires_in": 600.0}
            for n in range(start, start + 1000)
        ]
        return msgspec.json.decode(msgspec.json.encode(rows), type=list[CutOff])

    process = psutil.Process()
    page(0)
    view = RevocationView()
    before = process.memory_info().rss
    for start in range(0, count, 1000):
        assert view.apply(page(start))
    assert len(view) == count
    print((process.memory_info().rss - before) / 1e6, view.estimated_bytes() / 1e6)


def memory(table: Table) -> None:
    command = [sys.executable, str(HERE / "revocation.py"), "--memory-here"]
    real, told = map(float, subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())
    found = f"{real:.0f} MB of the process ({told:.0f} by its own gauge)"
    table.line("memory for 10^6 live cut-offs (sid of 22 characters)", found, "< 120 MB", good=real < 120)


def logout_all(table: Table, store: str, server: Production, url: str | None, *, rounds: int) -> None:
    taken, written = [], []
    for _ in range(rounds):
        caller = Caller(server)
        email = caller.register()
        raw = caller.login(email)
        asyncio.run(many_sessions.make(server, url, email, 100_000))
        before = caller.cut_offs()[1]
        began = time.perf_counter()
        caller.must(204, "POST", "/auth/logout-all", token=raw)
        taken.append((time.perf_counter() - began) * 1e3)
        written.append(caller.cut_offs()[1] - before)
        living = asyncio.run(many_sessions.living(server, url, email))
        if living:
            raise SystemExit(f"{living} sessions live on")
    table.line(
        f"logout-all of 100,000 sessions, {store}, over HTTPS",
        f"{max(written)} cut-off; {', '.join(f'{one:.0f}' for one in taken)} ms",
        "1 cut-off, < 50 ms",
        good=max(written) == 1 and statistics.median(taken) < 50,
    )


def print_faults(table: Table, store: str, server: Production, rounds: int) -> None:
    print(
        f"  {store}: {faults.VERIFIERS} verifiers, max_staleness {faults.BOUND} s, {faults.TOKENS} tokens revoked, "
        f"{rounds} round(s) a fault; attempts later than the bound after the acknowledgement"
    )
    total = 0
    for name, found in faults.measure(server, rounds):
        total += found["attempts"]
        table.line(
            f"accepted late: {name}",
            f"{found['accepted']} of {found['attempts']:,} (stale {found['stale']:,}, revoked {found['revoked']:,})",
            "0",
            good=found["accepted"] == 0 and found["attempts"] > 0 and found["before"] > 0,
        )
        if found["other"]:
            print(f"      refused for other reasons: {found['other']:,}")
    print(f"      attempts in all: {total:,}")


def print_losses(table: Table, store: str, server: Production, count: int) -> None:
    told = losses.measure(server, count)
    table.line(
        f"lost by kill -9 during revocations, {store}",
        f"{told['lost']} of {told['acknowledged']:,} acknowledged ({told['kills']} kills, {told['unsure']} unanswered)",
        "0",
        good=told["lost"] == 0 and told["kills"] > 0,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few of each; faults and losses on SQLite alone")
    parser.add_argument("--svg", action="store_true", help="draw the distribution of latencies")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--memory-here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_here:
        memory_here(1_000_000)
        return 0
    table, quick, pictured = Table(), given.quick, {}
    print(f"  {'what':<58} {'found':<58} {'target':<26}   ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})")
    if "cost" in given.only:
        cost(table, quick=quick)
    if "memory" in given.only:
        memory(table)
    with tempfile.TemporaryDirectory() as folder, postgres() as dsn:
        if "units" in given.only:
            beside = pathlib.Path(folder) / "units"
            beside.mkdir(mode=0o700)
            units.measure({"SQLite": f"sqlite:///{beside}/watchword.db", "PostgreSQL": dsn}, quick=quick)
        if not set(given.only) - {"units", "cost", "memory"}:
            return 0
        for store, url in (("SQLite", None), ("PostgreSQL", dsn)):
            with contextlib.closing(Production(pathlib.Path(folder) / store, url)) as server:
                if "latency" in given.only:
                    pictured[store] = print_latency(table, store, server, 20 if quick else 300)
                if "network" in given.only and url is None:
                    network(table, server, 100_000)
                if "logout-all" in given.only:
                    logout_all(table, store, server, url, rounds=1 if quick else 3)
                if "faults" in given.only and not (quick and url):
                    print_faults(table, store, server, 1 if quick else 5)
                if "losses" in given.only and not (quick and url):
                    print_losses(table, store, server, 2_000 if quick else 100_000)
    if given.svg and pictured:
        picture.write(SVG, pictured)
        print(f"drawn: {SVG.relative_to(HERE.parent)}")
    print("all targets met" if not table.missed else "missed: " + "; ".join(table.missed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
