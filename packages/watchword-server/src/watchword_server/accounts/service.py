"""The account service: register, authenticate, change a password. One text and one cost whether or not an account exists.

Starts no session and knows no HTTP. What administrators do is in administration.py.
"""

from __future__ import annotations

import hmac

from watchword.clock import Clock, system_clock

from watchword_server.accounts.administration import AccountStore, Administration, Registration
from watchword_server.accounts.hasher import HasherBusy, PasswordHasher, Slot
from watchword_server.accounts.identifiers import login_keys
from watchword_server.accounts.passwords import prepare
from watchword_server.accounts.results import (
    AccountRefused,
    Authenticated,
    BadCredentials,
    Busy,
    PasswordChanged,
    Problems,
    Taken,
    Throttled,
)
from watchword_server.accounts.throttle import LoginThrottle, Standing, Subject
from watchword_server.settings.tree import Settings
from watchword_server.store.records import Account, AccountView, AuditEvent, Origin, SessionView
from watchword_server.web.field_error import FieldError

__all__ = [
    "AccountRefused",
    "AccountService",
    "Authenticated",
    "BadCredentials",
    "Busy",
    "PasswordChanged",
    "Problems",
    "Registration",
    "Taken",
    "Throttled",
]


class AccountService(Administration):
    """What people do with their own accounts, and (inherited) what administrators do with all of them."""

    def __init__(
        self,
        *,
        store: AccountStore,
        hasher: PasswordHasher,
        throttle: LoginThrottle,
        settings: Settings,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(store=store, hasher=hasher, settings=settings, clock=clock)
        self._throttle = throttle

    async def register(
        self, registration: Registration, origin: Origin
    ) -> Account | Problems | Taken | Throttled | Busy:
        """Make an account with the roles that registration gives. Whether registration is open is the caller's to ask.

        Throttled by client address, whatever comes of it: one address must neither ask for all names there may be, nor
        keep everybody else's passwords waiting behind its own.
        """
        if (wait := await self._throttle.registering(origin.address)) is not None:
            return Throttled(wait)
        try:
            return await self._make(registration, self._settings.registration.roles, origin, event="account.registered")
        except HasherBusy as busy:
            return Busy(busy.retry_after)

    async def authenticate(
        self, identifier: str, password: str, origin: Origin
    ) -> Authenticated | BadCredentials | Throttled | Busy:
        """Check a password. An unknown, a disabled and a malformed name cost what a wrong password costs: as many reads,
        one Argon2 computation of the same parameters, as many writes.

        Writes ``login.failed``, and ``login.throttled`` for the failure that reaches a limit. ``login.succeeded`` is
        written with the session that follows.
        """
        email_key, username_key = login_keys(identifier)
        subject = self._throttle.subject(f"name {email_key or username_key or identifier[:320]}", origin.address)
        standing = await self._throttle.standing(subject)
        if standing.retry_after is not None:
            return Throttled(standing.retry_after)
        try:
            async with self._hasher.slot() as slot:
                if slot.waited:
                    # Guesses sent side by side all pass the first check; those that queued are checked again here, after
                    # the failures before them were counted.
                    standing = await self._throttle.standing(subject)
                    if standing.retry_after is not None:
                        return Throttled(standing.retry_after)
                view = await self._store.account_for_login(email_key=email_key, username_key=username_key)
                prepared = prepare(password, self._rules)
                proven = await self._proven(slot, view, prepared, subject, standing, origin, "login")
                if proven is None or prepared is None:
                    return BadCredentials()
                await self._renew_hash(slot, proven, prepared)
                return Authenticated(proven)
        except HasherBusy as busy:
            return Busy(busy.retry_after)

    async def _proven(
        self,
        slot: Slot,
        view: AccountView | None,
        prepared: bytes | None,
        subject: Subject,
        standing: Standing,
        origin: Origin,
        act: str,
    ) -> AccountView | None:
        """The account, when the password is right and the account may use it; else a failure is counted and audited."""
        right = await slot.verify(view.password_hash if view else None, prepared)
        if right and view is not None and view.account.disabled_at is None:
            await self._throttle.succeeded(subject, standing)
            return view
        account_id = view.account.id if view else None
        reason = "unknown_account" if view is None else "disabled" if right else "wrong_password"
        await self._store.append_audit(
            AuditEvent(event=f"{act}.failed", origin=origin, account_id=account_id, reason=reason)
        )
        if await self._throttle.failed(subject, standing):
            await self._store.append_audit(AuditEvent(event=f"{act}.throttled", origin=origin, account_id=account_id))
        return None

    async def _renew_hash(self, slot: Slot, view: AccountView, prepared: bytes) -> None:
        """Parameters have changed since the password was set: now is the only time its hash can follow."""
        if self._hasher.needs_rehash(view.password_hash):
            renewed = await slot.hash(prepared)
            await self._store.rehash_password(view.account.id, old_hash=view.password_hash, new_hash=renewed)

    async def change_password(
        self, view: SessionView, *, current: str, new: str, sid: str, origin: Origin
    ) -> PasswordChanged | BadCredentials | Problems | Throttled | Busy:
        """Change the password of the account behind a session, whose ``sid`` alone stays logged in. A stolen access token
        does not suffice: the current password is asked for, and guesses are throttled as at login.
        """
        subject = self._throttle.subject(f"id {view.account.id}", origin.address)
        standing = await self._throttle.standing(subject)
        if standing.retry_after is not None:
            return Throttled(standing.retry_after)
        try:
            async with self._hasher.slot() as slot:
                if slot.waited and (again := await self._throttle.standing(subject)).retry_after is not None:
                    return Throttled(again.retry_after)
                for _ in range(2):
                    outcome = await self._change(slot, view.account.id, current, new, sid, origin, subject, standing)
                    if outcome is not None:
                        return outcome
                # The password was changed twice by others meanwhile: it is no longer the one that was given.
                return BadCredentials()
        except HasherBusy as busy:
            return Busy(busy.retry_after)

    async def _change(
        self,
        slot: Slot,
        account_id: str,
        current: str,
        new: str,
        sid: str,
        origin: Origin,
        subject: Subject,
        standing: Standing,
    ) -> PasswordChanged | BadCredentials | Problems | None:
        """One try; None when the hash was replaced between reading and writing (a login that renewed it, or another
        change).
        """
        view = await self._store.account(account_id)
        prepared = prepare(current, self._rules)
        found = await self._proven(slot, view, prepared, subject, standing, origin, "password_change")
        if found is None:
            return BadCredentials()
        if hmac.compare_digest(prepare(new, self._rules) or b"", prepared or b""):
            return Problems((FieldError("new_password", "unchanged", "must differ from the current one"),))
        names = (found.account.email, found.account.username or "")
        hashed = await self._new_hash(slot, new, names, field="new_password")
        if isinstance(hashed, FieldError):
            return Problems((hashed,))
        changed = await self._store.change_password(
            account_id,
            old_hash=found.password_hash,
            new_hash=hashed,
            spares=sid,
            audit=AuditEvent(event="password.changed", origin=origin, account_id=account_id, sid=sid),
        )
        return PasswordChanged() if changed else None
