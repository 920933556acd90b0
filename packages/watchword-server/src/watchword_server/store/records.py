"""What the store keeps, as frozen values.

Holds no rules and no SQL: port.py says what may be done, sqlite.py and postgres.py do it.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from watchword.clock import EpochSeconds

Axis = Literal["token", "session", "family", "account", "client", "tenant", "key", "everything"]
"""What a cut-off is about; the value beside it is a jti, sid, family id, sub, client_id, tenant, kid or ''."""

Delivery = Literal["cookie", "body"]
KeyPurpose = Literal["access_token", "refresh_mac", "feed", "signed_url", "request_object"]
KeyState = Literal["next", "active", "retired", "distrusted"]


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all records: immutable, compared by value."""


class Account(Record, frozen=True, kw_only=True):
    """A person (or robot) that logs in. ``id`` is the ``sub`` of its tokens."""

    id: str
    email: str
    username: str | None
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    tenant: str | None
    email_verified: bool
    created_at: EpochSeconds
    password_changed_at: EpochSeconds
    disabled_at: EpochSeconds | None


class AccountView(Record, frozen=True, kw_only=True):
    """An account with what login needs, all read in one snapshot."""

    account: Account
    password_hash: str
    rev: int
    """Head of the revocation log in the same snapshot: the ``rev`` of whatever is issued from this view."""
    read_at: EpochSeconds
    """The store's time of the read; the ``now`` of every decision made from this view."""


class NewAccount(Record, frozen=True, kw_only=True):
    """An account to create. ``email_key`` and ``username_key`` are the normalised forms that must be unique."""

    id: str
    email: str
    email_key: str
    username: str | None
    username_key: str | None
    password_hash: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...] = ()
    tenant: str | None = None
    email_verified: bool = False


class Session(Record, frozen=True, kw_only=True):
    """One login on one device, or what one client holds in one sign-on. Ended by ``ended_at``, by ``idle_expires_at`` or
    ``expires_at``, or by a cut-off. Last use, place and refresh count are those of the family that was used last.
    """

    sid: str
    account_id: str
    client_id: str
    rev: int
    """Head of the log in the snapshot the login was decided from; an account cut-off above it ends the session."""
    device: str
    """For people: ``Firefox on Linux``."""
    place: str
    """For people: where the last refresh came from, as far as known."""
    created_at: EpochSeconds
    auth_time: EpochSeconds
    amr: tuple[str, ...]
    last_used_at: EpochSeconds
    refresh_count: int
    idle_expires_at: EpochSeconds
    expires_at: EpochSeconds
    ended_at: EpochSeconds | None
    end_reason: str | None


class NewSession(Record, frozen=True, kw_only=True):
    """A login about to be recorded, with its first family if it has one."""

    sid: str
    account_id: str
    client_id: str
    rev: int
    device: str
    place: str
    auth_time: EpochSeconds
    amr: tuple[str, ...]
    expires_at: EpochSeconds
    family: NewFamily | None
    """None: no refresh token was granted."""
    sign_on: str | None = None
    """The sign-on it ends with; None for first parties and for what outlives the sign-on (offline access)."""
    acr: str | None = None
    id_token_sid: str | None = None
    """With offline access, what its ID tokens name: the client's session in the sign-on it comes from, opened or joined in
    the same act. None: they name this one."""
    idle_expires_at: EpochSeconds | None = None
    """When it idles out unless a family keeps it alive. None: its family decides alone; without one, `expires_at` does."""


class NewFamily(Record, frozen=True, kw_only=True):
    """The refresh family of a new authorization; generation 0 is issued with it."""

    id: str
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    sender_key: str | None
    delivery: Delivery
    salt: bytes
    key_id: str
    device_kind: str
    idle_expires_at: EpochSeconds
    expires_at: EpochSeconds
    terms: bytes = b""
    """What was asked for and allowed, JSON; tokens/terms.py reads it. Empty for first parties."""


class Family(Record, frozen=True, kw_only=True):
    """All refresh tokens descended from one authorization, in one row whatever the number of refreshes."""

    id: str
    sid: str
    account_id: str
    client_id: str
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    """Resource indicators granted (RFC 8707); none: the default audience."""
    sender_key: str | None
    """Thumbprint of the key, certificate or confidential client it is bound to; None for bearer."""
    delivery: Delivery
    salt: bytes
    key_id: str
    rev: int
    generation: int
    """The newest generation issued."""
    rotated_at: EpochSeconds
    device_kind: str
    """User-agent family and platform that rotated last, such as ``firefox/linux``."""
    odd_count: int
    odd_marked: bool
    """Whether the present generation has seen an odd repeat."""
    refresh_count: int
    idle_expires_at: EpochSeconds
    expires_at: EpochSeconds
    revoked_at: EpochSeconds | None
    revoked_reason: str | None
    terms: bytes = b""


