"""What a route asks of an access token, said once when the route is made.

Looks at no request and makes no answer: ``gate`` does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, TypedDict

from watchword.oauth.scope import is_scope_token
from watchword.verify.staleness import WhenStale, check_when_stale


class Asked(TypedDict, total=False):
    """The arguments of every adapter's ``require``; see `Requirement`."""

    scopes: Collection[str]
    roles: Collection[str]
    permissions: Collection[str]
    tenants: Collection[str]
    acr_values: Collection[str]
    max_age: float | None
    max_staleness: float | None
    when_stale: WhenStale | None


_NAMES: Final = ("scopes", "roles", "permissions", "tenants", "acr_values")


@dataclass(frozen=True, slots=True)
class Requirement:
    """``scopes``, ``roles`` and ``permissions`` must all be had; the token must belong to one of ``tenants``.

    Its login must have one of ``acr_values`` and be at most ``max_age`` seconds old (RFC 9470): otherwise the client is
    told what login to ask for. ``max_staleness`` and ``when_stale`` as in `Verifier.verify`.

    ``optional``: a request without credentials is let in, as nobody. Bad credentials are refused all the same, and so
    are good ones that do not suffice.

    Raises: TypeError for one string in the place of several; ValueError for a scope that no token can have, an empty
    name, a negative age, an unknown policy.
    """

    scopes: Collection[str] = ()
    roles: Collection[str] = ()
    max_staleness: float | None = None
    when_stale: WhenStale | None = None
    optional: bool = False
    permissions: Collection[str] = ()
    tenants: Collection[str] = ()
    acr_values: Collection[str] = ()
    max_age: float | None = None

    _privileges: Asked = field(init=False, repr=False, compare=False)
    """Put together once, since every request asks for it."""

    def __post_init__(self) -> None:
        for name in _NAMES:
            given = getattr(self, name)
            if isinstance(given, str):
                raise TypeError(f"{name} are a collection of names, not one string")
            # Copied: an iterator would be used up by the first request, and let every other one pass.
            object.__setattr__(self, name, tuple(given))
        if not all(map(is_scope_token, self.scopes)):
            raise ValueError("scopes must be scope tokens (RFC 6749 §3.3)")
        if not all(isinstance(name, str) and name for kind in _NAMES for name in getattr(self, kind)):
            raise ValueError("a name is a text that is not empty")
        if self.max_age is not None and not self.max_age >= 0:
            raise ValueError("max_age is in seconds, and not negative")
        if self.when_stale is not None:
            check_when_stale(self.when_stale)
        asked: Asked = {"scopes": self.scopes, "roles": self.roles}
        if self.permissions:
            asked["permissions"] = self.permissions
        if self.tenants:
            asked["tenants"] = self.tenants
        if self.acr_values:
            asked["acr_values"] = self.acr_values
        if self.max_age is not None:
            asked["max_age"] = self.max_age
        object.__setattr__(self, "_privileges", asked)

    @property
    def asks_freshly(self) -> bool:
        """Whether it asks for a fresher view of revocations, so that a token found good before is looked at again."""
        return self.max_staleness is not None or self.when_stale is not None

    def privileges(self) -> Asked:
        """What is asked of the token itself, and given: the arguments of `check_privileges` and of ``verify``."""
        return self._privileges.copy()


ANY_TOKEN = Requirement()
"""Any good token will do."""
PERHAPS_A_TOKEN = Requirement(optional=True)
"""A good token or none at all."""
