"""Administration of API keys and personal access tokens.

Holds no rule; tokens/api_keys.py does.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from watchword_server.admin.access import Admin, Services
from watchword_server.admin.models import Model, Text
from watchword_server.store.api_key_records import ApiKey
from watchword_server.tokens.api_keys import KeyRefused, Wish
from watchword_server.web.field_error import FieldError
from watchword_server.web.problem import ProblemError, invalid

router = APIRouter(tags=["API keys"])
Limit = Annotated[int, Query(ge=1, le=200)]


class ApiKeyModel(Model):
    """A living key, without its secret."""

    id: str
    account_id: str | None = Field(description="Whose personal access token it is; null for a client's own key.")
    client_id: str
    name: str
    scope: list[str]
    resource: list[str]
    created_at: float
    expires_at: float
    last_used_at: float | None = Field(description="To the minute; null until it is used.")

    @classmethod
    def of(cls, key: ApiKey) -> ApiKeyModel:
        """From the record."""
        return cls(
            id=key.id,
            account_id=key.account_id,
            client_id=key.client_id,
            name=key.name,
            scope=list(key.scope),
            resource=list(key.audience),
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
        )


class ApiKeyPage(Model):
    """A page of keys."""

    keys: list[ApiKeyModel]
    next_after: str | None = Field(description="Give this as `after` for the next page; null on the last.")


class NewApiKey(Model):
    """A key to make, for an account or a client."""

    account_id: Text | None = None
    client_id: Text | None = None
    name: Annotated[str, Field(max_length=256)]
    scope: list[Text] = Field(default=[], max_length=64)
    resource: list[Text] = Field(default=[], max_length=16, description="Audiences; none: the default one.")
    expires_in: float | None = Field(default=None, description="Seconds; null: the installation's default.")


class MadeApiKey(Model):
    """What was made. The secret is shown here and never again."""

    id: str
    secret: str
    expires_at: float


@router.get("/api-keys")
async def list_api_keys(
    _admin: Admin,
    services: Services,
    account_id: Text | None = None,
    client_id: Text | None = None,
    after: Text | None = None,
    limit: Limit = 50,
) -> ApiKeyPage:
    """Living keys by ascending id: of an account, of a client, or all."""
    found = await services.store.api_keys(account_id=account_id, client_id=client_id, after=after, limit=limit)
    return ApiKeyPage(
        keys=[ApiKeyModel.of(key) for key in found], next_after=found[-1].id if len(found) == limit else None
    )


@router.post("/api-keys", status_code=201)
async def add_api_key(admin: Admin, services: Services, new: NewApiKey) -> MadeApiKey:
    """Make a key for an account or a client; its scope is never more than that owner's."""
    if (new.account_id is None) == (new.client_id is None):
        raise invalid([FieldError("account_id", "one_owner", "or client_id is to be named, and not both")])
    wish = Wish(name=new.name, scope=tuple(new.scope), resource=tuple(new.resource), expires_in=new.expires_in)
    try:
        if new.account_id is not None:
            made = await services.api_keys.add_personal(new.account_id, wish, admin.origin)
        else:
            made = await services.api_keys.add_for_client(new.client_id or "", wish, admin.origin)
    except KeyRefused as refused:
        raise invalid(refused.errors) from None
    return MadeApiKey(id=made.id, secret=made.secret, expires_at=made.expires_at)


@router.delete("/api-keys/{key_id}", status_code=204)
async def revoke_api_key(admin: Admin, services: Services, key_id: Text) -> None:
    """End a key at once, wherever it is remembered."""
    if not await services.api_keys.revoke(key_id, account_id=None, origin=admin.origin):
        raise ProblemError(404, "key_unknown", "There is no living key with that id.")
