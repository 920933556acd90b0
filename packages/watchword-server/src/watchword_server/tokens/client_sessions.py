"""What a client gets of an authorization: its session, refresh family and first tokens, signed before anything is written.

Redeems nothing: the caller does, by the verb of its grant, with the session that is made ready here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from msgspec.structs import replace
from watchword.clock import EpochSeconds

from watchword_server.clients.details import Details
from watchword_server.clients.entitlement import Entitlements
from watchword_server.clients.metadata import Client
from watchword_server.store.authorization_port import Profiles
from watchword_server.store.authorization_records import NewOpaqueToken, SignOn
from watchword_server.store.records import Account, NewSession, Record
from watchword_server.tokens.claims import AccessTerms
from watchword_server.tokens.id_token import Authentication, IdTokens
from watchword_server.tokens.issuer import AccessTokenIssuer, IssuedToken
from watchword_server.tokens.person import asked_claims
from watchword_server.tokens.rotation import NewRefreshFamily, Rotation
from watchword_server.tokens.terms import AuthorizationTerms

_REFRESH: Final = "refresh_token"


class Approved(Record, frozen=True):
    """An authorization about to be redeemed, as read from one view."""

    client: Client
    terms: AuthorizationTerms
    account: Account
    sign_on: SignOn
    sid: str | None
    """The living session of this client in that sign-on; None: a new one is opened where one is needed."""
    rev: int
    read_at: EpochSeconds
    resource: tuple[str, ...]
    """For which resources the first access token is: all that were granted, or a part (RFC 8707 §2.2)."""
    details: Details | None = None
    """A part of the authorization details for the first access token (RFC 9396 §6.1); None: all that were granted."""
    device: str | None = None
    """What the session is on, for people; None: the device of the sign-on."""
    detached: bool = False
    """Whether the session is on another device than the sign-on, and outlives it (RFC 8628)."""


class Holder(Record, frozen=True):
    """Who the tokens are handed to, as far as this request has shown."""

    binding: str | None
    """The confidential client's own credentials; None for a public client."""
    jkt: str | None
    """The key of its DPoP proof; None without one."""
    device_kind: str
    """User-agent family and platform, such as ``firefox/linux``: what rotation compares."""

    certificate: str | None = None
    """``x5t#S256`` of the certificate that its tokens are to be bound to (RFC 8705 §3); None where they are not."""

    @property
    def confirmation(self) -> Mapping[str, str] | None:
        """The ``cnf`` of access tokens (RFC 9449 §6.1, RFC 8705 §3.1)."""
        if self.jkt is not None:
            return {"jkt": self.jkt}
        return None if self.certificate is None else {"x5t#S256": self.certificate}

    @property
    def sender_key(self) -> str | None:
        """What refresh tokens are bound to: RFC 9449 §5 binds those of public clients to the proof's key; those of others
        are bound to the client's own credentials.
        """
        if self.binding is not None or self.jkt is not None:
            return self.binding if self.binding is not None else self.jkt
        return None if self.certificate is None else f"x5t#S256:{self.certificate}"


class Prepared(Record, frozen=True):
    """Tokens that are signed, and the session to record before they are handed out."""

    session: NewSession
    access_token: str
    expires_in: int
    scope: tuple[str, ...]
    refresh_token: str | None
    id_token: str | None
    opaque: NewOpaqueToken | None
    details: Details = ()
    """Authorization details of the access token."""

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"Prepared(sid={self.session.sid[:5]!r}…)"


class People(Profiles, Protocol):
    """The part of the store that tells of persons."""


