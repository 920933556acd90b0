"""Watching over tokens in whose name something stays open: streams, WebSockets, long calls.

Woken by the view when it changes, not by asking it; what a change costs follows cut-offs, not open streams. Ends
nothing itself: it says that the token has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, Final, Self, TypeVar

from watchword.clock import EpochSeconds
from watchword.verify.access_token import AccessToken, Ancestor
from watchword.verify.freshness import Freshness
from watchword.verify.revocation import Axis, CutOff, RevocationView
from watchword.verify.staleness import WhenStale, accepts

_LONGEST_NAP: Final = 1.0
_SHORTEST_NAP: Final = 0.001
_PATIENCE: Final = 5.0
"""Seconds that what was cancelled has for its cleaning up, before it is cancelled again."""
_Result = TypeVar("_Result")


class Ended(StrEnum):
    """Why a watch has ended."""

    REVOKED = "revoked"
    EXPIRED = "expired"
    STALE = "stale"
    """Whether the token was revoked cannot be told any more."""


class TokenEnded(Exception):  # noqa: N818 - a finding about the token, not a failure of the code
    """The token in whose name work was going on has ended, and the work with it."""

    def __init__(self, why: Ended) -> None:
        super().__init__(f"the access token is {why}" if why is not Ended.STALE else "revocations are not known")
        self.why = why


class _Scope:
    """What one task does inside a scope. Cancelled once more whenever it goes on for long."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only what a task does can be ended")
        self._task: asyncio.Task[Any] = task
        self._before: int = task.cancelling()
        self._times: int = 0
        self._next: asyncio.Handle | None = None

    def end(self) -> None:
        """Cancel, from the next turn of the loop on."""
        self._next = asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        self._times += 1
        self._task.cancel()
        # One cancellation may be lost in the code of others, and the token's work would go on for good:
        # before Python 3.12 asyncio.wait_for drops one that comes in the same moment as what it waits for.
        self._next = asyncio.get_running_loop().call_later(_PATIENCE, self._cancel)

    def leave(self) -> bool:
        """Cancel no more. Returns: whether this scope, and nobody else, has cancelled the task."""
        if self._next is not None:
            self._next.cancel()
        left, times, self._times = self._before, self._times, 0
        for _ in range(times):
            left = self._task.uncancel()
        return times > 0 and left <= self._before


