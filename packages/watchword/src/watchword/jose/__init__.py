"""Signed JSON: keys (RFC 7517), compact signatures (RFC 7515), and the strict decoding both stand on.

Holds no claim and no policy. Within the library, only this package imports ``cryptography``.
"""

from __future__ import annotations

from watchword.jose.errors import JoseError, Reason
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer, UnverifiedJws, VerifiedJws, parse, verify

__all__ = ["JoseError", "Key", "KeySet", "Reason", "Signer", "UnverifiedJws", "VerifiedJws", "parse", "verify"]
