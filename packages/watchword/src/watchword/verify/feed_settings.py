"""How a verifier is told to follow the feed of revocations.

Holds settings only, checked once when made; ``feed`` and ``push`` act on them.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from watchword.jose.jwk import KeySet
from watchword.verify.naming import check_name
from watchword.verify.revocation import DEFAULT_MAX_ENTRIES
from watchword.verify.staleness import WhenStale, check_when_stale

TokenProvider: TypeAlias = Callable[[], str | Awaitable[str]]
"""Gives the feed's credential of the moment."""

LEAST_STALENESS: float = 0.1
"""Seconds; less could not be kept over any network."""
_LONGEST_PATH: Final = 90
"""Bytes; addresses of Unix sockets hold 103 at least."""
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}")


@dataclass(frozen=True, slots=True)
class Revocations:
    """How a verifier learns what was revoked.

    ``url`` defaults to ``/revocations`` at the issuer; ``token`` is the feed's credential, or a function that gives the
    one of the moment (say, an access token by client credentials). It is called for every question, in a thread of the
    feed's, so it keeps a token for as long as that is good; a coroutine runs on an event loop of its own. A view older than
    ``max_staleness`` seconds, or full at ``max_entries``, is not relied upon: ``when_stale`` says whether tokens are
    then refused (503), accepted (which is logged and counted), put to the verifier's introspector, or judged by a
    function of token and age. Both can be said per call, too.

    ``push`` has cut-offs sent as they are made; without it, or while it cannot be had, the feed is asked at least every
    ``poll_interval`` seconds. ``timeout`` (seconds) bounds a question. ``signed`` demands answers that are signed with
    the feed's keys, fetched from ``keys_uri`` (found by discovery) unless ``keys`` are given; ``signed=False`` believes
    whoever answers at ``url``, for servers that do not sign, and then nothing is pushed. ``name`` is what operators see
    on the server's map of verifiers; the host's unless given. ``shared`` is a path for a Unix socket, in a folder of the
    application's own: all processes of this host and user that name it follow the feed by one connection, which one of
    them holds; each checks what it gets as ever, and asks by itself when it gets nothing.

    Raises: ValueError for settings that could not keep the view fresh.
    """

    url: str | None = None
    token: str | TokenProvider | None = field(default=None, repr=False)
    poll_interval: float = 1.0
    max_staleness: float = 120.0
    when_stale: WhenStale = "refuse"
    max_entries: int = DEFAULT_MAX_ENTRIES
    timeout: float = 5.0
    push: bool = True
    signed: bool = True
    keys_uri: str | None = None
    keys: KeySet | None = None
    name: str | None = None
    shared: str | None = None

    def __post_init__(self) -> None:
        check_staleness(self.max_staleness)
        check_when_stale(self.when_stale)
        if isinstance(self.token, str):
            check_token(self.token)
        elif self.token is not None and not callable(self.token):
            raise ValueError("token is text, or a function that gives it")
        if self.name is not None:
            check_name(self.name)
        if not 0 < self.poll_interval <= self.max_staleness / 2:
            raise ValueError("poll_interval must be positive and at most half of max_staleness")
        if self.max_entries < 1 or not 0 < self.timeout < math.inf:
            raise ValueError("max_entries and timeout must be positive")
        if self.keys is not None and self.keys_uri is not None:
            raise ValueError("give keys or keys_uri, not both")
        if self.shared is not None:
            check_path(self.shared)
            if not self.signed:
                raise ValueError("shared asks for signed answers, or workers would have to believe one another")
        if not self.signed and (self.keys is not None or self.keys_uri is not None):
            raise ValueError("keys are of no use with signed=False")


def check_token(token: object) -> str:
    """Check a credential: text that can stand in a header. Returns: it. Raises: ValueError, without the credential."""
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise ValueError("the feed's token must be 1 to 8192 visible characters of ASCII")
    return token


def check_path(path: str) -> str:
    """Check where a socket is to be. Returns: it. Raises: ValueError."""
    if not Path(path).is_absolute() or "\0" in path or len(os.fsencode(path)) > _LONGEST_PATH:
        raise ValueError(f"shared must be an absolute path of at most {_LONGEST_PATH} bytes")
    return path


def check_staleness(seconds: float) -> float:
    """Check a bound. Returns: it. Raises: ValueError."""
    if not LEAST_STALENESS <= seconds < math.inf:
        raise ValueError(f"max_staleness must be at least {LEAST_STALENESS} s, and finite")
    return seconds
