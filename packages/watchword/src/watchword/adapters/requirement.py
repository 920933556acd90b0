"""What a route asks of an access token, said once when the route is made.

Looks at no request and makes no answer: ``gate`` does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypedDict

from watchword.oauth.scope import is_scope_token
from watchword.verify.staleness import WhenStale, check_when_stale


class Asked(TypedDict, total=False):
    """The arguments of every adapter's ``require``; see `Requirement`."""

    scopes: Collection[str]
    roles: Collection[str]
    max_staleness: float | None
    when_stale: WhenStale | None


@dataclass(frozen=True, slots=True)
class Requirement:
    """``scopes`` and ``roles`` must all be had. ``max_staleness`` and ``when_stale`` as in `Verifier.verify`.

    ``optional``: a request without credentials is let in, as nobody. Bad credentials are refused all the same, and so
    are good ones that do not suffice.

    Raises: TypeError for one string in the place of several; ValueError for a scope that no token can have, an empty
    name, an unknown policy.
    """

    scopes: Collection[str] = ()
    roles: Collection[str] = ()
    max_staleness: float | None = None
    when_stale: WhenStale | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        for name in ("scopes", "roles"):
            given = getattr(self, name)
            if isinstance(given, str):
                raise TypeError(f"{name} are a collection of names, not one string")
            # Copied: an iterator would be used up by the first request, and let every other one pass.
            object.__setattr__(self, name, tuple(given))
        if not all(map(is_scope_token, self.scopes)):
            raise ValueError("scopes must be scope tokens (RFC 6749 §3.3)")
        if not all(isinstance(role, str) and role for role in self.roles):
            raise ValueError("a role is a text that is not empty")
        if self.when_stale is not None:
            check_when_stale(self.when_stale)

    @property
    def asks_freshly(self) -> bool:
        """Whether it asks for a fresher view of revocations, so that a token found good before is looked at again."""
        return self.max_staleness is not None or self.when_stale is not None


ANY_TOKEN = Requirement()
"""Any good token will do."""
PERHAPS_A_TOKEN = Requirement(optional=True)
"""A good token or none at all."""
