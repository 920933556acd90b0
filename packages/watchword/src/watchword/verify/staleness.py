"""What is done with a token when the view of revocations is too old: refuse, accept, ask, or judge.

Measures no age (``freshness``) and asks nobody itself (the shells in ``verifier`` do).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Literal, Protocol, TypeAlias

from watchword.verify.access_token import AccessToken
from watchword.verify.errors import RevocationViewStale

_log: Final = logging.getLogger("watchword")

Judge: TypeAlias = Callable[[AccessToken, float], bool]
"""Decides about one token while the view is stale: the token, and the age of the view in seconds (infinite if there
never was one, or it is full). Only True accepts. Called in the middle of a verification: it must not block."""

WhenStale: TypeAlias = Literal["refuse", "accept", "introspect"] | Judge
"""``refuse``: 503 with Retry-After. ``accept``: logged and counted. ``introspect``: ask the verifier's introspector."""

_NAMES: Final = frozenset({"refuse", "accept", "introspect"})


class Introspector(Protocol):
    """Someone who knows whether a token is active just now, such as an introspection endpoint (RFC 7662).

    A port: the library holds no implementation of it, you bring one. It is asked only by verifiers whose view is stale
    and whose policy is ``introspect``, after everything else about the token was found good.
    """

    def introspect(self, raw: str) -> bool:
        """Whether the token is active. Only True accepts it; an exception of any kind refuses it with 503.

        Must bound its own time and the number of its questions.
        """
        ...


class AsyncIntrospector(Protocol):
    """As `Introspector`, for `Verifier`, which also bounds its time by the verifier's ``timeout``."""

    async def introspect(self, raw: str) -> bool: ...


class IntrospectionDue(RevocationViewStale):
    """Raised by `verify_now` where only an introspector could tell; `verify` asks it."""

    def __init__(self, token: AccessToken) -> None:
        super().__init__("the view of revocations is too old, and nobody could be asked about the token")
        self.token: AccessToken = token
        """Good but for revocation, about which nothing is known."""


def check_when_stale(policy: WhenStale) -> None:
    """Raises: ValueError for anything but a policy."""
    if not callable(policy) and policy not in _NAMES:
        raise ValueError("when_stale must be refuse, accept, introspect or a function")


def accepts(policy: WhenStale, token: AccessToken, age: float) -> bool:
    """Whether a policy accepts a token by itself. A judge that fails accepts nothing."""
    if not callable(policy):
        return policy == "accept"
    try:
        return policy(token, age) is True
    except Exception as error:  # noqa: BLE001 - whatever it was, the token was not found good
        _log.warning("when_stale failed: %s", type(error).__name__)  # the message may hold what it was about
        return False


class StalenessPolicy:
    """Applies policies, and counts what came of them. Counters may miss a few under many threads."""

    __slots__ = ("accepted", "due", "refused")

    def __init__(self) -> None:
        self.refused: int = 0
        self.accepted: int = 0
        self.due: int = 0
        """How often an introspector had to be asked."""

    def apply(self, token: AccessToken, when_stale: WhenStale, age: float, bound: float | None = None) -> None:
        """Return if the token is accepted although the view is stale.

        ``age`` is the view's; ``bound`` the call's own, if it has one.

        Raises: RevocationViewStale, IntrospectionDue.
        """
        error: RevocationViewStale
        if when_stale == "introspect":
            self.due += 1
            error = IntrospectionDue(token)
        elif accepts(when_stale, token, age):
            if not self.accepted:
                _log.warning("tokens are accepted although the view of revocations is too old, or full")
            self.accepted += 1
            return
        else:
            self.refused += 1
            error = RevocationViewStale("the view of revocations is too old, or full")
        error.bound = bound
        raise error
