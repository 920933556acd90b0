"""What administrators and the command line do with clients on record: add, change, renew a secret, disable, delete.

Judges by registration.py; the store acts. Clients of the configuration are not changed here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ClientAuthentication, ErrorCode

from watchword_server import entropy
from watchword_server.clients.directory import MAX_CLIENT_ID, RESERVED, ClientSource, client_of, document_of
from watchword_server.clients.metadata import Client, ClientMetadata, ClientSettings
from watchword_server.clients.registration import SECRET_METHODS, RegistrationRules, judge, judge_shared_secret
from watchword_server.clients.sector import check_sector
from watchword_server.store.authorization_port import Clients
from watchword_server.store.authorization_records import ClientOrigin, NewClient, StoredClient
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.web.outgoing import Getting

SECRET_PREFIX: Final = "wcs"  # noqa: S105 - by which scanners know one


@dataclass(frozen=True, slots=True)
class MadeClient:
    """A client that was put on record or changed, and its new secret, which is shown once."""

    client: Client
    secret: str | None

    def __repr__(self) -> str:
        """Without the secret."""
        return f"MadeClient({self.client!r})"


@dataclass(frozen=True, slots=True)
class _Secret:
    text: str
    digest: bytes
    sealed: bytes | None


class ClientAdministration:
    """Acts on clients on record by whoever may."""

    def __init__(
        self,
        store: Clients,
        rules: RegistrationRules,
        seal: Callable[[str, bytes], bytes],
        *,
        reserved: ClientSource | None = None,
        outgoing: Getting | None = None,
    ) -> None:
        """``seal(client_id, secret)`` keeps the secret of ``client_secret_jwt``, which no digest can check. ``reserved``:
        clients of other sources, whose identifiers are taken. ``outgoing`` fetches a ``sector_identifier_uri``; without it
        none is accepted.
        """
        self._store = store
        self._rules = rules
        self._seal = seal
        self._reserved = reserved
        self._outgoing = outgoing

    @property
    def rules(self) -> RegistrationRules:
        """What may be registered."""
        return self._rules

    async def add(
        self,
        metadata: ClientMetadata,
        origin: Origin,
        *,
        settings: ClientSettings | None = None,
        client_id: str | None = None,
        registered_by: ClientOrigin = "admin",
        registration_digest: bytes | None = None,
        tenant: str | None = None,
    ) -> MadeClient | None:
        """Put a client on record; ``client_id`` None makes one. None when the identifier is taken.

        Raises OAuthError ``invalid_redirect_uri`` or ``invalid_client_metadata``.
        """
        own = settings or ClientSettings()
        judge(metadata, self._rules, own)
        if registered_by != "dynamic":
            judge_shared_secret(metadata)
            await self._check_sector(metadata)
        name = client_id or entropy.identifier()
        if len(name) > MAX_CLIENT_ID or not name.isascii() or not name.isprintable() or " " in name or name in RESERVED:
            raise OAuthError(
                ErrorCode.INVALID_CLIENT_METADATA, "client_id: printable ASCII without spaces, and not reserved"
            )
        if self._reserved is not None and await self._reserved.find(name) is not None:
            return None
        secret = self._new_secret(name, metadata)
        new = NewClient(
            client_id=name,
            origin=registered_by,
            metadata=document_of(metadata, own),
            secret_digests=() if secret is None else (secret.digest,),
            sealed_secret=None if secret is None else secret.sealed,
            registration_digest=registration_digest,
            tenant=tenant,
        )
        row = await self._store.create_client(new, _audit("client.created", name, origin))
        return None if row is None else MadeClient(client_of(row), None if secret is None else secret.text)

    async def show(self, client_id: str) -> StoredClient | None:
        """The row, disabled or not."""
        return await self._store.client(client_id)

    async def list(self, *, after: str | None, limit: int) -> Sequence[StoredClient]:
        """By client_id, after that one."""
        return await self._store.list_clients(after=after, limit=limit)

    async def change(
        self, client_id: str, metadata: ClientMetadata, settings: ClientSettings, origin: Origin
    ) -> MadeClient | None:
        """Replace what is said of a client. A secret is made where the new method needs one and none is there.

        None when there is no such client, or it was changed meanwhile. Raises OAuthError as ``add``.
        """
        judge(metadata, self._rules, settings)
        await self._check_sector(metadata)
        row = await self._store.client(client_id)
        if row is None:
            return None
        if row.origin != "dynamic":
            judge_shared_secret(metadata)
        secret = None
        digests, sealed = row.secret_digests, row.sealed_secret
        method = metadata.token_endpoint_auth_method
        if method not in SECRET_METHODS:
            digests, sealed = (), None
        elif not digests or (method == ClientAuthentication.CLIENT_SECRET_JWT and sealed is None):
            secret = self._new_secret(client_id, metadata)
            digests, sealed = (secret.digest,) if secret else (), secret.sealed if secret else None
        return await self._update(
            row, _audit("client.changed", client_id, origin), metadata=document_of(metadata, settings),
            digests=digests, sealed=sealed, secret=secret,
        )  # fmt: skip

    async def rotate_secret(self, client_id: str, origin: Origin, *, keep_former: bool) -> MadeClient | None:
        """Make a new secret. With ``keep_former`` the newest of the former stays good until the next rotation.

        None when there is no such client, or it was changed meanwhile. Raises OAuthError ``invalid_client_metadata`` for
        a client that has no secret by its method.
        """
        row = await self._store.client(client_id)
        if row is None:
            return None
        secret = self._new_secret(client_id, client_of(row).metadata)
        if secret is None:
            raise OAuthError(ErrorCode.INVALID_CLIENT_METADATA, "the client authenticates without a secret")
        kept = row.secret_digests[:1] if keep_former else ()
        return await self._update(
            row, _audit("client.secret_rotated", client_id, origin), metadata=row.metadata,
            digests=(secret.digest, *kept), sealed=secret.sealed, secret=secret,
        )  # fmt: skip

    async def disable(self, client_id: str, origin: Origin) -> bool:
        """Disable it; its tokens and families die at once. True for the call that did it."""
        return await self._store.disable_client(client_id, _audit("client.disabled", client_id, origin))

    async def enable(self, client_id: str, origin: Origin) -> bool:
        """Enable it again; what was cut off stays so."""
        return await self._store.enable_client(client_id, _audit("client.enabled", client_id, origin))

    async def delete(self, client_id: str, origin: Origin) -> bool:
        """Delete it with all that it held."""
        return await self._store.delete_client(client_id, _audit("client.deleted", client_id, origin))

    async def _check_sector(self, metadata: ClientMetadata) -> None:
        """Clients that register themselves come checked (dynamic.py)."""
        if metadata.sector_identifier_uri is None:
            return
        if self._outgoing is None:
            raise OAuthError(ErrorCode.INVALID_CLIENT_METADATA, "sector_identifier_uri: cannot be fetched here")
        await check_sector(metadata, self._outgoing)

    async def _update(
        self, row: StoredClient, audit: AuditEvent, *, metadata: bytes, digests: tuple[bytes, ...],
        sealed: bytes | None, secret: _Secret | None,
    ) -> MadeClient | None:  # fmt: skip
        changed = await self._store.update_client(
            row.client_id, seen=row.updated_at, metadata=metadata, secret_digests=digests, sealed_secret=sealed,
            registration_digest=row.registration_digest, audit=audit,
        )  # fmt: skip
        return None if changed is None else MadeClient(client_of(changed), None if secret is None else secret.text)

    def _new_secret(self, client_id: str, metadata: ClientMetadata) -> _Secret | None:
        if metadata.token_endpoint_auth_method not in SECRET_METHODS:
            return None
        by_jwt = metadata.token_endpoint_auth_method == ClientAuthentication.CLIENT_SECRET_JWT
        # RFC 7518 §3.2: a key of the same size as the hash output or larger MUST be used; that of HS512 has 64 bytes.
        text = entropy.prefixed(SECRET_PREFIX, size=48 if by_jwt else 32)
        # SHA-256 is enough for 256 bits of chance; a password hash would only make every token request slow.
        digest = hashlib.sha256(text.encode()).digest()
        return _Secret(text, digest, self._seal(client_id, text.encode()) if by_jwt else None)


def _audit(event: str, client_id: str, origin: Origin) -> AuditEvent:
    return AuditEvent(event=event, origin=origin, client_id=client_id)


def shown_client(client: Client, *, disabled_at: float | None = None) -> Mapping[str, Any]:
    """A client as it is shown to administrators: metadata and settings, never a secret or digest."""
    return {
        "client_id": client.client_id,
        "source": client.source,
        "disabled_at": disabled_at,
        "created_at": client.created_at or None,
        "metadata": msgspec.to_builtins(client.metadata),
        "settings": msgspec.to_builtins(client.settings),
        "secrets": len(client.secret_digests),
    }
