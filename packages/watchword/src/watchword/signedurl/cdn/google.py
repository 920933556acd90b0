"""Google Cloud CDN: signed URLs and signed URL prefixes, by HMAC-SHA1 with a key of 16 bytes, as it asks for.

The keys of Media CDN are others (Ed25519), and so is its form.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from watchword.clock import Clock, system_clock
from watchword.signedurl.binding import instant
from watchword.signedurl.cdn.parts import check_url, with_parameters

_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,63}")
_PARAMETERS: Final = ("URLPrefix", "Expires", "KeyName", "Signature")


@dataclass(frozen=True, slots=True)
class GoogleCloudCdn:
    """Signs for a backend. Raises: ValueError for a key of another length, or a name that cannot be one."""

    key: bytes = field(repr=False)
    key_name: str
    clock: Clock = system_clock

    def __post_init__(self) -> None:
        if len(self.key) != 16 or _NAME.fullmatch(self.key_name) is None:
            raise ValueError("Cloud CDN asks for a key of 16 bytes and its name")

    def sign(self, url: str, expires: float | timedelta | datetime) -> str:
        """This very URL, until then. Raises: ValueError."""
        ends = instant(expires, self.clock.now())
        unsigned = with_parameters(check_url(url, *_PARAMETERS), f"Expires={ends}&KeyName={self.key_name}")
        return f"{unsigned}&Signature={self._signature(unsigned)}"

    def sign_prefix(self, url: str, expires: float | timedelta | datetime, *, prefix: str) -> str:
        """Every URL that begins with ``prefix``, which is of scheme, host and path, without query. Raises: ValueError."""
        if "?" in check_url(prefix) or not check_url(url, *_PARAMETERS).startswith(prefix):
            raise ValueError("the prefix has no query, and the URL begins with it")
        ends = instant(expires, self.clock.now())
        encoded = urlsafe_b64encode(prefix.encode("ascii")).decode("ascii")
        policy = f"URLPrefix={encoded}&Expires={ends}&KeyName={self.key_name}"
        return with_parameters(url, f"{policy}&Signature={self._signature(policy)}")

    def _signature(self, text: str) -> str:
        return urlsafe_b64encode(hmac.digest(self.key, text.encode("ascii"), "sha1")).decode("ascii")
