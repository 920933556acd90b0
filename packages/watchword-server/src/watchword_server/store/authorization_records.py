"""What the store keeps for authorization: clients, sign-ons, authorizations, codes, opaque tokens, as frozen values.

Holds no rules and no SQL, and does not read the documents (``bytes``) that its callers keep in it; accounts, sessions
and families are in records.py.
"""

from __future__ import annotations

from typing import Literal

from watchword.clock import EpochSeconds

from watchword_server.store.records import Account, Record, Session

ClientOrigin = Literal["admin", "dynamic"]
"""Who put a client on record; those of the configuration and of metadata documents are not kept in the store."""
DeviceState = Literal["pending", "approved", "denied", "redeemed"]


class StoredClient(Record, frozen=True, kw_only=True):
    """A registered client (RFC 7591 §2)."""

    client_id: str
    origin: ClientOrigin
    metadata: bytes
    """Its metadata and the installation's settings for it, as JSON; clients/metadata.py reads it."""
    secret_digests: tuple[bytes, ...]
    """SHA-256 of each secret that is good now: two while one replaces the other."""
    sealed_secret: bytes | None
    """The newest secret under the master key, for ``client_secret_jwt`` alone, which cannot be checked by a digest."""
    registration_digest: bytes | None
    """SHA-256 of the registration access token (RFC 7592 §3)."""
    tenant: str | None
    created_at: EpochSeconds
    updated_at: EpochSeconds
    disabled_at: EpochSeconds | None


class NewClient(Record, frozen=True, kw_only=True):
    """A client to put on record."""

    client_id: str
    origin: ClientOrigin
    metadata: bytes
    secret_digests: tuple[bytes, ...] = ()
    sealed_secret: bytes | None = None
    registration_digest: bytes | None = None
    tenant: str | None = None


class SignOn(Record, frozen=True, kw_only=True):
    """One browser signed in at the authorization server's own pages: what single sign-on rests on.

    Sessions of clients authorized in it name it; they end with it, unless they were granted offline access.
    """

    id: str
    account_id: str
    rev: int
    """Head of the log in the snapshot the login was decided from; an account cut-off above it ends the sign-on."""
    device: str
    place: str
    created_at: EpochSeconds
    auth_time: EpochSeconds
    """When the person last proved to be who it is: a step-up or a fresh login moves it on."""
    amr: tuple[str, ...]
    acr: str | None
    last_used_at: EpochSeconds
    idle_expires_at: EpochSeconds
    expires_at: EpochSeconds
    ended_at: EpochSeconds | None


class NewSignOn(Record, frozen=True, kw_only=True):
    """A sign-on about to be recorded. ``digest`` is SHA-256 of the secret in its cookie."""

    id: str
    digest: bytes
    account_id: str
    rev: int
    device: str
    place: str
    auth_time: EpochSeconds
    amr: tuple[str, ...]
    acr: str | None
    idle_expires_at: EpochSeconds
    expires_at: EpochSeconds


class SignOnView(Record, frozen=True, kw_only=True):
    """A living sign-on with its account, read in one snapshot."""

    account: Account
    sign_on: SignOn
    rev: int
    read_at: EpochSeconds


class Authorization(Record, frozen=True, kw_only=True):
    """What an account allowed a client, until it takes that back."""

    account_id: str
    client_id: str
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    details: bytes
    """Authorization details (RFC 9396), JSON; empty for none."""
    granted_at: EpochSeconds
    updated_at: EpochSeconds


class NewCode(Record, frozen=True, kw_only=True):
    """An authorization code to record (RFC 6749 §4.1.2). ``digest`` is SHA-256 of the code."""

    digest: bytes
    client_id: str
    account_id: str
    sign_on: str
    rev: int
    """Head of the log in the snapshot the person's consent was decided from."""
    terms: bytes
    """What was asked for and allowed, JSON; tokens/terms.py reads it."""
    expires_at: EpochSeconds


class CodeView(Record, frozen=True, kw_only=True):
    """A code as presented, with all that its exchange decides on, read in one snapshot."""

    client_id: str
    terms: bytes
    expires_at: EpochSeconds
    used: bool
    alive: bool
    """False when the account or sign-on was ended, disabled or cut off (account, client, tenant, everything) since."""
    account: Account
    sign_on: SignOn
    sid: str | None
    """The living session of this client in this sign-on, which the exchange joins; None: it opens one."""
    rev: int
    read_at: EpochSeconds


class DeviceView(Record, frozen=True, kw_only=True):
    """A device code as polled (RFC 8628 §3.4), read in one snapshot."""

    client_id: str
    request: bytes
    """What the device asked for, JSON."""
    terms: bytes
    """What was allowed, JSON; empty until then."""
    state: DeviceState
    too_soon: bool
    """Whether this poll came before the interval had passed; the interval is then longer from now on."""
    interval: int
    expires_at: EpochSeconds
    account: Account | None
    """Who decided, once somebody has."""
    sign_on: SignOn | None
    alive: bool
    rev: int
    read_at: EpochSeconds


class NewDeviceCode(Record, frozen=True, kw_only=True):
    """A device code to record. ``user_code`` is its normalised form, unique among the living."""

    digest: bytes
    user_code: str
    client_id: str
    request: bytes
    interval: int
    expires_at: EpochSeconds


class PushedRequest(Record, frozen=True, kw_only=True):
    """An authorization request pushed beforehand (RFC 9126). ``used`` once it has led to an answer."""

    client_id: str
    request: bytes
    expires_at: EpochSeconds
    used: bool
    read_at: EpochSeconds


class NewOpaqueToken(Record, frozen=True, kw_only=True):
    """An opaque access token to record. ``digest`` is SHA-256 of its text."""

    digest: bytes
    jti: str
    client_id: str
    account_id: str | None
    """None for a client's own token."""
    sid: str | None
    tenant: str | None
    rev: int
    claims: bytes
    """What introspection answers of it, JSON."""
    expires_at: EpochSeconds


class TokenFacts(Record, frozen=True, kw_only=True):
    """What decides whether an access token, whatever its form, has been cut off."""

    jti: str
    client_id: str
    account_id: str | None
    sid: str | None
    tenant: str | None
    rev: int
    kid: str | None = None


class OpaqueView(Record, frozen=True, kw_only=True):
    """An opaque token as looked up."""

    facts: TokenFacts
    claims: bytes
    expires_at: EpochSeconds
    alive: bool
    """False when expired or cut off on any axis, or its session or account ended."""
    read_at: EpochSeconds


class ClientSession(Record, frozen=True, kw_only=True):
    """A session as a client sees it: for logout notices, and for the account's list of what it allowed."""

    session: Session
    sign_on: str | None
    """None: outlives the sign-on (offline access)."""
    id_token_sid: str | None = None
    """The ``sid`` of its ID tokens, where that is not its own: of the client's session in the sign-on it comes from."""
    told: bool = False
    """Whether that one was ended by itself: then its client was told of it by that end."""
