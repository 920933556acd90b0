"""Subject identifiers (RFC 9493) as this server knows them, each with one canonical name to compare by.

PURE. Reads no account; whether there is such a subject is told to nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from watchword_server.store.records import Account

_LONGEST = 512


class SubjectError(ValueError):
    """Not a subject that streams can be about; the message is for the receiver."""


def issuer_subject(account_id: str, *, issuer: str) -> dict[str, Any]:
    """How this server names an account in an event (RFC 9493 §3.2.3)."""
    return {"format": "iss_sub", "iss": issuer, "sub": account_id}


def account_names(account: Account | None, account_id: str | None, *, issuer: str) -> tuple[str, ...]:
    """All names under which a receiver may have asked for an account."""
    if account_id is None:
        return ()
    names = [_name("iss_sub", issuer, account_id), opaque_name("user", account_id)]
    if account is not None and account.email_verified:
        # An address that nobody proved could be anybody's: events about it would go to whoever asked for the real one.
        names.append(_name("email", account.email.lower()))
    if account is not None and account.tenant is not None:
        names.append(opaque_name("tenant", account.tenant))
    return tuple(names)


def opaque_name(of: str, identifier: str) -> str:
    """The name of an identifier that means something to this server alone: of a ``user`` or a ``tenant``."""
    return _name("opaque", of, identifier)


def name_of(subject: object) -> str:
    """The canonical name of a subject that a receiver gave: ``iss_sub``, ``email``, ``opaque``, or ``complex`` with
    one member ``user`` or ``tenant``.

    Raises: SubjectError.
    """
    name = _name_of(subject)
    if len(name) > _LONGEST:
        raise SubjectError(f"An identifier is longer than {_LONGEST} characters.")
    return name


def _name_of(subject: object) -> str:
    members = _object(subject)
    form = members.get("format")
    if form == "complex":
        inner = {key: value for key, value in members.items() if key != "format"}
        if len(inner) != 1:
            raise SubjectError("A complex subject has exactly one member here: user or tenant.")
        ((part, value),) = inner.items()
        if part == "user":
            return _simple(_object(value), of="user")
        if part == "tenant" and _object(value).get("format") == "opaque":
            return _simple(_object(value), of="tenant")
        raise SubjectError("A complex subject is a user, or a tenant by an opaque identifier.")
    return _simple(members, of="user")


def _simple(members: Mapping[str, Any], *, of: str) -> str:
    match members:
        case {"format": "iss_sub", "iss": str(iss), "sub": str(sub), **rest} if not rest:
            return _name("iss_sub", iss, sub)
        case {"format": "email", "email": str(email), **rest} if not rest and "@" in email:
            return _name("email", email.lower())
        case {"format": "opaque", "id": str(identifier), **rest} if not rest:
            return opaque_name(of, identifier)
    raise SubjectError("The subject is not of the format iss_sub, email or opaque, or a member is missing or too many.")


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SubjectError("A subject is a JSON object with a format (RFC 9493).")
    return value


def _name(*parts: str) -> str:
    """Parts as JSON text, so that no two lists of parts share a name."""
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
