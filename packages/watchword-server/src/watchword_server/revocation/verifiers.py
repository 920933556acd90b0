"""Who reads the feed of this process, how far each has come, and when: the operator's map of verifiers.

Holds what verifiers say of themselves, so it is for looking at; no decision rests on it. Knows no HTTP.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple

from watchword.clock import Clock

from watchword_server.store.records import Cursor, Record

MOST_VERIFIERS: Final = 1000
FORGOTTEN_AFTER: Final = 120.0
"""Seconds without a question or a stream."""
MOST_STEPS: Final = 64
"""Places of the log remembered of one verifier, and cut-offs remembered of this process."""
LONGEST_NAME: Final = 100

_WRITTEN: Final = re.compile(r"([A-Za-z0-9._-]+)/([A-Za-z0-9_-]+)", re.ASCII)

Mode = Literal["stream", "long poll", "poll"]


class VerifierNameError(ValueError):
    """The text is no name of a verifier."""


class VerifierName(NamedTuple):
    """What a verifier calls itself: one name for all of its kind, one instance for each process."""

    name: str
    instance: str


def parse_verifier(text: str) -> VerifierName:
    """`<name>/<instance>`, at most 100 characters. Raises VerifierNameError for anything else."""
    match = _WRITTEN.fullmatch(text) if len(text) <= LONGEST_NAME else None
    if match is None:
        raise VerifierNameError("A verifier's name is <name>/<instance> of letters, digits, - and _, . in the name.")
    return VerifierName(match[1], match[2])


class VerifierState(Record, frozen=True, kw_only=True):
    """One verifier as this process sees it. Milliseconds count from when a cut-off began to be written here."""

    name: str
    instance: str
    mode: Mode
    age: float
    """Seconds since its last question."""
    sent: int | None
    """Highest position handed to its connection; it may not have arrived."""
    confirmed: int | None
    """Highest position its own questions carried: it has applied everything up to there."""
    lag: int | None
    """Entries between what it has confirmed and the head; None when that is not of this log."""
    sent_ms: float | None
    confirmed_ms: float | None


class _Step(NamedTuple):
    position: int
    at: float


class _Steps:
    """When a position was first reached, for the last places of one epoch."""

    def __init__(self) -> None:
        self._epoch: str | None = None
        self._steps: deque[_Step] = deque(maxlen=MOST_STEPS)

    def reached(self, place: Cursor, at: float) -> None:
        if place.epoch != self._epoch:
            self._epoch = place.epoch
            self._steps.clear()
        if not self._steps or place.position > self._steps[-1].position:
            self._steps.append(_Step(place.position, at))

    def highest(self, head: Cursor) -> int | None:
        """Never past the head: the place is the verifier's own word."""
        if self._epoch != head.epoch or not self._steps:
            return None
        return min(self._steps[-1].position, head.position)

    def when(self, head: Cursor, position: int) -> float | None:
        """When that position was reached first; None when it was not, or so long ago that it was forgotten."""
        if self._epoch != head.epoch:
            return None
        for number, step in enumerate(self._steps):
            if step.position >= position:
                return None if number == 0 and len(self._steps) == MOST_STEPS else step.at
        return None


class _Verifier:
    def __init__(self) -> None:
        self.mode: Mode = "poll"
        self.asked_at = 0.0
        self.streams = 0
        self.sent = _Steps()
        self.confirmed = _Steps()


class Verifiers:
    """The map, bounded; the verifier that was silent longest makes room. Lives on one event loop."""

    def __init__(self, clock: Clock, *, most: int = MOST_VERIFIERS) -> None:
        self._clock = clock
        self._most = most
        self._known: dict[VerifierName, _Verifier] = {}
        self._written: dict[int, float] = {}
        self._unnamed_at: float | None = None

    def asked(self, who: VerifierName | None, cursor: Cursor | None, *, held: bool = False) -> None:
        """A question came, carrying that cursor; ``held`` when it waits for news."""
        now = self._clock.monotonic()
        if who is None:
            self._unnamed_at = now
            return
        verifier = self._of(who, now)
        if not verifier.streams:
            verifier.mode = "long poll" if held else "poll"
        if cursor is not None:
            verifier.confirmed.reached(cursor, now)

    def sent(self, who: VerifierName | None, place: Cursor) -> None:
        """Everything up to that place was handed to its connection. One that is forgotten stays so."""
        if who is not None and (verifier := self._known.get(who)) is not None:
            verifier.sent.reached(place, self._clock.monotonic())

    @contextmanager
    def streaming(self, who: VerifierName | None) -> Iterator[None]:
        """Within it the verifier has a stream open. Opening one confirms nothing: streams prove no freshness."""
        if who is None:
            self._unnamed_at = self._clock.monotonic()
            yield
            return
        verifier = self._of(who, self._clock.monotonic())
        verifier.streams += 1
        verifier.mode = "stream"
        try:
            yield
        finally:
            verifier.streams -= 1
            if not verifier.streams:
                verifier.mode = "poll"

    def now(self) -> float:
        """The instant, for ``written``."""
        return self._clock.monotonic()

    def written(self, position: int, began: float) -> None:
        """A cut-off at that position was written by this process, which began to at that instant."""
        if position not in self._written:  # on an absolute axis one that lives already is answered again
            self._written[position] = began
            while len(self._written) > MOST_STEPS:
                del self._written[next(iter(self._written))]

    def listed(self, head: Cursor, *, since: int | None = None) -> list[VerifierState]:
        """All that are known, by name. With ``since``, how long each took to that position."""
        now = self._clock.monotonic()
        self._forget(now)
        began = None if since is None else self._written.get(since)
        return [
            _state(who, self._known[who], head, now=now, position=since or 0, began=began)
            for who in sorted(self._known)
        ]

    @property
    def unnamed(self) -> bool:
        """Whether somebody reads the feed without a name."""
        return self._unnamed_at is not None and self._clock.monotonic() - self._unnamed_at < FORGOTTEN_AFTER

    def _of(self, who: VerifierName, now: float) -> _Verifier:
        verifier = self._known.pop(who, None)
        if verifier is None:
            verifier = _Verifier()
            if len(self._known) >= self._most:
                self._forget(now)
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
        verifier.asked_at = now
        self._known[who] = verifier  # last, so that the first is the one silent longest
        return verifier

    def _forget(self, now: float) -> None:
        gone = [
            who
            for who, verifier in self._known.items()
            if not verifier.streams and now - verifier.asked_at >= FORGOTTEN_AFTER
        ]
        for who in gone:
            del self._known[who]


def _state(
    who: VerifierName, verifier: _Verifier, head: Cursor, *, now: float, position: int, began: float | None
) -> VerifierState:
    confirmed = verifier.confirmed.highest(head)

    def took(steps: _Steps) -> float | None:
        at = None if began is None else steps.when(head, position)
        return None if at is None or began is None else max(0.0, (at - began) * 1000)

    return VerifierState(
        name=who.name,
        instance=who.instance,
        mode=verifier.mode,
        age=max(0.0, now - verifier.asked_at),
        sent=verifier.sent.highest(head),
        confirmed=confirmed,
        lag=None if confirmed is None else head.position - confirmed,
        sent_ms=took(verifier.sent),
        confirmed_ms=took(verifier.confirmed),
    )
