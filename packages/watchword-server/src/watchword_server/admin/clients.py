"""Administration of OAuth clients, and of what accounts tell of their person.

Holds no rule: clients/ and accounts/ judge, the store acts. A secret is shown in the answer that made it and never again.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field
from watchword.oauth.errors import OAuthError

from watchword_server.accounts.profiles import Profile
from watchword_server.admin.access import Admin, AdminServices, Services
from watchword_server.admin.models import Model, Text
from watchword_server.clients.administration import MadeClient, shown_client
from watchword_server.clients.directory import client_of
from watchword_server.clients.metadata import ClientSettings
from watchword_server.clients.registration import read_metadata
from watchword_server.store.authorization_records import StoredClient
from watchword_server.web.field_error import FieldError
from watchword_server.web.fields import convert
from watchword_server.web.problem import ProblemError, invalid

router = APIRouter(tags=["clients"])
Limit = Annotated[int, Query(ge=1, le=200)]
ClientId = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9._~:@-]+$")]
Members = Annotated[dict[str, Any], Field(max_length=100)]


class ClientModel(Model):
    """A client, without secrets."""

    client_id: str
    source: str
    disabled_at: float | None
    created_at: float | None
    metadata: dict[str, Any] = Field(description="By the names of RFC 7591 and OpenID Connect Registration.")
    settings: dict[str, Any] = Field(description="What the installation decides about it.")
    secrets: int = Field(description="How many secrets are good now.")


class ClientPage(Model):
    """A page of clients on record, by client_id; the first page begins with those of the configuration."""

    clients: list[ClientModel]
    next_after: str | None = Field(description="Give this as `after` for the next page; null on the last.")


class NewClientModel(Model):
    """A client to put on record."""

    client_id: ClientId | None = Field(default=None, description="One is made when it is left out.")
    metadata: Members = Field(description="By the names of RFC 7591; unknown members are ignored.")
    settings: Members = Field(default_factory=dict)


class ClientChange(Model):
    """What to change; what is left out stays as it is. Metadata and settings are replaced whole."""

    metadata: Members | None = None
    settings: Members | None = None
    disabled: bool | None = None


class SecretRotation(Model):
    """How to make a new secret."""

    keep_former: bool = Field(default=True, description="Whether the former secret stays good until the next rotation.")


class ClientWithSecret(Model):
    """A client, and its new secret, shown this once."""

    client: ClientModel
    client_secret: str | None


class ProfileModel(Model):
    """Standard claims (OpenID Connect Core §5.1)."""

    profile: dict[str, Any]


@router.get("/clients")
async def list_clients(_admin: Admin, services: Services, after: Text | None = None, limit: Limit = 50) -> ClientPage:
    """Clients of the configuration, then those on record."""
    found = await services.clients.list(after=after, limit=limit)
    shown = [] if after else [ClientModel(**shown_client(client)) for client in services.configured]
    shown += [_shown(row) for row in found]
    return ClientPage(clients=shown, next_after=found[-1].client_id if len(found) == limit else None)


@router.post("/clients", status_code=201)
async def add_client(admin: Admin, services: Services, new: NewClientModel) -> ClientWithSecret:
    """Put a client on record. Its secret, if it has one, is in this answer alone."""
    try:
        made = await services.clients.add(
            read_metadata(new.metadata),
            admin.origin,
            settings=_settings(new.settings),
            client_id=new.client_id,
        )
    except OAuthError as refused:
        raise _refused(refused) from None
    if made is None:
        raise ProblemError(409, "client_id_taken", "Another client has this client_id.")
    return _made(made)


@router.get("/clients/{client_id}")
async def show_client(_admin: Admin, services: Services, client_id: Text) -> ClientModel:
    """One client."""
    configured = await services.configured.find(client_id)
    return ClientModel(**shown_client(configured)) if configured else _shown(await _row(services, client_id))


@router.patch("/clients/{client_id}")
async def change_client(admin: Admin, services: Services, client_id: Text, change: ClientChange) -> ClientWithSecret:
    """Change what is said of a client, disable or enable it. A disabled client's tokens die at once."""
    row = await _row(services, client_id)
    made: MadeClient | None = None
    if change.metadata is not None or change.settings is not None:
        held = client_of(row)
        try:
            metadata = held.metadata if change.metadata is None else read_metadata(change.metadata)
            settings = held.settings if change.settings is None else _settings(change.settings)
            made = await services.clients.change(client_id, metadata, settings, admin.origin)
        except OAuthError as refused:
            raise _refused(refused) from None
        if made is None:
            raise ProblemError(409, "client_changed", "The client was changed meanwhile. Look again.")
    if change.disabled is True:
        await services.clients.disable(client_id, admin.origin)
    elif change.disabled is False:
        await services.clients.enable(client_id, admin.origin)
    shown = _shown(await _row(services, client_id))
    return ClientWithSecret(client=shown, client_secret=None if made is None else made.secret)


