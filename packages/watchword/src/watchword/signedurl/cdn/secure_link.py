"""nginx's own ``secure_link``, for servers that cannot ask a checker: MD5 over expiry, path and secret.

An MD5 with the secret behind is what the module offers; where njs or ``auth_request`` can be had, sign natively.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import unquote_to_bytes

from watchword.clock import Clock, system_clock
from watchword.signedurl.binding import instant
from watchword.signedurl.cdn.parts import check_url, path_of, with_parameters


@dataclass(frozen=True, slots=True)
class NginxSecureLink:
    """Fits ``secure_link $arg_md5,$arg_expires; secure_link_md5 "$secure_link_expires$uri$remote_addr SECRET";``, the
    address only if ``client`` is given. Raises: ValueError for a short secret.
    """

    secret: str = field(repr=False)
    clock: Clock = system_clock

    def __post_init__(self) -> None:
        if len(self.secret) < 16:
            raise ValueError("a secret has 16 characters at least")

    def sign(self, url: str, expires: float | timedelta | datetime, *, client: str | None = None) -> str:
        """This path, until then, from that address. Raises: ValueError."""
        ends = instant(expires, self.clock.now())
        # $uri is decoded.
        path = unquote_to_bytes(path_of(check_url(url, "md5", "expires")))
        text = str(ends).encode() + path + (client or "").encode() + b" " + self.secret.encode()
        digest = hashlib.md5(text, usedforsecurity=False).digest()
        encoded = urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
        return with_parameters(url, f"md5={encoded}&expires={ends}")
