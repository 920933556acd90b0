"""What the server asks of a store: atomic verbs, in small Protocols.

Holds no implementation. Times are the store's own (`read_at` in every view); a store is built with a Clock, and the
PostgreSQL one uses the database's time where none is given. Whoever needs `now` takes it from the view it decides on.

Every verb is one transaction, durable when it returns. Acts that kill tokens write their cut-off, their audit line and
their notice in that same transaction; the head of the log is taken last, so positions are allocated in commit order.
Views are read in one snapshot together with `rev`, the head of the log: a cut-off that commits later has a higher
position, so what was issued from the older view dies. "True for exactly one caller" is a promise under any race,
between tasks, threads, processes and hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from watchword.clock import EpochSeconds

from watchword_server.store.api_key_port import ApiKeys
from watchword_server.store.authorization_port import AuthorizationStore
from watchword_server.store.delivery_port import LogNews, Outbox
from watchword_server.store.records import (
    Account,
    AccountView,
    AuditEntry,
    AuditEvent,
    Axis,
    Cursor,
    CutOff,
    CutOffBatch,
    Failures,
    Family,
    FamilyView,
    KeyState,
    NewAccount,
    NewNotice,
    NewSession,
    Notice,
    Reach,
    Session,
    SessionView,
    SigningKey,
    StoreFigures,
    SweepReport,
)
from watchword_server.store.signal_port import Signals
from watchword_server.store.status_port import StatusNumbers


class StoreUnavailable(Exception):  # noqa: N818 - a state of the store, which callers answer with 503
    """The database cannot be reached or written; nothing was done. Answered 503.

    When the connection was lost while an act was being committed it may have been done: whole, or not at all.
    """


class SchemaMismatch(Exception):  # noqa: N818 - a finding about the database, not a failure of the code
    """The database's schema is older or newer than this program; says which, and what to do."""


class Accounts(Protocol):
    """Accounts and their credentials."""

    async def create_account(self, new: NewAccount, audit: AuditEvent) -> Account | Literal["email", "username"]:
        """Create it, or say which unique name is taken. Exactly one of several racing creators wins."""
        ...

    async def account_for_login(self, *, email_key: str | None, username_key: str | None) -> AccountView | None:
        """The account with that normalised email or username, with password hash and `rev` in one snapshot."""
        ...

    async def account(self, account_id: str) -> AccountView | None: ...

    async def list_accounts(self, *, after: str | None, limit: int, search: str | None) -> Sequence[Account]:
        """Accounts by ascending id, after that id; `search` is a literal substring of email or username."""
        ...

    async def rehash_password(self, account_id: str, *, old_hash: str, new_hash: str) -> bool:
        """Replace the hash of the same password; False when it was changed meanwhile. Cuts nothing off."""
        ...

    async def change_password(
        self, account_id: str, *, old_hash: str | None, new_hash: str, spares: str | None, audit: AuditEvent
    ) -> bool:
        """Set a new password and cut the account off, sparing session `spares`. With `old_hash`: False, and nothing
        done, unless that is still the hash (True for exactly one caller).
        """
        ...

    async def set_roles(self, account_id: str, roles: tuple[str, ...], audit: AuditEvent) -> Account | None:
        """Set the roles. When one is taken away, access tokens of the account are cut off; its sessions live on and
        the next refresh brings the new roles. None: no such account.
        """
        ...

    async def disable_account(self, account_id: str, audit: AuditEvent) -> bool:
        """Disable and cut off. True for exactly one caller; False when disabled already or unknown."""
        ...

    async def enable_account(self, account_id: str, audit: AuditEvent) -> bool:
        """Enable again. What was cut off stays so."""
        ...


class Sessions(Protocol):
    """Logins, one a device."""

    async def start_session(self, new: NewSession, audit: AuditEvent) -> bool:
        """Record the login and its family. False, and nothing recorded, when the account is disabled or unknown, or
        was cut off after `new.rev`.
        """
        ...

    async def session_view(self, sid: str, account_id: str, *, jti: str | None = None) -> SessionView | None:
        """None when there is no such session of that account. With `jti`, `alive` is False also when that token was cut
        off on the token axis.
        """
        ...

    async def list_sessions(
        self, account_id: str | None, *, after: str | None = None, limit: int = 100
    ) -> Sequence[Session]:
        """Living sessions only, newest first; of all accounts with None (then by sid, after that sid)."""
        ...

    async def end_session(self, sid: str, *, account_id: str | None, reason: str, audit: AuditEvent) -> bool:
        """End the session, its families, and its access tokens by one cut-off. With `account_id`, only a session of that
        account. True for exactly one caller; False when dead already or unknown (then nothing is written).
        """
        ...

    async def end_all_sessions(self, account_id: str, *, spares: str | None, reason: str, audit: AuditEvent) -> int:
        """One cut-off on the account axis that ends all its sessions but `spares`, whatever their number, in one write.
        Returns its position.
        """
        ...


class Families(Protocol):
    """Refresh families (rotation.md)."""

    async def family(self, family_id: str) -> FamilyView | None:
        """Everything a refresh decides on, from one statement."""
        ...

    async def families_of(self, sid: str) -> Sequence[Family]:
        """The families of a session that are on record, newest first, dead ones included."""
        ...

    async def advance_refresh(
        self, family_id: str, *, from_generation: int, device_kind: str, place: str, idle_expires_at: EpochSeconds
    ) -> bool:
        """Move to `from_generation + 1`: rotated_at becomes the store's time, refresh_count goes up, odd_count goes down by
        one (not under 0) unless odd_marked, and odd_marked is cleared. True for exactly one caller; False when the
        generation has moved or the family or its session is ended.
        """
        ...

    async def mark_odd(self, family_id: str, *, generation: int, audit: AuditEvent, notice: NewNotice | None) -> bool:
        """Note an odd repeat: odd_marked is set and odd_count goes up. True for exactly one caller a generation; the
        audit line and notice are written by that one only.
        """
        ...

    async def revoke_family(self, family_id: str, *, reason: str, audit: AuditEvent, notice: NewNotice | None) -> bool:
        """Cut off the family and its session, access tokens included. True for exactly one caller."""
        ...


