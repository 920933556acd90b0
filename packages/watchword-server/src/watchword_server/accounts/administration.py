"""What administrators and the command line do with accounts: make, find, set a password, roles, disable, enable.

Asks for no password of the account and counts no failures; service.py does both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
from watchword.clock import Clock, system_clock

from watchword_server import entropy
from watchword_server.accounts.hasher import PasswordHasher, Slot
from watchword_server.accounts.identifiers import Name, login_keys, parse_email, parse_username
from watchword_server.accounts.passwords import form_error, prepare, strength_error
from watchword_server.accounts.results import AccountRefused, Problems, Taken
from watchword_server.settings.tree import Settings
from watchword_server.store.port import Accounts, Audit
from watchword_server.store.records import Account, AccountView, AuditEvent, NewAccount, Origin
from watchword_server.web.field_error import FieldError

ADMINISTRATOR = "admin"
"""The role of the first administrator."""
_SYSTEM = Origin(actor="system")


class AccountStore(Accounts, Audit, Protocol):
    """The part of the store that accounts need."""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """An account somebody asks for."""

    email: str
    password: str
    username: str | None = None


class Administration:
    """Acts on accounts by whoever may. Expected refusals are AccountRefused, HasherBusy passes through."""

    def __init__(
        self, *, store: AccountStore, hasher: PasswordHasher, settings: Settings, clock: Clock = system_clock
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._rules = settings.passwords
        self._settings = settings
        self._clock = clock

    async def find(self, identifier: str) -> AccountView | None:
        """The account with this email address or username."""
        email_key, username_key = login_keys(identifier)
        if email_key is None and username_key is None:
            return None
        return await self._store.account_for_login(email_key=email_key, username_key=username_key)

    async def create(
        self, *, email: str, username: str | None, password: str, roles: Sequence[str], origin: Origin
    ) -> Account:
        """Make an account with these roles. Raises AccountRefused."""
        registration = Registration(email=email, username=username, password=password)
        return _made(await self._make(registration, roles, origin, event="account.created"))

    async def set_password(self, account_id: str, password: str, origin: Origin) -> None:
        """Set a password without knowing the old one; every session of the account is cut off. Raises AccountRefused."""
        view = await self._store.account(account_id)
        if view is None:
            raise AccountRefused(_unknown())
        async with self._hasher.slot() as slot:
            new = await self._new_hash(slot, password, _names(view.account))
        if isinstance(new, FieldError):
            raise AccountRefused(new)
        audit = AuditEvent(event="password.set", origin=origin, account_id=account_id)
        if not await self._store.change_password(account_id, old_hash=None, new_hash=new, spares=None, audit=audit):
            raise AccountRefused(_unknown())

    async def ensure_administrator(self, email: str, password: str | None) -> str | None:
        """Make the first administrator. With a password: unless there is an account with that address. Without: unless
        there is any account at all; then a password is made.

        Returns the password that was made, to be shown once; None when there was nothing to make.
        Raises AccountRefused for an address or password that is not acceptable (in development any password that can be
        typed is). Of several processes that start together one makes it.
        """
        if await self.find(email) is not None:
            return None
        if password is None and await self._store.list_accounts(after=None, limit=1, search=None):
            return None
        registration = Registration(email=email, password=password or entropy.readable_password())
        roles = tuple(dict.fromkeys((*self._settings.registration.roles, ADMINISTRATOR)))
        strict = not self._settings.is_development
        made = await self._make(registration, roles, _SYSTEM, event="account.created", strict=strict)
        if isinstance(made, Taken):
            return None
        _made(made)
        return registration.password if password is None else None

    async def disable(self, account_id: str, origin: Origin) -> bool:
        """Disable and cut off; True for the call that did it."""
        audit = AuditEvent(event="account.disabled", origin=origin, account_id=account_id)
        return await self._store.disable_account(account_id, audit)

    async def enable(self, account_id: str, origin: Origin) -> bool:
        """Enable again; True for the call that did it. What was cut off stays so."""
        audit = AuditEvent(event="account.enabled", origin=origin, account_id=account_id)
        return await self._store.enable_account(account_id, audit)

    async def set_roles(self, account_id: str, roles: Sequence[str], origin: Origin) -> Account | None:
        """Set the roles. None: no such account. Raises AccountRefused for a role that the settings do not have."""
        if error := self._role_error(roles):
            raise AccountRefused(error)
        unique = tuple(dict.fromkeys(roles))
        detail = {"roles": " ".join(unique)}
        audit = AuditEvent(event="account.roles_set", origin=origin, account_id=account_id, detail=detail)
        return await self._store.set_roles(account_id, unique, audit)

    def _role_error(self, roles: Sequence[str]) -> FieldError | None:
        unknown = sorted(set(roles) - set(self._settings.roles))
        return FieldError("roles", "unknown_role", f"are not all known: {', '.join(unknown)}") if unknown else None

    async def _make(
        self, asked: Registration, roles: Sequence[str], origin: Origin, *, event: str, strict: bool = True
    ) -> Account | Problems | Taken:
        email = parse_email(asked.email)
        username = parse_username(asked.username) if asked.username is not None else None
        errors = [error for error in (email, username, self._role_error(roles)) if isinstance(error, FieldError)]
        async with self._hasher.slot() as slot:
            known = (asked.email[:320], (asked.username or "")[:320])
            # The password is judged even when a name is wrong already: all problems are told at once.
            hashed = await self._new_hash(slot, asked.password, known, strict=strict, only_judge=bool(errors))
        if isinstance(hashed, FieldError):
            errors.append(hashed)
        if (
            errors
            or isinstance(hashed, FieldError)
            or isinstance(email, FieldError)
            or isinstance(username, FieldError)
        ):
            return Problems(tuple(errors))
        account_id = entropy.account_id(self._clock.now())
        new = _record(account_id, email, username, roles, hashed)
        audit = AuditEvent(event=event, origin=origin, account_id=account_id)
        made = await self._store.create_account(new, audit)
        return Taken(made) if isinstance(made, str) else made

    async def _new_hash(
        self,
        slot: Slot,
        password: str,
        known: Sequence[str],
        *,
        field: str = "password",
        strict: bool = True,
        only_judge: bool = False,
    ) -> str | FieldError:
        """The hash of a new password, or what is wrong with it. ``only_judge``: an empty text instead of the hash."""
        prepared = prepare(password, self._rules)
        if strict and (error := form_error(password, self._rules, field=field)):
            return error
        if prepared is None:
            return FieldError(field, "invalid", "must be text without control characters")
        if strict:
            rules = self._rules
            error = await slot.think(lambda: strength_error(password, rules, known=known, field=field))
            if error:
                return error
        return "" if only_judge else await slot.hash(prepared)


def _record(
    account_id: str, email: Name, username: Name | None, roles: Sequence[str], password_hash: str
) -> NewAccount:
    return NewAccount(
        id=account_id,
        email=email.shown,
        email_key=email.key,
        username=username.shown if username else None,
        username_key=username.key if username else None,
        password_hash=password_hash,
        roles=tuple(dict.fromkeys(roles)),
    )


def _made(made: Account | Problems | Taken) -> Account:
    match made:
        case Problems(errors=errors):
            raise AccountRefused(*errors)
        case Taken(field=field):
            raise AccountRefused(FieldError(field, "taken", "is taken by another account"))
        case account:
            return account


def _names(account: Account) -> tuple[str, ...]:
    return (account.email, account.username or "")


def _unknown() -> FieldError:
    return FieldError("account", "unknown", "does not exist")
