"""A family bound to a key: a thief of its tokens gets nothing, whatever he sends, and disturbs nobody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from watchword_server.store.records import Origin
from watchword_server.tokens.refresh import Presented, Refuse, Rules, decide
from watchword_server.tokens.rotation import Refreshed, Refused

VICTIM_KEY, THIEF_KEY = "victim-thumbprint", "thief-thumbprint"
NO_PROOF = st.one_of(st.none(), st.just(THIEF_KEY), st.text(max_size=60)).filter(lambda proof: proof != VICTIM_KEY)
ACT = st.tuples(
    st.integers(-3, 4),
    NO_PROOF,
    st.sampled_from(["first-party", "other", ""]),
    st.sampled_from(["firefox/linux", "chrome/windows", ""]),
    st.sampled_from([0.0, 5.0, 29.0, 600.0, 86_400.0]),
)


@settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=st.lists(ACT, min_size=1, max_size=12), delivery=st.sampled_from(["cookie", "body"]))
async def test_a_thief_without_the_key_gets_nothing_and_the_victim_notices_nothing(
    world: Any, acts: list[Any], delivery: Any
) -> None:
    session = await world.open(delivery=delivery, sender_key=VICTIM_KEY)
    held, generation = session.token, 0
    head = await world.store.head()
    for ahead, proof, client_id, kind, seconds in acts:
        row = await session.row()
        stolen = await session.token_of(max(generation + ahead, 0))
        outcome = await world.server.refresh(
            stolen, proof=proof, client_id=client_id, device_kind=kind, origin=Origin(actor="anonymous")
        )
        assert isinstance(outcome, Refused)
        assert not outcome.reason.ends_family
        assert await session.row() == row
        world.clock.advance(seconds)
        mine = await world.server.refresh(held, proof=VICTIM_KEY)
        assert isinstance(mine, Refreshed)
        assert (mine.fate, mine.odd) == ("advance", None)
        held, generation = mine.refresh_token, generation + 1
    assert await session.notices() == []
    assert await world.store.head() == head


@settings(max_examples=300, deadline=None)
@given(
    proof=NO_PROOF,
    generation=st.integers(0, 20),
    kind=st.text(max_size=20),
    age=st.floats(0, 1e7),
    authentic=st.booleans(),
    rules=st.builds(Rules, window=st.floats(0, 1e6), rotate_bound=st.booleans(), overtaken=st.booleans()),
    data=st.data(),
)
def test_without_the_proof_the_rule_refuses_every_request_and_ends_nothing(
    bound_view: Any, proof: Any, generation: int, kind: str, age: float, authentic: bool, rules: Rules, data: Any
) -> None:
    view = bound_view(VICTIM_KEY, age)
    presented = Presented(authentic=authentic, generation=generation, client_id="c", device_kind=kind)
    fate = decide(view, presented, proof, view.read_at, rules)
    assert isinstance(fate, Refuse)
    assert not fate.reason.ends_family


async def test_the_holder_of_the_key_may_come_with_any_token_it_was_given_after_any_time(world: Any) -> None:
    session = await world.open(delivery="body", sender_key=VICTIM_KEY)
    tokens = [session.token]
    for _ in range(5):
        world.clock.advance(600)
        tokens.append((await world.server.refresh(tokens[-1], proof=VICTIM_KEY)).refresh_token)
    for old in tokens[:-1]:
        world.clock.advance(86_400)
        outcome = await world.server.refresh(old, proof=VICTIM_KEY, device_kind="anything")
        assert (outcome.fate, outcome.refresh_token, outcome.odd) == ("repeat", tokens[-1], None)


@pytest.fixture(scope="module")
def bound_view(simulation: Any) -> Any:
    def make(sender_key: str, age: float) -> Any:
        import msgspec

        row = simulation.Row(Rules(), "firefox/linux", 1e9)
        family = msgspec.structs.replace(
            row.view.family, sender_key=sender_key, generation=10, rotated_at=1e9 - age, delivery="cookie"
        )
        return msgspec.structs.replace(row.view, family=family, read_at=1e9)

    return make
