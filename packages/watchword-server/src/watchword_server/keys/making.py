"""Making a key of the ring: its name, what is kept sealed, and what is published.

Knows no schedule and no store; ring.py says when a key is made, and keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, NamedTuple

from watchword.jose import base64url
from watchword.jose.jwk import Key

from watchword_server.keys.request_keys import PURPOSE as REQUEST_OBJECT
from watchword_server.keys.request_keys import new_request_key
from watchword_server.store.records import KeyPurpose

_MAC_KEY_BYTES: Final = 32
_MAC_ID_BYTES: Final = 6


class MadeKey(NamedTuple):
    """A new key."""

    kid: str
    secret: bytes
    """Its private JWK as JSON, or the secret itself."""
    public: bytes
    """Its public JWK as JSON; empty for a secret."""


def make_key(purpose: KeyPurpose, algorithm: str, random_bytes: Callable[[int], bytes]) -> MadeKey:
    """Make a key. An RSA key takes a good part of a second to find.

    No ``kid`` begins with a hyphen, which a command line would take for an option: one in 64 is made again.
    """
    while (made := _made(purpose, algorithm, random_bytes)).kid.startswith("-"):
        pass
    return made


def _made(purpose: KeyPurpose, algorithm: str, random_bytes: Callable[[int], bytes]) -> MadeKey:
    if purpose == "refresh_mac":
        return MadeKey(base64url.encode(random_bytes(_MAC_ID_BYTES)), random_bytes(_MAC_KEY_BYTES), b"")
    if purpose == REQUEST_OBJECT:
        return MadeKey(*new_request_key(algorithm))
    key = Key.generate(algorithm)
    private, public = json.dumps(key.private_jwk()).encode(), json.dumps(key.public_jwk()).encode()
    return MadeKey(key.kid or key.thumbprint(), private, public)
