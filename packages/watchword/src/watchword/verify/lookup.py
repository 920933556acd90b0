"""Looking tokens up in the view of revocations: in which order, how old the view may be, and what helps if it is older.

Fetches nothing (``feed`` does), and does not say what an old view means (``staleness`` does).
"""

from __future__ import annotations

import math
from concurrent.futures import Future
from typing import TypeAlias

from watchword.verify.access_token import AccessToken
from watchword.verify.background import ended
from watchword.verify.errors import RejectionReason, RevocationViewStale, TokenRejected
from watchword.verify.feed import Feed
from watchword.verify.feed_settings import check_staleness
from watchword.verify.revocation import Axis, Revocable, RevocationView
from watchword.verify.staleness import IntrospectionDue, StalenessPolicy, WhenStale, check_when_stale

Step: TypeAlias = Future[None]
"""Something under way in the background, done when it ended, well or badly."""


class RevocationLookup:
    """The view of one verifier, and the feed that renews it, if there are any."""

    def __init__(self, view: RevocationView | None, feed: Feed | None, *, can_introspect: bool) -> None:
        """Raises: ValueError for a policy that cannot be applied."""
        self.view = view
        self.feed = feed
        self.staleness: StalenessPolicy = StalenessPolicy()
        self.when_stale: WhenStale = "refuse" if feed is None else feed.settings.when_stale
        self._can_introspect = can_introspect
        self._catching_up: Step | None = None
        self.check_policy(None, self.when_stale)

    def check(self, token: AccessToken, bound: float | None = None, when_stale: WhenStale | None = None) -> int:
        """Look a token up. Returns: the version of the view that does not hold it; 0 without a view.

        Raises: TokenRejected; RevocationViewStale or IntrospectionDue if the view is too old to tell.
        """
        view, feed = self.view, self.feed
        if view is None:
            return 0
        # In this order. Age before look-up: a view renewed after the look-up would vouch for what was not looked up.
        # Version before look-up: a cut-off that comes in between is then a newer version at the next sight.
        stale = view.full or (feed is not None and not feed.freshness.fresh(bound))
        version = view.version
        if view.kills(token) is not None:
            raise TokenRejected(RejectionReason.REVOKED)
        if feed is not None:
            feed.background.ensure()
        if stale:
            age = math.inf if feed is None or view.full else feed.freshness.age()
            self.staleness.apply(token, self.when_stale if when_stale is None else when_stale, age, bound)
        return version

    def kills(self, bearer: Revocable) -> Axis | None:
        """By which axis a signed URL, or its like, is cut off, if it is. Raises: RevocationViewStale if nobody knows."""
        feed, view = self.feed, self.view
        if view is None:
            raise RevocationViewStale("the verifier has no view of revocations")
        stale = view.full or (feed is not None and not feed.freshness.fresh())  # before the look-up, as above
        if feed is not None:
            feed.background.ensure()
        if (axis := view.kills(bearer)) is None and stale and self.when_stale != "accept":
            raise RevocationViewStale("the view of revocations is too old, or full")
        return axis

    def keep_within(self, max_staleness: float) -> None:
        """Have the view renewed often enough for this bound. Raises: ValueError for one that cannot be kept."""
        check_staleness(max_staleness)
        if self.view is None:
            raise ValueError("max_staleness asks for revocations=, or nobody can keep it")
        if self.feed is not None and self.feed.keep_within(max_staleness) and self.feed.polled:
            self._catching_up = self.feed.background.request()

    def check_policy(self, bound: float | None, when_stale: WhenStale) -> None:
        """Raises: ValueError for a policy that is none, or that cannot be applied here."""
        check_when_stale(when_stale)
        if when_stale == "introspect" and not self._can_introspect:
            raise ValueError("when_stale='introspect' asks for introspector=")
        if bound is None and self.view is None and when_stale != "refuse":
            raise ValueError("when_stale asks for revocations=")

    def remedy(self, error: RevocationViewStale) -> Step | None:
        """What to wait for before looking again, if that could help."""
        feed = self.feed
        if feed is None:
            return None
        step: Step | None = None
        if not feed.polled:
            step = feed.background.request()
        elif self._catching_up is not None and not self._catching_up.done():
            step = self._catching_up
        elif feed.freshness.fresh(error.bound) and not feed.view.full:
            step = ended()
        if step is not None:
            self.staleness.refused -= not isinstance(error, IntrospectionDue)  # it was not the last word
        return step

    def within(self, age: float, bound: float | None) -> bool:
        """Whether what was known so many seconds ago is as fresh as is asked of the view."""
        if bound is None:
            bound = math.inf if self.feed is None else self.feed.settings.max_staleness
        return age <= bound
