"""When keys move."""

from __future__ import annotations

import pytest
from watchword_server.keys.schedule import Activate, Forget, KeySchedule, MakeActive, MakeNext, due, of_purpose
from watchword_server.store.records import KeyState, SigningKey

SCHEDULE = KeySchedule(rotate_every=1000, announce_before=100, retire_after=50)


def key(
    kid: str, state: KeyState, *, created: float = 0.0, activated: float | None = None, retired: float | None = None
) -> SigningKey:
    return SigningKey(
        kid=kid,
        purpose="access_token",
        algorithm="ES256",
        state=state,
        public_jwk=b"{}",
        sealed=b"",
        created_at=created,
        activated_at=activated,
        retired_at=retired,
    )


ACTIVE = key("a", "active", activated=0.0)
NEXT = key("b", "next")


def test_an_empty_ring_gets_a_key_to_use_at_once() -> None:
    assert due([], SCHEDULE, 0) == MakeActive()


def test_a_next_key_always_stands_ready() -> None:
    assert due([ACTIVE], SCHEDULE, 0) == MakeNext()


def test_a_ring_without_an_active_key_activates_the_next_at_once_announced_long_or_not() -> None:
    assert due([key("x", "distrusted"), NEXT], SCHEDULE, 0) == Activate(kid="b")


def test_nothing_is_due_before_the_active_key_is_old() -> None:
    assert due([ACTIVE, NEXT], SCHEDULE, 999.9) is None
    assert due([ACTIVE, NEXT], SCHEDULE, 1000) == Activate(kid="b")


def test_no_key_is_used_on_schedule_before_it_was_announced_long_enough() -> None:
    late = key("b", "next", created=950)
    assert due([ACTIVE, late], SCHEDULE, 1049.9) is None
    assert due([ACTIVE, late], SCHEDULE, 1050) == Activate(kid="b")


def test_of_several_next_keys_every_process_chooses_the_oldest() -> None:
    keys = of_purpose([key("c", "next"), key("b", "next"), ACTIVE], "access_token", "ES256")
    assert due(keys, SCHEDULE, 1000) == Activate(kid="b")


@pytest.mark.parametrize(("now", "step"), [(309.9, None), (310, Forget(kid="o"))])
def test_a_retired_key_is_kept_until_what_it_signed_is_dead_and_a_minute_more(now: float, step: object) -> None:
    old = key("o", "retired", retired=200.0)
    assert due([old, ACTIVE, NEXT], SCHEDULE, now) == step


def test_distrusted_keys_stay_on_record() -> None:
    assert due([key("x", "distrusted", retired=0.0), ACTIVE, NEXT], SCHEDULE, 999) is None
