"""Administration of accounts and their sessions.

Holds no rule: accounts/ and sessions/ decide, the store acts.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from watchword_server.admin.access import Admin, Administrator, AdminServices, Services
from watchword_server.admin.models import (
    AccountChange,
    AccountModel,
    AccountPage,
    SessionModel,
    SessionPage,
    Text,
)
from watchword_server.store.records import Account
from watchword_server.web.problem import ProblemError

router = APIRouter(tags=["accounts"])
Limit = Annotated[int, Query(ge=1, le=200)]


async def _account(admin: AdminServices, account_id: str) -> Account:
    view = await admin.store.account(account_id)
    if view is None:
        raise ProblemError(404, "account_unknown", "There is no account with that id.")
    return view.account


@router.get("/accounts")
async def list_accounts(
    _admin: Admin, services: Services, after: Text | None = None, search: Text | None = None, limit: Limit = 50
) -> AccountPage:
    """Accounts by ascending id. `search` is part of an email address or username."""
    found = await services.store.list_accounts(after=after, limit=limit, search=search or None)
    return AccountPage(
        accounts=[AccountModel.of(account) for account in found],
        next_after=found[-1].id if len(found) == limit else None,
    )


@router.get("/accounts/{account_id}")
async def show_account(_admin: Admin, services: Services, account_id: Text) -> AccountModel:
    """One account."""
    return AccountModel.of(await _account(services, account_id))


@router.patch("/accounts/{account_id}")
async def change_account(admin: Admin, services: Services, account_id: Text, change: AccountChange) -> AccountModel:
    """Set roles, disable or enable. What a taken role or a disabled account allowed is cut off at once."""
    found = await _account(services, account_id)
    _spare_oneself(admin, found, change)
    if change.roles is not None:
        await services.accounts.set_roles(account_id, tuple(change.roles), admin.origin)
    if change.disabled is True:
        await services.accounts.disable(account_id, admin.origin)
    elif change.disabled is False:
        await services.accounts.enable(account_id, admin.origin)
    return AccountModel.of(await _account(services, account_id))


def _spare_oneself(admin: Administrator, found: Account, change: AccountChange) -> None:
    """An administrator can neither disable the own account nor take a role from it: the last one could lock all out."""
    loses_role = change.roles is not None and not set(found.roles) <= set(change.roles)
    if found.id == admin.caller.view.account.id and (change.disabled or loses_role):
        raise ProblemError(409, "own_account", "Let another administrator do this, or `watchword accounts`.")


@router.get("/accounts/{account_id}/sessions")
async def account_sessions(_admin: Admin, services: Services, account_id: Text) -> SessionPage:
    """Living sessions of an account, newest first."""
    await _account(services, account_id)
    found = await services.store.list_sessions(account_id)
    return SessionPage(sessions=[SessionModel.of(session) for session in found], next_after=None)


@router.delete("/accounts/{account_id}/sessions", status_code=204)
async def end_account_sessions(admin: Admin, services: Services, account_id: Text) -> None:
    """End every session of an account by one cut-off."""
    await _account(services, account_id)
    await services.sessions.end_all(account_id, reason="administrator", origin=admin.origin)


@router.get("/sessions", tags=["sessions"])
async def list_sessions(_admin: Admin, services: Services, after: Text | None = None, limit: Limit = 50) -> SessionPage:
    """Living sessions of all accounts."""
    found = await services.store.list_sessions(None, after=after, limit=limit)
    return SessionPage(
        sessions=[SessionModel.of(session) for session in found],
        next_after=found[-1].sid if len(found) == limit else None,
    )


@router.delete("/sessions/{sid}", status_code=204, tags=["sessions"])
async def end_session(admin: Admin, services: Services, sid: Text) -> None:
    """End one session; its tokens die at once."""
    if not await services.sessions.end(sid, account_id=None, reason="administrator", origin=admin.origin):
        raise ProblemError(404, "session_unknown", "There is no living session with that sid.")
