"""The document behind ``sector_identifier_uri`` (OpenID Connect Registration §5): it has to list the client's redirect URIs.

Fetches by the guarded road alone. What a sector is used for stands in tokens/subjects.py.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.metadata import ClientMetadata
from watchword_server.web.outgoing import Getting, OutgoingFailed, OutgoingRefused

MAX_BYTES: Final = 65_536
_decode = msgspec.json.Decoder(list[str]).decode


async def check_sector(metadata: ClientMetadata, outgoing: Getting) -> None:
    """Check that a client belongs to the sector it names; without a ``sector_identifier_uri`` there is nothing to check.

    Raises: OAuthError ``invalid_client_metadata``.
    """
    uri = metadata.sector_identifier_uri
    if uri is None:
        return
    # §5: the URI MUST use the https scheme; the server SHOULD fetch it and see that all redirect_uris are included.
    if urlsplit(uri).scheme != "https":
        raise _refused("is not https")
    try:
        answer = await outgoing.get(uri, headers={"Accept": "application/json"}, max_bytes=MAX_BYTES)
    except (OutgoingRefused, OutgoingFailed) as error:
        raise _refused("cannot be fetched", str(error)) from error
    if answer.status != 200:
        raise _refused("did not answer with status 200")
    try:
        listed = set(_decode(answer.body))
    except msgspec.DecodeError as error:
        raise _refused("does not hold a JSON array of texts") from error
    if not listed.issuperset(metadata.redirect_uris):
        raise _refused("does not list every redirect URI of the client")


def _refused(why: str, detail: str | None = None) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_CLIENT_METADATA, f"sector_identifier_uri {why}", detail=detail)
