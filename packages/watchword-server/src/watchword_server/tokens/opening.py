"""Opening a session after a login: session and family recorded, first pair of tokens issued.

Does not check credentials; accounts/ has, and the view it decided on comes in here.
"""

from __future__ import annotations

from collections.abc import Callable

from watchword_server.store.port import Sessions
from watchword_server.store.records import AccountView, AuditEvent, Delivery, NewSession, Origin, Record
from watchword_server.tokens.claims import FIRST_PARTY
from watchword_server.tokens.issuer import AccessTokenIssuer
from watchword_server.tokens.rotation import Rotation


class Opened(Record, frozen=True):
    """A session that is recorded, and its tokens."""

    sid: str
    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    """Seconds until the refresh token is of no use if it is not used."""

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"Opened(sid={self.sid!r})"


class SessionOpener:
    """Opens first-party sessions."""

    def __init__(
        self,
        store: Sessions,
        issuer: AccessTokenIssuer,
        rotation: Rotation,
        *,
        idle: float,
        absolute: float,
        identifier: Callable[[], str],
    ) -> None:
        """``idle`` and ``absolute`` in seconds: a session ends at the earlier of last use + idle, login + absolute."""
        self._store = store
        self._issuer = issuer
        self._rotation = rotation
        self._idle = idle
        self._absolute = absolute
        self._identifier = identifier

    async def open(
        self, view: AccountView, *, delivery: Delivery, device_kind: str, device: str, place: str, origin: Origin
    ) -> Opened | None:
        """Record a login decided on ``view`` and issue its tokens, which carry the view's ``rev``.

        Returns None, with nothing recorded, when the account was disabled or cut off since the view was read.
        """
        now = view.read_at
        sid = self._identifier()
        expires_at = now + self._absolute
        first = self._rotation.new_family(
            now=now,
            expires_at=expires_at,
            scope=(),
            resource=(),
            sender_key=None,
            delivery=delivery,
            device_kind=device_kind,
        )
        terms = self._issuer.claims.terms_of_login(
            view, sid=sid, client_id=FIRST_PARTY, auth_time=now, amr=("pwd",), not_after=expires_at
        )
        token = self._issuer.issue(terms)
        new = NewSession(
            sid=sid,
            account_id=view.account.id,
            client_id=FIRST_PARTY,
            rev=view.rev,
            device=device,
            place=place,
            auth_time=now,
            amr=("pwd",),
            expires_at=expires_at,
            family=first.family,
        )
        audit = AuditEvent(
            event="session.started",
            origin=origin,
            account_id=view.account.id,
            sid=sid,
            client_id=FIRST_PARTY,
            detail={"device": device, "place": place, "delivery": delivery},
        )
        if not await self._store.start_session(new, audit):
            return None
        return Opened(
            sid=sid,
            access_token=token.text,
            expires_in=token.expires_in,
            refresh_token=first.refresh_token,
            refresh_expires_in=int(min(self._idle, self._absolute)),
        )
