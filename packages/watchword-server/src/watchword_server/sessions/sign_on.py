"""Signing a browser on at the server's own pages, once, for all clients: starting, renewing, finding and ending it.

Checks no password and reads no cookie: callers have. Sessions of clients, which end with a sign-on, are opened elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from watchword.clock import EpochSeconds

from watchword_server.store.authorization_port import SignOns
from watchword_server.store.authorization_records import NewSignOn, SignOn, SignOnView
from watchword_server.store.records import AccountView, AuditEvent, Origin, Record

USE_NOTED_EVERY = 60.0
"""Seconds: a browser that comes back sooner costs no write."""
MAX_SECRET = 128
"""Characters of a cookie that are looked at."""


class Started(Record, frozen=True, kw_only=True):
    """A sign-on that is recorded."""

    secret: str
    """For the browser's cookie; the store keeps a digest of it alone."""
    auth_time: EpochSeconds
    expires_in: float
    """Seconds until it is over, used or not."""

    def __repr__(self) -> str:
        """Without the secret."""
        return "Started(…)"


class SignOnService:
    """The sign-ons of one installation."""

    def __init__(
        self,
        store: SignOns,
        *,
        idle: float,
        absolute: float,
        acr: str | None,
        identifier: Callable[[], str],
        secret: Callable[[], str],
    ) -> None:
        """``idle`` and ``absolute`` in seconds; ``acr``: what a login with a password reaches; ``identifier`` and
        ``secret`` make unpredictable ones.
        """
        self._store = store
        self._idle = idle
        self._absolute = absolute
        self._acr = acr
        self._identifier = identifier
        self._secret = secret

    async def find(self, cookie: str | None) -> SignOnView | None:
        """The living sign-on that a cookie holds the secret of."""
        if not cookie or len(cookie) > MAX_SECRET:
            return None
        return await self._store.sign_on(digest_of(cookie))

    async def note_use(self, view: SignOnView, *, place: str) -> None:
        """Keep it from idling out; a write a minute at most."""
        sign_on = view.sign_on
        if view.read_at - sign_on.last_used_at >= USE_NOTED_EVERY:
            idle_expires_at = min(view.read_at + self._idle, sign_on.expires_at)
            await self._store.use_sign_on(sign_on.id, place=place, idle_expires_at=idle_expires_at)

    async def log_in(
        self, view: AccountView, current: SignOnView | None, *, device: str, place: str, origin: Origin
    ) -> Started | None:
        """Sign the browser on after a login decided on ``view``: renewed when the same account is signed on already, else
        begun. Always with a new secret, so that one planted before is good for nothing (session fixation).

        Returns None, with nothing recorded, when the account was disabled or cut off since ``view`` was read.
        """
        if current is not None and current.account.id == view.account.id:
            renewed = await self._renew(view, current.sign_on, origin)
            if renewed is not None:
                return renewed
        return await self._start(view, device=device, place=place, origin=origin)

    async def _start(self, view: AccountView, *, device: str, place: str, origin: Origin) -> Started | None:
        now, secret = view.read_at, self._secret()
        new = NewSignOn(
            id=self._identifier(),
            digest=digest_of(secret),
            account_id=view.account.id,
            rev=view.rev,
            device=device,
            place=place,
            auth_time=now,
            amr=("pwd",),
            acr=self._acr,
            idle_expires_at=now + min(self._idle, self._absolute),
            expires_at=now + self._absolute,
        )
        audit = AuditEvent(
            event="sign_on.started",
            origin=origin,
            account_id=view.account.id,
            detail={"sign_on": new.id, "device": device, "place": place},
        )
        if not await self._store.start_sign_on(new, audit):
            return None
        return Started(secret=secret, auth_time=now, expires_in=self._absolute)

    async def _renew(self, view: AccountView, sign_on: SignOn, origin: Origin) -> Started | None:
        now, secret = view.read_at, self._secret()
        audit = AuditEvent(
            event="sign_on.renewed", origin=origin, account_id=view.account.id, detail={"sign_on": sign_on.id}
        )
        renewed = await self._store.renew_sign_on(
            sign_on.id,
            digest=digest_of(secret),
            auth_time=now,
            amr=("pwd",),
            acr=self._acr,
            rev=view.rev,
            audit=audit,
        )
        return Started(secret=secret, auth_time=now, expires_in=sign_on.expires_at - now) if renewed else None

    async def end(self, sign_on_id: str, *, account_id: str, reason: str, origin: Origin) -> bool:
        """End it with the sessions of clients in it. Returns whether this call ended it."""
        audit = AuditEvent(
            event="sign_on.ended", origin=origin, account_id=account_id, reason=reason, detail={"sign_on": sign_on_id}
        )
        return await self._store.end_sign_on(sign_on_id, account_id=account_id, reason=reason, audit=audit)


def digest_of(secret: str) -> bytes:
    """What the store keeps of a cookie's secret, which has 256 unpredictable bits."""
    return hashlib.sha256(secret.encode()).digest()
