"""Who an account is to a client: its id, or an identifier of its own for each sector (OpenID Connect Core §8).

Pure; remembers nothing, since the same identifier is computed again.
"""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import urlsplit

from watchword.jose import base64url
from watchword.oauth.names import GrantType

from watchword_server.clients.metadata import Client

_LABEL: Final = b"watchword pairwise 1\x00"


class Subjects:
    """Subject identifiers, by a secret derived from the master key."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """``secret`` has at least 32 bytes and must stay the same for good: with it every pairwise identifier would change."""
        if len(secret) < 32:
            raise ValueError("the secret of pairwise subjects has at least 32 bytes")
        self._secret = secret

    def of(self, client: Client, account_id: str) -> str:
        """``sub`` for that client. Two clients of different sectors cannot tell that they see the same account."""
        if client.metadata.subject_type != "pairwise":
            return account_id
        # §8.1: the value MUST NOT be reversible by any party other than the OpenID Provider.
        message = _LABEL + sector(client).encode() + b"\x00" + account_id.encode()
        return base64url.encode(hmac.digest(self._secret, message, "sha256"))

    def __repr__(self) -> str:
        """Without the secret."""
        return "Subjects(…)"


def sector(client: Client) -> str:
    """The sector identifier: the host of ``sector_identifier_uri``, else that of the redirect URIs (§8.1), else the client.

    A host counts only where nothing is sent but to it: who names it by a scheme of its own, or gets tokens without being
    redirected, has shown nothing of it; and every machine is localhost.
    """
    metadata = client.metadata
    if metadata.sector_identifier_uri is not None:
        return urlsplit(metadata.sector_identifier_uri).hostname or client.client_id
    hosts = {urlsplit(uri).hostname if uri.startswith("https://") else None for uri in metadata.redirect_uris}
    if len(hosts) != 1 or GrantType.DEVICE_CODE in metadata.grant_types:
        return client.client_id
    return hosts.pop() or client.client_id
