"""Settings of the authorization server proper: scopes, resources, tokens of clients, proofs.

Reads nothing; tree.py has these sections in its tree, and clients themselves are read by clients/configuration.py.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, model_validator

from watchword_server.settings.section import Section, setting
from watchword_server.settings.values import Seconds, Texts, WholeSeconds

TokenFormat = Literal["jwt", "opaque"]
STANDARD_SCOPES = ("openid", "profile", "email", "address", "phone", "offline_access")
"""Those of OpenID Connect Core §5.4 and §11, which need no setting."""
ID_TOKEN_ALGORITHMS = ("RS256", "ES256", "PS256", "EdDSA", "ES384", "ES512", "RS384", "PS384", "Ed25519")
REQUEST_ENCRYPTION = ("ECDH-ES+A256KW", "RSA-OAEP-256")
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")


def resource_identifier(value: str) -> str:
    """A resource indicator (RFC 8707 §2): an absolute URI without fragment. Raises ValueError."""
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a URI") from None
    if not parts.scheme or "#" in value or not (parts.netloc or parts.path):
        raise ValueError(f"{value!r} is not an absolute URI without fragment (RFC 8707 §2)")
    if len(value) > 2048 or not value.isascii() or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError(f"{value!r} is not plain ASCII of at most 2048 characters")
    return value


def scope_names(values: tuple[str, ...]) -> tuple[str, ...]:
    """Scope tokens (RFC 6749 §3.3). Raises ValueError."""
    for value in values:
        if _SCOPE_TOKEN.fullmatch(value) is None:
            raise ValueError(f"{value!r} is not a scope token (RFC 6749 §3.3)")
    return values


def described_scopes(values: dict[str, str]) -> dict[str, str]:
    """Scope tokens with their words. Raises ValueError."""
    scope_names(tuple(values))
    return values


def described_resources(values: dict[str, Resource]) -> dict[str, Resource]:
    """Resources by identifier. Raises ValueError."""
    for name in values:
        resource_identifier(name)
    return values


def _id_token_algorithms(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value not in ID_TOKEN_ALGORITHMS:
            raise ValueError(f"{value!r} is not one of {', '.join(ID_TOKEN_ALGORITHMS)}")
    if not values:
        raise ValueError("names at least one algorithm")
    return tuple(dict.fromkeys(values))


def _request_encryption(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value not in REQUEST_ENCRYPTION:
            raise ValueError(f"{value!r} is not one of {', '.join(REQUEST_ENCRYPTION)}")
    return tuple(dict.fromkeys(values))


ScopeNames = Annotated[Texts, AfterValidator(scope_names)]


class Resource(Section):
    """A resource server that clients may name by `resource` (RFC 8707)."""

    name: str | None = setting(None, "What people are shown on the consent page; its identifier without one.")
    scopes: ScopeNames = setting((), "Scopes that mean something there; none: all.")
    format: Literal["jwt", "opaque", "jwe"] | None = setting(
        None,
        "Form of access tokens for it; none: `oauth.access_token_format`. `jwe`: encrypted to its `encryption_key`.",
    )
    encryption_key: dict[str, Any] | None = setting(
        None, "Its public key as a JWK, to which `jwe` tokens are encrypted. Needs the extra `watchword[jwe]`."
    )
    lifetime: WholeSeconds | None = setting(
        None, "Lifetime of access tokens for it; none: `tokens.access_lifetime`.", "seconds", ge=1, le=86400
    )

    @model_validator(mode="after")
    def _has_its_key(self) -> Self:
        if (self.format == "jwe") != (self.encryption_key is not None):
            raise ValueError("format = jwe and encryption_key go together")
        return self


class SelfRegistration(Section):
    """Clients that come by themselves: by dynamic registration (RFC 7591), or known by the URL of their metadata."""

    dynamic: Literal["off", "token", "open"] = setting(
        "off",
        "Whether clients may register themselves: not at all, with an initial access token "
        "(`watchword clients registration-token`), or anyone.",
    )
    metadata_documents: bool = setting(
        default=True,
        description="Whether a client may be known by the URL of a document about it, as AI agents are (client ID metadata "
        "documents).",
    )
    scopes: ScopeNames | None = setting(
        None, "Scopes such clients may ask for; none: those of OpenID Connect, of `scopes` and of `resources`."
    )
    pkce_exempt: bool = setting(
        default=False,
        description="Whether dynamically registered clients that authenticate may do without PKCE; they send a nonce then.",
    )


class OAuth(Section):
    """What clients get by OAuth 2.1 and OpenID Connect."""

    default_scopes: ScopeNames = setting(
        STANDARD_SCOPES, "Scopes that a client may ask for which was registered without `scope`."
    )
    access_token_format: TokenFormat = setting(
        "jwt",
        "`jwt` (verified offline, RFC 9068) or `opaque` (introspected). Clients with pairwise subjects never get ones that they can read.",
    )
    id_token_lifetime: WholeSeconds = setting(600, "Lifetime of an ID token.", "seconds", ge=1, le=86400)
    id_token_algorithms: Annotated[Texts, AfterValidator(_id_token_algorithms)] = setting(
        ("RS256", "ES256", "PS256", "EdDSA"),
        "Algorithms that clients may have their ID tokens and other answers signed with. A key is made when the first "
        "client needs it.",
    )
    request_object_encryption: Annotated[Texts, AfterValidator(_request_encryption)] = setting(
        (),
        "Algorithms by which clients may encrypt their request objects to this server (RFC 9101), each with a key that "
        "rotates: `ECDH-ES+A256KW`, `RSA-OAEP-256`. Needs the extra `watchword[jwe]`.",
    )
    ask_before_errors: bool = setting(
        default=False,
        description="Whether the fault in a request of whichever client is shown to people who are not signed in, on a page "
        "with a link, and redirected by itself to nobody, as of clients that came by themselves it always is (RFC 9700 "
        "§4.11.2).",
    )
    assertion_lifetime: WholeSeconds = setting(
        3600, "How far ahead the `exp` of a client's assertion may lie (RFC 7523).", "seconds", ge=10, le=3600
    )
    device_lifetime: WholeSeconds = setting(
        600,
        "How long the code that a device shows is good for; in that time its person types it, signs in and decides.",
        "seconds",
        ge=60,
        le=1800,
    )
    dpop_nonce: bool = setting(
        default=False, description="Whether DPoP proofs need a nonce of this server (RFC 9449 §8)."
    )
    dpop_max_age: Seconds = setting(60, "How old a DPoP proof may be.", "seconds", ge=5, le=600)
