"""`POST /auth/register`: make an account.

Does not log in.
"""

from __future__ import annotations

import msgspec

from watchword_server.store.records import Account


class RegisterRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body; anything else in it (`roles`) is refused."""

    email: str
    password: str
    username: str | None = None


class ShownAccount(msgspec.Struct, frozen=True):
    """An account as it is told to itself."""

    id: str
    email: str
    username: str | None
    roles: tuple[str, ...]
    email_verified: bool


def shown_account(account: Account) -> ShownAccount:
    """The members of http.md."""
    return ShownAccount(account.id, account.email, account.username, account.roles, account.email_verified)
