"""Every interleaving of a few refreshes of one family, store call by store call, with a server killed at every point.

The requests run through the real service; each of their calls to the store waits for its turn, and every order of turns
is tried. What a network loses, doubles, delays or reorders is an order of turns, or an answer that is thrown away.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from watchword_server.tokens.rotation import Refreshed, Refused

FIREFOX, CHROME = "firefox/linux", "chrome/windows"
WINDOW, LONG_AFTER = 10.0, 600.0
KILLED = "killed"


@dataclass(frozen=True)
class Sent:
    """A request: how many generations behind the newest its token is, and what device sends it."""

    behind: int
    kind: str = FIREFOX


class Turns:
    """Lets one store call at a time through, of the request that is told."""

    def __init__(self, *, before_answers: bool) -> None:
        self.before_answers = before_answers
        self.calls: list[tuple[int, str]] = []
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def wait(self, number: int, verb: str) -> None:
        turn = self._waiting[number] = asyncio.get_running_loop().create_future()
        await turn
        self.calls.append((number, verb))

    def waiting(self) -> list[int]:
        return sorted(self._waiting)

    def let_through(self, number: int) -> None:
        self._waiting.pop(number).set_result(None)

    def forget(self, number: int) -> None:
        self._waiting.pop(number, None)


class Gated:
    """A store whose calls for one request wait for their turn; and, where asked for, again between commit and answer."""

    def __init__(self, families: Any, turns: Turns, number: int) -> None:
        self._families, self._turns, self._number = families, turns, number

    def __getattr__(self, verb: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            await self._turns.wait(self._number, verb)
            result = await getattr(self._families, verb)(*arguments, **named)
            if self._turns.before_answers and verb != "family":
                await self._turns.wait(self._number, f"{verb} answered")
            return result

        return call


@dataclass(frozen=True)
class Run:
    """One schedule and what came of it."""

    choices: tuple[int, ...]
    options: tuple[int, ...]
    outcomes: tuple[Any, ...]
    calls: tuple[tuple[int, str], ...]


async def one_run(
    servers: Sequence[Any], tokens: Sequence[str], sent: Sequence[Sent], script: Sequence[int], kills: int
) -> Run:
    """Run by the script of choices, then by first choices. Where kills are left, each request that waits is two
    choices: let it through, or kill its server there. Requests go to the servers by turns."""
    turns = Turns(before_answers=kills > 0)
    tasks = []
    for number, request in enumerate(sent):
        server = servers[number % len(servers)]
        rotation = server.rotation_over(Gated(server.store, turns, number))
        tasks.append(asyncio.ensure_future(_ask(rotation, tokens[request.behind], request.kind)))
    choices: list[int] = []
    options: list[int] = []
    left = kills
    while not all(task.done() for task in tasks):
        await _settle(turns, tasks)
        waiting = turns.waiting()
        if not waiting:
            continue
        count = len(waiting) * (2 if left else 1)
        choice = script[len(choices)] if len(choices) < len(script) else 0
        choices.append(choice)
        options.append(count)
        number = waiting[choice % len(waiting)]
        if choice < len(waiting):
            turns.let_through(number)
        else:
            left -= 1
            turns.forget(number)
            tasks[number].cancel()
        await _settle(turns, tasks)
    outcomes = tuple(KILLED if task.cancelled() else told(task.result()) for task in tasks)
    return Run(tuple(choices), tuple(options), outcomes, tuple(turns.calls))


async def _settle(turns: Turns, tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Until every request that is not done waits for its turn."""
    while sum(not task.done() for task in tasks) > len(turns.waiting()):
        await asyncio.sleep(0)


async def _ask(rotation: Any, token: str, kind: str) -> Any:
    from token_world import request_of

    return await rotation.refresh(request_of(token, device_kind=kind))


def told(outcome: Refreshed | Refused) -> tuple[str, int | None]:
    if isinstance(outcome, Refused):
        return outcome.reason.value, None
    return outcome.fate, int(outcome.refresh_token.split(".")[2])


def next_script(run: Run) -> tuple[int, ...] | None:
    """The next schedule after this one, depth first; None when all have been."""
    choices = list(run.choices)
    while choices:
        last = len(choices) - 1
        if choices[last] + 1 < run.options[last]:
            choices[last] += 1
            return tuple(choices)
        choices.pop()
    return None


NEWEST = 2


async def family_at(world: Any, age: float) -> tuple[Any, list[str]]:
    """A family at generation 2 that was rotated that long ago, with its tokens from the newest to the first."""
    session = await world.open()
    tokens = [session.token]
    for _ in range(NEWEST):
        world.clock.advance(LONG_AFTER)
        outcome = await world.server.refresh(tokens[-1])
        tokens.append(outcome.refresh_token)
    world.clock.advance(age)
    return session, tokens[::-1]