class ClientSessions:
    """Makes ready what an authorization gives."""

    def __init__(
        self,
        *,
        issuer: AccessTokenIssuer,
        rotation: Rotation,
        id_tokens: IdTokens,
        entitlements: Entitlements,
        people: People,
        absolute: float,
        identifier: Callable[[], str],
    ) -> None:
        """``absolute``: seconds after which an authorization with offline access ends, used or not."""
        self._issuer = issuer
        self._rotation = rotation
        self._id_tokens = id_tokens
        self._entitlements = entitlements
        self._people = people
        self._absolute = absolute
        self._identifier = identifier

    async def prepare(self, approved: Approved, holder: Holder) -> Prepared:
        """Tokens by these terms, with the session they belong to: with offline access one of its own, which outlives the
        sign-on; else the one that the client has in this sign-on already, or a new one that ends with it.

        Of that one an ID token speaks in any case: what a client's visitor is signed in to ends with the sign-on, offline
        access or not (OpenID Connect Back-Channel Logout §2.7). Does not record anything.
        """
        terms, sign_on = approved.terms, approved.sign_on
        offline = terms.is_offline or approved.detached
        sid = self._identifier() if offline or approved.sid is None else approved.sid
        expires_at = EpochSeconds(approved.read_at + self._absolute) if offline else sign_on.expires_at
        acr = terms.acr or sign_on.acr
        family = self._family(approved, holder, expires_at) if approved.client.allows(_REFRESH) else None
        access = self._access(approved, holder, sid, expires_at, acr)
        session = NewSession(
            sid=sid,
            account_id=approved.account.id,
            client_id=approved.client.client_id,
            rev=approved.rev,
            device=approved.device or sign_on.device,
            place=sign_on.place,
            auth_time=sign_on.auth_time,
            amr=sign_on.amr,
            acr=acr,
            expires_at=expires_at,
            family=None if family is None else family.family,
            sign_on=None if offline else sign_on.id,
            id_token_sid=self._signed_in(approved) if offline else None,
        )
        issued, access_terms = access
        return Prepared(
            session=session,
            access_token=issued.text,
            expires_in=issued.expires_in,
            scope=access_terms.scope,
            details=access_terms.details,
            refresh_token=None if family is None else family.refresh_token,
            id_token=await self._id_token(approved, session, issued.text) if terms.is_openid else None,
            opaque=issued.record,
        )

    def _signed_in(self, approved: Approved) -> str | None:
        """What an ID token of an authorization with offline access names; None: the session of its own, since it has no ID
        token, or is on another device than the sign-on.
        """
        if not approved.terms.is_openid or approved.detached:
            return None
        return approved.sid or self._identifier()

    def _family(self, approved: Approved, holder: Holder, expires_at: EpochSeconds) -> NewRefreshFamily:
        terms = approved.terms
        return self._rotation.new_family(
            now=approved.read_at,
            expires_at=expires_at,
            scope=terms.scope,
            resource=terms.resource,
            sender_key=holder.sender_key,
            delivery="body",
            device_kind=holder.device_kind,
            terms=terms.encode(),
        )

    def _access(
        self, approved: Approved, holder: Holder, sid: str, expires_at: EpochSeconds, acr: str | None
    ) -> tuple[IssuedToken, AccessTerms]:
        client, terms, sign_on = approved.client, approved.terms, approved.sign_on
        access_terms = self._issuer.claims.terms_of_login(
            approved,
            sid=sid,
            client_id=client.client_id,
            auth_time=sign_on.auth_time,
            amr=sign_on.amr,
            acr=acr,
            not_after=expires_at,
            scope=terms.scope,
            audience=approved.resource or None,
            confirmation=holder.confirmation,
            granted=terms if approved.details is None else replace(terms, details=approved.details),
            form=self._entitlements.token_form(client, approved.resource),
        )
        return self._issuer.issue(access_terms), access_terms

    async def _id_token(self, approved: Approved, session: NewSession, access_token: str) -> str:
        seen = Authentication(
            account_id=session.account_id,
            sid=session.id_token_sid or session.sid,
            auth_time=session.auth_time,
            amr=session.amr,
            acr=session.acr,
            now=approved.read_at,
        )
        return await self.id_token(approved.client, seen, approved.account, approved.terms, access_token)

    async def ready(self, client: Client) -> None:
        """As `IdTokens.ready`."""
        await self._id_tokens.ready(client)

    async def id_token(
        self,
        client: Client,
        seen: Authentication,
        account: Account,
        terms: AuthorizationTerms,
        access_token: str,
        *,
        refreshed: bool = False,
    ) -> str:
        """The ID token of an authorization, also of a refreshed one (OpenID Connect Core §12.2: without the nonce then)."""
        more: Mapping[str, Any] = {}
        if terms.id_token_claims:
            more = asked_claims(account, await self._people.profile(account.id), terms.id_token_claims)
        return await self._id_tokens.issue(
            client, seen, nonce=None if refreshed else terms.nonce, access_token=access_token, more=more
        )
