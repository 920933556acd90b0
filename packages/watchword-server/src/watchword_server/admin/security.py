"""Administration of keys and the audit log.

Holds no rule: keys/ and the store act.
"""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Query

from watchword_server.admin.access import Admin, Services
from watchword_server.admin.models import (
    AuditModel,
    AuditPage,
    KeyList,
    KeyModel,
    Rotation,
    Text,
)
from watchword_server.keys.ring import KeyNotAnnounced
from watchword_server.web.field_error import FieldError
from watchword_server.web.problem import ProblemError, invalid

router = APIRouter()
Limit = Annotated[int, Query(ge=1, le=500)]


@router.get("/keys", tags=["keys"])
async def list_keys(_admin: Admin, services: Services) -> KeyList:
    """The key ring."""
    return KeyList(keys=[KeyModel.of(key) for key in await services.store.keys()])


@router.post("/keys/rotate", tags=["keys"])
async def rotate_keys(admin: Admin, services: Services, rotation: Rotation) -> KeyList:
    """Make the announced next key the active one, and announce a new next key. 409 while the next key is too new for
    every verifier to know it, unless `at_once`.
    """
    try:
        await services.keys.rotate(
            rotation.purpose, admin.origin, at_once=rotation.at_once, algorithm=rotation.algorithm
        )
    except ValueError as unknown:
        raise invalid([FieldError("algorithm", "not_offered", str(unknown))]) from None
    except KeyNotAnnounced as early:
        seconds = math.ceil(early.wait)
        raise ProblemError(
            409,
            "key_not_announced",
            f"The next key is known to all verifiers in {seconds} seconds only. Wait, or say `at_once`.",
            retry_after=seconds,
        ) from early
    return KeyList(keys=[KeyModel.of(key) for key in await services.store.keys()])


@router.post("/keys/{kid}/distrust", tags=["keys"])
async def distrust_key(admin: Admin, services: Services, kid: Text) -> KeyList:
    """Emergency: take the key out of the JWKS and cut off every token it signed, at once."""
    if not await services.keys.distrust(kid, admin.origin):
        raise ProblemError(404, "key_unknown", "There is no trusted key with that kid.")
    return KeyList(keys=[KeyModel.of(key) for key in await services.store.keys()])


@router.get("/audit", tags=["audit"])
async def audit(
    _admin: Admin,
    services: Services,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    account_id: Text | None = None,
    event: Text | None = None,
    limit: Limit = 100,
) -> AuditPage:
    """The audit log, newest first."""
    entries = await services.store.audit_entries(before=before, limit=limit, account_id=account_id, event=event)
    return AuditPage(
        entries=[AuditModel.of(entry) for entry in entries],
        next_before=entries[-1].id if len(entries) == limit else None,
    )
