"""Claims added by configuration: a constant, or a template such as ``{account.tenant}``, checked when it is loaded.

Knows no registered claim's value: claims.py makes those. An email address, a name or a secret cannot be named here:
placeholders are a closed list, and claims that hold such things by name are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from watchword_server.store.records import Record

CustomValue: TypeAlias = "str | int | bool | tuple[str, ...]"

_CLAIM_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,127}", re.ASCII)
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_MAX_TEMPLATE: Final = 1024
_MAX_CLAIMS: Final = 32
_REGISTERED: Final = {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "auth_time", "acr", "amr"}
_EXTENDED: Final = {"azp", "nonce", "roles", "groups", "entitlements", "status", "cnf", "act", "may_act", "events"}
_OURS: Final = (
    _REGISTERED
    | _EXTENDED
    | {"authorization_details", "userinfo", "sid", "rev", "permissions", "tenant", "made_of", "typ", "alg", "kid"}
)
_NAMES: Final = {
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "username",
    "preferred_username",
    "login",
}
_ADDRESSES: Final = {"email", "email_verified", "mail", "phone", "phone_number", "phone_number_verified", "address"}
_PERSONAL: Final = {"birthdate", "gender", "profile", "picture", "website"}
_SECRETS: Final = {"password", "password_hash", "secret", "client_secret", "token", "refresh_token"}
_PRIVATE: Final = _NAMES | _ADDRESSES | _PERSONAL | _SECRETS


class ClaimRefused(ValueError):  # noqa: N818 - named as its outcome, like the rest of the house
    """A configured claim that a token must not carry; the message names it and the mend."""


class ClaimSource(Record, frozen=True):
    """All that a template can speak of."""

    account_id: str | None
    tenant: str | None
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    sid: str | None
    client_id: str


_PLACEHOLDERS: Final = {
    "account.id": "account_id",
    "account.tenant": "tenant",
    "account.roles": "roles",
    "account.permissions": "permissions",
    "session.id": "sid",
    "client.id": "client_id",
}


class CustomClaim(Record, frozen=True):
    """One configured claim, ready to be filled in."""

    name: str
    parts: tuple[tuple[bool, str], ...]
    """(False, text as it is) or (True, field of the source), in order."""
    constant: int | bool | None = None

    def value(self, source: ClaimSource) -> CustomValue | None:
        """Its value; None, and the claim is left out, when something that it names is not there."""
        if self.constant is not None:
            return self.constant
        if len(self.parts) == 1 and self.parts[0][0]:
            whole: CustomValue | None = getattr(source, self.parts[0][1])
            return whole
        texts = []
        for is_field, text in self.parts:
            filled = getattr(source, text) if is_field else text
            if filled is None:
                return None
            texts.append(" ".join(filled) if isinstance(filled, tuple) else filled)
        return "".join(texts)


def custom_claims(configured: Mapping[str, Any]) -> tuple[CustomClaim, ...]:
    """Check and prepare the configured claims.

    Raises ClaimRefused for a claim that is ours to say, that holds an email address, a name or a secret, or whose
    template names anything but the account's id, tenant, roles and permissions, the session's id or the client's.
    """
    if len(configured) > _MAX_CLAIMS:
        raise ClaimRefused(f"{len(configured)} custom claims; at most {_MAX_CLAIMS} fit in a token")
    return tuple(_custom_claim(name, value) for name, value in configured.items())


def _custom_claim(name: str, value: object) -> CustomClaim:
    if not _CLAIM_NAME.fullmatch(name):
        raise ClaimRefused(f"{name!r} is no name for a claim")
    if name.lower() in _OURS:
        raise ClaimRefused(f"the claim {name!r} is made by the server and cannot be configured")
    if name.lower() in _PRIVATE:
        raise ClaimRefused(
            f"the claim {name!r} would put personal data or a secret in every access token; ask /userinfo for it"
        )
    if isinstance(value, bool | int):
        return CustomClaim(name=name, parts=(), constant=value)
    if not isinstance(value, str) or len(value) > _MAX_TEMPLATE:
        raise ClaimRefused(f"the claim {name!r} is to be a text under {_MAX_TEMPLATE} characters, a number or a truth")
    return CustomClaim(name=name, parts=_parts(name, value))


def _parts(name: str, template: str) -> tuple[tuple[bool, str], ...]:
    parts: list[tuple[bool, str]] = []
    for position, text in enumerate(_PLACEHOLDER.split(template)):
        if position % 2:
            parts.append((True, _field(name, text)))
        elif "{" in text or "}" in text:
            raise ClaimRefused(f"the claim {name!r} has a brace without its partner")
        elif text:
            parts.append((False, text))
    return tuple(parts) or ((False, ""),)


def _field(name: str, placeholder: str) -> str:
    field = _PLACEHOLDERS.get(placeholder)
    if field is None:
        known = ", ".join("{" + one + "}" for one in _PLACEHOLDERS)
        raise ClaimRefused(
            f"the claim {name!r} names {{{placeholder}}}, which a token must not carry or which does not exist; "
            f"it can name {known}"
        )
    return field
