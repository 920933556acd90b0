"""Akamai's EdgeAuth tokens (Auth Token 2.0 Verification): for one URL or an access list, by HMAC-SHA256.

Makes the token and puts it into the query; as cookie or header the application sends it itself.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote_plus

from watchword.clock import Clock, system_clock
from watchword.signedurl.binding import instant
from watchword.signedurl.cdn.parts import check_url, path_of, with_parameters

_FIELD: Final = re.compile(r"~[a-z]+=")
_PLAIN: Final = re.compile(r"[^~!\s]{1,512}")


@dataclass(frozen=True, slots=True)
class AkamaiEdgeAuth:
    """Signs for a property. ``escape_early`` and ``salt`` as the property says. Raises: ValueError for a short key."""

    key: bytes = field(repr=False)
    parameter: str = "hdnts"
    salt: str | None = field(default=None, repr=False)
    escape_early: bool = False
    clock: Clock = system_clock

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise ValueError("EdgeAuth asks for a key of 16 bytes at least")

    def token(
        self,
        expires: float | timedelta | datetime,
        *,
        path: str | None = None,
        acl: Sequence[str] = (),
        not_before: datetime | None = None,
        client: str | None = None,
        session: str | None = None,
        data: str | None = None,
    ) -> str:
        """A token for one ``path``, or for the paths of an ``acl`` such as ``/films/*``. Raises: ValueError."""
        if (path is None) is (not acl) or isinstance(acl, str):
            raise ValueError("a token is for one path or for an access list")
        if not all(_PLAIN.fullmatch(text) for text in (*acl, client or "-", session or "-", data or "-")):
            raise ValueError("a tilde, an exclamation mark or white space would end a field of the token")
        if path is not None and _FIELD.search(path):
            raise ValueError(
                "what stands behind a tilde in the path would be another field of the token: encode it as %7E"
            )
        now = self.clock.now()
        ends = instant(expires, now)
        begins = None if not_before is None else instant(not_before, now)
        if begins is not None and ends <= begins:
            raise ValueError("a token ends after it begins")
        fields = [
            ("ip", None if client is None else self._escaped(client)),
            ("st", begins),
            ("exp", ends),
            ("acl", "!".join(acl) or None),
            ("id", None if session is None else self._escaped(session)),
            ("data", None if data is None else self._escaped(data)),
        ]
        shown = [f"{name}={value}" for name, value in fields if value is not None]
        signed = list(shown)
        if path is not None:
            signed.append(f"url={self._escaped(path)}")
        if self.salt is not None:
            signed.append(f"salt={self.salt}")
        mac = hmac.digest(self.key, "~".join(signed).encode(), "sha256").hex()
        return "~".join([*shown, f"hmac={mac}"])

    def sign(self, url: str, expires: float | timedelta | datetime) -> str:
        """This very URL, until then: the path is signed, and no parameter is. Raises: ValueError."""
        token = self.token(expires, path=path_of(check_url(url, self.parameter)))
        return with_parameters(url, f"{self.parameter}={token}")

    def _escaped(self, text: str) -> str:
        if not self.escape_early:
            return text
        return re.sub("%..", lambda found: found[0].lower(), quote_plus(text))
