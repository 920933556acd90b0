"""Whether a call that a cookie authorises comes from a page that may make it.

Knows no cookie; whoever reads one to change state asks here first.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from watchword_server.web.problem import ProblemError


def origin_of(url: str) -> str:
    """The origin of a URL as browsers write it (RFC 6454 §6.2): ``https://login.example.com``."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


class CrossSite:
    """The check, for one issuer and the origins configured to call with credentials."""

    def __init__(self, issuer: str, origins: Iterable[str] = ()) -> None:
        self._own = origin_of(issuer)
        self._allowed = frozenset({self._own, *origins}) - {"*"}

    def check(self, headers: Headers, *, scheme: str) -> None:
        """Refuse a foreign ``Origin`` or ``Sec-Fetch-Site``; accept a call that has neither (curl, native apps): no
        browser sends a cross-site POST without one.

        ``Origin: null`` (a sandboxed frame, a redirect between sites) is foreign. The server's own page under another
        name of the same machine (127.0.0.1 for localhost) passes when the browser itself says ``same-origin``.

        Raises ProblemError 403.
        """
        origins = headers.getlist("origin")
        sites = headers.getlist("sec-fetch-site")
        if len(origins) > 1 or len(sites) > 1:
            raise _foreign()
        site = sites[0].lower() if sites else None
        if not origins:
            if site not in {None, "same-origin", "none"}:
                raise _foreign()
            return
        origin = origins[0]
        if origin not in self._allowed:
            own_page = site == "same-origin" and origin == f"{scheme}://{headers.get('host', '')}"
            if not own_page:
                raise _foreign()
        elif origin == self._own and site not in {None, "same-origin"}:
            raise _foreign()


def _foreign() -> ProblemError:
    return ProblemError(403, "cross_site", "This call may not be made by a page of another site.")
