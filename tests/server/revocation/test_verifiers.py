"""The map of verifiers: bounded, forgetful, and honest about what it does not know."""

from __future__ import annotations

import pytest
from watchword.testing import FakeClock
from watchword_server.revocation.verifiers import (
    FORGOTTEN_AFTER,
    MOST_STEPS,
    VerifierName,
    VerifierNameError,
    Verifiers,
    parse_verifier,
)
from watchword_server.revocation.wire import last_place
from watchword_server.store.records import Cursor

ORDERS = VerifierName("orders", "1")


def place(position: int, epoch: str = "e") -> Cursor:
    return Cursor(epoch=epoch, position=position, chain="c")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize("text", ["a/1", "Orders.api-2_x/host-7-ab_c", "a" * 98 + "/1"])
def test_a_name_is_a_kind_and_an_instance(text: str) -> None:
    assert "/".join(parse_verifier(text)) == text


@pytest.mark.parametrize("text", ["", "/", "a", "a/", "/a", "a/b/c", "a/b.c", "a /b", "a/b\n", "é/1", "a" * 99 + "/1"])
def test_anything_else_is_no_name(text: str) -> None:
    with pytest.raises(VerifierNameError):
        parse_verifier(text)


def test_the_map_never_grows_beyond_its_bound_and_the_silent_make_room(clock: FakeClock) -> None:
    known = Verifiers(clock, most=3)
    for number in range(3):
        known.asked(VerifierName("v", str(number)), None)
    known.asked(VerifierName("v", "0"), None)
    known.asked(VerifierName("v", "3"), None)
    assert [state.instance for state in known.listed(place(0))] == ["0", "2", "3"]


def test_a_verifier_with_an_open_stream_is_remembered_and_one_without_forgotten(clock: FakeClock) -> None:
    known = Verifiers(clock)
    known.asked(VerifierName("v", "poll"), None)
    with known.streaming(ORDERS):
        clock.advance(FORGOTTEN_AFTER)
        (state,) = known.listed(place(0))
        assert (state.name, state.mode, state.age) == ("orders", "stream", FORGOTTEN_AFTER)
    assert known.listed(place(0)) == []


def test_a_poll_beside_a_stream_leaves_it_a_stream(clock: FakeClock) -> None:
    known = Verifiers(clock)
    with known.streaming(ORDERS), known.streaming(ORDERS):
        known.asked(ORDERS, place(1))
    assert known.listed(place(1))[0].mode == "poll"
    with known.streaming(ORDERS):
        known.asked(ORDERS, place(1), held=True)
        assert known.listed(place(1))[0].mode == "stream"
    known.asked(ORDERS, place(1), held=True)
    assert known.listed(place(1))[0].mode == "long poll"


def test_no_verifier_is_shown_ahead_of_the_log_or_on_another_one(clock: FakeClock) -> None:
    known = Verifiers(clock)
    known.asked(ORDERS, place(999))
    assert (known.listed(place(7))[0].confirmed, known.listed(place(7))[0].lag) == (7, 0)
    (state,) = known.listed(place(7, "another"))
    assert (state.confirmed, state.lag) == (None, None)


def test_milliseconds_count_from_when_writing_began_and_only_for_what_was_written_here(clock: FakeClock) -> None:
    known = Verifiers(clock)
    known.asked(ORDERS, place(4))
    began = known.now()
    clock.advance(0.004)
    known.written(5, began)
    known.written(5, known.now())
    known.sent(ORDERS, place(5))
    clock.advance(2)
    known.asked(ORDERS, place(6))
    (state,) = known.listed(place(6), since=5)
    assert state.sent_ms == pytest.approx(4)
    assert state.confirmed_ms == pytest.approx(2004)
    (state,) = known.listed(place(6), since=6)
    assert (state.sent_ms, state.confirmed_ms) == (None, None)


def test_what_was_reached_too_long_ago_to_be_remembered_has_no_milliseconds(clock: FakeClock) -> None:
    known = Verifiers(clock)
    known.asked(ORDERS, place(0))
    known.written(1, known.now())
    for position in range(1, MOST_STEPS + 10):
        known.asked(ORDERS, place(position))
    (state,) = known.listed(place(MOST_STEPS + 10), since=1)
    assert (state.confirmed, state.confirmed_ms) == (MOST_STEPS + 9, None)


def test_what_is_sent_to_a_verifier_that_was_forgotten_does_not_bring_it_back(clock: FakeClock) -> None:
    known = Verifiers(clock)
    known.sent(ORDERS, place(1))
    known.sent(None, place(1))
    assert known.listed(place(1)) == []


def test_the_last_event_says_where_its_reader_is_taken() -> None:
    events = b"event: cut-offs\nid: e.4.c\ndata: x\n\nevent: cut-offs\nid: e.6.d\ndata: y\n\n"
    assert last_place(events) == Cursor(epoch="e", position=6, chain="d")
    assert last_place(b"") is None
