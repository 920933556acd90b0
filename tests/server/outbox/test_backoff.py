"""When an attempt is repeated: pure."""

from hypothesis import given
from hypothesis import strategies as st
from watchword_server.outbox.backoff import Backoff
from watchword_server.outbox.courier import NotYet

RULE = Backoff(first=5, longest=600, give_up_after=86400)


def test_the_wait_doubles_up_to_the_longest():
    waits = [RULE.wait(NotYet("x"), attempts=n, age=0, fraction=0.999999) for n in range(1, 11)]
    assert [round(wait) for wait in waits] == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_the_wait_is_spread_over_its_upper_half():
    assert RULE.wait(NotYet("x"), attempts=3, age=0, fraction=0) == 10
    assert RULE.wait(NotYet("x"), attempts=3, age=0, fraction=0.5) == 15


def test_a_peer_may_wish_for_longer_and_not_for_ever():
    assert RULE.wait(NotYet("x", after=120), attempts=1, age=0, fraction=0) == 120
    assert RULE.wait(NotYet("x", after=1e9), attempts=1, age=0, fraction=0) == 600
    assert RULE.wait(NotYet("x", after=-5), attempts=1, age=0, fraction=0) == 2.5


def test_what_is_too_old_is_given_up():
    assert RULE.wait(NotYet("x"), attempts=1, age=86399, fraction=0) is not None
    assert RULE.wait(NotYet("x"), attempts=1, age=86400, fraction=0) is None


@given(st.integers(0, 10**9), st.floats(0, 1e6), st.floats(0, 0.999), st.floats(0, 1e12))
def test_every_wait_is_within_bounds(attempts, age, fraction, after):
    wait = RULE.wait(NotYet("x", after=after), attempts=attempts, age=age, fraction=fraction)
    assert wait is None or 2.5 <= wait <= 600
