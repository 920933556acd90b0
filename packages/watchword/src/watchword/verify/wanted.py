"""What a call asks of a verification: the arguments of ``verify``, under their names.

Holds no rule: `Engine.verify_now` says what each means.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypedDict

from watchword.verify.possession import Possession
from watchword.verify.staleness import WhenStale


class Wanted(TypedDict, total=False):
    """The keyword arguments of `Verifier.verify`; see `Engine.verify_now`."""

    scopes: Collection[str]
    roles: Collection[str]
    permissions: Collection[str]
    tenants: Collection[str]
    acr_values: Collection[str]
    max_age: float | None
    max_staleness: float | None
    when_stale: WhenStale | None
    possession: Possession | None
