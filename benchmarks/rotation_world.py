"""A small world around the real rotation rule: browsers, phones and thieves, a network that loses and delays.

Holds no rule of its own: every presented token goes through `watchword_server.tokens.refresh.decide`.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from watchword_server.store.records import Account, Delivery, Family, FamilyView
from watchword_server.tokens.refresh import Advance, Fate, Presented, Refuse, Repeat, Rules, Stay, decide

HOUR = 3600.0
DAY = 24 * HOUR
ACCESS_LIFETIME = 600.0
IDLE = 7 * DAY
ABSOLUTE = 30 * DAY
LONGEST_DELAY = 7.0
LONGEST_SLEEP = 60 * HOUR
TIMEOUT = 2 * LONGEST_DELAY + 1

_ACCOUNT = Account(
    id="a", email="a@example.test", username=None, roles=(), permissions=(), tenant=None, email_verified=True,
    created_at=0.0, password_changed_at=0.0, disabled_at=None,
)  # fmt: skip


class Row:
    """One family as the store keeps it: what a fate asks for is written at once, as the winner of the race."""

    def __init__(self, rules: Rules, kind: str, now: float, *, delivery: Delivery = "cookie") -> None:
        self.rules = rules
        self.born = now
        self.generation = 0
        self.odd_count = 0
        self.odd_marked = False
        self.rotated_at = now
        self.kind = kind
        self.delivery = delivery
        self.ended: str | None = None
        self.signals = 0
        self._refresh_view()

    def present(self, generation: int, kind: str, now: float) -> Fate:
        presented = Presented(authentic=True, generation=generation, client_id="c", device_kind=kind)
        fate = decide(self.view, presented, None, now, self.rules)
        if type(fate) is Advance:
            if self.odd_marked:
                self.odd_marked = False
            elif self.odd_count:
                self.odd_count -= 1
            self.generation += 1
            self.rotated_at = now
            self.kind = kind
            self._refresh_view()
        elif type(fate) is Repeat and fate.odd is not None and fate.odd.marks:
            self.odd_marked = True
            self.odd_count += 1
            self.signals += 1
            self._refresh_view()
        elif type(fate) is Refuse and fate.reason.ends_family:
            self.ended = fate.reason.value
        return fate

    def _refresh_view(self) -> None:
        family = Family(
            id="f", sid="s", account_id="a", client_id="c", scope=(), resource=(), sender_key=None,
            delivery=self.delivery, salt=b"", key_id="k", rev=0, generation=self.generation,
            rotated_at=self.rotated_at, device_kind=self.kind, odd_count=self.odd_count,
            odd_marked=self.odd_marked, refresh_count=self.generation,
            idle_expires_at=min(self.rotated_at + IDLE, self.born + ABSOLUTE),
            expires_at=self.born + ABSOLUTE, revoked_at=None, revoked_reason=None,
        )  # fmt: skip
        self.view = FamilyView(
            family=family, account=_ACCOUNT, session_ended=False, id_token_sid="s", auth_time=self.born, amr=(), acr=None,
            cut_off=0, rev=0, read_at=self.rotated_at,
        )  # fmt: skip


@dataclass(frozen=True)
class Weather:
    """How the network treats messages."""

    loss: float
    """Share of refreshes of which a message is lost."""
    burst_loss: float = 0.0
    """The same during bursts."""
    burst_hours: float = 0.0
    """Length of a burst; as long a calm follows each."""
    duplicates: float = 0.02
    """Share of requests that arrive a second time, later."""
    of_answers: float = 0.5
    """Share of the losses that hit the answer; the rest hit the request."""

    def loss_at(self, now: float) -> float:
        if self.burst_hours and (now / HOUR) % (2 * self.burst_hours) < self.burst_hours:
            return self.burst_loss
        return self.loss


@dataclass(frozen=True)
class Habits:
    """How the honest device behaves."""

    tabs: tuple[int, int] = (1, 5)
    every: float = ACCESS_LIFETIME
    """Seconds between a granted refresh and the next."""
    retries: bool = True
    """Whether an unanswered refresh is tried again soon; else at the next regular time."""
    delivery: Delivery = "cookie"
    sleep_chance: float = 1 / 60
    """For each granted refresh, that all tabs go to sleep, for up to 60 hours."""


@dataclass
class Tally:
    """What came of it."""

    refreshes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    signals: int = 0
    highest_odd_count: int = 0
    longest_quiet: float = 0.0
    """Seconds: the longest time between two refreshes of one family."""

    @property
    def per_million(self) -> float:
        return 1e6 * sum(self.refused.values()) / max(self.refreshes, 1)


@dataclass(frozen=True)
class Scene:
    """Weather and habits under a name, with the figure of the design where it gives one."""

    name: str
    weather: Weather
    habits: Habits
    design: str


_PHONE = Habits(tabs=(1, 1), every=HOUR, retries=False, sleep_chance=0.0)
SCENES = (
    Scene("5 % lost", Weather(0.05), Habits(), "0"),
    Scene("5 % lost, without Stay", Weather(0.05), Habits(delivery="body"), "5691"),
    Scene("hours of 30 % lost", Weather(0.05, 0.3, 3.0), Habits(), "1 to 4"),
    Scene("hours of 30 % lost, no retries", Weather(0.05, 0.3, 3.0), Habits(retries=False), "-"),
    Scene("a phone once an hour, 30 % lost", Weather(0.3), _PHONE, "-"),
    Scene("a phone once an hour, 30 % of answers lost", Weather(0.3, of_answers=1.0), _PHONE, "12"),
)


class Browser:
    """Tabs without coordination that share one cookie jar; each holds its own access token and refreshes for itself."""

    def __init__(self, rules: Rules, weather: Weather, habits: Habits, tally: Tally, chance: random.Random) -> None:
        self._rules, self._weather, self._habits, self._tally = rules, weather, habits, tally
        self._random = chance.random
        self._tabs = chance.randint(*habits.tabs)
        self._queue: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = 0
        self._asleep_until = 0.0
        self._row = Row(rules, "firefox/linux", 0.0, delivery=habits.delivery)
        self._jar = 0
        self._unanswered = [0] * self._tabs
        self._tries = [0] * self._tabs
        for tab in range(self._tabs):
            self._at(ACCESS_LIFETIME + 2 * self._random(), self._wake, tab)

    def live(self, refreshes: int) -> None:
        """Live for a session of 30 days, or until that many refreshes were granted in all, or it is refused."""
        queue = self._queue
        while queue and self._tally.refreshes < refreshes and self._row.ended is None:
            now, _, act, arguments = heapq.heappop(queue)
            if now >= ABSOLUTE:
                break
            act(now, *arguments)
        self._tally.signals += self._row.signals

    def _at(self, when: float, act: Callable[..., None], *arguments: object) -> None:
        self._order += 1
        heapq.heappush(self._queue, (when, self._order, act, arguments))

    def _delay(self) -> float:
        # Mostly some tenths of a second, with a tail to 7 s: a mean of 1.0 s.
        return 0.02 + (LONGEST_DELAY - 0.02) * self._random() ** 6

    def _wake(self, now: float, tab: int) -> None:
        """The tab finds its access token about to expire and sends what the jar holds at this moment."""
        if now < self._asleep_until:
            self._at(self._asleep_until + 2 * self._random(), self._wake, tab)
            return
        loss = self._weather.loss_at(now)
        fortune = self._random()
        self._tries[tab] += 1
        number = self._unanswered[tab] = self._tries[tab]
        if fortune >= loss * (1 - self._weather.of_answers):
            self._at(now + self._delay(), self._arrive, tab, number, self._jar, fortune < loss)
        if self._random() < self._weather.duplicates:
            self._at(now + self._delay(), self._arrive, tab, number, self._jar, False)
        elif fortune < loss:
            self._at(now + TIMEOUT, self._give_up, tab, number)

    def _arrive(self, now: float, tab: int, number: int, generation: int, lost: bool) -> None:
        self._tally.longest_quiet = max(self._tally.longest_quiet, now - self._row.rotated_at)
        fate = self._row.present(generation, "firefox/linux", now)
        tally = self._tally
        if type(fate) is Refuse:
            tally.refused[fate.reason.value] += 1
            return
        tally.fates[type(fate).__name__] += 1
        tally.highest_odd_count = max(tally.highest_odd_count, self._row.odd_count)
        if not lost:
            self._at(now + self._delay(), self._answer, tab, number, None if type(fate) is Stay else fate.generation)

    def _answer(self, now: float, tab: int, number: int, cookie: int | None) -> None:
        """Answers set the jar in the order of their arrival, older ones too."""
        if now < self._asleep_until:
            self._give_up(now, tab, number)
            return
        if cookie is not None:
            self._jar = cookie
        if self._unanswered[tab] != number:
            return
        self._unanswered[tab] = 0
        self._tries[tab] = 0
        self._tally.refreshes += 1
        self._at(now + self._habits.every, self._wake, tab)
        if self._random() < self._habits.sleep_chance:
            self._asleep_until = now + LONGEST_SLEEP * self._random() ** 3

    def _give_up(self, now: float, tab: int, number: int) -> None:
        if self._unanswered[tab] != number:
            return
        self._unanswered[tab] = 0
        wait = min(5.0 * 2 ** min(self._tries[tab], 10), HOUR) if self._habits.retries else self._habits.every
        self._at(now + wait, self._wake, tab)


def honest(rules: Rules, weather: Weather, habits: Habits, *, refreshes: int, seed: int) -> Tally:
    """Honest browsers, one after another, until that many refreshes have been granted."""
    chance = random.Random(seed)
    tally = Tally()
    while tally.refreshes < refreshes:
        Browser(rules, weather, habits, tally, chance).live(refreshes)
    return tally


@dataclass(frozen=True)
class Thief:
    """Someone who copied the victim's refresh token and uses it beside him."""

    name: str
    kind: str
    waits: Callable[[random.Random], float] | None
    """Seconds from each of the victim's refreshes to his own; None: at random, as often as the victim."""


