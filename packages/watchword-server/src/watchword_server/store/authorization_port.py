"""What authorization asks of a store: atomic verbs over clients, sign-ons, codes and tokens, in small Protocols.

Holds no implementation. The promises at the head of port.py hold here too: one transaction a verb, durable when it
returns; cut-off, audit line and notice in the transaction of what they tell; views read in one snapshot with ``rev``;
"True for exactly one caller" under any race.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from watchword.clock import EpochSeconds

from watchword_server.store.authorization_records import (
    Authorization,
    ClientSession,
    CodeView,
    DeviceView,
    NewClient,
    NewCode,
    NewDeviceCode,
    NewOpaqueToken,
    NewSignOn,
    OpaqueView,
    PushedRequest,
    SignOn,
    SignOnView,
    StoredClient,
    TokenFacts,
)
from watchword_server.store.records import AuditEvent, Axis, NewNotice, NewSession


class Clients(Protocol):
    """Clients on record; those of the configuration and of metadata documents are not."""

    async def create_client(self, new: NewClient, audit: AuditEvent) -> StoredClient | None:
        """Put it on record. None when the client_id is taken."""
        ...

    async def client(self, client_id: str) -> StoredClient | None: ...

    async def list_clients(self, *, after: str | None, limit: int) -> Sequence[StoredClient]:
        """By ascending client_id, after that one."""
        ...

    async def update_client(
        self,
        client_id: str,
        *,
        seen: EpochSeconds,
        metadata: bytes,
        secret_digests: tuple[bytes, ...],
        sealed_secret: bytes | None,
        registration_digest: bytes | None,
        audit: AuditEvent,
    ) -> StoredClient | None:
        """Replace what is kept of it. None, and nothing done, unless ``seen`` is still its ``updated_at``. The store
        gives every update a later ``updated_at`` than the one before.
        """
        ...

    async def disable_client(self, client_id: str, audit: AuditEvent) -> bool:
        """Disable it and cut it off on the axis client, families too. True for exactly one caller."""
        ...

    async def enable_client(self, client_id: str, audit: AuditEvent) -> bool:
        """Enable it again. What was cut off stays so."""
        ...

    async def delete_client(self, client_id: str, audit: AuditEvent) -> bool:
        """Delete it with its authorizations, and cut it off: codes and opaque tokens are dead by that, and swept once they
        have expired. True for exactly one caller.
        """
        ...

    async def add_registration_token(
        self, digest: bytes, *, uses: int, expires_at: EpochSeconds, audit: AuditEvent
    ) -> None:
        """Record an initial access token (RFC 7591 §3) good for so many registrations."""
        ...

    async def use_registration_token(self, digest: bytes) -> bool:
        """Take one use of it. False when unknown, expired or used up; of racing callers no more succeed than uses were left."""
        ...


class SignOns(Protocol):
    """Browsers signed in at the authorization server's pages."""

    async def start_sign_on(self, new: NewSignOn, audit: AuditEvent) -> bool:
        """Record it. False, and nothing recorded, when the account is disabled or unknown, or was cut off after `new.rev`."""
        ...

    async def sign_on(self, digest: bytes) -> SignOnView | None:
        """The living sign-on whose cookie holds that secret: not ended, idle or run out, its account neither disabled nor cut
        off since. None otherwise.
        """
        ...

    async def use_sign_on(self, sign_on_id: str, *, place: str, idle_expires_at: EpochSeconds) -> None:
        """Note that it was used. Does nothing to one that is over."""
        ...

    async def renew_sign_on(
        self, sign_on_id: str, *, digest: bytes, auth_time: EpochSeconds, amr: tuple[str, ...], acr: str | None,
        rev: int, audit: AuditEvent,
    ) -> bool:  # fmt: skip
        """After a fresh login of the same account: another secret for its cookie, and when and how it was authenticated.
        False when it is over, or the account was cut off after ``rev``.
        """
        ...

    async def end_sign_on(self, sign_on_id: str, *, account_id: str | None, reason: str, audit: AuditEvent) -> bool:
        """End it and, in the same act, every session of a client in it, each with its families and one cut-off on the
        session axis. With ``account_id``, only one of that account. True for exactly one caller.
        """
        ...

    async def list_sign_ons(self, account_id: str, *, limit: int = 100) -> Sequence[SignOn]:
        """Living ones, newest first."""
        ...

    async def client_sessions(
        self,
        *,
        account_id: str | None = None,
        sign_on: str | None = None,
        client_id: str | None = None,
        limit: int = 1000,
    ) -> Sequence[ClientSession]:
        """Sessions of clients (not of first parties) that are living and meet all that is given, newest first."""
        ...

    async def sessions_ended_by(self, axis: Axis, value: str, *, spares: str | None, since: int, limit: int, after: str | None
                                ) -> Sequence[ClientSession]:  # fmt: skip
        """Sessions of clients, as far as they are on record, that a cut-off at position ``since`` on that axis and value
        ended (session, account, client, tenant, everything), by sid after that one: whom a logout notice goes to. None for a
        cut-off of access tokens alone. Those that an earlier cut-off ended may be told again: one entry in the log may stand
        for several.
        """
        ...


