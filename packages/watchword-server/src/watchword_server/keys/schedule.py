"""When keys move: next -> active -> retired -> gone. Pure: rows, a time and settings.

Makes no keys and writes nothing: ring.py does what is named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from watchword.clock import EpochSeconds

from watchword_server.store.records import KeyPurpose, KeyState, Record, SigningKey

_STRAGGLERS: Final = 60.0
"""Seconds for which a process that has not looked at the ring may still sign with a key just retired."""


class KeySchedule(Record, frozen=True):
    """The settings of one purpose, all in seconds."""

    rotate_every: float
    announce_before: float
    """How long a key is announced before it signs; not under the time for which verifiers cache the JWK set."""
    retire_after: float
    """How long a retired key stays published and usable: not under the life of what it signed, leeway included."""


class MakeActive(Record, frozen=True):
    """There is no key at all: make one and use it at once."""


class MakeNext(Record, frozen=True):
    """No key is announced as the next: make one."""


class Activate(Record, frozen=True):
    """The announced key signs from now on, and the present one retires."""

    kid: str


class Forget(Record, frozen=True):
    """Nothing that this key signed is alive."""

    kid: str


_PUBLISHED: Final[Mapping[KeyState, int]] = {"active": 0, "next": 1, "retired": 2}

Step: TypeAlias = MakeActive | MakeNext | Activate | Forget


def of_purpose(keys: Iterable[SigningKey], purpose: KeyPurpose, algorithm: str) -> list[SigningKey]:
    """The keys of that purpose and algorithm, oldest first; the order every process agrees on."""
    chosen = [key for key in keys if key.purpose == purpose and key.algorithm == algorithm]
    return sorted(chosen, key=lambda key: (key.created_at, key.kid))


def due(keys: list[SigningKey], schedule: KeySchedule, now: EpochSeconds) -> Step | None:
    """The next step that is due for the keys of one purpose and algorithm; None when all is as it should be.

    A next key always stands ready and announced, so that distrusting the active one leaves nobody waiting.
    """
    active = [key for key in keys if key.state == "active"]
    following = [key for key in keys if key.state == "next"]
    if not active:
        return Activate(kid=following[0].kid) if following else MakeActive()
    if not following:
        return MakeNext()
    signing_since = active[0].activated_at if active[0].activated_at is not None else active[0].created_at
    announced = now >= following[0].created_at + schedule.announce_before
    if announced and now >= signing_since + schedule.rotate_every:
        return Activate(kid=following[0].kid)
    keep = schedule.retire_after + _STRAGGLERS
    for key in keys:
        if key.state == "retired" and key.retired_at is not None and now >= key.retired_at + keep:
            return Forget(kid=key.kid)
    return None


def in_use(keys: list[SigningKey]) -> SigningKey | None:
    """The active key; where there is none, for the moment after one was distrusted, the key that will be."""
    for state in ("active", "next"):
        for key in keys:
            if key.state == state:
                return key
    return None


def published(rows: Iterable[SigningKey], purpose: KeyPurpose) -> list[SigningKey]:
    """What the public may know of them: the key that signs, the one that will, and those that did."""
    public = [key for key in rows if key.purpose == purpose and key.state in _PUBLISHED]
    return sorted(public, key=lambda key: (_PUBLISHED[key.state], -key.created_at, key.kid))
