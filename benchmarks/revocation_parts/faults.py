"""What may go wrong between a revocation and a verifier: each fault is played while tokens are revoked, and counted.

A fault answers with the attempts that verifiers made later than ``BOUND`` after the acknowledgement, by outcome.
"""

import contextlib
import signal
import sys
import time
from pathlib import Path

from world import Caller, Verifiers

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from road import Road  # the proxy of the tests: it needs nothing else of theirs

BOUND = 1.0
"""Seconds of `max_staleness`."""
VERIFIERS = 4
TOKENS = 3
FOLLOWING = {"max_staleness": BOUND, "poll_interval": 0.4, "timeout": 0.6}


class Scene:
    """A server, a road to it, verifiers at the other end, and someone who logs out by another way."""

    def __init__(self, server, **follow):
        self.server, self.road, self.caller = server, Road(server.port), Caller(server)
        self.verifiers = Verifiers(server, VERIFIERS, self.road, **FOLLOWING, **follow)
        self.verifiers.hear()

    def play(self, before, after, mend, *, hold):
        """Have tokens verified all the time; ``before`` and ``after`` frame their revocation; ``mend`` comes ``hold``
        seconds after the bound is over. Returns: the verifiers' report.
        """
        raws = self.caller.sessions(TOKENS)
        self.verifiers.ask(do="watch", raws=raws)
        before(self)
        acknowledged = [self.caller.logout(raw) for raw in raws]
        after(self)
        time.sleep(max(0.0, acknowledged[-1] + BOUND + hold - time.monotonic()))
        mend(self)
        time.sleep(BOUND)
        return self.verifiers.ask(do="report", deadlines=[one + BOUND for one in acknowledged])

    def close(self):
        self.verifiers.close()
        self.road.close()


def nothing(_scene):
    pass


def cut(scene):
    scene.road.cut()


def swallow(scene):
    scene.road.open.clear()


def lose(scene):
    scene.road.loss = 0.2


def curt(scene):
    scene.road.answers_end_after = 3000
    scene.road.cut()
    scene.road.mend()


def late(seconds):
    def slow(scene):
        scene.road.delay = seconds

    return slow


def jump(seconds):
    def jumping(scene):
        scene.verifiers.ask(do="jump", seconds=seconds)

    return jumping


def both(*acts):
    def all_of(scene):
        for act in acts:
            act(scene)

    return all_of


def mend_road(scene):
    road = scene.road
    road.loss, road.delay, road.answers_end_after = 0.0, 0.0, None
    road.mend()
    road.open.set()


def stop_server(scene):
    scene.server.send(signal.SIGSTOP)


def continue_server(scene):
    scene.server.send(signal.SIGCONT)


def stop_verifiers(scene):
    scene.verifiers.send(signal.SIGSTOP)


def continue_verifiers(scene):
    scene.verifiers.send(signal.SIGCONT)


def restart(scene):
    scene.server.kill()
    scene.server.start_again()
    scene.caller = Caller(scene.server)


POLLING = {"push": False}
FAULTS = {
    "nothing": ({}, nothing, nothing, nothing, 0.3),
    "partition: connections broken and refused": ({}, cut, nothing, mend_road, 0.5),
    "partition: black hole": ({}, swallow, nothing, mend_road, 0.5),
    "20 % of connections and pieces lost": ({}, lose, nothing, mend_road, 1.5),
    "20 % lost, no push": (POLLING, lose, nothing, mend_road, 1.5),
    "answers end after 3,000 bytes": ({}, curt, nothing, mend_road, 0.5),
    "proxy that delays by 0.3 s, no push": (POLLING, late(0.3), nothing, mend_road, 0.5),
    "proxy that delays by 1.2 s": ({}, late(1.2), nothing, mend_road, 1.5),
    "SIGSTOP of the server, no push": (POLLING, nothing, stop_server, continue_server, 0.5),
    "SIGSTOP of the verifiers": ({}, stop_verifiers, nothing, continue_verifiers, 0.5),
    "SIGSTOP of the verifiers, then black hole": (
        {},
        both(stop_verifiers, swallow),
        nothing,
        both(continue_verifiers, lambda _: time.sleep(0.5), mend_road),
        0.2,
    ),
    "kill -9 of the server, and a new start": ({}, nothing, restart, nothing, 0.5),
    "kill -9 in a partition": ({}, swallow, restart, mend_road, 0.5),
    "wall clock + 1 h, no push": (POLLING, jump(3600), nothing, jump(-3600), 0.5),
    "wall clock - 1 h, no push": (POLLING, jump(-3600), nothing, jump(3600), 0.5),
    "wall clock + 1 h in a partition": ({}, both(swallow, jump(3600)), nothing, both(jump(-3600), mend_road), 0.5),
    "wall clock - 1 h in a partition": ({}, both(swallow, jump(-3600)), nothing, both(jump(3600), mend_road), 0.5),
}


def measure(server, rounds):
    """Play each fault so many times. Yields: its name, and the sums of the reports."""
    for name, (follow, before, after, mend, hold) in FAULTS.items():
        sums = {}
        for _ in range(rounds):
            with contextlib.closing(Scene(server, **follow)) as scene:
                report = scene.play(before, after, mend, hold=hold)
            sums = {key: sums.get(key, 0) + value for key, value in report.items()}
        yield name, sums
