"""What may be told of a person: standard claims by scope or by name (OpenID Connect Core §5.1, §5.4, §5.5). Pure.

Reads no store: account and profile come in. Never tells what neither a scope nor a name asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from watchword_server.store.records import Account

SCOPE_CLAIMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "profile": (
            "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
            "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
        ),
        "email": ("email", "email_verified"),
        "address": ("address",),
        "phone": ("phone_number", "phone_number_verified"),
    }
)  # fmt: skip
"""OpenID Connect Core §5.4."""
CLAIMS: Final = tuple(name for names in SCOPE_CLAIMS.values() for name in names)
"""All that can be told, in a stable order; for discovery."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def scope_claims(account: Account, profile: bytes, scope: Collection[str]) -> dict[str, Any]:
    """The claims that the scopes open."""
    return asked_claims(account, profile, [name for one in SCOPE_CLAIMS if one in scope for name in SCOPE_CLAIMS[one]])


def asked_claims(account: Account, profile: bytes, names: Collection[str]) -> dict[str, Any]:
    """The claims of these names that are held; the others are left out (§5.3.2: never null or an empty text)."""
    wanted = set(names) & set(CLAIMS)
    if not wanted:
        return {}
    held = _decode(profile) if profile else {}
    held["email"], held["email_verified"] = account.email, account.email_verified
    if account.username is not None:
        held.setdefault("preferred_username", account.username)
    return {name: held[name] for name in CLAIMS if name in wanted and held.get(name) not in (None, "", {})}
