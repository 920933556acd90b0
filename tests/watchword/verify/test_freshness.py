"""The age of the view, under clocks that stop, sleep and jump."""

import math

import pytest
from watchword.verify.freshness import Freshness


@pytest.fixture
def freshness(clock):
    return Freshness(clock, 120)


def relied_on(freshness, clock):
    return clock.monotonic() < freshness.until and clock.now() < freshness.until_wall


def test_a_view_that_was_never_complete_is_infinitely_old(freshness, clock):
    assert freshness.age() == math.inf
    assert not freshness.fresh()
    assert not freshness.known
    assert not relied_on(freshness, clock)


def test_age_counts_from_when_the_question_left(freshness, clock):
    asked = freshness.instant()
    clock.advance(100)
    freshness.confirm(asked)
    assert freshness.age() == 100
    assert freshness.fresh()
    assert relied_on(freshness, clock)
    clock.advance(19.9)
    assert freshness.fresh()
    clock.advance(0.1)
    assert not freshness.fresh()
    assert not relied_on(freshness, clock)


def test_an_answer_slower_than_the_bound_renews_nothing(freshness, clock):
    asked = freshness.instant()
    clock.advance(121)
    freshness.confirm(asked)
    assert not freshness.fresh()


def test_a_wall_clock_that_jumps_forward_counts_as_age(freshness, clock):
    freshness.confirm(freshness.instant())
    clock.jump(3600)
    assert freshness.age() == 3600
    assert not freshness.fresh()
    assert not relied_on(freshness, clock)
    freshness.confirm(freshness.instant())
    assert freshness.fresh()


def test_a_wall_clock_that_jumps_back_does_not_make_the_view_younger(freshness, clock):
    freshness.confirm(freshness.instant())
    clock.advance(119)
    clock.jump(-3600)
    assert freshness.age() == 119
    clock.advance(1)
    assert not freshness.fresh()
    assert not relied_on(freshness, clock)


def test_doubt_calls_for_a_closer_look_and_does_not_change_the_age(freshness, clock):
    freshness.confirm(freshness.instant())
    freshness.doubt()
    assert not relied_on(freshness, clock)
    assert freshness.fresh()
