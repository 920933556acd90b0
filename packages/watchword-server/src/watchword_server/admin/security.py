"""Administration of cut-offs, keys and the audit log.

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
    CutOffModel,
    CutOffPage,
    KeyList,
    KeyModel,
    NewCutOff,
    Rotation,
    Text,
)
from watchword_server.keys.ring import KeyNotAnnounced
from watchword_server.revocation.cursor import CursorError, parse_cursor, write_cursor
from watchword_server.store.records import AuditEvent
from watchword_server.web.problem import FieldError, ProblemError, invalid

router = APIRouter()
Limit = Annotated[int, Query(ge=1, le=500)]
_BROAD_AXES = ("account", "client", "tenant", "everything")


@router.get("/cut-offs", tags=["cut-offs"])
async def list_cut_offs(_admin: Admin, services: Services, after: Text | None = None, limit: Limit = 100) -> CutOffPage:
    """The living entries of the revocation log, oldest first."""
    try:
        cursor = parse_cursor(after) if after else None
    except CursorError as error:
        raise ProblemError(400, "cursor_malformed", str(error)) from error
    batch = await services.store.cut_offs_after(cursor, limit=limit)
    return CutOffPage(
        cut_offs=[CutOffModel.of(entry) for entry in batch.entries],
        next_after=write_cursor(batch.cursor) if batch.more else None,
    )


@router.post("/cut-offs", status_code=201, tags=["cut-offs"])
async def cut_off(admin: Admin, services: Services, new: NewCutOff) -> CutOffModel:
    """Cut off tokens on one axis, at once. `everything` logs everybody out, you included. A session is ended by
    `DELETE /sessions/{sid}`, a key by `POST /keys/{kid}/distrust`.
    """
    if bool(new.value) is (new.axis == "everything"):
        hint = "Give the jti, sub, client_id or tenant; leave it empty on `everything`."
        raise invalid([FieldError("value", "value_unexpected" if new.value else "value_required", hint)])
    audit = AuditEvent(
        event="cut_off.written", origin=admin.origin, reason=new.cause, detail={"axis": new.axis, "value": new.value}
    )
    written = await services.store.cut_off(
        new.axis, new.value, spares=None, ends_families=new.ends_sessions and new.axis in _BROAD_AXES,
        cause=new.cause, audit=audit,
    )  # fmt: skip
    return CutOffModel.of(written)


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
        await services.keys.rotate(rotation.purpose, admin.origin, at_once=rotation.at_once)
    except KeyNotAnnounced as early:
        seconds = math.ceil(early.wait)
        raise ProblemError(
            409,
            "key_not_announced",
            f"The next key is known to all verifiers in {seconds} seconds only. Wait, or say `at_once`.",
            headers={"Retry-After": str(seconds)},
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
