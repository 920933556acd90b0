"""Following the revocation feed: ask, check, apply, date.

Decides nothing about tokens. Whatever the feed answers, the view is changed by whole, sound pages or not at all; and
only a signed answer to this very question renews the lease. ``push`` brings the same entries sooner, and renews nothing.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable
from typing import Final

from watchword.clock import Clock
from watchword.jose.jwk import KeySet
from watchword.transport import StreamingTransport, Transport, TransportError
from watchword.verify import pace
from watchword.verify.answer import Batch, FeedError, ForgedAnswer, parse_batch
from watchword.verify.background import Background
from watchword.verify.errors import KeysUnavailable
from watchword.verify.feed_settings import Revocations, check_staleness
from watchword.verify.freshness import Freshness
from watchword.verify.health import Mode
from watchword.verify.holds import Holds
from watchword.verify.keys import KeySource
from watchword.verify.naming import Label
from watchword.verify.push import Push
from watchword.verify.questions import CursorRefused, Questions
from watchword.verify.revocation import RevocationView

__all__ = ["Batch", "Feed", "FeedError", "Revocations", "parse_batch"]

_log: Final = logging.getLogger("watchword")
_MAX_PAGES: Final = 10_000
_GRACE_SECONDS: Final = 60.0
_LATE_SECONDS: Final = 2.0


class Feed:
    """Keeps a `RevocationView` up to date and its lease renewed, from a thread of its own."""

    def __init__(
        self,
        settings: Revocations,
        *,
        issuer: str,
        url: str,
        transport: Transport,
        clock: Clock,
        leeway: float,
        keys: KeySource | None = None,
        token_keys: Callable[[], KeySet | None] = lambda: None,
    ) -> None:
        """Prepare it for the feed of ``issuer`` at ``url``.

        ``keys`` are the feed's (None only with ``signed=False``), ``token_keys`` those that sign access tokens, by
        which no answer may be signed; ``leeway`` is how long the verifier accepts tokens beyond ``exp``.
        """
        self.settings = settings
        self.view: RevocationView = RevocationView(
            clock=clock, max_entries=settings.max_entries, grace=max(_GRACE_SECONDS, 2 * leeway)
        )
        self.freshness: Freshness = Freshness(clock, settings.max_staleness)
        self.error: str | None = None
        """Why the last poll failed; None if it did not."""
        self.polled: bool = False
        """Whether a poll has ended, well or badly."""
        self.renewals: int = 0
        self._forged = 0
        self._clock = clock
        self.questions: Questions = Questions(
            transport,
            issuer=issuer,
            url=url,
            token=settings.token,
            timeout=settings.timeout,
            label=Label(settings.name),
            keys=keys if settings.signed else None,
            token_keys=token_keys,
        )
        self.background: Background = Background(
            "watchword-revocations", self.step, after_fork=_all_of(self.freshness.doubt, self.questions.after_fork)
        )
        self._cursor: str | None = None
        self._tenant: str | None = None
        self._bound = settings.max_staleness
        self._failures = 0
        self._round_trip = 0.0
        self._holds = Holds()
        self._owed: tuple[int, float] | None = None
        self.push: Push | None = None
        if settings.signed and keys is None:
            raise ValueError("a feed that signs needs keys")
        if settings.shared is not None:
            transport = self._share(settings.shared, transport, url)
        if settings.push and settings.signed and isinstance(transport, StreamingTransport):
            self.push = self._make_push(transport)

    @property
    def mode(self) -> Mode:
        """How cut-offs come just now."""
        if self.push is not None and self.push.delivering:
            return "push"
        hopeful = self.push is not None and self.push.hopeful
        return "long-poll" if not hopeful and self._hold() else "poll"

    @property
    def forged(self) -> int:
        """Answers and batches that were not the feed's."""
        return self._forged + (0 if self.push is None else self.push.forged)

    def keep_within(self, bound: float) -> bool:
        """Renew often enough for someone who relies on a view of at most ``bound`` seconds.

        Returns: whether that is oftener than before. Raises: ValueError for a bound that cannot be.
        """
        if bound >= self._bound:
            return False
        self._bound = check_staleness(bound)
        return True

    def close(self) -> None:
        """End what runs in the background."""
        self.background.stop()
        self.questions.close()
        if self.push is not None:
            self.push.close()
        if self.questions.shared is not None:
            self.questions.shared.close()

    def step(self) -> float:
        """Poll once, to the last page. Returns: seconds until the next poll. Does not raise for a faulty feed."""
        self.view.prune()
        held = self._hold() if self.mode == "long-poll" else 0.0
        began = self._clock.monotonic()
        try:
            news = self._drain(held)
        except (TransportError, FeedError, KeysUnavailable) as error:
            return self._failed(error, held=held)
        finally:
            self.polled = True
        if self.error is not None:
            _log.info("revocation feed is followed again")
        self.error, self._failures = None, 0
        took = self._clock.monotonic() - began
        again = self._holds.ended(held, took, news=bool(news), now=began)
        # What took longer than ever is planned with at once, and forgotten slowly.
        self._round_trip = max(took - held if held else took, 0.9 * self._round_trip)
        return self._gap(news, at_once=again)

    def _failed(self, error: Exception, *, held: float) -> float:
        if isinstance(error, ForgedAnswer):
            self._forged += 1
        if self.error is None:
            _log.warning("revocation feed: %s", error)
        self.error = str(error)
        self._failures += 1
        if held:
            self._holds.failed(self._clock.monotonic())
        return pace.retry(self.settings.poll_interval, self._bound, self._failures, _chance())

    def _gap(self, news: int, *, at_once: bool) -> float:
        """Seconds until the next poll, after one that ended well; sees to the stream as well."""
        push, chance = self.push, _chance()
        if push is not None and self._cursor is not None:
            push.follow(self._cursor, self.background.request)
            if push.delivering:
                late = self._late(push, news)
                return min(pace.renewal(self._bound, self._round_trip, chance), _LATE_SECONDS if late else 1e9)
        self._owed = None
        if at_once and self.mode == "long-poll":
            return pace.LEAST_GAP * (1 + chance)
        return pace.interval(self.settings.poll_interval, self._bound, self._round_trip, chance)

    def _late(self, push: Push, newest: int) -> bool:
        """Whether the stream owes what a poll has brought; one that owes too long is given up."""
        now = self._clock.monotonic()
        if push.cursor == self._cursor or (self._owed is not None and push.newest >= self._owed[0]):
            self._owed = None
        if self._owed is None and newest > push.newest and push.cursor != self._cursor:
            self._owed = (newest, now)
        if self._owed is not None and now - self._owed[1] >= _LATE_SECONDS:
            self._owed = None
            push.distrust("a stream is held back on its way")
            self.background.request()
        return self._owed is not None

    def _hold(self) -> float:
        """Seconds to have the next question held; 0 where it must not be."""
        # Of a shared feed no question is held: it would hold up all others.
        alone = self.questions.shared is None
        eligible = (
            alone and self.settings.push and self.questions.signed and self._cursor is not None and self.error is None
        )
        if not eligible or not self.freshness.known or not self._holds.allowed(self._clock.monotonic()):
            return 0.0
        return pace.hold(self._bound, self._round_trip)

    def _drain(self, held: float) -> int:
        """Read to the last page. Returns: the highest position that was new, 0 for a snapshot or nothing."""
        newest = 0
        for _ in range(_MAX_PAGES):
            asked = self.freshness.instant()
            batch = self._ask(held)
            held = 0.0
            if batch.tenant != self._tenant:
                self._tenant = batch.tenant
                if self._cursor is not None:
                    # Another credential: what was read up to here was another part of the log. From the start, then.
                    self._cursor = None
                    continue
            if not self.view.apply(batch.entries):
                raise FeedError("view of revocations is full")
            stuck = batch.more and batch.cursor == self._cursor
            self._cursor = batch.cursor
            if stuck:
                raise FeedError("feed promises more but does not go on")
            if not batch.snapshot:
                newest = max([newest, *(entry.position for entry in batch.entries)])
            if not batch.more:
                # Every page before this one was read to its end, and this one was read after it was asked for.
                self._confine(self._tenant)
                self.freshness.confirm(asked)
                self.renewals += 1
                return newest
        raise FeedError("feed does not come to an end")

    def _confine(self, tenant: str | None) -> None:
        if tenant != self.view.tenant:
            self.view.confine(tenant)
            _log.info(
                "revocation feed: %s", "of every tenant" if tenant is None else "of one tenant, others are refused"
            )

    def _ask(self, held: float) -> Batch:
        timeout = min(self.settings.timeout, max(1.0, self._bound))
        try:
            return self.questions.ask(self._cursor, held=held, timeout=timeout, gather=self._gather())
        except CursorRefused:
            self._cursor = None  # perhaps the feed no longer understands it: from the start, then, next time
            raise

    def _share(self, path: str, transport: Transport, url: str) -> StreamingTransport:
        from watchword.verify.shared import SharedFeed, SharedStreaming  # noqa: PLC0415 - not every system has such sockets

        if not isinstance(transport, StreamingTransport):
            raise TypeError("a shared feed asks for a transport that can stream")
        shared = self.questions.shared = SharedFeed(path, transport, url=url, headers=self.questions.headers)
        weakref.finalize(self, shared.close).atexit = False
        return SharedStreaming(shared, transport)

    def _gather(self) -> float:
        """Seconds in which others may join a question: about as far as chance spreads the renewals of those who were
        answered together. Little where questions are all that tells, none before the first answer.
        """
        if not self.freshness.known:
            return 0.0
        pushed = self.push is not None and self.push.delivering
        return min(self._bound / 10, 5.0 if pushed else self.settings.poll_interval / 4)

    def _make_push(self, transport: StreamingTransport) -> Push:
        push = Push(
            transport,
            self.view,
            self.questions.read_pushed,
            url=self.questions.url,
            headers=self.questions.headers,
            timeout=self.settings.timeout,
        )
        # The stream's thread does not know the feed, or nothing would ever end a verifier that was forgotten.
        weakref.finalize(self, push.close).atexit = False
        return push


def _all_of(*acts: Callable[[], None]) -> Callable[[], None]:
    """One act out of several; none of them may know the feed, which must end when everybody has forgotten it."""

    def act() -> None:
        for one in acts:
            one()

    return act


def _chance() -> float:
    return int.from_bytes(os.urandom(2)) / 65_535