async def in_turn(world: Any, sent: Sequence[Sent], age: float) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What the same requests give one after another."""
    session, tokens = await family_at(world, age)
    outcomes = [told(await world.server.refresh(tokens[one.behind], device_kind=one.kind)) for one in sent]
    return tuple(outcomes), await state_of(session)


async def state_of(session: Any) -> tuple[Any, ...]:
    view = await session.view()
    row = view.family
    marks = (row.generation, row.refresh_count, row.device_kind, row.odd_count, row.odd_marked)
    return *marks, row.revoked_reason, view.session_ended, tuple(sorted(await session.notices()))


async def explanations(world: Any, sent: Sequence[Sent], age: float, *, kills: int) -> set[Any]:
    """All that some order of the requests gives; with kills, also of those left when some have no effect or are not
    answered."""
    allowed: set[Any] = set()
    for order in itertools.permutations(range(len(sent))):
        for dead in _subsets(len(sent), kills):
            for without_effect in _subsets(len(sent), kills):
                if not without_effect <= dead:
                    continue
                acting = [number for number in order if number not in without_effect]
                outcomes, state = await in_turn(world, [sent[number] for number in acting], age)
                by_number = dict(zip(acting, outcomes, strict=True))
                answered = tuple(KILLED if n in dead else by_number[n] for n in range(len(sent)))
                allowed.add((answered, state))
    return allowed


def _subsets(count: int, most: int) -> Iterator[frozenset[int]]:
    for size in range(most + 1):
        yield from map(frozenset, itertools.combinations(range(count), size))


async def try_all(world: Any, elsewhere: Any, sent: Sequence[Sent], age: float, *, kills: int) -> int:
    """Every interleaving; returns how many there were."""
    servers = (world.server, elsewhere)
    allowed = await explanations(world, sent, age, kills=kills)
    script: tuple[int, ...] | None = ()
    runs = 0
    while script is not None:
        session, tokens = await family_at(world, age)
        run = await one_run(servers, tokens, sent, script, kills)
        assert (run.outcomes, await state_of(session)) in allowed, (sent, age, run)
        advances = [handed_out for fate, handed_out in _answered(run) if fate == "advance"]
        assert len(advances) == len(set(advances)), f"generation forked: {run}"
        runs += 1
        script = next_script(run)
    return runs


def _answered(run: Run) -> list[tuple[str, int | None]]:
    return [outcome for outcome in run.outcomes if outcome is not KILLED]


PAIRS = [
    (Sent(0), Sent(0)),
    (Sent(0), Sent(1)),
    (Sent(1), Sent(1)),
    (Sent(0), Sent(2)),
    (Sent(1), Sent(2)),
    (Sent(2), Sent(2)),
    (Sent(0), Sent(0, CHROME)),
    (Sent(0), Sent(1, CHROME)),
    (Sent(1), Sent(1, CHROME)),
    (Sent(1), Sent(0, CHROME)),
    (Sent(0, CHROME), Sent(1, CHROME)),
    (Sent(1, CHROME), Sent(1, CHROME)),
]


@pytest.fixture
async def elsewhere(world: Any) -> Any:
    """A second server process, with connections of its own."""
    return await world.start_server(own_store=True)


@pytest.mark.parametrize(("age", "interleavings"), [(WINDOW, 42), (LONG_AFTER, 72)])
async def test_two_refreshes_give_what_some_order_of_them_gives_in_every_interleaving(
    world: Any, elsewhere: Any, age: float, interleavings: int
) -> None:
    assert sum([await try_all(world, elsewhere, pair, age, kills=0) for pair in PAIRS]) == interleavings


@pytest.mark.parametrize(
    "sent",
    [(Sent(0), Sent(0), Sent(1)), pytest.param((Sent(0), Sent(1), Sent(1, CHROME)), marks=pytest.mark.soak)],
    ids=["one browser", "two browsers"],
)
async def test_three_tabs_give_what_some_order_of_them_gives_in_every_interleaving(
    world: Any, elsewhere: Any, sent: tuple[Sent, ...]
) -> None:
    assert await try_all(world, elsewhere, sent, LONG_AFTER, kills=0) >= 60


async def test_a_server_killed_anywhere_leaves_a_family_as_whole_as_before(world: Any, elsewhere: Any) -> None:
    """Between any two store calls, and between commit and answer."""
    pairs = [(Sent(0), Sent(0)), (Sent(1), Sent(1)), (Sent(0), Sent(1)), (Sent(2), Sent(0))]
    assert sum([await try_all(world, elsewhere, pair, LONG_AFTER, kills=1) for pair in pairs]) > 150


async def test_after_a_killed_server_the_same_client_gets_on(world: Any) -> None:
    """Killed between commit and answer: the client knows only the old token, and is given the new one."""
    for seconds in (1.0, LONG_AFTER):
        session, tokens = await family_at(world, LONG_AFTER)
        await world.server.refresh(tokens[0])
        world.clock.advance(seconds)
        outcome = await world.server.refresh(tokens[0])
        assert told(outcome) == ("repeat", NEWEST + 1)
        assert told(await world.server.refresh(outcome.refresh_token))[0] in {"stay", "advance"}
        assert not (await session.view()).session_ended


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("age", [WINDOW, LONG_AFTER])
async def test_three_refreshes_give_what_some_order_of_them_gives(world: Any, elsewhere: Any, age: float) -> None:
    kinds = [Sent(0), Sent(1), Sent(2), Sent(0, CHROME), Sent(1, CHROME)]
    for sent in itertools.combinations_with_replacement(kinds, 3):
        await try_all(world, elsewhere, sent, age, kills=0)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("age", [WINDOW, LONG_AFTER])
async def test_two_refreshes_with_every_server_killed_anywhere(world: Any, elsewhere: Any, age: float) -> None:
    for pair in PAIRS:
        await try_all(world, elsewhere, pair, age, kills=2)
