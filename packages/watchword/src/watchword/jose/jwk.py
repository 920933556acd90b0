"""Keys as JSON (RFC 7517): the names others import.

Holds no code: a key is in ``key``, a set of them in ``key_set``.
"""

from __future__ import annotations

from watchword.jose.key import Key
from watchword.jose.key_set import KeySet

__all__ = ["Key", "KeySet"]
