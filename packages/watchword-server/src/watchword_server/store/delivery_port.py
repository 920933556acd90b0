"""What the server asks of a store for deliveries to others: the outbox, and the news of the revocation log.

Holds no implementation. As in port.py every verb is one transaction, and "True for exactly one caller" holds in any race.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from watchword_server.store.delivery_records import Delivery, NewDelivery, News, OutboxFigures


class Outbox(Protocol):
    """Deliveries that were decided on and not yet made."""

    async def enqueue(self, deliveries: Sequence[NewDelivery]) -> int:
        """Put them all in, or none. Those whose kind, destination and dedupe key are on record are left out.
        Returns how many went in.
        """
        ...

    async def lease_deliveries(
        self, lease: str, *, seconds: float, limit: int, per_destination: int, resting: Sequence[str] = ()
    ) -> Sequence[Delivery]:
        """Take up to `limit` due deliveries, the longest due first, at most so many a destination, and none of one in
        `resting`. Each is given to exactly one caller until `seconds` have passed without `delivered`, `put_off` or `give_up`; then it is due again.
        """
        ...

    async def delivered(self, delivery_id: int, lease: str) -> bool:
        """Forget it. False when the lease ran out and another has taken it, or it is gone."""
        ...

    async def put_off(self, delivery_id: int, lease: str, *, seconds: float, error: str) -> bool:
        """Have it due again after `seconds`. False as for `delivered`."""
        ...

    async def give_up(self, delivery_id: int, lease: str, *, error: str) -> bool:
        """Make it a dead letter. False as for `delivered`."""
        ...

    async def deliveries(self, *, dead: bool, after: int | None, limit: int) -> Sequence[Delivery]:
        """Dead letters, or those that wait; by ascending id after that id."""
        ...

    async def retry_delivery(self, delivery_id: int) -> bool:
        """Have a dead letter due at once, its attempts forgotten. True for exactly one caller."""
        ...

    async def forget_delivery(self, delivery_id: int) -> bool:
        """Delete a dead letter. True for exactly one caller."""
        ...

    async def held_deliveries(self, kind: str, destination: str, *, limit: int) -> Sequence[Delivery]:
        """What is held for a destination to fetch, oldest first."""
        ...

    async def drop_deliveries(self, kind: str, destination: str, dedupes: Sequence[str] | None) -> int:
        """Forget what a destination has fetched, by dedupe keys; with None all of that kind for it, dead ones too.
        Returns how many there were.
        """
        ...

    async def due_in(self) -> float | None:
        """Seconds until a delivery is due, 0 or less when one is; None when nothing waits."""
        ...

    async def outbox_figures(self) -> OutboxFigures: ...


class LogNews(Protocol):
    """Entries of the revocation log that wait to be translated. The store puts each entry there in the transaction that
    writes it, so none is missed, whatever replaces it in the log before anybody looks.
    """

    async def news(self, *, limit: int) -> Sequence[News]:
        """The oldest ones, in order of position. Changes nothing."""
        ...

    async def settle_news(self, positions: Sequence[int], deliveries: Sequence[NewDelivery]) -> bool:
        """Forget these news and enqueue what they mean, in one transaction. True for exactly one caller; False, and
        nothing done, when one of them was settled already.
        """
        ...
