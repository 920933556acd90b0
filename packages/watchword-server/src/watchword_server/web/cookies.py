"""The server's cookies: names, attributes, setting, clearing, and reading exactly one.

Knows nothing of what is in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers

from watchword_server.web.problem import ProblemError

_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+", re.ASCII)
"""cookie-octet of RFC 6265 §4.1.1."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie of the server. HttpOnly always: no script ever needs it."""

    name: str
    path: str
    same_site: Literal["Strict", "Lax"]
    secure: bool

    def set(self, value: str, *, max_age: float) -> str:
        """``Set-Cookie`` that stores the value for ``max_age`` seconds.

        Raises ValueError for a value that does not fit a cookie.
        """
        if not _VALUE.fullmatch(value):
            msg = "the value does not fit a cookie"
            raise ValueError(msg)
        return f"{self.name}={value}; Max-Age={max(int(max_age), 0)}; {self._attributes}"

    def clear(self) -> str:
        """``Set-Cookie`` that makes the browser forget it."""
        return f"{self.name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; {self._attributes}"

    @property
    def _attributes(self) -> str:
        secure = "; Secure" if self.secure else ""
        return f"Path={self.path}; HttpOnly; SameSite={self.same_site}{secure}"

    def values(self, headers: Headers) -> tuple[str, ...]:
        """Its values in a request that differ, in their order: more than one when somebody has put one in."""
        found: dict[str, None] = {}
        for header in headers.getlist("cookie"):
            for pair in header.split(";"):
                name, equals, value = pair.strip(" \t").partition("=")
                if equals and name == self.name:
                    found[value] = None
        return tuple(found)

    def read(self, headers: Headers) -> str | None:
        """Its value in a request; None when it is not there.

        Two different ones under the same name mean that another host of the domain has put one in: which is ours
        cannot be told (RFC 6265 §8.6), so neither is believed. Raises ProblemError 400.
        """
        found = self.values(headers)
        if len(found) > 1:
            raise ProblemError(400, "ambiguous_cookie", "The request carries two different cookies of one name.")
        return (found[0] or None) if found else None


def refresh_cookie(*, secure: bool) -> Cookie:
    """The refresh token of browsers. ``secure``: settings.secure_cookies."""
    return Cookie("__Secure-watchword-refresh" if secure else "watchword-refresh", "/auth", "Strict", secure)


def sso_cookie(*, secure: bool) -> Cookie:
    """Single sign-on at the server's own pages. ``secure``: settings.secure_cookies."""
    return Cookie("__Host-watchword-sso" if secure else "watchword-sso", "/", "Lax", secure)


def flow_cookie(*, secure: bool) -> Cookie:
    """What ties the pages of one flow to one browser; says nothing of who is signed in. ``secure``: as above."""
    return Cookie("__Host-watchword-flow" if secure else "watchword-flow", "/", "Lax", secure)
