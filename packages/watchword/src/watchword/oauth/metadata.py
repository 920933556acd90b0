"""Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0): where it lies and how it is read.

Fetches nothing: the caller brings the bytes, and the issuer it expects them from.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

MAX_METADATA_BYTES: Final = 262_144
"""Octets of a metadata document that are read at all."""


class MetadataError(ValueError):
    """A metadata document was refused. The message names the rule, not the value."""


class ServerMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The members this library uses of a metadata document (RFC 8414 §2); others are left unread."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    introspection_endpoint: str | None = None
    revocation_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    registration_endpoint: str | None = None
    scopes_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ("authorization_code", "implicit")
    code_challenge_methods_supported: tuple[str, ...] = ()
    dpop_signing_alg_values_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False
    watchword_revocations_uri: str | None = None
    watchword_revocations_keys_uri: str | None = None


_decoder: Final = msgspec.json.Decoder(ServerMetadata)


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where the metadata of an issuer may lie, in the order to try: OpenID Connect Discovery 1.0 §4, RFC 8414 §3."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )


def parse_metadata(raw: bytes, *, issuer: str) -> ServerMetadata:
    """Read a metadata document that was fetched for ``issuer``.

    RFC 8414 §3.3: the ``issuer`` in it MUST be identical to the one it was fetched for, or it is someone else's.

    Returns: the members used here. Does not look at the URLs in it: the transport refuses what it must not fetch.
    Raises: MetadataError; never another exception.
    """
    if len(raw) > MAX_METADATA_BYTES:
        raise MetadataError("metadata is too long")
    try:
        metadata = _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MetadataError("metadata is not a JSON object with an issuer and a jwks_uri") from None
    if metadata.issuer != issuer:
        raise MetadataError("metadata names another issuer")
    return metadata
