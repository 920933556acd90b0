"""Which cut-offs the verifiers of one tenant are shown: what could kill one of its tokens, and no word of others' accounts.

Reads no tables: the store tells whose an account, session or family is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from msgspec.structs import replace

from watchword_server.store.ownership import OWNED_AXES
from watchword_server.store.port import Revocations
from watchword_server.store.records import Axis, CutOff, CutOffBatch

MOST_REMEMBERED: Final = 50_000
"""About 10 MB; forgotten ones are asked for again."""

Owners: TypeAlias = Mapping[tuple[Axis, str], str | None]
"""The tenant of each account, session and family that is on record; None for those of no tenant."""


class Tenants:
    """Remembers whose each is. An account keeps its tenant for as long as it lives, or this would have to forget."""

    def __init__(self, log: Revocations) -> None:
        self._log = log
        self._known: dict[tuple[Axis, str], str | None] = {}

    async def owners(self, entries: Iterable[CutOff]) -> Owners:
        """Whose the accounts, sessions and families of these entries are. Raises StoreUnavailable."""
        asked = {(entry.axis, entry.value) for entry in entries if entry.axis in OWNED_AXES}
        owners = {one: self._known[one] for one in asked if one in self._known}
        if unknown := asked - owners.keys():
            found = await self._log.tenants_of(unknown)
            owners.update(found)
            if len(self._known) + len(found) > MOST_REMEMBERED:
                self._known.clear()
            self._known.update(found)
        return owners


def shown(batch: CutOffBatch, tenant: str | None, owners: Owners) -> CutOffBatch:
    """The batch as the verifiers of that tenant see it, its places as they are; whole for None."""
    if tenant is None:
        return batch
    return replace(batch, entries=tuple(entry for entry in batch.entries if _concerns(entry, tenant, owners)))


def _concerns(entry: CutOff, tenant: str, owners: Owners) -> bool:
    if entry.axis == "tenant":
        return entry.value == tenant
    if entry.axis in OWNED_AXES:
        # What is on record nowhere any more could have been this tenant's: a cut-off hidden is a token accepted.
        return owners.get((entry.axis, entry.value), tenant) == tenant
    # A key, a client and everything concern every tenant. Whose a single token was, its jti does not tell anybody.
    return True