class Watch:
    """One token watched over, on one event loop. A context manager; leaving it ends the watch without a reason."""

    __slots__ = ("_scopes", "_watches", "bound", "ended", "token", "when_stale")

    def __init__(self, watches: Watches, token: AccessToken, bound: float | None, when_stale: WhenStale) -> None:
        self._watches = watches
        self._scopes: set[_Scope] = set()
        self.token: AccessToken = token
        self.bound: float | None = bound
        self.when_stale: WhenStale = when_stale
        self.ended: Ended | None = None
        """Why the token has ended; None as long as it is good."""

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[None]:
        """What is awaited inside is cancelled the moment the token ends, and again if it still goes on after 5 seconds.

        Raises: TokenEnded, in the place of that cancellation, or at once if the token has ended before.
        """
        if self.ended is not None:
            raise TokenEnded(self.ended)
        scope = _Scope()
        self._scopes.add(scope)
        try:
            yield
        except asyncio.CancelledError:
            if scope.leave() and self.ended is not None:
                raise TokenEnded(self.ended) from None
            raise
        except BaseExceptionGroup as group:  # of tasks that were told by what they tried to do in the token's name
            if self.ended is not None and group.split(TokenEnded)[1] is None:
                raise TokenEnded(self.ended) from None
            raise
        finally:
            self._scopes.discard(scope)
            scope.leave()

    async def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Await ``work`` in a `scope`. Raises: TokenEnded."""
        with contextlib.closing(work):
            async with self.scope():
                return await work

    async def wait(self) -> Ended:
        """Wait until the token ends. Returns: why."""
        try:
            async with self.scope():
                await asyncio.get_running_loop().create_future()  # which nobody sets
        except TokenEnded as over:
            return over.why
        raise AssertionError

    def end(self, why: Ended) -> None:
        """Say that the token has ended. The first reason stands."""
        if self.ended is None:
            self.ended = why
            for scope in self._scopes:
                scope.end()
        self._watches.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._watches.remove(self)


class Watches:
    """All watches of one verifier on one event loop: one timer, and one call for each batch of cut-offs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        view: RevocationView | None,
        freshness: Freshness | None,
        now: Callable[[], EpochSeconds],
        leeway: float,
        ensure: Callable[[], None],
    ) -> None:
        """Prepare it. ``ensure`` sees to it that the feed is followed."""
        self._loop_of = weakref.ref(loop)
        self._view = view
        self._freshness = freshness
        self._now = now
        self._leeway = leeway
        self._ensure = ensure
        self._named: dict[tuple[Axis, str | None], set[Watch]] = {}
        self._due: dict[int, set[Watch]] = {}
        self._bounds: dict[float | None, set[Watch]] = {}
        self._all: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._all)

    def watch(self, token: AccessToken, bound: float | None, when_stale: WhenStale) -> Watch:
        """Begin to watch over a token, which may end at once."""
        one = Watch(self, token, bound, when_stale)
        if not self._all and self._view is not None:
            self._view.listen(self._heard)
        self._all.add(one)
        for group, key in self._groups(one):
            group.setdefault(key, set()).add(one)
        self._ensure()
        # After it can be heard of, so that no cut-off falls in between.
        if self._view is not None and self._view.kills(token) is not None:
            one.end(Ended.REVOKED)
        elif self._timer is None or len(self._bounds[one.bound]) == 1:
            self.look()
        elif self._ends_at(token) <= self._now():
            one.end(Ended.EXPIRED)
        return one

    def remove(self, one: Watch) -> None:
        """Watch no longer."""
        if one not in self._all:
            return
        self._all.discard(one)
        for group, key in self._groups(one):
            members = group[key]
            members.discard(one)
            if not members:
                del group[key]
        if not self._all:
            if self._view is not None:
                self._view.unlisten(self._heard)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def look(self) -> None:
        """End what is over by now, and look again when the next may be."""
        now = self._now()
        for second in [second for second in self._due if second <= now]:
            for one in list(self._due.get(second, ())):
                one.end(Ended.EXPIRED)
        age = self._age()
        for bound, members in list(self._bounds.items()):
            if age >= self._limit(bound):
                for one in list(members):
                    if not accepts(one.when_stale, one.token, age):
                        one.end(Ended.STALE)
        loop = self._loop_of()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._all and loop is not None:
            self._ensure()
            self._timer = loop.call_later(self._nap(now, age), self.look)

    def _nap(self, now: float, age: float) -> float:
        # No longer than a second: clocks may jump, and then what was planned is not what is due.
        waits = [second - now for second in self._due]
        waits += [self._limit(bound) - age for bound in self._bounds if self._limit(bound) > age]
        return max(_SHORTEST_NAP, min([_LONGEST_NAP, *waits]))

    def _age(self) -> float:
        if self._view is not None and self._view.full:
            return math.inf
        return 0.0 if self._freshness is None else self._freshness.age()

    def _limit(self, bound: float | None) -> float:
        if bound is not None:
            return bound
        return math.inf if self._freshness is None else self._freshness.max_staleness

    def _ends_at(self, token: AccessToken) -> int:
        return math.ceil(token.exp + self._leeway)

    def _groups(self, one: Watch) -> list[tuple[dict[Any, set[Watch]], object]]:
        token = one.token
        named: set[tuple[Axis, str | None]] = set()
        # What cuts off a token that this one was made of ends it as well (RFC 8693).
        line: tuple[AccessToken | Ancestor, ...] = (token, *token.made_of)
        for each in line:
            named |= {("token", each.jti), ("session", each.sid), ("account", each.sub)}
        return [
            *((self._named, name) for name in named),
            (self._due, self._ends_at(token)),
            (self._bounds, one.bound),
        ]

    def _heard(self, entries: Sequence[CutOff]) -> None:
        """Called by the view, in the thread of the feed."""
        loop = self._loop_of()
        try:
            if loop is not None:
                loop.call_soon_threadsafe(self._cut, entries)
                return
        except RuntimeError:  # the loop was closed
            pass
        self._timer = None  # which knows the loop
        if self._view is not None:
            self._view.unlisten(self._heard)

    def _cut(self, entries: Sequence[CutOff]) -> None:
        touched: set[Watch] = set()
        for entry in entries:
            if entry.axis in {"token", "session", "account"}:
                touched |= self._named.get((entry.axis, entry.value), set())
            elif entry.axis != "family":
                touched = self._all
                break
        for one in list(touched):
            if self._view is not None and self._view.kills(one.token) is not None:
                one.end(Ended.REVOKED)
