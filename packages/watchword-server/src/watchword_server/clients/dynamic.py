"""Clients that register themselves (RFC 7591) and look after their registration (RFC 7592).

Judges metadata by registration.py and keeps clients by administration.py. Knows no HTTP; endpoints/register.py does.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.oauth.scope import parse_scope

from watchword_server import entropy
from watchword_server.clients.administration import ClientAdministration
from watchword_server.clients.directory import client_of
from watchword_server.clients.metadata import Client, ClientMetadata, ClientSettings
from watchword_server.clients.registration import judge, read_metadata
from watchword_server.clients.sector import check_sector
from watchword_server.store.authorization_port import Clients
from watchword_server.store.records import Origin
from watchword_server.web.outgoing import Getting

Mode = Literal["off", "token", "open"]
TOKEN_PREFIX: Final = "wcr"  # noqa: S105 - by which scanners know one
INITIAL_PREFIX: Final = "wci"
_MAX_TOKEN: Final = 256
# RFC 7592 §2.2: the request MUST NOT include these.
_NOT_IN_UPDATE: Final = (
    "registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Registered:
    """A client that registered itself, with what it alone is told."""

    client: Client
    secret: str | None
    """Shown when it was made, and never again: the server keeps a digest."""
    registration_token: str

    def __repr__(self) -> str:
        """Without secrets."""
        return f"Registered({self.client!r})"


class DynamicRegistration:
    """Registers, shows, changes and deletes clients on their own behalf."""

    def __init__(
        self,
        administration: ClientAdministration,
        store: Clients,
        *,
        mode: Mode,
        scopes: Collection[str],
        settings: ClientSettings,
        outgoing: Getting,
        admit: Callable[[str | None], Awaitable[int | None]],
        key: bytes,
    ) -> None:
        """``scopes`` may be registered, others are left out. ``settings``: of every client that comes this way. ``admit``
        counts a registration from an address and gives the seconds to wait, or None. ``key`` makes registration access
        tokens, so that they can be told again without being kept.
        """
        self._administration = administration
        self._store = store
        self._mode = mode
        self._scopes = frozenset(scopes)
        self._settings = settings
        self._outgoing = outgoing
        self._admit = admit
        self._key = key

    async def register(
        self, members: Mapping[str, Any], *, initial_token: str | None, address: str | None, origin: Origin
    ) -> Registered:
        """Register a client (RFC 7591 §3.1).

        Raises: OAuthError ``invalid_token`` where an initial access token is needed and none, or no good one, came;
        ``invalid_client_metadata``, ``invalid_redirect_uri``; ``temporarily_unavailable`` after too many from an address.
        """
        if self._mode == "open" and initial_token is None and await self._admit(address) is not None:
            raise OAuthError(ErrorCode.TEMPORARILY_UNAVAILABLE, "too many clients were registered from here; try later")
        if self._mode != "open" and initial_token is None:
            raise _no_token("an initial access token is needed to register")
        metadata = self._within_scopes(read_metadata(members))
        settings = _fitting(self._settings, metadata)
        judge(metadata, self._administration.rules, settings)
        # A request that is refused must not cost a use of the token; but before anything is fetched, or whoever brings an
        # invented one could send this server to any address, uncounted.
        if initial_token is not None and not await self._store.use_registration_token(digest_of(initial_token)):
            raise _no_token("the initial access token is unknown, used up or has expired")
        await check_sector(metadata, self._outgoing)
        return await self._add(metadata, settings, origin)

    async def _add(self, metadata: ClientMetadata, settings: ClientSettings, origin: Origin) -> Registered:
        client_id = entropy.identifier()
        token = self._token(client_id)
        made = await self._administration.add(
            metadata,
            origin,
            settings=settings,
            client_id=client_id,
            registered_by="dynamic",
            registration_digest=digest_of(token),
        )
        if made is None:
            raise OAuthError(ErrorCode.SERVER_ERROR, "no identifier was free", detail="128 random bits were taken")
        return Registered(made.client, made.secret, token)

    async def show(self, client_id: str, token: str | None) -> Registered:
        """The registration as it stands (RFC 7592 §2.1). Raises: OAuthError ``invalid_token``."""
        client = await self._own(client_id, token)
        return Registered(client, None, self._token(client_id))

    async def change(self, client_id: str, token: str | None, members: Mapping[str, Any], origin: Origin) -> Registered:
        """Replace the metadata (RFC 7592 §2.2): what is left out returns to its default.

        Raises: OAuthError as `register`; ``invalid_client_metadata`` when it is about another client, or names what only
        the server says.
        """
        client = await self._own(client_id, token)
        if any(name in members for name in _NOT_IN_UPDATE):
            raise OAuthError(ErrorCode.INVALID_CLIENT_METADATA, "the request holds a member that only the server sets")
        # RFC 7592 §2.2: it MUST include its client_id, and a client_secret MUST be the current one.
        if members.get("client_id") != client_id:
            raise OAuthError(ErrorCode.INVALID_CLIENT_METADATA, "client_id is missing or another client's")
        secret = members.get("client_secret")
        if secret is not None and not _is_secret_of(client, secret):
            raise OAuthError(ErrorCode.INVALID_CLIENT_METADATA, "client_secret is not the current one")
        metadata = self._within_scopes(read_metadata(members))
        settings = _fitting(client.settings, metadata)
        judge(metadata, self._administration.rules, settings)
        await check_sector(metadata, self._outgoing)
        made = await self._administration.change(client_id, metadata, settings, origin)
        if made is None:
            raise OAuthError(ErrorCode.TEMPORARILY_UNAVAILABLE, "the client was changed at the same time; try again")
        return Registered(made.client, made.secret, self._token(client_id))

    async def delete(self, client_id: str, token: str | None, origin: Origin) -> None:
        """Delete the client with all it holds (RFC 7592 §2.3). Raises: OAuthError ``invalid_token``."""
        await self._own(client_id, token)
        await self._administration.delete(client_id, origin)

    async def _own(self, client_id: str, token: str | None) -> Client:
        """The client whose registration access token it is. One answer for all that is wrong (RFC 7592 §3)."""
        row = await self._store.client(client_id)
        good = row is not None and row.registration_digest is not None and row.disabled_at is None
        kept = row.registration_digest if row is not None and row.registration_digest is not None else bytes(32)
        if not hmac.compare_digest(digest_of(token or ""), kept) or not good or row is None:
            raise _no_token("the registration access token is not good for this client")
        return client_of(row)

    def _token(self, client_id: str) -> str:
        mac = hmac.digest(self._key, b"watchword registration access token 1\x00" + client_id.encode(), "sha256")
        return f"{TOKEN_PREFIX}_{urlsafe_b64encode(mac).rstrip(b'=').decode('ascii')}"

    def _within_scopes(self, metadata: ClientMetadata) -> ClientMetadata:
        """RFC 7591 §2: the server may limit what a client asks for, and tells it what it may have."""
        if metadata.scope is None:
            return metadata
        try:
            asked = parse_scope(metadata.scope)
        except OAuthError:
            raise OAuthError(ErrorCode.INVALID_CLIENT_METADATA, "scope: not a list of scope tokens") from None
        return msgspec.structs.replace(metadata, scope=" ".join(one for one in asked if one in self._scopes) or None)


def digest_of(token: str) -> bytes:
    """SHA-256 of a registration or initial access token; what the store keeps."""
    return hashlib.sha256(token[:_MAX_TOKEN].encode("utf-8", "surrogatepass")).digest()


def _fitting(settings: ClientSettings, metadata: ClientMetadata) -> ClientSettings:
    """RFC 9700 §2.1.1: public clients MUST use PKCE, so what exempts the others is not for them."""
    return msgspec.structs.replace(settings, pkce_exempt=settings.pkce_exempt and metadata.is_confidential)


def _is_secret_of(client: Client, secret: object) -> bool:
    presented = hashlib.sha256(str(secret).encode("utf-8", "surrogatepass")).digest()
    return any(hmac.compare_digest(presented, digest) for digest in client.secret_digests)


def _no_token(description: str) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_TOKEN, description)
