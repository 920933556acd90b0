"""What a client is, in the names of RFC 7591 §2 and OpenID Connect Registration §2, and this installation's own settings for it.

Holds the shape alone: registration.py judges what may be registered, directory.py finds clients, authentication.py
authenticates them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from watchword.clock import EpochSeconds

SourceName = Literal["configuration", "admin", "dynamic", "metadata_document"]
"""Where a client was found."""
TokenFormat = Literal["jwt", "opaque", "jwe"]
ApplicationType = Literal["web", "native"]
Profile = Literal["default", "fapi2"]


class ClientMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=False):
    """What a client says of itself; the defaults are those of the RFCs. Unknown members are ignored (RFC 7591 §2)."""

    redirect_uris: tuple[str, ...] = ()
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105 - the name of a method
    token_endpoint_auth_signing_alg: str | None = None
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    application_type: ApplicationType | None = None
    """What it says itself; ``kind`` is what counts."""
    client_name: str | None = None
    client_uri: str | None = None
    logo_uri: str | None = None
    tos_uri: str | None = None
    policy_uri: str | None = None
    contacts: tuple[str, ...] = ()
    scope: str | None = None
    """Scopes it may ask for, space-delimited; None: those of the installation's default for its source."""
    jwks_uri: str | None = None
    jwks: Mapping[str, Any] | None = None
    software_id: str | None = None
    software_version: str | None = None
    # OpenID Connect
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier_uri: str | None = None
    id_token_signed_response_alg: str = "RS256"  # noqa: S105 - the name of an algorithm
    id_token_encrypted_response_alg: str | None = None
    id_token_encrypted_response_enc: str | None = None
    userinfo_signed_response_alg: str | None = None
    userinfo_encrypted_response_alg: str | None = None
    userinfo_encrypted_response_enc: str | None = None
    request_object_signing_alg: str | None = None
    request_object_encryption_alg: str | None = None
    request_object_encryption_enc: str | None = None
    request_uris: tuple[str, ...] = ()
    default_max_age: int | None = None
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = ()
    initiate_login_uri: str | None = None
    # Logout
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False
    # RFC 9126, 9101, 9449, 8705, 9396, 9701, JARM
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    authorization_details_types: tuple[str, ...] = ()
    introspection_signed_response_alg: str | None = None
    authorization_signed_response_alg: str | None = None

    @property
    def kind(self) -> ApplicationType:
        """Where it runs: as it says, or else on people's devices when it is answered on one (RFC 8252 §7.3)."""
        if self.application_type is not None:
            return self.application_type
        answered_at = (*self.redirect_uris, *self.post_logout_redirect_uris)
        return "native" if any(uri.startswith("http://") for uri in answered_at) else "web"

    @property
    def is_confidential(self) -> bool:
        """Whether it authenticates (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method != "none"  # noqa: S105 - the name of a method


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the installation, never the client itself, decides about it."""

    first_party: bool = False
    """Whether consent is not asked for."""
    access_token_format: TokenFormat | None = None
    """None: the installation's."""
    access_lifetime: int | None = None
    """Seconds; None: the installation's."""
    audiences: tuple[str, ...] | None = None
    """Resources (RFC 8707) it may ask for; None: all that the installation knows."""
    pkce_exempt: bool = False
    """A confidential OpenID client that sends no ``code_challenge``; it must send a ``nonce`` then."""
    profile: Profile = "default"
    may_introspect: bool = False
    """Whether it is a resource server, which may introspect tokens meant for its audiences."""
    roles: tuple[str, ...] = ()
    """Roles of the client's own tokens (client credentials)."""
    exchange: bool = False
    """Whether it may exchange tokens (RFC 8693)."""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A client as every endpoint sees it, wherever it was found."""

    client_id: str
    source: SourceName
    metadata: ClientMetadata
    settings: ClientSettings = ClientSettings()
    secret_digests: tuple[bytes, ...] = ()
    sealed_secret: bytes | None = None
    registration_digest: bytes | None = None
    tenant: str | None = None
    created_at: EpochSeconds = EpochSeconds(0)
    updated_at: EpochSeconds = EpochSeconds(0)

    @property
    def name(self) -> str:
        """What people are shown; its identifier when it gave no name. Not verified by anyone."""
        return self.metadata.client_name or self.client_id

    @property
    def is_confidential(self) -> bool:
        """Whether it authenticates (RFC 6749 §2.1)."""
        return self.metadata.is_confidential

    @property
    def is_fapi2(self) -> bool:
        """Whether the FAPI 2.0 Security Profile is held for it."""
        return self.settings.profile == "fapi2"

    def allows(self, grant_type: str) -> bool:
        """Whether it registered for that grant."""
        return grant_type in self.metadata.grant_types

    def __repr__(self) -> str:
        """Without digests or secrets."""
        return f"Client({self.client_id!r}, source={self.source!r})"
