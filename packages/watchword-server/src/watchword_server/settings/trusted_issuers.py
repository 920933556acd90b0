"""Settings of issuers elsewhere, whose assertions about people are exchanged for tokens (RFC 7523 §2.1).

Reads nothing and trusts nobody by itself: without entries the grant does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from watchword_server.settings.section import Section, setting
from watchword_server.settings.values import Texts, WholeSeconds, is_loopback_host

MAX_ACCOUNTS = 10_000


def _checked_url(value: str, what: str) -> None:
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(f"{what} is not a URL") from None
    host = parts.hostname or ""
    # In clear only where nobody is between: what comes from there decides who is let in.
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(host))):
        raise ValueError(f"{what} is an https URL")
    if "#" in value or "@" in parts.netloc or len(value) > 2048 or not value.isascii() or not value.isprintable():
        raise ValueError(f"{what} is a plain URL of at most 2048 characters, without fragment and user name")


class TrustedIssuer(Section):
    """An issuer elsewhere, and for whom its word counts here."""

    profile: Literal["id-jag", "jwt"] = setting(
        "id-jag",
        "What it signs: `id-jag` (Identity Assertion JWT Authorization Grant: made for one client, saying scope and resource) "
        "or `jwt` (a plain assertion by RFC 7523).",
    )
    jwks_uri: str | None = setting(None, "Where it publishes its keys; this or `jwks`.")
    jwks: dict[str, Any] | None = setting(None, "Its public keys as a JWK Set.")
    clients: Texts = setting(..., "Clients that may present its assertions, by `client_id`.", min_length=1)
    accounts: Annotated[dict[str, str], Field(min_length=1, max_length=MAX_ACCOUNTS)] = setting(
        ..., "Whom it may speak of: its `sub`, and the id of the account here. Nobody else."
    )
    lifetime: WholeSeconds = setting(
        300, "How far ahead the `exp` of its assertions may lie.", "seconds", ge=10, le=3600
    )

    @model_validator(mode="after")
    def _has_keys(self) -> Self:
        if (self.jwks_uri is None) == (self.jwks is None):
            raise ValueError("exactly one of jwks_uri and jwks is given")
        if self.jwks_uri is not None:
            _checked_url(self.jwks_uri, "jwks_uri")
        return self


def described_issuers(values: dict[str, TrustedIssuer]) -> dict[str, TrustedIssuer]:
    """Trusted issuers by their ``iss``, which is compared character by character. Raises ValueError."""
    check_issuers(values)
    return values


def check_issuers(names: Iterable[str]) -> None:
    """Raises ValueError for what is no issuer identifier."""
    for issuer in names:
        _checked_url(issuer, repr(issuer))
        if "?" in issuer:
            raise ValueError(f"{issuer!r} has a query (RFC 8414 §2)")