class FamilyView(Record, frozen=True, kw_only=True):
    """A family with everything a refresh consults, all read in one snapshot."""

    family: Family
    account: Account
    session_ended: bool
    id_token_sid: str
    """The ``sid`` of its ID tokens: that of its session or, with offline access, of the client's session in the sign-on."""
    auth_time: EpochSeconds
    """When and how the person was authenticated for this authorization; fixed for all its tokens (RFC 9068 §2.2.1)."""
    amr: tuple[str, ...]
    acr: str | None
    cut_off: int
    """Highest position of a cut-off that ends families of this account, client, tenant or of everything,
    with ``spares`` and ``floor`` already applied for this sid. The family is dead when ``rev < cut_off``."""
    rev: int
    """Head of the log in the same snapshot."""
    read_at: EpochSeconds


class SessionView(Record, frozen=True, kw_only=True):
    """The account behind a session, for calls made with a bearer token; all read in one snapshot."""

    account: Account
    session: Session
    alive: bool
    """False when the session was ended, ran out, was cut off by any axis, or its account is disabled."""
    token_cut_off: int
    """Tokens of this session with ``rev`` under this are cut off (account, client, tenant, everything axes)."""
    rev: int
    read_at: EpochSeconds


class CutOff(Record, frozen=True, kw_only=True):
    """One entry of the revocation log.

    On the axes token, session, family and key it kills absolutely. On account, client, tenant and everything it kills
    a token when ``token.rev < position and not (token.sid == spares and token.rev >= floor)``. ``floor`` is the highest
    position of an earlier cut-off on the same axis and value that did not spare ``spares``: so one entry an axis and
    value is enough, whatever the order of cut-offs.
    """

    position: int
    axis: Axis
    value: str
    spares: str | None
    floor: int
    at: EpochSeconds
    expires_at: EpochSeconds
    """When the last token it could kill has expired, leeway included; the entry may then be forgotten."""
    cause: str


class Cursor(Record, frozen=True, kw_only=True):
    """A place in the log: which log, how far, and the hash chained over all entries up to there."""

    epoch: str
    position: int
    chain: str


class CutOffBatch(Record, frozen=True, kw_only=True):
    """A page of the log. ``snapshot`` means: the cursor asked for was not of this log or is no longer known; merge."""

    entries: tuple[CutOff, ...]
    cursor: Cursor
    more: bool
    snapshot: bool
    read_at: EpochSeconds
    """The store's time of the read; `expires_at` is told to verifiers relative to it."""


class Reach(Record, frozen=True, kw_only=True):
    """What a cut-off would end, as things stand."""

    sessions: int
    """Living ones it touches; on the axis key those that may hold a token by it, on the axis token always 0."""
    accounts: int
    clients: int
    more: bool
    """Whether there are sessions that were not looked at: then the counts are a lower bound."""
    known: bool | None
    """Whether the value names something on record; None where the store keeps no such record."""
    standing: int | None
    """Position of a living cut-off on the same axis and value."""


class SigningKey(Record, frozen=True, kw_only=True):
    """A key of the ring; the private part is sealed by the master key and never leaves ``keys/`` in clear."""

    kid: str
    purpose: KeyPurpose
    algorithm: str
    state: KeyState
    public_jwk: bytes
    """JSON; empty for symmetric keys."""
    sealed: bytes
    created_at: EpochSeconds
    activated_at: EpochSeconds | None
    retired_at: EpochSeconds | None


class Origin(Record, frozen=True, kw_only=True):
    """From where and by whom an act comes, for the audit log."""

    actor: str
    """``account:<id>``, ``admin:<id>``, ``cli``, ``system`` or ``anonymous``."""
    address: str | None = None
    user_agent: str | None = None


class AuditEvent(Record, frozen=True, kw_only=True):
    """One line of the audit log to append, in the transaction of what it tells."""

    event: str
    """Dotted name, past tense last: ``login.succeeded``, ``session.ended``, ``refresh.reused``."""
    origin: Origin
    account_id: str | None = None
    sid: str | None = None
    client_id: str | None = None
    reason: str | None = None
    detail: dict[str, str] = {}


class AuditEntry(Record, frozen=True, kw_only=True):
    """An audit event as kept."""

    id: int
    at: EpochSeconds
    event: AuditEvent


class Notice(Record, frozen=True, kw_only=True):
    """Something the account should see until it has read it."""

    id: int
    account_id: str
    kind: str
    at: EpochSeconds
    detail: dict[str, str]


class NewNotice(Record, frozen=True, kw_only=True):
    """A notice to leave for an account, in the transaction of what it tells."""

    kind: str
    detail: dict[str, str]


class Failures(Record, frozen=True, kw_only=True):
    """Failed logins counted under one key within the running window."""

    key: str
    count: int
    window_ends_at: EpochSeconds


class SweepReport(Record, frozen=True, kw_only=True):
    """Rows deleted by one sweep, by table."""

    deleted: dict[str, int]
    more: bool


class StoreFigures(Record, frozen=True, kw_only=True):
    """Rows by table, for metrics, doctor and the proof that state follows families alive."""

    rows: dict[str, int]
    bytes: int
