"""Following the revocation feed: ask, check, apply, date.

Decides nothing about tokens. Whatever the feed answers, the view is changed by whole, sound pages or not at all.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from watchword.clock import Clock
from watchword.transport import Request, Transport, TransportError
from watchword.verify.background import Background
from watchword.verify.freshness import Freshness
from watchword.verify.revocation import DEFAULT_MAX_ENTRIES, CutOff, RevocationView

_log: Final = logging.getLogger("watchword")
_CURSOR: Final = re.compile(r"[\x21-\x7e]{1,512}")
_PAGE_ENTRIES: Final = 1000
_PAGE_BYTES: Final = 4_194_304
_MAX_PAGES: Final = 10_000
_GRACE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Revocations:
    """How a verifier learns what was revoked.

    ``url`` defaults to ``/revocations`` at the issuer; ``token`` is the feed's credential. The feed is asked every
    ``poll_interval`` seconds at most. A view older than ``max_staleness`` seconds, or full at ``max_entries``, is not
    relied upon: ``when_stale`` says whether tokens are then refused (503) or accepted, which is logged and counted.

    Raises: ValueError for an interval that could not keep the view fresh.
    """

    url: str | None = None
    token: str | None = field(default=None, repr=False)
    poll_interval: float = 1.0
    max_staleness: float = 120.0
    when_stale: Literal["refuse", "accept"] = "refuse"
    max_entries: int = DEFAULT_MAX_ENTRIES
    timeout: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.poll_interval <= self.max_staleness / 2:
            raise ValueError("poll_interval must be positive and at most half of max_staleness")
        if self.when_stale not in {"refuse", "accept"}:
            raise ValueError("when_stale must be refuse or accept")
        if self.max_entries < 1 or self.timeout <= 0:
            raise ValueError("max_entries and timeout must be positive")


class FeedError(Exception):
    """The feed gave an answer that cannot be used. The message names the rule that was broken."""


class Batch(msgspec.Struct, frozen=True):
    """One page of the feed. ``snapshot``: it starts from the beginning, and is merged all the same."""

    cursor: str
    entries: tuple[CutOff, ...]
    more: bool
    snapshot: bool = False


_decoder: Final = msgspec.json.Decoder(Batch)


def parse_batch(raw: bytes) -> Batch:
    """Read one page, whole or not at all: an axis or type not known here makes it unusable, never incomplete.

    Raises: FeedError; never another exception.
    """
    try:
        batch = _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise FeedError("answer is not a page of cut-offs") from None
    if not _CURSOR.fullmatch(batch.cursor):
        raise FeedError("cursor is not printable text of at most 512 characters")
    return batch


class Feed:
    """Keeps a `RevocationView` up to date by polling, from a thread of its own."""

    def __init__(self, settings: Revocations, *, url: str, transport: Transport, clock: Clock, leeway: float) -> None:
        """Prepare it for the feed at ``url``; ``leeway`` is how long the verifier accepts tokens beyond ``exp``."""
        self.settings = settings
        self.view: RevocationView = RevocationView(
            clock=clock, max_entries=settings.max_entries, grace=max(_GRACE_SECONDS, 2 * leeway)
        )
        self.freshness: Freshness = Freshness(clock, settings.max_staleness)
        self.background: Background = Background("watchword-revocations", self.step, after_fork=self.freshness.doubt)
        self.error: str | None = None
        """Why the last poll failed; None if it did not."""
        self.polled: bool = False
        """Whether a poll has ended, well or badly."""
        self._url = url
        self._transport = transport
        self._cursor: str | None = None

    def step(self) -> float:
        """Poll once, to the last page. Returns: seconds until the next poll. Does not raise for a faulty feed."""
        self.view.prune()
        try:
            self._drain()
        except (TransportError, FeedError) as error:
            if self.error is None:
                _log.warning("revocation feed: %s", error)
            self.error = str(error)
        else:
            if self.error is not None:
                _log.info("revocation feed is followed again")
            self.error = None
        finally:
            self.polled = True
        # Spread over the second half of the interval, so that verifiers started together do not ask together.
        return self.settings.poll_interval * (0.5 + int.from_bytes(os.urandom(2)) / 131_072)

    def _drain(self) -> None:
        for _ in range(_MAX_PAGES):
            asked = self.freshness.instant()
            batch = self._ask()
            if not self.view.apply(batch.entries):
                raise FeedError("view of revocations is full")
            stuck = batch.more and batch.cursor == self._cursor
            self._cursor = batch.cursor
            if stuck:
                raise FeedError("feed promises more but does not go on")
            if not batch.more:
                # Every page before this one was read to its end, and this one was read after it was asked for.
                self.freshness.confirm(asked)
                return
        raise FeedError("feed does not come to an end")

    def _ask(self) -> Batch:
        query = f"limit={_PAGE_ENTRIES}"
        if self._cursor is not None:
            query = f"cursor={quote(self._cursor, safe='')}&{query}"
        headers = {"Accept": "application/json", "Cache-Control": "no-cache"}
        if self.settings.token is not None:
            headers["Authorization"] = f"Bearer {self.settings.token}"
        answer = self._transport.fetch(
            Request(
                f"{self._url}{'&' if '?' in self._url else '?'}{query}",
                headers=headers,
                timeout=self.settings.timeout,
                max_bytes=_PAGE_BYTES,
            )
        )
        if answer.status == 400:
            self._cursor = None  # perhaps the feed no longer understands it: from the start, then, next time
        if answer.status != 200:
            raise FeedError(f"feed answered {answer.status}")
        return parse_batch(answer.body)
