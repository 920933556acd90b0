"""What an account tells of its person: the standard claims (OpenID Connect Core §5.1), judged and kept.

Email address and username are the account's own and not kept here; who is told what, tokens/person.py says.
"""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from watchword.clock import Clock

from watchword_server.accounts.results import AccountRefused
from watchword_server.store.authorization_port import Profiles
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.web.field_error import FieldError

_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Lines = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")]
_Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2048, pattern=r"^https?://[^\x00-\x20\x7f]+$")]
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}", re.ASCII)


class Address(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A postal address (§5.1.1)."""

    formatted: _Lines | None = None
    street_address: _Lines | None = None
    locality: _Line | None = None
    region: _Line | None = None
    postal_code: _Line | None = None
    country: _Line | None = None


class Profile(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The standard claims that are kept."""

    name: _Line | None = None
    given_name: _Line | None = None
    family_name: _Line | None = None
    middle_name: _Line | None = None
    nickname: _Line | None = None
    preferred_username: _Line | None = None
    profile: _Url | None = None
    picture: _Url | None = None
    website: _Url | None = None
    gender: _Line | None = None
    birthdate: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4}|[0-9]{4}-[0-9]{2}-[0-9]{2})$")] | None = None
    zoneinfo: _Line | None = None
    locale: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]{1,8}([-_][A-Za-z0-9]{1,8}){0,4}$")] | None = None
    address: Address | None = None
    phone_number: Annotated[str, msgspec.Meta(pattern=r"^\+?[0-9 ().;=A-Za-z-]{3,40}$")] | None = None
    phone_number_verified: bool | None = None
    updated_at: int | None = None
    """Seconds since the epoch; the server's to say."""


class ProfileService:
    """Reads and replaces profiles."""

    def __init__(self, store: Profiles, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def read(self, account_id: str) -> Profile:
        """What is held; an empty profile for an account that told nothing."""
        return msgspec.json.decode(await self._store.profile(account_id) or b"{}", type=Profile)

    async def replace(self, account_id: str, told: Profile, origin: Origin, *, by_itself: bool) -> Profile | None:
        """Replace the profile. ``by_itself``: the person says it; then a phone number that is new counts as not verified,
        whatever was said. None: no such account.

        Raises AccountRefused for what no person could have.
        """
        _judge(told)
        verified = told.phone_number_verified
        if by_itself:
            held = await self.read(account_id)
            same = told.phone_number is not None and told.phone_number == held.phone_number
            verified = held.phone_number_verified if same else (None if told.phone_number is None else False)
        kept = msgspec.structs.replace(told, phone_number_verified=verified, updated_at=int(self._clock.now()))
        audit = AuditEvent(event="profile.changed", origin=origin, account_id=account_id)
        return kept if await self._store.set_profile(account_id, msgspec.json.encode(kept), audit) else None


def _judge(profile: Profile) -> None:
    faults = []
    if profile.zoneinfo is not None and _ZONE.fullmatch(profile.zoneinfo) is None:
        faults.append(FieldError("zoneinfo", "invalid", "is a time zone such as Europe/Vienna"))
    for name in ("profile", "picture", "website"):
        url = getattr(profile, name)
        if url is not None and not _is_url(url):
            faults.append(FieldError(name, "invalid", "is an http or https URL"))
    if faults:
        raise AccountRefused(*faults)


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.username is None
    except ValueError:
        return False
