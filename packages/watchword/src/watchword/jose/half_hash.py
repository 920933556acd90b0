"""The left half of a hash, by which an ID token names the code and token it came with (OpenID Connect Core §3.1.3.6).

Knows nothing of ID tokens.
"""

from __future__ import annotations

import hashlib

from watchword.jose import algorithms, base64url


def half_hash(algorithm: str, text: str) -> str:
    """``at_hash``, ``c_hash`` or ``s_hash`` of an ASCII text: by the hash of the signature's algorithm, its left half.

    Raises: JoseError ``unsupported_algorithm``.
    """
    bits = algorithms.algorithm(algorithm).hash_bits
    digest = hashlib.new(f"sha{bits}", text.encode("ascii")).digest()
    return base64url.encode(digest[: len(digest) // 2])
