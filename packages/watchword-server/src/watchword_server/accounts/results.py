"""What comes of asking the account service for something: values, for outcomes that are to be expected.

Holds no wording for clients beyond what is wrong with a field.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from watchword_server.store.records import AccountView
from watchword_server.web.field_error import FieldError


class Authenticated(msgspec.Struct, frozen=True):
    """The password was right. Sessions and tokens are issued from this view and carry its ``rev``."""

    view: AccountView


class BadCredentials(msgspec.Struct, frozen=True):
    """No such account, wrong password, or disabled: which of them is for the audit log alone."""


class Throttled(msgspec.Struct, frozen=True):
    """Too many failures; nothing was checked. Come back after so many whole seconds."""

    retry_after: int


class Busy(msgspec.Struct, frozen=True):
    """Too many passwords are waiting to be hashed; nothing was checked. Come back after so many whole seconds."""

    retry_after: int


class Problems(msgspec.Struct, frozen=True):
    """Fields that are not acceptable, all of them."""

    errors: tuple[FieldError, ...]


class Taken(msgspec.Struct, frozen=True):
    """Another account has that email address or username."""

    field: Literal["email", "username"]


class PasswordChanged(msgspec.Struct, frozen=True):
    """The new password is in force, and the account cut off (but for the session that changed it)."""


class AccountRefused(Exception):  # noqa: N818 - an outcome, as the other outcomes are told
    """An administrative act that cannot be done as asked: fields not acceptable, a name taken, no such account.

    ``str()`` is a sentence for people and never holds a password.
    """

    def __init__(self, *errors: FieldError) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{error.field} {error.detail}" for error in errors))
