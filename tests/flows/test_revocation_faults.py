"""Revocation where things go wrong: bytes are lost, processes stopped and killed, a day passes, the log is very long.

What is asserted is who is let in, and when at the latest; no duration is measured.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import httpx
import pytest
from process import Process
from revoking import FEED_TOKEN, Account, finding, following, settled, until
from road import Road
from story import PASSWORD, bearer
from watchword import Revocations, RevocationViewStale, SyncVerifier, TokenRejected
from watchword.testing import FakeClock, FakeIssuer
from watchword.verify.feed import Feed
from watchword.verify.revocation import CutOff
from watchword_server.store.log import link

TESTS = Path(__file__).parents[1]
BOUND = 1.0
"""Seconds of `max_staleness` that `following` asks for."""
whole = pytest.mark.soak


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("server") / "home")
    yield process
    process.kill()


@pytest.fixture
def start(tmp_path):
    started = []

    def starting(store_url=None, **environ):
        started.append(Process(tmp_path / f"home{len(started)}", store_url, **environ))
        return started[-1]

    yield starting
    for process in started:
        process.kill() if process.process.poll() is None else None


@pytest.fixture
def road(server):
    road = Road(server.port)
    yield road
    road.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request):
    """None for SQLite, else the address of a PostgreSQL."""
    return request.getfixturevalue("migrated_postgres_dsn") if request.param == "postgres" else None


def refused_in_time(verifier, account, count):
    """Log in and out so many times; nothing is accepted later than the bound, nor once it was found revoked."""
    for _ in range(count):
        raw = account.login()
        until(lambda raw=raw: finding(verifier, raw) is None)
        acknowledged = account.logout(raw)
        revoked = False
        while time.monotonic() < acknowledged + 2 * BOUND and not revoked:
            before = time.monotonic()
            found = finding(verifier, raw)
            assert found is not None or before < acknowledged + BOUND, "accepted later than the bound"
            revoked = found is TokenRejected
            time.sleep(0.001)
        until(lambda raw=raw: finding(verifier, raw) is TokenRejected)
        assert finding(verifier, raw) is not None


@pytest.mark.parametrize("push", [True, False], ids=["push", "polls"])
@pytest.mark.parametrize("count", [3, pytest.param(200, marks=whole)])
def test_with_a_fifth_of_everything_lost_nobody_is_let_in_beyond_the_bound(server, road, count, push):
    account = Account(server)
    with following(server, url=f"{road.url}/revocations", push=push) as verifier:
        road.loss = 0.2
        until(lambda: road.dropped)
        refused_in_time(verifier, account, count)
        assert verifier.health().accepted_while_stale == 0
        road.loss = 0.0
        raw = account.login()
        until(lambda: finding(verifier, raw) is None)


@pytest.mark.parametrize("count", [1, pytest.param(40, marks=whole)])
@pytest.mark.parametrize("answers_end_after", [0, 60, 500, 900])
def test_an_answer_cut_off_in_its_middle_renews_nothing(server, road, count, answers_end_after):
    for _ in range(count):
        account = Account(server)  # whose sessions are few enough to be cut off one by one
        with following(server, url=f"{road.url}/revocations") as verifier:
            raw, other = account.login(), account.login()
            assert settled(verifier, raw) is None
            road.answers_end_after = answers_end_after
            road.cut()
            road.mend()
            acknowledged = account.logout(raw)
            dropped, renewals = road.dropped, verifier.health().renewals
            until(lambda dropped=dropped: road.dropped > dropped + 1)
            if answers_end_after < 500:  # shorter than any whole answer
                assert verifier.health().renewals == renewals
                until(lambda raw=other: finding(verifier, raw) is RevocationViewStale)
            time.sleep(max(0.0, acknowledged + BOUND - time.monotonic()))
            assert finding(verifier, raw) is not None
            road.answers_end_after = None
            until(lambda raw=other: finding(verifier, raw) is None)
            assert settled(verifier, raw) is TokenRejected
            account.logout(other)


@contextlib.contextmanager
def watching(server, raws, feed):
    """A verifier process at work on the tokens."""
    command = [sys.executable, str(TESTS / "verifier_process.py"), server.url, feed]
    environ = {**os.environ, "PYTHONPATH": str(TESTS)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environ, text=True, **pipes) as process:
        try:
            process.stdin.write("".join(f"{raw}\n" for raw in [*raws, ""]))
            process.stdin.flush()
            assert process.stdout.readline() == "accepted\n"
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


@pytest.mark.parametrize("wakes_to", ["a road", "a black hole"])
@pytest.mark.parametrize("rounds", [1, pytest.param(30, marks=whole)])
def test_a_verifier_that_was_stopped_lets_nobody_in_when_it_goes_on(server, road, wakes_to, rounds):
    account = Account(server)
    for _ in range(rounds):
        raws = [account.login() for _ in range(3)]
        with watching(server, raws, f"{road.url}/revocations") as process:
            process.send_signal(signal.SIGSTOP)
            if wakes_to == "a black hole":
                road.open.clear()
            deadlines = [account.logout(raw) + BOUND for raw in raws]
            time.sleep(max(0.0, deadlines[-1] + 0.05 - time.monotonic()))
            process.send_signal(signal.SIGCONT)
            process.stdin.write(json.dumps(deadlines) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "late\n"
            road.open.set()
            process.stdin.write("\n")
            process.stdin.flush()
            told = json.loads(process.stdout.readline())
        assert told["accepted"] > 0
        assert told["late"] > 0
        assert told["accepted_late"] == 0


class People:
    """Many who are logged in, and log out at the same time."""

    async def log_in(self, client, accounts, each):
        self.tokens = []
        for number in range(accounts):
            email = f"many{number}-{time.monotonic_ns()}@example.test"
            await client.post("/auth/register", json={"email": email, "password": PASSWORD})
            body = {"identifier": email, "password": PASSWORD, "delivery": "body"}
            for _ in range(each):
                answer = await client.post("/auth/login", json=body)
                assert answer.status_code == 200, answer.text
                self.tokens.append(answer.json())

    async def log_out(self, client, server, *, kill_after):
        """All of them, eight at a time; the server is killed meanwhile. Returns: tokens whose end was acknowledged."""
        ended, turn = [], iter(self.tokens)

        async def some():
            for tokens in turn:
                try:
                    answer = await client.post("/auth/logout", headers=bearer(tokens))
                except httpx.HTTPError:
                    return
                assert answer.status_code == 204, answer.text
                ended.append(tokens["access_token"])
                if len(ended) == kill_after:
                    server.process.kill()

        await asyncio.gather(*(some() for _ in range(8)))
        server.process.wait(20)
        return ended


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=whole)])
async def test_a_server_killed_amid_revocations_has_all_that_it_acknowledged(start, database, rounds):
    server = start(database)
    people, ended = People(), []
    for turn in range(rounds):
        async with server.client() as client:
            await people.log_in(client, 4, 24)
            ended += await people.log_out(client, server, kill_after=30 + turn)
        assert len(ended) < (turn + 1) * len(people.tokens), "it was killed in the middle"
        await asyncio.to_thread(server.start)
        with following(server) as verifier:
            assert [raw for raw in ended if settled(verifier, raw) is not TokenRejected] == []
            raw = (await asyncio.to_thread(Account, server)).login()
            until(lambda raw=raw, verifier=verifier: finding(verifier, raw) is None)


@pytest.mark.parametrize(("step", "logins"), [(30.0, 2), pytest.param(2.0, 5, marks=whole)])
def test_through_a_day_with_outages_the_lease_holds_and_the_view_forgets_what_is_over(step, logins):
    """A day of the injected clock: logins, logouts, two outages of ten minutes, four quiet hours at its end."""
    clock = FakeClock()
    issuer = FakeIssuer(clock=clock, lifetime=600)
    follow = Revocations(keys=issuer.feed_keys, max_staleness=120, poll_interval=step)
    verifier = SyncVerifier(
        issuer.issuer, "api", keys=issuer, transport=issuer.transport, clock=clock, leeway=0, revocations=follow
    )
    feed = verifier._feed
    assert isinstance(feed, Feed)
    feed.background.stop()  # its steps are made here
    began, living, revoked, numbers = clock.monotonic(), [], [], itertools.count()
    largest = stale = refused = 0
    while (hour := (clock.monotonic() - began) / 3600) < 24:
        issuer.transport.down = hour % 10 > 9.84  # the last ten minutes of the 10th and of the 20th hour
        feed.step()
        down_for = feed.freshness.age()
        if hour < 20:
            for number in itertools.islice(numbers, logins):
                raw = issuer.token("ada", jti=f"t{number}", sid=f"s{number}")
                living.append((clock.monotonic(), raw, f"s{number}"))
        while living and (living[0][0] < clock.monotonic() - 300):
            _, raw, sid = living.pop(0)
            issuer.cut_off("session", sid)
            revoked.append((clock.monotonic(), raw))
        clock.advance(step)
        for at, raw in revoked:
            found = finding(verifier, raw)
            assert found is not None or clock.monotonic() - at < 120
            refused += found is TokenRejected
        for _, raw, _ in living[-3:]:
            found = finding(verifier, raw)
            assert found is (RevocationViewStale if down_for + step >= 120 else None)
            stale += found is RevocationViewStale
        revoked = [(at, raw) for at, raw in revoked if clock.monotonic() - at < 400]
        largest = max(largest, len(feed.view))
    # No entry lives longer than a token and the grace, give or take a slot and a step.
    longest = 600 + feed.view.grace + 16 + 600 + 2 * step
    assert 0 < largest <= logins * longest / step
    assert len(feed.view) == 0
    assert stale > 0
    assert refused > 0
    # Stepped once each `step`, and not in the outages.
    assert feed.renewals >= 86400 / step - 2 * 600 / step - 4
    assert verifier.health().accepted_while_stale == 0


@pytest.mark.parametrize("entries", [100_000, pytest.param(1_000_000, marks=whole)])
def test_a_verifier_takes_in_a_very_long_log_page_by_page_and_relies_on_none_but_the_last(entries):
    clock = FakeClock()
    issuer = FakeIssuer(clock=clock)
    last = issuer.token("ada", sid=f"s{entries - 1}")
    # Beside `cut_off`, which looks through all there are for each.
    cut_offs = (CutOff(number + 1, "session", f"s{number}", issuer.lifetime) for number in range(entries))
    issuer._cut_offs = [(entry, clock.now()) for entry in cut_offs]
    follow = Revocations(keys=issuer.feed_keys, max_entries=entries)
    verifier = SyncVerifier(
        issuer.issuer, "api", keys=issuer, transport=issuer.transport, clock=clock, revocations=follow
    )
    feed = verifier._feed
    feed.background.stop()
    pages, whole_feed = [], issuer.transport.answers[f"{issuer.issuer}/revocations"]

    def page(request):
        assert not feed.freshness.known, "a page that is not the last renewed the lease"
        pages.append(request)
        return whole_feed(request)

    issuer.transport.answers[f"{issuer.issuer}/revocations"] = page
    feed.step()
    assert len(pages) == entries // 1000
    assert len(feed.view) == entries
    assert finding(verifier, last) is TokenRejected
    assert finding(verifier, issuer.token("ada", sid="new")) is None
    clock.advance(1000)
    assert feed.view.prune() == entries


def rows_after(head, count):
    """So many session entries that follow the head of a log, and the chain at their end."""
    position, chain, now = head[0], bytes(head[1]), time.time()
    rows = []
    for number in range(position + 1, position + 1 + count):
        told = ("session", f"long{number}", None, 0, now, now + 3600)
        chain = link(chain, number, *told)
        rows.append((number, *told, "test", None, chain))
    return rows, chain


COLUMNS = ("position", "axis", "value", "spares", "floor", "at", "expires_at", "cause", "account_id", "chain")
HEAD = "SELECT position, chain FROM revocation_head"


async def lengthen(server, dsn, count):
    """Write so many entries into the log at once, beside the server."""
    if dsn is None:
        path = next(Path(server.environ["WATCHWORD_HOME"]).glob("*.db"))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            rows, chain = rows_after(connection.execute(HEAD).fetchone(), count)
            marks = ", ".join("?" * len(COLUMNS))
            connection.executemany(f"INSERT INTO revocations ({', '.join(COLUMNS)}) VALUES ({marks})", rows)
            connection.execute("UPDATE revocation_head SET position = ?, chain = ?", (rows[-1][0], chain))
            connection.execute("COMMIT")
        return
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            rows, chain = rows_after(await connection.fetchrow(f"{HEAD} FOR UPDATE"), count)
            await connection.copy_records_to_table("revocations", records=rows, columns=COLUMNS)
            await connection.execute("UPDATE revocation_head SET position = $1, chain = $2", rows[-1][0], chain)
    finally:
        await connection.close()


@pytest.mark.parametrize("entries", [20_000, pytest.param(1_000_000, marks=[whole, pytest.mark.timeout(1800)])])
async def test_a_real_log_of_very_many_is_read_whole_and_followed_from_there(start, database, entries):
    server = start(database, WATCHWORD_TOKENS__ACCESS_LIFETIME="3600")  # longer than it takes to make the log
    account = await asyncio.to_thread(Account, server)
    gone, raw = account.login(), account.login()
    account.logout(gone)
    await lengthen(server, database, entries)
    follow = Revocations(token=FEED_TOKEN, max_entries=entries + 10)

    def read_and_follow():
        with SyncVerifier(server.url, server.url, leeway=0, revocations=follow, timeout=600) as verifier:
            until(lambda: verifier.health().ready)
            assert verifier.health().revocations == entries + 1
            assert finding(verifier, gone) is TokenRejected
            assert finding(verifier, raw) is None
            until(lambda: verifier.health().mode == "push", 120)
            account.logout(raw)
            until(lambda: finding(verifier, raw) is TokenRejected, 120)
            assert verifier.health().revocations == entries + 2

    await asyncio.to_thread(read_and_follow)
