"""Honest browsers and thieves through the real rule, by a seed: bounded here, a million refreshes in the soak.

The figures themselves are printed by benchmarks/rotation.py; here stands what must not get worse.
"""

from __future__ import annotations

import random
import statistics
from typing import Any

import pytest
from watchword_server.tokens.refresh import Rules

TABLE, FORGIVING = Rules(), Rules(overtaken=True)


def honest(simulation: Any, name: str, rules: Rules, refreshes: int, seed: int = 20261120) -> Any:
    scene = next(scene for scene in simulation.SCENES if scene.name == name)
    return simulation.honest(rules, scene.weather, scene.habits, refreshes=refreshes, seed=seed)


def thefts(simulation: Any, name: str, rules: Rules, count: int) -> list[Any]:
    thief = next(thief for thief in simulation.THIEVES if thief.name == name)
    chance = random.Random(20261120)
    return [simulation.steal(rules, thief, chance) for _ in range(count)]


def test_the_simulated_world_is_as_harsh_as_it_says(simulation: Any) -> None:
    tally = honest(simulation, "5 % lost", TABLE, 50_000)
    assert tally.refreshes == 50_000
    assert min(tally.fates[name] for name in ("Advance", "Stay", "Repeat")) > 1_000
    assert tally.signals > 20
    assert tally.longest_quiet > 40 * simulation.HOUR


def test_the_table_refuses_next_to_nobody_honest(simulation: Any) -> None:
    assert sum(honest(simulation, "5 % lost", TABLE, 100_000).refused.values()) <= 3
    assert sum(honest(simulation, "hours of 30 % lost", TABLE, 100_000).refused.values()) <= 10


def test_with_overtaken_requests_forgiven_nobody_honest_is_refused(simulation: Any) -> None:
    for name in ("5 % lost", "hours of 30 % lost", "hours of 30 % lost, no retries"):
        assert not honest(simulation, name, FORGIVING, 100_000).refused


def test_without_stay_honest_tabs_are_refused_hundreds_of_times_as_often(simulation: Any) -> None:
    assert honest(simulation, "5 % lost, without Stay", TABLE, 50_000).per_million > 300


def test_a_phone_that_loses_a_third_of_its_answers_stays_logged_in(simulation: Any) -> None:
    assert sum(honest(simulation, "a phone once an hour, 30 % of answers lost", TABLE, 100_000).refused.values()) <= 6


def test_a_strict_rule_refuses_that_phone_at_once(simulation: Any) -> None:
    strict = Rules(odd_limit_same=0, odd_limit_other=0)
    assert honest(simulation, "a phone once an hour, 30 % of answers lost", strict, 5_000).per_million > 100_000


@pytest.mark.parametrize("rules", [TABLE, FORGIVING])
def test_a_thief_on_another_kind_of_device_lasts_a_generation_or_two(simulation: Any, rules: Rules) -> None:
    for pace in ("in step", "once a cycle at random", "always within the window"):
        found = thefts(simulation, f"another kind of device, {pace}", rules, 500)
        assert max(theft.generations for theft in found) <= 2


@pytest.mark.parametrize("rules", [TABLE, FORGIVING])
def test_a_thief_on_the_same_kind_in_step_is_told_of_at_once_and_lasts_eleven(simulation: Any, rules: Rules) -> None:
    for theft in thefts(simulation, "same kind of device, in step", rules, 100):
        assert theft.generations == 11
        assert theft.signalled_after == 1


@pytest.mark.parametrize("rules", [TABLE, FORGIVING])
def test_a_thief_on_the_same_kind_at_random_is_found_within_a_few_hours(simulation: Any, rules: Rules) -> None:
    found = thefts(simulation, "same kind of device, once a cycle at random", rules, 500)
    assert statistics.median(theft.generations for theft in found) <= 25
    assert max(theft.generations for theft in found) <= 55


def test_a_thief_always_within_the_window_on_the_same_kind_is_not_found_which_binding_is_for(simulation: Any) -> None:
    (theft,) = thefts(simulation, "same kind of device, always within the window", TABLE, 1)
    assert theft.generations == simulation.MOST_GENERATIONS
    assert theft.signalled_after is None


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_million_refreshes(simulation: Any) -> None:
    assert honest(simulation, "5 % lost", TABLE, 1_000_000).per_million <= 8
    assert honest(simulation, "hours of 30 % lost", TABLE, 1_000_000).per_million <= 30
    for name in ("5 % lost", "hours of 30 % lost", "hours of 30 % lost, no retries"):
        assert not honest(simulation, name, FORGIVING, 1_000_000).refused
    phone = honest(simulation, "a phone once an hour, 30 % of answers lost", TABLE, 1_000_000)
    assert phone.per_million <= 30