class Authorizations(Protocol):
    """What accounts allowed clients."""

    async def authorization(self, account_id: str, client_id: str) -> Authorization | None: ...

    async def authorizations(
        self, account_id: str, *, after: str | None = None, limit: int = 100
    ) -> Sequence[Authorization]:
        """By client_id, after that one."""
        ...

    async def authorize(
        self, account_id: str, client_id: str, *, scope: tuple[str, ...], resource: tuple[str, ...], details: bytes,
        audit: AuditEvent,
    ) -> None:  # fmt: skip
        """Record what is allowed now, on top of scopes and resources allowed before; details replace earlier ones."""
        ...

    async def withdraw_authorization(self, account_id: str, client_id: str, audit: AuditEvent) -> bool:
        """Forget it and, in the same act, its unused codes, and end every session of the account at that client, each with
        its families and one cut-off. True for exactly one caller.
        """
        ...


class Codes(Protocol):
    """Authorization codes, device codes and pushed requests: good once."""

    async def add_code(self, new: NewCode) -> bool:
        """Record it. False when the sign-on is over or the account or client was cut off after ``new.rev``."""
        ...

    async def code(self, digest: bytes) -> CodeView | None:
        """The code, used or not, until it is swept; None when unknown."""
        ...

    async def redeem_code(self, digest: bytes, *, session: NewSession, audit: AuditEvent) -> bool:
        """Mark it used and, in the same act, open ``session`` or, where its sid is living already, add its family to that
        one. True for exactly one caller; False, and nothing done, when it was used or ran out, when the account, client or
        sign-on was ended or cut off since the code or ``session.rev``, when that sid has died, or when another session of
        this client and sign-on was opened meanwhile: then `code` is read again. It must name the code's account, client and
        sign-on, or no sign-on.

        With ``session.id_token_sid`` the session of that sid, in the code's sign-on, is opened or joined in the same act, by
        the same rules, and ``session`` must be a new one: so whoever ends the sign-on finds what its ID token names.

        A session that is joined takes place, last use and how the person was authenticated (if later) from ``session``, and
        the later of each end; its families keep how their own authorization was authenticated.
        """
        ...

    async def replay_code(self, digest: bytes, *, audit: AuditEvent, notice: NewNotice | None) -> bool:
        """A used code was presented again (RFC 6749 §4.1.2): end the session it gave tokens of, by one cut-off. True for
        exactly one caller; False when it was not used, or what it gave is dead already.
        """
        ...

    async def push_request(
        self, digest: bytes, *, client_id: str, request: bytes, expires_at: EpochSeconds
    ) -> None: ...

    async def pushed_request(self, digest: bytes) -> PushedRequest | None:
        """None when unknown or run out."""
        ...

    async def consume_request(self, digest: bytes) -> bool:
        """Mark it used. True for exactly one caller, and only before it runs out."""
        ...

    async def add_device_code(self, new: NewDeviceCode) -> bool:
        """Record it. False when the user code is taken by a living one."""
        ...

    async def device_request(self, user_code: str) -> DeviceView | None:
        """The pending, living one with that user code, for the page on which a person decides; polls nothing."""
        ...

    async def decide_device(
        self, user_code: str, *, terms: bytes | None, sign_on: str, rev: int, audit: AuditEvent
    ) -> bool:
        """Approve with ``terms``, deny with None. True for exactly one caller; False when no longer pending, or when the
        sign-on is over or was cut off after ``rev``.
        """
        ...

    async def poll_device(self, digest: bytes) -> DeviceView | None:
        """Look, and note the poll: one that comes too soon makes the interval 5 s longer (RFC 8628 §3.5)."""
        ...

    async def redeem_device(self, digest: bytes, *, session: NewSession, audit: AuditEvent) -> bool:
        """As `redeem_code`, for an approved device code."""
        ...


class OpaqueTokens(Protocol):
    """Access tokens that are looked up, and whether any access token has been cut off."""

    async def add_opaque_token(self, new: NewOpaqueToken) -> None: ...

    async def opaque_token(self, digest: bytes) -> OpaqueView | None: ...

    async def delete_opaque_token(self, digest: bytes, *, client_id: str) -> bool:
        """Forget it (RFC 7009). True for exactly one caller; only one of that client."""
        ...

    async def is_alive(self, facts: TokenFacts) -> bool:
        """Whether none of it was cut off (every axis), its session lives and its account is enabled. From one statement.
        Does not check expiry.
        """
        ...


class Replays(Protocol):
    """Things that are good once until they expire: DPoP proofs, client assertions, request objects."""

    async def first_use(self, purpose: str, digest: bytes, *, expires_at: EpochSeconds) -> bool:
        """Remember it until then. True for exactly one caller, on whatever host.

        Unlike other verbs, durable only against the end of this process: a crash of the database or the machine may forget
        the last moments of it.
        """
        ...


class Profiles(Protocol):
    """What an account tells of its person (OpenID Connect Core §5.1)."""

    async def profile(self, account_id: str) -> bytes:
        """Standard claims as JSON; ``b"{}"`` when nothing is held."""
        ...

    async def set_profile(self, account_id: str, profile: bytes, audit: AuditEvent) -> bool:
        """Replace them. False: no such account."""
        ...


class AuthorizationStore(Clients, SignOns, Authorizations, Codes, OpaqueTokens, Replays, Profiles, Protocol):
    """All of it."""