MOST_GENERATIONS = 20_000
THIEVES = (
    Thief("another kind of device, in step", "chrome/windows", lambda _: 300.0),
    Thief("another kind of device, once a cycle at random", "chrome/windows", lambda chance: 600 * chance.random()),
    Thief("another kind of device, whenever", "chrome/windows", None),
    Thief(
        "another kind of device, always within the window", "chrome/windows", lambda chance: 1 + 28 * chance.random()
    ),
    Thief("same kind of device, in step", "firefox/linux", lambda _: 300.0),
    Thief("same kind of device, once a cycle at random", "firefox/linux", lambda chance: 600 * chance.random()),
    Thief("same kind of device, whenever", "firefox/linux", None),
    Thief("same kind of device, always within the window", "firefox/linux", lambda chance: 1 + 28 * chance.random()),
)


@dataclass(frozen=True)
class Theft:
    """How one theft ended."""

    generations: int
    """From the theft to the end of the family; MOST_GENERATIONS when it did not end."""
    signalled_after: int | None
    """Generations until the account was first told."""
    access_tokens: int
    """That the thief was given."""


def steal(rules: Rules, thief: Thief, chance: random.Random) -> Theft:
    """Let a victim refresh every ten minutes or so and a thief beside him, on a perfect network, until it is found."""
    row = Row(rules, "firefox/linux", 0.0)
    held = {"victim": 0, "thief": 0}
    told: int | None = None
    taken = 0
    due = {"victim": ACCESS_LIFETIME, "thief": _first_try(thief, chance)}
    while row.ended is None and row.generation < MOST_GENERATIONS:
        row.born = now = min(due.values())
        who = "victim" if due["victim"] == now else "thief"
        fate = row.present(held[who], thief.kind if who == "thief" else "firefox/linux", now)
        if type(fate) is Refuse:
            break
        held[who] = fate.generation
        taken += who == "thief"
        if row.signals and told is None:
            told = row.generation
        if who == "victim":
            due["victim"] = now + ACCESS_LIFETIME * (0.95 + 0.1 * chance.random())
            if thief.waits is not None:
                due["thief"] = now + thief.waits(chance)
        else:
            due["thief"] = now + chance.expovariate(1 / ACCESS_LIFETIME) if thief.waits is None else float("inf")
    return Theft(row.generation, told, taken)


def _first_try(thief: Thief, chance: random.Random) -> float:
    return chance.expovariate(1 / ACCESS_LIFETIME) if thief.waits is None else float("inf")
