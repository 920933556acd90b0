"""The lease against a real server process: stopped, killed, cut off from it, delayed on the way to it.

The times here are real, and waited for, not measured: what is asserted is who is let in, and by whose age.
"""

import contextlib
import os
import signal
import time

import pytest
from process import Process
from revoking import SOON, Account, accepted_last, finding, following, settled, until
from watchword import RevocationViewStale, TokenRejected


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("server") / "home")
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.process.send_signal(signal.SIGCONT)
    process.kill()


def test_what_is_revoked_is_refused_by_push_long_before_the_next_question(server):
    account = Account(server)
    with following(server, max_staleness=120, poll_interval=60) as verifier:
        until(lambda: verifier.health().mode == "push")
        renewals = verifier.health().renewals
        raws = [account.login() for _ in range(10)]
        late = []
        for raw in raws:
            assert settled(verifier, raw) is None
            acknowledged = account.logout(raw)
            late.append(accepted_last(verifier, raw) - acknowledged)
        health = verifier.health()
        assert health.pushed_batches >= 10
        assert health.renewals <= renewals + 1, "it was not a question that told"
        assert max(late) < 120
        assert finding(verifier, account.login()) is None
        print("revoked, then last accepted after ms:", sorted(round(1000 * max(0.0, one), 1) for one in late))


def test_a_stopped_server_is_refused_by_the_bound_and_taken_back_when_it_goes_on(server):
    account = Account(server)
    raw, strict = account.login(), account.login()
    with following(server) as verifier:
        assert settled(verifier, raw) is None
        server.process.send_signal(signal.SIGSTOP)
        try:
            stopped = time.monotonic()
            while finding(verifier, raw) is None:
                assert time.monotonic() - stopped < SOON
                time.sleep(0.001)
            assert finding(verifier, raw) is RevocationViewStale
            health = verifier.health()
            assert not health.ready
            assert health.revocations_age >= 1.0
            assert finding(verifier, raw, when_stale="accept") is None
            assert finding(verifier, raw, when_stale=lambda token, age: age > 1.0) is None
            assert verifier.health().accepted_while_stale == 2
        finally:
            server.process.send_signal(signal.SIGCONT)
        until(lambda: finding(verifier, raw) is None)
        assert settled(verifier, strict) is None
        account.logout(raw)
        until(lambda: finding(verifier, raw) is TokenRejected)


def test_a_server_killed_and_started_again_is_followed_again_and_nothing_it_acknowledged_is_lost(server):
    account = Account(server)
    raw, gone = account.login(), account.login()
    with following(server) as verifier:
        until(lambda: verifier.health().mode == "push")
        account.logout(gone)
        server.kill()
        until(lambda: finding(verifier, raw) is RevocationViewStale)
        server.start()
        until(lambda: finding(verifier, raw) is None)
        assert settled(verifier, gone) is TokenRejected
        until(lambda: verifier.health().mode == "push")
        fresh = Account(server)
        late = fresh.login()
        assert settled(verifier, late) is None
        fresh.logout(late)
        until(lambda: finding(verifier, late) is TokenRejected)


@pytest.mark.parametrize("how", ["cut", "black hole"])
def test_a_partition_hides_a_revocation_no_longer_than_the_bound(server, road, how):
    account = Account(server)
    raw, other = account.login(), account.login()
    with following(server, url=f"{road.url}/revocations") as verifier:
        assert settled(verifier, raw) is None
        if how == "cut":
            road.cut()
        else:
            road.open.clear()
        acknowledged = account.logout(raw)
        last = acknowledged
        while time.monotonic() < acknowledged + 1.3:
            before = time.monotonic()
            if finding(verifier, raw) is None:
                last = before
            time.sleep(0.001)
        assert last < acknowledged + 1.0, "accepted later than the bound after the acknowledgement"
        assert finding(verifier, other) is RevocationViewStale, "nobody is let in by a view of unknown age"
        road.mend()
        road.open.set()
        until(lambda: finding(verifier, other) is None)
        assert settled(verifier, raw) is TokenRejected


def test_answers_that_come_late_are_as_old_as_their_questions(server, road):
    account = Account(server)
    raw = account.login()
    road.delay = 0.3
    with following(server, url=f"{road.url}/revocations", timeout=5) as verifier:
        assert verifier.health().revocations_age >= 0.3
        road.delay = 1.2
        until(lambda: finding(verifier, raw) is RevocationViewStale)
        acknowledged = account.logout(raw)
        while time.monotonic() < acknowledged + 2:
            before = time.monotonic()
            assert finding(verifier, raw) is not None or before < acknowledged + 1.0
            time.sleep(0.001)


def test_a_road_that_holds_the_stream_back_falls_to_held_questions(server, road):
    """A proxy that buffers: its stream opens, and nothing comes through."""
    account = Account(server)
    with following(server, max_staleness=20) as verifier:
        push = verifier._feed.push
        until(lambda: verifier.health().mode == "push")
        merge, push._merge = push._merge, lambda data: None
        raw = account.login()
        assert settled(verifier, raw) is None
        account.logout(raw)
        until(lambda: verifier.health().mode == "long-poll")
        assert finding(verifier, raw) is TokenRejected
        assert verifier.health().push_error == "a stream is held back on its way"
        for _ in range(3):
            raw = account.login()
            assert settled(verifier, raw) is None
            account.logout(raw)
            until(lambda raw=raw: finding(verifier, raw) is TokenRejected)
        push._merge = merge


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_of_a_fork_follows_by_itself_and_leaves_the_parent_s_stream_alone(server):
    account = Account(server)
    raw, mine = account.login(), account.login()
    with following(server) as verifier:
        until(lambda: verifier.health().mode == "push")
        assert settled(verifier, raw) is None
        there, here = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(here)
                finding(verifier, raw)  # which starts the child's own threads
                until(lambda: verifier.health().mode == "push")
                os.read(there, 1)
                until(lambda: finding(verifier, raw) is TokenRejected)
                code = 0
            finally:
                os._exit(code)
        os.close(there)
        account.logout(raw)
        until(lambda: finding(verifier, raw) is TokenRejected)
        os.close(here)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        account.logout(mine)
        until(lambda: finding(verifier, mine) is TokenRejected)
