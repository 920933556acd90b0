"""Finding a client: sources are asked in their order, the first that knows the identifier has the word.

Judges no metadata (registration.py) and authenticates nobody (authentication.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec
from watchword.oauth.errors import OAuthError

from watchword_server.clients.metadata import Client, ClientMetadata, ClientSettings
from watchword_server.store.authorization_port import Clients
from watchword_server.store.authorization_records import StoredClient

MAX_CLIENT_ID: Final = 2048
"""Characters; the identifier may be a URL."""
RESERVED: Final = frozenset({"first-party"})
"""The `client_id` of tokens that no client gets; nobody may be registered or found by it."""
_REMEMBERED: Final = 512


class ClientSource(Protocol):
    """One place where clients are found: the configuration, the store, documents on the web."""

    async def find(self, client_id: str) -> Client | None:
        """The client of exactly that identifier, ready for use; None when it is not here, or is disabled."""
        ...


class ClientDirectory:
    """All sources as one."""

    def __init__(self, sources: Sequence[ClientSource]) -> None:
        self._sources = tuple(sources)

    async def find(self, client_id: str) -> Client | None:
        """The client of exactly that identifier; None for one that is unknown or disabled."""
        if not 0 < len(client_id) <= MAX_CLIENT_ID or not client_id.isascii() or not client_id.isprintable():
            return None
        if client_id in RESERVED:
            return None
        for source in self._sources:
            found = await source.find(client_id)
            if found is not None:
                return found
            if isinstance(source, StoredClients) and await source.has(client_id):
                # Disabled: its document on the web must not bring it back.
                return None
        return None


async def find_if_reachable(clients: ClientSource, client_id: str) -> Client | None:
    """As ``find``, but None for a client whose own document cannot be had now, or may not be used any more: for what goes
    on without it. A stranger's document must not keep anybody from logging out.
    """
    try:
        return await clients.find(client_id)
    except OAuthError:
        return None


class ConfiguredClients:
    """Those of the configuration; they change with a restart only."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = dict(clients)

    async def find(self, client_id: str) -> Client | None:
        """As ``ClientSource``."""
        return self._clients.get(client_id)

    def __iter__(self) -> Iterator[Client]:
        return iter(self._clients.values())


class StoredClients:
    """Those on record. The row is read each time, so that a disabled client is refused at once; what is made of its
    documents is remembered by their bytes.
    """

    def __init__(self, store: Clients) -> None:
        self._store = store
        self._remembered: dict[str, tuple[StoredClient, Client]] = {}

    async def find(self, client_id: str) -> Client | None:
        """As ``ClientSource``."""
        row = await self._store.client(client_id)
        if row is None or row.disabled_at is not None:
            return None
        known = self._remembered.get(client_id)
        if known is not None and known[0] == row:
            return known[1]
        client = client_of(row)
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[client_id] = (row, client)
        return client

    async def has(self, client_id: str) -> bool:
        """Whether it is on record, disabled or not."""
        return await self._store.client(client_id) is not None


class ClientDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the store keeps of a client as JSON."""

    metadata: ClientMetadata = ClientMetadata()
    settings: ClientSettings = ClientSettings()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ClientDocument).decode


def document_of(metadata: ClientMetadata, settings: ClientSettings) -> bytes:
    """The document to keep."""
    return _encode(ClientDocument(metadata, settings))


def client_of(row: StoredClient) -> Client:
    """The client of a row."""
    document = _decode(row.metadata)
    return Client(
        client_id=row.client_id,
        source=row.origin,
        metadata=document.metadata,
        settings=document.settings,
        secret_digests=row.secret_digests,
        sealed_secret=row.sealed_secret,
        registration_digest=row.registration_digest,
        tenant=row.tenant,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
