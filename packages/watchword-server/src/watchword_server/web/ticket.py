"""The ticket that carries a request from page to page: signed, short-lived, and good in one browser alone.

Keeps nothing on the server, so that strangers cannot fill its store. Says nothing of who is signed in: every step reads
that anew. The ticket is also the token against forged posts, since nobody else can make one for this browser.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final

import msgspec
from watchword.clock import EpochSeconds
from watchword.jose import base64url
from watchword.jose.errors import JoseError

LIFETIME: Final = 3600.0
"""Seconds from page to page; with the next page it begins anew."""
MAX_TICKET: Final = 7_600
"""Characters: it has to fit in a URL."""
_MAC_BYTES: Final = 32


class Ticket(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A request under way."""

    purpose: str
    """What page family it is for: a ticket of a logout starts no authorization."""
    values: dict[str, str]
    resource: tuple[str, ...] = ()
    began: EpochSeconds
    expires_at: EpochSeconds
    selected: str | None = None
    """The account that the person chose to go on with."""
    signed: bool = False
    """Whether its client signed the request."""
    shown: tuple[str, ...] | None = None
    """The scopes that the page of consent named."""


class TicketRefused(Exception):  # noqa: N818 - an outcome that every page expects
    """Not one of ours, altered, or of another browser. Says no more, since it teaches nobody but an attacker."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ticket).decode


class Tickets:
    """Makes and reads them. ``secret``: a key of its own, derived from the master key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, ticket: Ticket, browser: str) -> str:
        """The ticket as text, for the browser whose cookie holds that secret.

        Raises ValueError when it would not fit in a URL; requests are limited so that theirs do.
        """
        octets = _encode(ticket)
        sealed = base64url.encode(octets + self._mac(octets, browser))
        if len(sealed) > MAX_TICKET:
            raise ValueError("the ticket does not fit in a URL")
        return sealed

    def open(self, text: str | None, browser: str | None, *, purpose: str, also: str | None = None) -> Ticket:
        """The ticket again, whether or not it has expired: of that purpose, or of the other. Raises TicketRefused."""
        if not text or not browser or len(text) > MAX_TICKET:
            raise TicketRefused
        try:
            sealed = base64url.decode(text.encode("ascii", "replace"))
        except JoseError:
            raise TicketRefused from None
        octets, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        # Before anything in it is read: nothing a stranger wrote is ever decoded.
        if not hmac.compare_digest(mac, self._mac(octets, browser)):
            raise TicketRefused
        try:
            ticket = _decode(octets)
        except msgspec.MsgspecError:  # of an earlier version of this program
            raise TicketRefused from None
        if ticket.purpose not in (purpose, also):
            raise TicketRefused
        return ticket

    def _mac(self, octets: bytes, browser: str) -> bytes:
        bound = hashlib.sha256(browser.encode()).digest()
        return hmac.digest(self._secret, b"watchword ticket v1" + bound + octets, hashlib.sha256)

    def __repr__(self) -> str:
        """Without the key."""
        return "Tickets(…)"


def renewed(ticket: Ticket, now: EpochSeconds, **changes: Any) -> Ticket:
    """The ticket for the next page."""
    return msgspec.structs.replace(ticket, expires_at=now + LIFETIME, **changes)
