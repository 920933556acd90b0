"""The walk of a refresh: read, decide, sign, swap, answer (RFC 6749 §6, RFC 9700 §4.14).

Holds no rule (refresh.py), no form of a token (refresh_token.py) and no HTTP: an endpoint authenticates the client,
checks the proof of possession, and turns the outcome into an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol, TypeAlias

from watchword.clock import EpochSeconds
from watchword.jose import base64url

from watchword_server.clients.details import Details, still
from watchword_server.store.authorization_records import NewOpaqueToken
from watchword_server.store.port import Families, StoreUnavailable
from watchword_server.store.records import (
    Delivery,
    Family,
    FamilyView,
    NewFamily,
    Record,
)
from watchword_server.tokens import refresh_token
from watchword_server.tokens.claims import AccessTerms
from watchword_server.tokens.issuer import AccessTokenIssuer, IssuedToken
from watchword_server.tokens.refresh import (
    Advance,
    OddRepeat,
    Presented,
    Reason,
    Refuse,
    Repeat,
    Rules,
    Stay,
    decide,
)
from watchword_server.tokens.refresh_request import REPEATED, RESTORED, REUSED, RefreshRequest
from watchword_server.tokens.refresh_token import RefreshToken
from watchword_server.tokens.terms import decode_terms

__all__ = ["FateName", "MacKeys", "NewRefreshFamily", "RefreshRequest", "Refreshed", "Refused", "Rotation"]

_ATTEMPTS: Final = 5
"""Each lost race means that the row has moved: an advance, a mark and a cut-off can be lost once each, then it is dead."""
_ID_BYTES: Final = 16
_SALT_BYTES: Final = 16

FateName: TypeAlias = Literal["advance", "stay", "repeat"]
_FATE_NAMES: Final[Mapping[type, FateName]] = {Advance: "advance", Stay: "stay", Repeat: "repeat"}


class MacKeys(Protocol):
    """The keys that refresh tokens are authenticated with: the key ring."""

    @property
    def active_mac_key(self) -> str:
        """Id of the key that new families use."""
        ...

    def mac_secret(self, key_id: str) -> bytes | None:
        """The key of that id; None when there is none or it is distrusted."""
        ...

    async def look_again(self) -> None:
        """See what other processes did to the ring, at most about once a second."""
        ...


class Refreshed(Record, frozen=True):
    """A refresh that was granted."""

    access_token: str
    expires_in: int
    refresh_token: str
    """Advance: the successor; Repeat: the newest; Stay: the one presented."""
    fate: FateName
    sets_cookie: bool
    """Whether a cookie may be set to `refresh_token`. False for Stay: the jar may hold a newer one by now."""
    scope: tuple[str, ...]
    odd: OddRepeat | None
    view: FamilyView
    """What was decided on; the generation in it is that before an advance."""
    details: Details = ()
    """Authorization details of the access token."""
    opaque: NewOpaqueToken | None = None
    """Of an opaque access token: what is to be recorded before it is handed out."""

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"Refreshed(fate={self.fate!r}, family={self.view.family.id[:5]!r}…)"


class Refused(Record, frozen=True):
    """A refresh that was refused; if `reason.ends_family`, family, session and access tokens are cut off already."""

    reason: Reason
    view: FamilyView | None
    """None when no family was looked at."""


class NewRefreshFamily(Record, frozen=True):
    """The first refresh token of a family and the row to record before it is handed out."""

    family: NewFamily
    refresh_token: str

    def __repr__(self) -> str:
        """Without the token."""
        return f"NewRefreshFamily(family={self.family.id[:5]!r}…)"


class Rotation:
    """Starts refresh families and refreshes by them."""

    def __init__(
        self,
        *,
        families: Families,
        mac_keys: MacKeys,
        issuer: AccessTokenIssuer,
        rules: Rules,
        idle: float,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """`idle`: seconds without a refresh after which a session ends."""
        self._families = families
        self._mac_keys = mac_keys
        self._issuer = issuer
        self._rules = rules
        self._idle = idle
        self._random_bytes = random_bytes

    @property
    def rules(self) -> Rules:
        """Those of the installation."""
        return self._rules

    def new_family(
        self,
        *,
        now: EpochSeconds,
        expires_at: EpochSeconds,
        scope: tuple[str, ...],
        resource: tuple[str, ...],
        sender_key: str | None,
        delivery: Delivery,
        device_kind: str,
        terms: bytes = b"",
    ) -> NewRefreshFamily:
        """A family about to be recorded with its session, and its first refresh token.

        `now` is the time of the view the login was decided on; `expires_at` the absolute end. Does not store anything.
        """
        key_id = self._mac_keys.active_mac_key
        secret = self._mac_keys.mac_secret(key_id)
        if secret is None:
            raise StoreUnavailable("the key ring has no key for refresh tokens")
        family = NewFamily(
            id=base64url.encode(self._random_bytes(_ID_BYTES)),
            scope=scope,
            resource=resource,
            sender_key=sender_key,
            delivery=delivery,
            salt=self._random_bytes(_SALT_BYTES),
            key_id=key_id,
            device_kind=device_kind,
            idle_expires_at=min(now + self._idle, expires_at),
            expires_at=expires_at,
            terms=terms,
        )
        text = refresh_token.mint(secret, key_id=key_id, family_id=family.id, salt=family.salt, generation=0)
        return NewRefreshFamily(family=family, refresh_token=text)

    async def refresh(self, request: RefreshRequest) -> Refreshed | Refused:
        """Refresh by a presented token.

        Returns Refreshed or Refused. A refusal that ends the family has done so, durably, before it is returned.
        Raises StoreUnavailable when the store is; nothing was decided, and the token is as good as before.
        Does not check client credentials, proofs of possession or the request's origin.
        """
        token = refresh_token.parse(request.token)
        if token is None:
            return Refused(reason=Reason.MALFORMED, view=None)
        secret = await self._secret(token.key_id)
        if secret is None:
            return Refused(reason=Reason.UNKNOWN, view=None)
        for _ in range(_ATTEMPTS):
            outcome = await self._attempt(request, token, secret)
            if outcome is not None:
                return outcome
        raise StoreUnavailable("a refresh lost every race for its row")

    async def _attempt(self, request: RefreshRequest, token: RefreshToken, secret: bytes) -> Refreshed | Refused | None:
        """Read, decide and do; None when the row moved in between, and all is to be decided again."""
        view = await self._families.family(token.family_id)
        if view is None:
            return Refused(reason=Reason.UNKNOWN, view=None)
        family = view.family
        presented = Presented(
            authentic=token.key_id == family.key_id and token.is_authentic(secret, family.salt),
            generation=token.generation,
            client_id=request.client_id,
            device_kind=request.device_kind,
        )
        fate = decide(view, presented, request.proof, view.read_at, request.rules or self._rules)
        if isinstance(fate, Refuse):
            return await self._refuse(view, request, token, fate.reason)
        if request.scope is not None and not set(request.scope) <= set(family.scope):
            return Refused(reason=Reason.SCOPE_EXCEEDED, view=view)
        claims = self._issuer.claims
        if request.resource is not None and not claims.may_target(family.resource, family.scope, request.resource):
            return Refused(reason=Reason.RESOURCE_EXCEEDED, view=view)
        scope = _still(request.scope, family.scope, request.may_scope)
        resource = _still(request.resource, family.resource, request.may_resource)
        if resource == () and family.resource:
            return Refused(reason=Reason.RESOURCE_EXCEEDED, view=view)
        details = still(request.details, decode_terms(family.terms).details, request.may_detail)
        if details is None:
            return Refused(reason=Reason.DETAILS_EXCEEDED, view=view)
        # Signed before anything is written: a signer that fails must not leave a family moved on and nobody told.
        targets = family.resource if resource is None else resource
        terms = claims.terms_of_refresh(
            view,
            scope=scope,
            resource=resource,
            details=details,
            confirmation=request.confirmation,
            form=None if request.form_for is None else request.form_for(targets),
        )
        granted = _granted(view, fate, self._issuer.issue(terms), terms, secret)
        return granted if await self._swap(view, request, fate) else None

    async def _swap(self, view: FamilyView, request: RefreshRequest, fate: Advance | Stay | Repeat) -> bool:
        """Write what the fate asks for. False when this caller was not the one to do it."""
        match fate:
            case Advance():
                return await self._advance(view, request)
            case Stay(records_use=True):
                # Another request that records the same use does as well; whether the session lives was read just now.
                await self._advance(view, request)
                return True
            case Repeat(odd=OddRepeat(marks=True) as odd):
                return await self._families.mark_odd(
                    view.family.id,
                    generation=view.family.generation,
                    audit=request.audit(REPEATED, view.family, reason=odd.kind.value),
                    notice=request.notice(REPEATED, view.family),
                )
            case _:
                return True

    async def _advance(self, view: FamilyView, request: RefreshRequest) -> bool:
        return await self._families.advance_refresh(
            view.family.id,
            from_generation=view.family.generation,
            device_kind=request.device_kind,
            place=request.place,
            idle_expires_at=min(view.read_at + self._idle, view.family.expires_at),
        )

    async def _refuse(
        self, view: FamilyView, request: RefreshRequest, token: RefreshToken, reason: Reason
    ) -> Refused | None:
        """The refusal, after the family has been cut off where it is one that does so. None when another request or
        process ended the family first: then it is decided again, and refused for that.
        """
        if reason.ends_family:
            event = REUSED if reason is Reason.REUSE else RESTORED
            ended = await self._families.revoke_family(
                view.family.id,
                reason=reason.value,
                audit=request.audit(event, view.family, reason=reason.value, presented=token.generation),
                notice=request.notice(event, view.family),
            )
            if not ended:
                return None
        return Refused(reason=reason, view=view)

    async def owner(self, presented: str) -> Family | None:
        """The family a refresh token belongs to, whichever of its generations it is and whether it is still good; None
        for a text that is not an authentic token of a family on record. For logging out, which any of them may.

        Does not change anything.
        """
        found = await self.look(presented)
        return None if found is None else found[0].family

    async def look(self, presented: str) -> tuple[FamilyView, int] | None:
        """The family of an authentic refresh token with all that decides about it, and the token's generation; None for
        any other text. Does not change anything.
        """
        token = refresh_token.parse(presented)
        secret = None if token is None else await self._secret(token.key_id)
        view = None if token is None or secret is None else await self._families.family(token.family_id)
        if token is None or secret is None or view is None or token.key_id != view.family.key_id:
            return None
        return (view, token.generation) if token.is_authentic(secret, view.family.salt) else None

    async def _secret(self, key_id: str) -> bytes | None:
        secret = self._mac_keys.mac_secret(key_id)
        if secret is None:
            # Another process may have made that key since this one last looked.
            await self._mac_keys.look_again()
            secret = self._mac_keys.mac_secret(key_id)
        return secret


def _still(
    asked: tuple[str, ...] | None, granted: tuple[str, ...], may: Callable[[str], bool] | None
) -> tuple[str, ...] | None:
    """The part of what is asked for that the client may still have; None: all that was granted. What was taken from a
    client's registration is taken from the tokens of its next refresh, too.
    """
    wanted = granted if asked is None else asked
    kept = wanted if may is None else tuple(one for one in wanted if may(one))
    return None if kept == granted else kept


def _granted(
    view: FamilyView, fate: Advance | Stay | Repeat, issued: IssuedToken, terms: AccessTerms, secret: bytes
) -> Refreshed:
    family = view.family
    return Refreshed(
        access_token=issued.text,
        expires_in=issued.expires_in,
        refresh_token=refresh_token.mint(
            secret, key_id=family.key_id, family_id=family.id, salt=family.salt, generation=fate.generation
        ),
        fate=_FATE_NAMES[type(fate)],
        sets_cookie=not isinstance(fate, Stay),
        scope=terms.scope,
        details=terms.details,
        odd=fate.odd if isinstance(fate, Repeat) else None,
        view=view,
        opaque=issued.record,
    )
