"""One nonce for the questions of several verifiers: a hash of all of theirs, which proves the time to each of them.

Pure. The feed signs what it is asked with and knows nothing of this; whoever gathers the nonces need not be trusted.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Collection, Sequence
from typing import Final

HEADER: Final = "watchword-nonces"
"""Names the nonces, parted by commas, where an answer was asked for with one nonce for all of them."""
MOST_NONCES: Final = 512

_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{22,128}", re.ASCII)


def joined_nonce(nonces: Sequence[str]) -> str:
    """The nonce that stands for all of these, in this order: it could not be known before the last of them was."""
    text = "watchword nonces\n" + "\n".join(nonces)
    return urlsafe_b64encode(hashlib.sha256(text.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def nonce_in(own: str, header: str) -> str | None:
    """The nonce that an answer must repeat which says to be for all these. Returns: None if ``own`` is not among them."""
    nonces = header.split(",", MOST_NONCES)
    if own not in nonces or len(nonces) > MOST_NONCES or not sound(nonces):
        return None
    return joined_nonce(nonces)


def sound(nonces: Collection[str]) -> bool:
    """Whether all have the form of a nonce, so that no two lists are written alike."""
    return all(_NONCE.fullmatch(nonce) for nonce in nonces)
