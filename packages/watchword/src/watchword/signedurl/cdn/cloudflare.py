"""Cloudflare's HMAC tokens, for custom rules with ``is_timed_hmac_valid_v0``: HMAC-SHA256 over path and time of issue.

How long a token is good, and the length of the separator (``len("?verify=")``), stand in the rule and not in the URL.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import quote

from watchword.clock import Clock, system_clock
from watchword.signedurl.cdn.parts import check_url, path_of


@dataclass(frozen=True, slots=True)
class CloudflareToken:
    """Signs for a zone. Raises: ValueError for a short key."""

    key: bytes = field(repr=False)
    parameter: str = "verify"
    clock: Clock = system_clock

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise ValueError("a key has 16 bytes at least")

    def sign(self, url: str) -> str:
        """This very path, from now on for as long as the rule says. Raises: ValueError, for a URL with a query too: the
        rule takes all between path and time for the separator.
        """
        if "?" in check_url(url):
            raise ValueError("a URL with query cannot be signed in this form")
        issued = int(self.clock.now())
        mac = b64encode(hmac.digest(self.key, f"{path_of(url)}{issued}".encode("ascii"), "sha256")).decode("ascii")
        return f"{url}?{self.parameter}={issued}-{quote(mac, safe='')}"
