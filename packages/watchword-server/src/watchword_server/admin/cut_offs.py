"""Administration of cut-offs: the log, what one more would end, the act, and which verifiers have it.

Holds no rule: cutting.py and the store act, revocation/verifiers.py watches.
"""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import APIRouter, Query

from watchword_server.admin.access import Admin, Services
from watchword_server.admin.cutting import NothingToCut, cut_off, shape_fault, summary
from watchword_server.admin.models import (
    CutOffModel,
    CutOffPage,
    CutOffPreview,
    NewCutOff,
    Text,
    VerifierMap,
    VerifierModel,
    WhatToCut,
)
from watchword_server.revocation.cursor import CursorError, parse_cursor, write_cursor
from watchword_server.store.reach import MOST_LOOKED_AT
from watchword_server.tokens.caller import Caller
from watchword_server.web.problem import FieldError, ProblemError, invalid

router = APIRouter(tags=["cut-offs"])
Limit = Annotated[int, Query(ge=1, le=500)]


@router.get("/cut-offs")
async def list_cut_offs(_admin: Admin, services: Services, after: Text | None = None, limit: Limit = 100) -> CutOffPage:
    """The living entries of the revocation log, oldest first. `cursor` is where the page ends: ask `after` it for what is
    new since.
    """
    try:
        cursor = parse_cursor(after) if after else None
    except CursorError as error:
        raise ProblemError(400, "cursor_malformed", str(error)) from error
    batch = await services.store.cut_offs_after(cursor, limit=limit)
    written = write_cursor(batch.cursor)
    return CutOffPage(
        cut_offs=[CutOffModel.of(entry) for entry in batch.entries],
        next_after=written if batch.more else None,
        cursor=written,
    )


@router.post("/cut-offs/preview")
async def preview_cut_off(admin: Admin, services: Services, what: WhatToCut) -> CutOffPreview:
    """What a cut-off would end, as things stand: counts of living sessions, their accounts and clients. Writes nothing."""
    _check(what)
    reach = await services.store.reach(what.axis, what.value, limit=MOST_LOOKED_AT)
    return CutOffPreview(
        axis=what.axis,
        value=what.value,
        sessions=reach.sessions,
        accounts=reach.accounts,
        clients=reach.clients,
        at_least=reach.more,
        known=reach.known,
        standing=reach.standing,
        includes_you=_own(admin.caller, what),
        summary=summary(what.axis, reach, ends_sessions=what.ends_sessions),
    )


@router.post("/cut-offs", status_code=201)
async def write_cut_off(admin: Admin, services: Services, new: NewCutOff) -> CutOffModel:
    """Cut off tokens on one axis, at once. `everything` logs everybody out, you included; `session` ends it, `key`
    distrusts it.
    """
    _check(new)
    began = services.verifiers.now()
    try:
        written = await cut_off(services.store, services.keys, new, cause=new.cause, origin=admin.origin)
    except NothingToCut as nothing:
        raise ProblemError(404, nothing.code, str(nothing)) from nothing
    services.verifiers.written(written.position, began)
    return CutOffModel.of(written)


@router.get("/verifiers", tags=["verifiers"])
async def list_verifiers(
    _admin: Admin, services: Services, since: Annotated[int | None, Query(ge=0, le=2**62)] = None
) -> VerifierMap:
    """Who reads the feed of the process that answers, by the name each gives itself, and how far it has come. With
    `since`, the position of a cut-off this process wrote, how long each took to it.
    """
    head = await services.store.head()
    return VerifierMap(
        process=os.getpid(),
        workers=services.workers,
        head=head.position,
        unnamed=services.verifiers.unnamed,
        verifiers=[VerifierModel.of(state) for state in services.verifiers.listed(head, since=since)],
    )


def _check(what: WhatToCut) -> None:
    fault = shape_fault(what.axis, what.value)
    if fault is not None:
        raise invalid([FieldError("value", *fault)])


def _own(caller: Caller, what: WhatToCut) -> bool:
    token = caller.token
    own = {
        "token": token.jti,
        "session": token.sid,
        "account": token.sub,
        "client": token.client_id,
        "tenant": token.tenant,
        "key": token.kid,
        "everything": "",
    }
    return own[what.axis] == what.value
