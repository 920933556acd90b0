"""What a signer says of a URL, turned into caveats and an expiry, or refused while it can still be mended. PURE.

Signs nothing; the caveats themselves, and how a request is held against them, are in ``caveats``.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, Protocol, TypedDict

from watchword.clock import EpochSeconds
from watchword.jose import base64url
from watchword.signedurl import caveats as rules
from watchword.signedurl import grammar
from watchword.signedurl.caveats import Caveats, Query

_NAME_BYTES: Final = 16


class Session(Protocol):
    """In whose name a URL is signed: an `AccessToken` is one."""

    @property
    def sub(self) -> str: ...
    @property
    def sid(self) -> str | None: ...
    @property
    def rev(self) -> int | None: ...
    @property
    def client_id(self) -> str: ...
    @property
    def tenant(self) -> str | None: ...


class Bindings(TypedDict, total=False):
    """The arguments of `SignedUrls.sign` that bind a URL to more than its path, query and expiry."""

    method: str | None
    """The only method, where it is not GET and HEAD."""
    prefix: str | None
    """All below this path is signed, not only the URL, which must lie there."""
    query: Query
    """Which parameters are bound: ``"all"`` (the default), ``"none"``, or names."""
    session: Session | None
    """What it dies with, and the account beside it; an `AccessToken` will do."""
    account: str | None
    """A ``sub`` to die with, where there is no session."""
    clients: Collection[str]
    """Networks or addresses it may be used from."""
    content_type: str | None
    """Of an upload, without parameters."""
    content_length: int | tuple[int, int] | None
    """The greatest of an upload, or the least and the greatest."""
    not_before: datetime | None
    once: bool
    """For one use. HEAD is refused then, so that no preview spends it."""
    name: str | None
    """Its ``jti``, by which it can be cut off; made if it needs one."""


def caveats_of(now: EpochSeconds, bindings: Bindings) -> Caveats:
    """The caveats. Raises: ValueError for what cannot be bound as asked."""
    session, account = bindings.get("session"), bindings.get("account")
    if session is not None and account is not None and session.sub != account:
        raise ValueError("account is another one than the session's")
    prefix, query, begins = bindings.get("prefix"), bindings.get("query", "all"), bindings.get("not_before")
    media_type, length = bindings.get("content_type"), bindings.get("content_length")
    once, name = bindings.get("once", False), bindings.get("name")
    bound = session is not None or account is not None or once or name is not None
    return Caveats(
        method=bindings.get("method"),
        prefix=None if prefix is None else grammar.check_prefix(prefix),
        query=query if isinstance(query, str) else tuple(query),
        sub=account if session is None else session.sub,
        sid=None if session is None else session.sid,
        rev=None if session is None else session.rev,
        client_id=None if session is None else session.client_id,
        tenant=None if session is None else session.tenant,
        jti=base64url.encode(os.urandom(_NAME_BYTES)) if once and name is None else name,
        once=once,
        iat=int(now) if bound else None,
        nbf=None if begins is None else instant(begins, now),
        net=rules.networks(bindings.get("clients", ())),
        type=None if media_type is None else rules.media_type(media_type),
        length=None if length is None else rules.lengths(length),
    )


def instant(given: float | timedelta | datetime, now: EpochSeconds) -> int:
    """Seconds from now, or an instant, in whole seconds since the epoch. Raises: ValueError without a time zone."""
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return int(given.timestamp())
    return int(now + (given.total_seconds() if isinstance(given, timedelta) else given))
