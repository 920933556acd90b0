"""Fastly's URL tokens, as its guide *Enabling URL token validation* has them: HMAC-SHA1 over path, query and expiry.

Fits the VCL of that guide that signs ``req.url`` without the token.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from watchword.clock import Clock, system_clock
from watchword.signedurl.binding import instant
from watchword.signedurl.cdn.parts import check_url, path_of, with_parameters


@dataclass(frozen=True, slots=True)
class FastlyToken:
    """Signs for a service. ``key``: decoded from base64. Raises: ValueError for a short one."""

    key: bytes = field(repr=False)
    parameter: str = "token"
    clock: Clock = system_clock

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise ValueError("a key has 16 bytes at least; the guide makes one of 32")

    def sign(self, url: str, expires: float | timedelta | datetime) -> str:
        """This very path and query, until then. Raises: ValueError."""
        query = urlsplit(check_url(url, self.parameter)).query
        target = path_of(url) + (f"?{query}" if query else "")
        ends = instant(expires, self.clock.now())
        mac = hmac.digest(self.key, f"{target}{ends}".encode("ascii"), "sha1").hex()
        return with_parameters(url, f"{self.parameter}={ends}_{mac}")
