"""Streams of security events: who receives which, how, and about whom.

Holds no rules and no SQL: signal_port.py says what may be done with these.
"""

from __future__ import annotations

from typing import Literal

from watchword.clock import EpochSeconds

from watchword_server.store.records import Record

StreamMethod = Literal["push", "poll"]
StreamStatus = Literal["enabled", "paused", "disabled"]
"""``paused``: events are kept and not sent. ``disabled``: events are neither kept nor sent (SSF 1.0 §8.1.2)."""


class Stream(Record, frozen=True, kw_only=True):
    """One stream of one receiver."""

    id: str
    receiver: str
    """Who manages it; its ``aud``."""
    method: StreamMethod
    endpoint: str | None
    """Where events are pushed."""
    sealed: bytes | None
    """The Authorization header of pushes, sealed by the master key."""
    requested: tuple[str, ...]
    description: str
    status: StreamStatus
    reason: str
    created_at: EpochSeconds
    verified_at: EpochSeconds
    """When its receiver last asked for a verification; 0: never."""
    version: int = 0
    """Counts changes; `replace_stream` succeeds for who saw the last one."""

    def __repr__(self) -> str:
        """Without the sealed header."""
        return f"Stream(id={self.id!r}, receiver={self.receiver!r}, method={self.method!r}, status={self.status!r})"


class Addressed(Record, frozen=True, kw_only=True):
    """A stream that wants to know, and how many deliveries are on record for it."""

    stream: Stream
    queued: int
