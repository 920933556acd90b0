"""The feed as verifiers see it: pages, signed pages, events of a stream.

Holds shapes and their encoding; neither what is sent to whom, nor a key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from watchword_server.revocation.cursor import parse_cursor, write_cursor
from watchword_server.store.records import Axis, Cursor, CutOffBatch

SIGNED_TYPE: Final = "revocations+jwt"
"""``typ`` of everything that a feed key signs (RFC 8725 §3.11): no verifier may take it for a token."""
SIGNED_MEDIA_TYPE: Final = "application/watchword-revocations+jwt"
STREAM_MEDIA_TYPE: Final = "text/event-stream"
ALIVE: Final = b": alive\n\n"
"""A comment (HTML Standard §9.2.6), so that proxies and readers see that the stream has not died."""
RESYNC: Final = b"event: resync\ndata: {}\n\n"
"""The stream cannot go on from where the reader is: ask for a page, and come back with its cursor."""

Sign = Callable[[bytes], str]
"""A compact JWS of a payload, by the feed key of the moment."""


class FeedEntry(msgspec.Struct, frozen=True, gc=False):
    """One cut-off as verifiers see it. ``expires_in`` is relative, so that no clocks are compared."""

    position: int
    axis: Axis
    value: str
    spares: str | None
    floor: int
    expires_in: int


class FeedPage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A page of the feed. ``tenant``: whose verifiers it was made for; left out when it holds what concerns any."""

    cursor: str
    entries: list[FeedEntry]
    more: bool
    snapshot: bool
    tenant: str | None = None


class _SignedPage(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A page that proves when it was asked for: it repeats the question's nonce and cursor."""

    iss: str
    nonce: str
    cursor: str
    entries: list[FeedEntry]
    more: bool
    snapshot: bool
    from_: str | None = msgspec.field(name="from")
    tenant: str | None = None


class _Pushed(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What a stream tells: everything between two places of the log. Proves nothing about when it was sent."""

    iss: str
    from_: str = msgspec.field(name="from")
    cursor: str
    entries: list[FeedEntry]
    tenant: str | None = None


_encode = msgspec.json.Encoder().encode


def plain_page(batch: CutOffBatch, *, tenant: str | None = None) -> bytes:
    """The page as JSON; entries already past their end are told with 0 seconds."""
    return _encode(FeedPage(write_cursor(batch.cursor), _entries(batch), batch.more, batch.snapshot, tenant))


def signed_page(
    batch: CutOffBatch, sign: Sign, *, issuer: str, nonce: str, asked: str | None, tenant: str | None = None
) -> bytes:
    """The page as a compact JWS. ``asked`` is the cursor of the question as it was written."""
    payload = _SignedPage(
        iss=issuer,
        nonce=nonce,
        cursor=write_cursor(batch.cursor),
        entries=_entries(batch),
        more=batch.more,
        snapshot=batch.snapshot,
        from_=asked,
        tenant=tenant,
    )
    return sign(_encode(payload)).encode()


def pushed_event(previous: Cursor, batch: CutOffBatch, sign: Sign, *, issuer: str, tenant: str | None = None) -> bytes:
    """The event of a stream that takes a reader from one place to the next."""
    cursor = write_cursor(batch.cursor)
    payload = _Pushed(iss=issuer, from_=write_cursor(previous), cursor=cursor, entries=_entries(batch), tenant=tenant)
    return f"event: cut-offs\nid: {cursor}\ndata: {sign(_encode(payload))}\n\n".encode()


def last_place(events: bytes) -> Cursor | None:
    """Where the last of these events takes its reader; None where there is none. Given what `pushed_event` made."""
    _, found, rest = events.rpartition(b"\nid: ")
    return parse_cursor(rest.partition(b"\n")[0].decode()) if found else None


def _entries(batch: CutOffBatch) -> list[FeedEntry]:
    return [
        FeedEntry(
            entry.position,
            entry.axis,
            entry.value,
            entry.spares,
            entry.floor,
            max(0, int(entry.expires_at - batch.read_at) + 1),
        )
        for entry in batch.entries
    ]
