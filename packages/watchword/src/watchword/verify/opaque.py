"""Opaque tokens at a verifier: answers of introspection, kept for a moment; one question a token, whoever waits.

Asks by threads of its own (``introspection`` puts the question), and knows no framework and no event loop.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import Final

from watchword.clock import Clock
from watchword.verify.access_token import AccessToken
from watchword.verify.background import ended
from watchword.verify.errors import RejectionReason, TokenRejected, VerifierUnavailable
from watchword.verify.introspection import Introspection, IntrospectionEndpoint, IntrospectionFailed, read_answer
from watchword.verify.lookup import RevocationLookup, Step
from watchword.verify.policy import Policy
from watchword.verify.seen import SeenTokens
from watchword.verify.staleness import WhenStale

_log: Final = logging.getLogger("watchword")

MAX_LENGTH: Final = 512
"""Characters of an opaque token: random, and no more than its entropy needs."""
_MAX_REFUSED: Final = 10_000
_REFUSED_SECONDS: Final = 10.0
_COOL_DOWN_SECONDS: Final = 1.0
# b64token (RFC 6750 §2.1) without the dots that make a JWT or JWE.
_FORM: Final = re.compile(r"[A-Za-z0-9_~+/-]+=*")


class AnswerDue(VerifierUnavailable):
    """Raised by `verify_now` for an opaque token about which nothing is known just now; `verify` asks."""

    def __init__(self, raw: str) -> None:
        super().__init__("the authorization server must be asked about the token, or could not be")
        self.raw: str = raw

    def __reduce__(self) -> tuple[type[VerifierUnavailable], tuple[str]]:
        return (VerifierUnavailable, (str(self),))


class OpaqueTokens:
    """Answers about tokens, by token. Safe in threads, and after a fork."""

    def __init__(
        self,
        settings: Introspection,
        endpoint: IntrospectionEndpoint,
        policy: Policy,
        lookup: RevocationLookup,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self.prefixes: tuple[str, ...] = settings.prefixes
        self._endpoint = endpoint
        self._policy = policy
        self._lookup = lookup
        self._clock = clock
        self._active = SeenTokens(settings.max_entries)
        self._refused: dict[str, tuple[RejectionReason, float]] = {}
        self._asked: dict[str, Step] = {}
        self._guard = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._pid = os.getpid()
        self._failed_until = 0.0

    def __len__(self) -> int:
        return len(self._active)

    def takes(self, raw: str) -> bool:
        """Whether a text has the form of an opaque token; others nobody is asked about."""
        return raw.startswith(self.prefixes) and len(raw) <= MAX_LENGTH and _FORM.fullmatch(raw) is not None

    def verify(
        self, raw: str, now: float, bound: float | None = None, when_stale: WhenStale | None = None
    ) -> AccessToken:
        """Verify an opaque token with the answers at hand, and look it up in the view of revocations.

        Raises: TokenRejected; AnswerDue if the authorization server must be asked; as `RevocationLookup.check`.
        """
        key = _digest(raw)
        monotonic = self._clock.monotonic()
        seen = self._active.recent.get(key) or self._active.find_older(key)
        if seen is None or monotonic >= seen[2]:
            refused = self._refused.get(key)
            if refused is not None and monotonic < refused[1]:
                raise TokenRejected(refused[0])
            raise AnswerDue(raw)
        token, asked, _, _ = seen
        if now >= token.exp + self._policy.leeway:
            self._active.forget(key)
            raise TokenRejected(RejectionReason.EXPIRED)
        try:
            self._lookup.check(token, bound, when_stale)
        except TokenRejected:
            self._active.forget(key)
            raise
        except VerifierUnavailable:
            # The view cannot tell; the answer can, if it is itself as fresh as the view would have to be.
            if not self._lookup.within(monotonic - asked, bound):
                self._active.forget(key)
                raise AnswerDue(raw) from None
        return token

    def ask(self, raw: str) -> Step | None:
        """Ask about a token, or join those who do. Returns: what to wait for; None if it would not help."""
        key = _digest(raw)
        with self._guard:
            if self._pid != os.getpid():
                self._forget_questions()
            step = self._asked.get(key)
            if step is not None:
                return step
            if self._known(key):
                # The answer came between this caller's look and now: nobody needs to ask again.
                return ended()
            if self._clock.monotonic() < self._failed_until or len(self._asked) >= self._settings.max_waiting:
                return None
            step = self._asked[key] = Future()
            # Running futures cannot be cancelled: one impatient waiter must not take the answer from the others.
            step.set_running_or_notify_cancel()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._settings.max_concurrent, "watchword-introspection")
            self._pool.submit(self._work, key, raw, step)
        return step

    def _known(self, key: str) -> bool:
        monotonic = self._clock.monotonic()
        seen = self._active.recent.get(key) or self._active.find_older(key)
        refused = self._refused.get(key)
        return (seen is not None and monotonic < seen[2]) or (refused is not None and monotonic < refused[1])

    def close(self) -> None:
        """End the threads after the questions under way."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, key: str, raw: str, step: Step) -> None:
        try:
            self._learn(key, raw)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing is known of the token
            # Its name alone: the message may hold the token, or our credentials.
            _log.warning("introspection failed: %s", type(error).__name__)
            # One token that the endpoint does not like must not keep it from being asked about others.
            if not (isinstance(error, IntrospectionFailed) and error.of_token):
                self._failed_until = self._clock.monotonic() + _COOL_DOWN_SECONDS
        finally:
            with self._guard:
                self._asked.pop(key, None)
            step.set_result(None)

    def _learn(self, key: str, raw: str) -> None:
        # The time of the question, not of the answer: what was revoked in between may not be in it.
        asked = self._clock.monotonic()
        answer = self._endpoint.ask(raw)
        try:
            token = read_answer(answer, raw, self._policy, self._clock.now())
        except TokenRejected as rejected:
            if len(self._refused) >= _MAX_REFUSED:
                self._refused.clear()
            self._refused[key] = (rejected.reason, asked + _REFUSED_SECONDS)
            return
        # Nought keeps it long enough for those who wait for it.
        kept = max(self._settings.cache_seconds, _COOL_DOWN_SECONDS)
        self._active.put(key, (token, asked, asked + kept, 0))

    def _forget_questions(self) -> None:
        """In the child of a fork: nobody answers what the parent asked."""
        self._pid = os.getpid()
        self._asked = {}
        self._pool = None


def _digest(raw: str) -> str:
    """Under what an answer is kept: not the token, which a dump of memory would show."""
    return sha256(raw.encode()).hexdigest()[:32]
