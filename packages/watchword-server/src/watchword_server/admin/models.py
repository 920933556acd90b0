"""The shapes of the administration API's requests and answers.

Holds no behaviour; every field is described for the OpenAPI page.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from watchword_server.admin.cutting import HandAxis
from watchword_server.revocation.verifiers import Mode, VerifierState
from watchword_server.store import records

Text = Annotated[str, Field(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Model(BaseModel):
    """Base: unknown members are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountModel(Model):
    """An account, without credentials."""

    id: str
    email: str
    username: str | None
    roles: list[str]
    permissions: list[str]
    tenant: str | None
    email_verified: bool
    created_at: float = Field(description="Seconds since the epoch.")
    disabled_at: float | None = Field(description="When it was disabled; null while it may log in.")

    @classmethod
    def of(cls, account: records.Account) -> AccountModel:
        """From the record, leaving out what is not for reading."""
        return cls(
            id=account.id,
            email=account.email,
            username=account.username,
            roles=list(account.roles),
            permissions=list(account.permissions),
            tenant=account.tenant,
            email_verified=account.email_verified,
            created_at=account.created_at,
            disabled_at=account.disabled_at,
        )


class AccountPage(Model):
    """A page of accounts."""

    accounts: list[AccountModel]
    next_after: str | None = Field(description="Give this as `after` for the next page; null on the last.")


class AccountChange(Model):
    """What to change; members left out stay as they are."""

    roles: list[Annotated[str, Field(min_length=1, max_length=64)]] | None = Field(default=None, max_length=32)
    disabled: bool | None = None


class SessionModel(Model):
    """A living session."""

    sid: str
    account_id: str
    client_id: str
    device: str
    place: str
    created_at: float
    last_used_at: float
    refresh_count: int
    idle_expires_at: float
    expires_at: float

    @classmethod
    def of(cls, session: records.Session) -> SessionModel:
        """From the record."""
        return cls(**{name: getattr(session, name) for name in cls.model_fields})


class SessionPage(Model):
    """A page of sessions."""

    sessions: list[SessionModel]
    next_after: str | None


class CutOffModel(Model):
    """An entry of the revocation log."""

    position: int
    axis: records.Axis
    value: str
    spares: str | None
    floor: int
    at: float
    expires_at: float
    cause: str

    @classmethod
    def of(cls, cut_off: records.CutOff) -> CutOffModel:
        """From the record."""
        return cls(**{name: getattr(cut_off, name) for name in cls.model_fields})


class CutOffPage(Model):
    """A page of the log, in the order of positions."""

    cut_offs: list[CutOffModel]
    next_after: str | None = Field(description="Give this as `after` for the next page; null on the last.")
    cursor: str = Field(description="Where the page ends.")


class WhatToCut(Model):
    """What to cut off. On `everything` the value is empty."""

    axis: HandAxis = Field(description="Beside it stands a jti, sid, sub, client_id, tenant, kid or nothing.")
    value: Text = ""
    ends_sessions: bool = Field(
        default=True,
        description="On account, client, tenant and everything: end the refresh families too. "
        "Else only access tokens die, and clients refresh in silence.",
    )


class CutOffPreview(Model):
    """What a cut-off would end, as things stand."""

    axis: HandAxis
    value: str
    sessions: int = Field(description="Living sessions it touches; on `key` those that may hold a token by it.")
    accounts: int
    clients: int
    at_least: bool = Field(description="Whether there are more sessions than were looked at.")
    known: bool | None = Field(description="Whether the value is on record; null where there is no such record.")
    standing: int | None = Field(description="Position of a living cut-off on the same axis and value.")
    includes_you: bool = Field(description="Whether your own token dies with it.")
    summary: str


class NewCutOff(WhatToCut):
    """A cut-off to write, with its cause for the log."""

    cause: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = "administrator"


class VerifierModel(Model):
    """A verifier that reads the feed. Milliseconds count from when the server began to write the cut-off asked about."""

    name: str
    instance: str
    mode: Mode
    age: float = Field(description="Seconds since its last question.")
    sent: int | None = Field(description="Highest position handed to its connection; it may not have arrived.")
    confirmed: int | None = Field(
        description="Highest position its own questions carried: it has applied all up to it."
    )
    lag: int | None = Field(description="Positions from there to the head; null when it is of another log.")
    sent_ms: float | None
    confirmed_ms: float | None

    @classmethod
    def of(cls, state: VerifierState) -> VerifierModel:
        """From the record."""
        return cls(**{name: getattr(state, name) for name in cls.model_fields})


class VerifierMap(Model):
    """Who reads the feed of one process of the server."""

    process: int = Field(description="The process that answered; each knows its own readers alone.")
    workers: int = Field(description="Processes that share the port of this host.")
    head: int = Field(description="The highest position of the log.")
    unnamed: bool = Field(description="Whether somebody without a name has read the feed of late.")
    verifiers: list[VerifierModel]


class KeyModel(Model):
    """A key of the ring, without its private part."""

    kid: str
    purpose: records.KeyPurpose
    algorithm: str
    state: records.KeyState
    created_at: float
    activated_at: float | None
    retired_at: float | None

    @classmethod
    def of(cls, key: records.SigningKey) -> KeyModel:
        """From the record."""
        return cls(**{name: getattr(key, name) for name in cls.model_fields})


class Rotation(Model):
    """Which key to rotate, and whether before verifiers are sure to know the next one."""

    purpose: Literal["access_token", "refresh_mac", "feed"] = "access_token"
    algorithm: Annotated[str, Field(max_length=16)] | None = Field(
        default=None, description="Of access_token: the keys of this algorithm. Null: that of access tokens."
    )
    at_once: bool = False


class KeyList(Model):
    """The whole ring."""

    keys: list[KeyModel]


class AuditModel(Model):
    """A line of the audit log."""

    id: int
    at: float
    event: str
    actor: str
    address: str | None
    user_agent: str | None
    account_id: str | None
    sid: str | None
    client_id: str | None
    reason: str | None
    detail: dict[str, str]

    @classmethod
    def of(cls, entry: records.AuditEntry) -> AuditModel:
        """From the record, origin flattened."""
        event, origin = entry.event, entry.event.origin
        return cls(
            id=entry.id,
            at=entry.at,
            event=event.event,
            actor=origin.actor,
            address=origin.address,
            user_agent=origin.user_agent,
            account_id=event.account_id,
            sid=event.sid,
            client_id=event.client_id,
            reason=event.reason,
            detail=dict(event.detail),
        )


class AuditPage(Model):
    """A page of the audit log, newest first."""

    entries: list[AuditModel]
    next_before: int | None


class ProblemModel(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    errors: list[dict[str, str]] | None = None
