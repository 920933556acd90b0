"""Metadata of a protected resource (RFC 9728): the document, where it lies, and how a client reads it.

Serves nothing and fetches nothing: adapters serve it, clients bring the bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from watchword.oauth.metadata import MAX_METADATA_BYTES, MetadataError
from watchword.oauth.scope import is_scope_token

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


class ProtectedResource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a resource server says of itself (RFC 9728 §2).

    ``resource`` is its identifier, a URL without fragment, and best also its audience in tokens (RFC 8707).
    ``authorization_servers`` are issuers.

    Raises: ValueError for what the RFC does not allow.
    """

    resource: str
    authorization_servers: tuple[str, ...] = ()
    jwks_uri: str | None = None
    scopes_supported: tuple[str, ...] = ()
    bearer_methods_supported: tuple[str, ...] = ()
    resource_name: str | None = None
    resource_documentation: str | None = None
    resource_policy_uri: str | None = None
    resource_tos_uri: str | None = None
    tls_client_certificate_bound_access_tokens: bool = False
    authorization_details_types_supported: tuple[str, ...] = ()
    dpop_signing_alg_values_supported: tuple[str, ...] = ()
    dpop_bound_access_tokens_required: bool = False

    def __post_init__(self) -> None:
        _check_url(self.resource)
        for issuer in self.authorization_servers:
            _check_url(issuer)
        if not all(map(is_scope_token, self.scopes_supported)):
            raise ValueError("scopes_supported must be scope tokens (RFC 6749 §3.3)")

    @property
    def metadata_path(self) -> str:
        """The path under which the document must be served."""
        return urlsplit(self.metadata_url).path

    @property
    def metadata_url(self) -> str:
        """Where the document lies (§3.1): what ``resource_metadata`` in challenges names."""
        return metadata_url(self.resource)

    def document(self) -> bytes:
        """The document as JSON. Header fields are the only way in which tokens are taken here."""
        members = {"bearer_methods_supported": ["header"], **msgspec.to_builtins(self)}
        return msgspec.json.encode(members)


def metadata_url(resource: str) -> str:
    """Where the metadata of a resource lies: the well-known part stands between host and path (RFC 9728 §3.1).

    Raises: ValueError for what is no URL of a resource.
    """
    parts = _check_url(resource)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{'' if parts.path == '/' else parts.path}{query}"


def parse_protected_resource(raw: bytes, *, resource: str) -> ProtectedResource:
    """Read a document that was fetched for ``resource``.

    RFC 9728 §3.3: the resource value returned MUST be identical to the one it was fetched for; otherwise a hostile
    resource could send a client to get tokens for another.

    Raises: MetadataError; never another exception.
    """
    if len(raw) > MAX_METADATA_BYTES:
        raise MetadataError("metadata is too long")
    try:
        found = msgspec.json.decode(raw, type=ProtectedResource)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        raise MetadataError("metadata is not a JSON object that describes a resource") from None
    if found.resource != resource:
        raise MetadataError("metadata describes another resource")
    return found


def resource_of(verifier: Any, resource: str, *, scopes: Collection[str] = (), **members: Any) -> ProtectedResource:
    """The metadata that is true of a verifier: its issuers, and how it takes proofs. ``members`` are added.

    Raises: ValueError as `ProtectedResource`.
    """
    several = getattr(verifier, "verifiers", None)
    issuers = tuple(several) if several is not None else (verifier.policy.issuer,)
    rules = verifier.possession
    known = {
        "authorization_servers": issuers,
        "scopes_supported": tuple(scopes),
        "dpop_signing_alg_values_supported": tuple(rules.dpop.algorithms),
        "dpop_bound_access_tokens_required": False,
    }
    return ProtectedResource(resource=resource, **{**known, **members})


def _check_url(url: str) -> Any:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"https", "http"} and bool(parts.hostname) and "@" not in parts.netloc and "#" not in url
    except ValueError:
        good = False
    if not good or not url.isascii() or any(character <= " " for character in url):
        raise ValueError("a resource or issuer is a URL without user information and fragment")
    return parts
