"""Administration of deliveries: what waits, dead letters, and trying these again.

Holds no rule, and never shows what was to be delivered.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict

from watchword_server.admin.access import Admin, Administrator, Services
from watchword_server.store.delivery_records import Delivery
from watchword_server.store.records import AuditEvent
from watchword_server.web.problem import ProblemError

router = APIRouter(tags=["outbox"])
Limit = Annotated[int, Query(ge=1, le=500)]
DeliveryId = Annotated[int, Path(ge=1, le=2**62)]


class DeliveryModel(BaseModel):
    """A delivery without its content."""

    model_config = ConfigDict(frozen=True)

    id: int
    kind: str
    destination: str
    state: Literal["waiting", "under_way", "held", "dead"]
    attempts: int
    created_at: float
    due_at: float | None
    last_error: str

    @classmethod
    def of(cls, one: Delivery) -> Self:
        """As the store has it."""
        return cls(
            id=one.id,
            kind=one.kind,
            destination=one.destination,
            state="under_way" if one.lease else one.state,
            attempts=one.attempts,
            created_at=one.created_at,
            due_at=one.due_at if one.state == "waiting" else None,
            last_error=one.last_error,
        )


class DeliveryPage(BaseModel):
    """Deliveries by ascending id, and how many there are in all."""

    model_config = ConfigDict(frozen=True)

    deliveries: list[DeliveryModel]
    next_after: int | None
    waiting: int
    held: int
    dead: int
    oldest_waiting: float


@router.get("/outbox")
async def list_deliveries(
    _admin: Admin,
    services: Services,
    state: Literal["dead", "waiting"] = "dead",
    after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    limit: Limit = 100,
) -> DeliveryPage:
    """Dead letters: deliveries that were given up; or those that wait. Their content is never shown."""
    found = await services.store.deliveries(dead=state == "dead", after=after, limit=limit)
    figures = await services.store.outbox_figures()
    return DeliveryPage(
        deliveries=[DeliveryModel.of(one) for one in found],
        next_after=found[-1].id if len(found) == limit else None,
        waiting=figures.waiting,
        held=figures.held,
        dead=figures.dead,
        oldest_waiting=figures.oldest_waiting,
    )


@router.post("/outbox/{delivery_id}/retry", status_code=204)
async def retry_delivery(admin: Admin, services: Services, delivery_id: DeliveryId) -> None:
    """Have a dead letter delivered again, at once."""
    if not await services.store.retry_delivery(delivery_id):
        raise _unknown()
    await services.store.append_audit(_audit("outbox.retried", delivery_id, admin))


@router.delete("/outbox/{delivery_id}", status_code=204)
async def drop_delivery(admin: Admin, services: Services, delivery_id: DeliveryId) -> None:
    """Forget a dead letter. Its destination is never told."""
    if not await services.store.forget_delivery(delivery_id):
        raise _unknown()
    await services.store.append_audit(_audit("outbox.dropped", delivery_id, admin))


def _audit(event: str, delivery_id: int, admin: Administrator) -> AuditEvent:
    return AuditEvent(event=event, origin=admin.origin, detail={"delivery": str(delivery_id)})


def _unknown() -> ProblemError:
    return ProblemError(404, "delivery_unknown", "There is no dead letter with that id.")
