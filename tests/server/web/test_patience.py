"""A connection's timer acts once when time is up, and never before, whatever it was moved to."""

import asyncio

from watchword_server.web.patience import Patience


class Timer:
    """Of a loop whose time is told."""

    def __init__(self, when, ring) -> None:
        self.when, self.ring, self.cancelled = when, ring, False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Time and timers of an event loop, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when, ring):
        self.timers.append(Timer(when, ring))
        return self.timers[-1]

    def advance(self, seconds) -> None:
        self.now += seconds
        while due := [one for one in self.timers if one.when <= self.now and not one.cancelled]:
            due[0].cancelled = True
            due[0].ring()


def patience():
    loop, acts = Loop(), []
    return Patience(loop, lambda: acts.append(loop.now)), loop, acts


def test_it_acts_once_when_time_is_up() -> None:
    waiting, loop, acts = patience()
    waiting.start(10)
    loop.advance(9)
    assert acts == []
    loop.advance(1)
    loop.advance(100)
    assert acts == [110]


def test_it_does_not_act_when_what_was_waited_for_is_there() -> None:
    waiting, loop, acts = patience()
    waiting.start(10)
    waiting.end()
    loop.advance(100)
    assert acts == []


def test_a_new_wait_replaces_the_earlier_one_sooner_and_later() -> None:
    waiting, loop, acts = patience()
    waiting.start(10)
    loop.advance(5)
    waiting.start(65)
    loop.advance(64)
    assert acts == []
    waiting.start(3)
    loop.advance(2)
    assert acts == []
    loop.advance(1)
    assert acts == [172]


def test_many_waits_that_end_in_time_need_one_timer() -> None:
    waiting, loop, acts = patience()
    for _ in range(1000):
        waiting.start(65)
        waiting.end()
        loop.advance(0.01)
    assert len(loop.timers) == 1
    assert acts == []


def test_nothing_is_left_in_the_loop_once_it_is_dropped() -> None:
    waiting, loop, acts = patience()
    waiting.start(10)
    waiting.drop()
    assert all(timer.cancelled for timer in loop.timers)
    loop.advance(100)
    assert acts == []


async def test_it_runs_on_a_real_loop() -> None:
    rang = asyncio.Event()
    waiting = Patience(asyncio.get_running_loop(), rang.set)
    waiting.start(5)
    waiting.start(0.01)
    async with asyncio.timeout(60):
        await rang.wait()
