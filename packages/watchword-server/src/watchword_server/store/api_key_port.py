"""What the server asks of a store for API keys and personal access tokens.

Holds no implementation. The promises at the head of port.py hold here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from watchword_server.store.api_key_records import Added, ApiKey, ApiKeyView, NewApiKey
from watchword_server.store.records import AuditEvent


class ApiKeys(Protocol):
    """Keys by the digest of their secret. A key is dead once it expired, was revoked, its jti was cut off, its account was
    disabled, or a cut-off that ends families reached its account, client or tenant, or everything; a dead one stays so.
    """

    async def add_api_key(self, new: NewApiKey, *, most: int, audit: AuditEvent) -> Added:
        """Record it, unless its owner has ``most`` living ones, or ten times as many that were not swept yet: of racing callers
        no more succeed than there was room for.
        Raises ValueError for a digest or id that is there, and for text that cannot be kept.
        """
        ...

    async def api_key(self, digest: bytes) -> ApiKeyView | None:
        """The key of that secret, alive or not, until it is swept."""
        ...

    async def api_keys(
        self, *, account_id: str | None = None, client_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[ApiKey]:
        """Living keys by ascending id, after that one: those of an account, of a client, or all."""
        ...

    async def use_api_key(self, key_id: str, *, every: float) -> bool:
        """Note that it was used now, unless that was noted in the last ``every`` seconds. Whether it was noted: True for
        exactly one of racing callers. Not written to the audit log.
        """
        ...

    async def revoke_api_key(self, key_id: str, *, account_id: str | None, audit: AuditEvent) -> bool:
        """End it, by a cut-off of its jti; only one of that account, where one is named. True for exactly one caller. The
        audit line gets the key's account and client.
        """
        ...