class Revocations(Protocol):
    """The log of cut-offs."""

    async def head(self) -> Cursor: ...

    async def cut_off(
        self, axis: Axis, value: str, *, spares: str | None, ends_families: bool, cause: str, audit: AuditEvent
    ) -> CutOff:
        """Write one cut-off. `ends_families`: on account, client, tenant and everything, refresh families with an older
        `rev` are dead too (for good); else only access tokens die. At most one entry an axis and value lives in the log.
        """
        ...

    async def reach(self, axis: Axis, value: str, *, limit: int) -> Reach:
        """What `cut_off` on that axis and value would end, looking at `limit` sessions at most. Changes nothing."""
        ...

    async def cut_offs_after(self, cursor: Cursor | None, *, limit: int) -> CutOffBatch:
        """Entries after the cursor in order of position, read in one snapshot; from the start when the cursor is None,
        of another epoch, ahead of the head, or its chain does not match (`snapshot` is then True).
        """
        ...

    async def tenants_of(self, subjects: Collection[tuple[Axis, str]]) -> Mapping[tuple[Axis, str], str | None]:
        """Of which tenant each account, session or family is, None for those of none. Those that are not on record (any
        more), and what is on another axis, are left out.
        """
        ...

    async def begin_epoch(self, audit: AuditEvent) -> Cursor:
        """After a restore from a backup: begin a new epoch of the log at a position past any that was lost, and cut off
        everything issued before, families too. Returns the new head.
        """
        ...

    def watching(self, changed: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Within it, `changed` is called on this event loop at once, and after each commit that moved the head: those of
        this process before their callers are answered (PostgreSQL: within milliseconds), those of other processes and hosts
        within milliseconds, or, where the store's messages are lost, within a second of being able to see them. Calls may
        stand for several commits, and for none. Does not say what was written: read the log.
        """
        ...

    async def declare_lifetime(self, token_class: str, seconds: float) -> float:
        """Remember the longest lifetime ever in force for a class of tokens; returns it. Cut-offs are kept that long,
        plus leeway.
        """
        ...


class Keys(Protocol):
    """The key ring's rows."""

    async def keys(self) -> Sequence[SigningKey]: ...

    async def add_key(self, key: SigningKey, *, unless_state: KeyState | None, audit: AuditEvent) -> bool:
        """Add it; with `unless_state`, only if no key of the same purpose and algorithm is in that state (True for
        exactly one of several racing processes).
        """
        ...

    async def activate_key(self, kid: str, *, audit: AuditEvent) -> bool:
        """Make `next` active, and the active one of the same purpose and algorithm retired, in one act. True for
        exactly one caller.
        """
        ...

    async def forget_key(self, kid: str, *, audit: AuditEvent) -> bool:
        """Delete a retired or distrusted key."""
        ...

    async def distrust_key(self, kid: str, *, audit: AuditEvent) -> bool:
        """Any state -> distrusted, with its cut-off on the key axis. True for exactly one caller."""
        ...


class Audit(Protocol):
    """The append-only audit log, and notices to accounts."""

    async def append_audit(self, event: AuditEvent) -> None: ...

    async def audit_entries(
        self, *, before: int | None, limit: int, account_id: str | None, event: str | None
    ) -> Sequence[AuditEntry]:
        """Newest first."""
        ...

    async def notices(self, account_id: str) -> Sequence[Notice]:
        """Unread ones, newest first."""
        ...

    async def read_notices(self, account_id: str, up_to: int) -> int:
        """Mark as read up to that id; returns how many."""
        ...


class Throttle(Protocol):
    """Counters of failures, shared by all workers and hosts of one database."""

    async def failures(self, keys: Sequence[str]) -> Sequence[Failures]:
        """For each key with a running window, its count."""
        ...

    async def count_failure(self, keys: Sequence[str], *, window: float) -> Sequence[Failures]:
        """Count one failure under each key, opening a window of that many seconds where none runs."""
        ...

    async def clear_failures(self, keys: Sequence[str]) -> None: ...


class Upkeep(Protocol):
    """Opening, closing, sweeping."""

    async def open(self, *, migrate: bool) -> None:
        """Connect. With `migrate`, bring the schema up to date under a lock; else raise SchemaMismatch, naming
        `watchword migrate`, when it is not. Raises SchemaMismatch also for a schema newer than this program.
        """
        ...

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        ...

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the store can be read and written."""
        ...

    async def sweep(self, *, limit: int, retention: float) -> SweepReport:
        """Delete at most about `limit` dead rows a table in short transactions: families and sessions dead for longer than
        `retention` seconds, cut-offs past `expires_at` (never the head's), failure windows over, read notices.
        """
        ...

    async def figures(self) -> StoreFigures: ...


class Store(
    Accounts,
    Sessions,
    Families,
    Revocations,
    Keys,
    Audit,
    Throttle,
    Outbox,
    LogNews,
    Signals,
    StatusNumbers,
    ApiKeys,
    Upkeep,
    AuthorizationStore,
    Protocol,
):
    """The whole port."""
