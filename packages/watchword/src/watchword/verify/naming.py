"""What a verifier calls itself when it reads the feed, so that operators see who has heard of a cut-off.

Proves nothing and identifies no person: the feed's token says who may read.
"""

from __future__ import annotations

import os
import re
import socket
from typing import Final

HEADER: Final = "Watchword-Verifier"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_INSTANCE_BYTES: Final = 3


def check_name(name: str) -> str:
    """Check a verifier's name: 1 to 64 letters, digits, dots, hyphens and underscores. Returns: it. Raises: ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError("name must be 1 to 64 letters, digits, dots, hyphens and underscores of ASCII")
    return name


class Label:
    """``<name>/<pid>-<random>``: the same for all questions of one verifier in one process."""

    def __init__(self, name: str | None) -> None:
        """Prepare it; without a name the host's is taken."""
        self._name = name or _FOREIGN.sub("-", socket.gethostname())[:64] or "verifier"
        self._suffix = os.urandom(_INSTANCE_BYTES).hex()

    def headers(self) -> dict[str, str]:
        """The header to send. Made for each question, since a fork makes another process of this one."""
        return {HEADER: f"{self._name}/{os.getpid()}-{self._suffix}"}
