"""Clients of the configuration file: tables of the setting ``clients`` become clients, or the start is refused.

Reads no file itself; settings/ has.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ClientAuthentication

from watchword_server.clients.directory import MAX_CLIENT_ID, RESERVED
from watchword_server.clients.metadata import Client, ClientMetadata, ClientSettings
from watchword_server.clients.registration import (
    SECRET_METHODS,
    RegistrationRules,
    judge,
    judge_shared_secret,
    read_metadata,
)

LEAST_SECRET: Final = 32
"""Characters of a client secret: a digest by SHA-256 alone needs a secret that cannot be guessed."""
_LEAST_OF_ALGORITHM: Final = {"HS384": 48, "HS512": 64}
"""Bytes of a key by RFC 7518 §3.2, where they are more."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SETTINGS: Final = frozenset(field.name for field in msgspec.structs.fields(ClientSettings))
_METADATA: Final = frozenset(field.name for field in msgspec.structs.fields(ClientMetadata))
_OWN: Final = frozenset({"client_id", "client_secret", "client_secret_sha256", "tenant"})


class ClientRefused(ValueError):  # noqa: N818 - named as its outcome
    """A configured client that cannot be used; the message names it and the mend, never a secret."""


def configured_clients(
    tables: Sequence[Mapping[str, Any]], rules: RegistrationRules, seal: Callable[[str, bytes], bytes]
) -> dict[str, Client]:
    """The clients by identifier. ``seal(client_id, secret)`` keeps the secret of ``client_secret_jwt``.

    Raises ClientRefused.
    """
    found: dict[str, Client] = {}
    for table in tables:
        client = _client(table, rules, seal)
        if client.client_id in found:
            raise ClientRefused(f"clients: {client.client_id!r} is there twice")
        found[client.client_id] = client
    return found


def _client(table: Mapping[str, Any], rules: RegistrationRules, seal: Callable[[str, bytes], bytes]) -> Client:
    client_id = table.get("client_id")
    if not isinstance(client_id, str) or not 0 < len(client_id) <= MAX_CLIENT_ID or not client_id.isascii():
        raise ClientRefused("clients: each needs a client_id in ASCII")
    if client_id in RESERVED:
        raise ClientRefused(f"clients: the client_id {client_id!r} is reserved")
    # A misspelled member would be ignored in silence, and with it perhaps a restriction.
    unknown = sorted(set(table) - _METADATA - _SETTINGS - _OWN)
    if unknown:
        raise ClientRefused(f"clients: {client_id!r} has members that are not known: {', '.join(unknown)}")
    try:
        settings = msgspec.convert({name: table[name] for name in _SETTINGS & set(table)}, ClientSettings)
        metadata = read_metadata({name: table[name] for name in _METADATA & set(table)})
        judge(metadata, rules, settings)
        judge_shared_secret(metadata)
    except msgspec.ValidationError as fault:
        raise ClientRefused(f"clients: {client_id!r}: {fault}") from None
    except OAuthError as fault:
        raise ClientRefused(f"clients: {client_id!r}: {fault.description}") from None
    digests, sealed = _secret(client_id, table, metadata, seal)
    return Client(
        client_id=client_id,
        source="configuration",
        metadata=metadata,
        settings=settings,
        secret_digests=digests,
        sealed_secret=sealed,
        tenant=table.get("tenant"),
    )


def _secret(
    client_id: str, table: Mapping[str, Any], metadata: ClientMetadata, seal: Callable[[str, bytes], bytes]
) -> tuple[tuple[bytes, ...], bytes | None]:
    secret, digest = table.get("client_secret"), table.get("client_secret_sha256")
    method = metadata.token_endpoint_auth_method
    if method not in SECRET_METHODS:
        if secret is not None or digest is not None:
            raise ClientRefused(f"clients: {client_id!r} has a secret, and {method} uses none")
        return (), None
    if secret is not None:
        if not isinstance(secret, str) or len(secret) < LEAST_SECRET or not secret.isprintable():
            raise ClientRefused(f"clients: the secret of {client_id!r} has fewer than {LEAST_SECRET} characters")
        least = _LEAST_OF_ALGORITHM.get(metadata.token_endpoint_auth_signing_alg or "", LEAST_SECRET)
        if len(secret.encode()) < least:
            raise ClientRefused(
                f"clients: the secret of {client_id!r} is shorter than its algorithm needs, {least} bytes"
            )
        raw = secret.encode()
        sealed = seal(client_id, raw) if method == ClientAuthentication.CLIENT_SECRET_JWT else None
        return (hashlib.sha256(raw).digest(),), sealed
    if isinstance(digest, str) and _DIGEST.fullmatch(digest) and method != ClientAuthentication.CLIENT_SECRET_JWT:
        return (bytes.fromhex(digest),), None
    raise ClientRefused(f"clients: {client_id!r} needs a client_secret, or its client_secret_sha256 in hexadecimal")
