"""Records of API keys and personal access tokens.

Holds no rules and no SQL.
"""

from __future__ import annotations

from typing import Literal

from watchword.clock import EpochSeconds

from watchword_server.store.records import Account, Record

Added = Literal["added", "too_many", "refused"]
"""Of a key to be recorded. ``refused``: its account is disabled or unknown, or its owner was cut off since its ``rev``."""


class NewApiKey(Record, frozen=True, kw_only=True):
    """A key to record. ``digest`` is SHA-256 of its secret; the secret itself is kept nowhere."""

    id: str
    """Also the ``jti`` of what introspection tells of it."""
    digest: bytes
    account_id: str | None
    """None for a client's own key."""
    client_id: str
    tenant: str | None
    """Of a client; that of an account is read with it."""
    name: str
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    """Empty: the default audience."""
    rev: int
    expires_at: EpochSeconds


class ApiKey(Record, frozen=True, kw_only=True):
    """A key as kept, without its digest."""

    id: str
    account_id: str | None
    client_id: str
    tenant: str | None
    name: str
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    rev: int
    created_at: EpochSeconds
    expires_at: EpochSeconds
    last_used_at: EpochSeconds | None


class ApiKeyView(Record, frozen=True, kw_only=True):
    """A key with all that its use is judged by, read in one snapshot."""

    key: ApiKey
    alive: bool
    """Neither revoked, expired nor cut off on any axis, and its account enabled. Says nothing of its client."""
    account: Account | None
    rev: int
    """Head of the revocation log: the ``rev`` of what is told of the key now."""
    read_at: EpochSeconds
