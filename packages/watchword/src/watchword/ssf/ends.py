"""What ended by events of others: sessions and users, held against tokens in memory.

Verifies nothing. For tokens of Watchword the revocation feed is the better road: it has a bound.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final, Protocol

from watchword.clock import Clock, EpochSeconds, system_clock
from watchword.ssf.event import SESSION_REVOKED, SecurityEvent

MAX_ENDS: Final = 1_000_000


class EndsFull(Exception):  # noqa: N818 - a state of the memory
    """No room for one more end; nothing was forgotten for it."""


class Judged(Protocol):
    """As much of a token as is looked at; `watchword.AccessToken` has it."""

    @property
    def iss(self) -> str: ...
    @property
    def sub(self) -> str: ...
    @property
    def sid(self) -> str | None: ...
    @property
    def iat(self) -> EpochSeconds: ...


class SignalledEnds:
    """Sessions and users that ended, each remembered for ``hold`` seconds: the longest life of a token, leeway included.

    Give ``apply`` to an `EventReceiver` as its handler, and ask ``kills`` of each token that was verified. Safe to use from
    several threads. Full, it raises and forgets nothing; the event then counts as not received.
    """

    def __init__(self, *, hold: float, max_entries: int = MAX_ENDS, clock: Clock = system_clock) -> None:
        """Make an empty memory. Raises: ValueError if it has no room or holds for no time."""
        if hold <= 0 or max_entries < 1:
            raise ValueError("hold and max_entries must be positive")
        self._hold = hold
        self._max_entries = max_entries
        self._clock = clock
        self._sessions: dict[tuple[str, str], float] = {}
        self._users: dict[tuple[str, str], tuple[EpochSeconds, float]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions) + len(self._users)

    def apply(self, event: SecurityEvent) -> None:
        """Take in ``session-revoked`` for a session, or for all of a user's; other events change nothing.

        Raises: EndsFull.
        """
        if SESSION_REVOKED not in event.events:
            return
        ends = self._clock.monotonic() + self._hold
        user, session = _user(event), _session(event)
        with self._lock:
            self._make_room()
            if session is not None:
                self._sessions[event.iss, session] = ends
            elif user is not None:
                at = max(event.happened_at(SESSION_REVOKED), self._users.get(user, (0.0, 0.0))[0])
                # Not after now, whatever the event says: or tokens yet to be issued would be dead for as long.
                self._users[user] = (min(at, self._clock.now()), ends)

    def kills(self, token: Judged) -> bool:
        """Whether the token's session ended, or its user's sessions did at or after the second it was issued in; or those
        of a token that it was made of (RFC 8693), such as that of a person who acts by it.
        """
        now = self._clock.monotonic()
        for one in (token, *getattr(token, "made_of", ())):
            if one.sid is not None and self._sessions.get((token.iss, one.sid), 0.0) > now:
                return True
            at, ends = self._users.get((token.iss, one.sub), (0.0, 0.0))
            # Events tell whole seconds: a token of that very second is refused, since it may be from before.
            if ends > now and token.iat < at + 1:
                return True
        return False

    def _make_room(self) -> None:
        if len(self) < self._max_entries:
            return
        now = self._clock.monotonic()
        self._sessions = {name: ends for name, ends in self._sessions.items() if ends > now}
        self._users = {name: (at, ends) for name, (at, ends) in self._users.items() if ends > now}
        if len(self) >= self._max_entries:
            raise EndsFull("too many ends are remembered")


def _user(event: SecurityEvent) -> tuple[str, str] | None:
    """Issuer and `sub` of the user, when the transmitter speaks of its own: it has no say about anybody else's."""
    subject = event.subject
    named: Any = subject.get("user") if subject.get("format") == "complex" else subject
    match named:
        case {"format": "iss_sub", "iss": str(iss), "sub": str(sub)} if iss == event.iss:
            return iss, sub
    return None


def _session(event: SecurityEvent) -> str | None:
    session = event.subject.get("session") if event.subject.get("format") == "complex" else None
    identifier = session.get("id") if isinstance(session, Mapping) and session.get("format") == "opaque" else None
    return identifier if isinstance(identifier, str) else None