@router.post("/clients/{client_id}/secret")
async def rotate_secret(
    admin: Admin, services: Services, client_id: Text, rotation: SecretRotation
) -> ClientWithSecret:
    """Make a new secret, shown in this answer alone."""
    await _row(services, client_id)
    try:
        made = await services.clients.rotate_secret(client_id, admin.origin, keep_former=rotation.keep_former)
    except OAuthError as refused:
        raise _refused(refused) from None
    if made is None:
        raise ProblemError(409, "client_changed", "The client was changed meanwhile. Look again.")
    return _made(made)


@router.delete("/clients/{client_id}", status_code=204)
async def delete_client(admin: Admin, services: Services, client_id: Text) -> None:
    """Delete a client with its authorizations, codes and tokens."""
    if not await services.clients.delete(client_id, admin.origin):
        raise _unknown()


@router.get("/accounts/{account_id}/profile", tags=["accounts"])
async def show_profile(_admin: Admin, services: Services, account_id: Text) -> ProfileModel:
    """What an account tells of its person."""
    if await services.store.account(account_id) is None:
        raise ProblemError(404, "account_unknown", "There is no account with that id.")
    return ProfileModel(profile=msgspec.to_builtins(await services.profiles.read(account_id)))


@router.put("/accounts/{account_id}/profile", tags=["accounts"])
async def replace_profile(admin: Admin, services: Services, account_id: Text, told: ProfileModel) -> ProfileModel:
    """Replace what an account tells of its person."""
    kept = await services.profiles.replace(account_id, convert(told.profile, Profile), admin.origin, by_itself=False)
    if kept is None:
        raise ProblemError(404, "account_unknown", "There is no account with that id.")
    return ProfileModel(profile=msgspec.to_builtins(kept))


async def _row(services: AdminServices, client_id: str) -> StoredClient:
    if await services.configured.find(client_id) is not None:
        raise ProblemError(409, "client_configured", "This client is in the configuration; change it there.")
    row = await services.clients.show(client_id)
    if row is None:
        raise _unknown()
    return row


def _shown(row: StoredClient) -> ClientModel:
    return ClientModel(**shown_client(client_of(row), disabled_at=row.disabled_at))


def _made(made: MadeClient) -> ClientWithSecret:
    return ClientWithSecret(client=ClientModel(**shown_client(made.client)), client_secret=made.secret)


def _settings(members: dict[str, Any]) -> ClientSettings:
    """Raises ProblemError 422."""
    try:
        return msgspec.convert(members, ClientSettings)
    except msgspec.ValidationError as fault:
        raise invalid([FieldError("settings", "invalid", str(fault)[:200])]) from None


def _refused(error: OAuthError) -> ProblemError:
    return invalid([FieldError("metadata", error.code.value, error.description)])


def _unknown() -> ProblemError:
    return ProblemError(404, "client_unknown", "There is no client on record with that client_id.")
