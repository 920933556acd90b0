"""Identity assertions for authorization servers elsewhere (Identity Assertion JWT Authorization Grant, ID-JAG §3).

Decides nothing about clients and audiences: clients/assertion_policy.py does. Taking assertions of others is
clients/trusted_issuers.py's; this server takes none of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
from watchword.clock import Clock, EpochSeconds
from watchword.jose import base64url
from watchword.jose.jwk import KeySet
from watchword.jose.jws import Signer
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.verify.jwt import JwtRejected, check_jwt

from watchword_server.clients.assertion_policy import AssertedGrant
from watchword_server.clients.directory import ClientSource
from watchword_server.clients.metadata import Client
from watchword_server.clients.trusted_issuers import ID_JAG_TYP
from watchword_server.keys.ring import ALGORITHMS
from watchword_server.store.records import Account, AuditEvent, Record, SessionView
from watchword_server.tokens.id_token import TYP
from watchword_server.tokens.subjects import Subjects

MAX_ID_TOKEN: Final = 8192
"""Characters."""
_JTI_BYTES: Final = 16
_LEEWAY: Final = 10.0
_DOTS_OF_JWE: Final = 4
_encode = msgspec.json.Encoder().encode


class AssertionKeys(Protocol):
    """The key ring."""

    @property
    def key_set(self) -> KeySet:
        """The keys that sign ID tokens, or did."""
        ...

    def signer(self, typ: str) -> Signer:
        """The signer of the moment."""
        ...


class People(Protocol):
    """The part of the store that is used here."""

    async def session_view(self, sid: str, account_id: str, *, jti: str | None = None) -> SessionView | None: ...

    async def append_audit(self, event: AuditEvent) -> None: ...


class _Said(msgspec.Struct, frozen=True):
    sub: str
    sid: str
    auth_time: int
    acr: str | None = None
    amr: tuple[str, ...] = ()


class SignedIn(Record, frozen=True, kw_only=True):
    """A person signed in at a client, in a session that is alive."""

    account: Account
    sid: str
    auth_time: float
    acr: str | None
    amr: tuple[str, ...]
    expires_at: EpochSeconds
    """When the session ends at the latest."""
    read_at: EpochSeconds


class IssuedAssertion(Record, frozen=True):
    """An assertion, signed."""

    text: str
    jti: str
    expires_in: int

    def __repr__(self) -> str:
        """Without the assertion."""
        return f"IssuedAssertion(jti={self.jti!r}, expires_in={self.expires_in})"


class IdentityAssertions:
    """Makes assertions out of ID tokens."""

    def __init__(
        self,
        *,
        keys: AssertionKeys,
        people: People,
        clients: ClientSource,
        subjects: Subjects,
        clock: Clock,
        issuer: str,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._keys = keys
        self._people = people
        self._clients = clients
        self._subjects = subjects
        self._clock = clock
        self._issuer = issuer
        self._random_bytes = random_bytes

    async def signed_in(self, client: Client, id_token: str) -> SignedIn:
        """Who an ID token of this server is about, in a session of this client that is alive.

        Raises OAuthError ``invalid_request`` (RFC 8693 §2.2.2), in the same words for all that can be wrong with it.
        """
        if id_token.count(".") == _DOTS_OF_JWE:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "subject_token is encrypted to the client; send it decrypted")
        try:
            claims = check_jwt(
                id_token,
                self._keys.key_set,
                algorithms=ALGORITHMS,
                now=self._clock.now(),
                # RFC 8725 §3.11: never an access token, a logout token or an assertion in its place.
                typ=(TYP.lower(),),
                issuer=self._issuer,
                # The draft §4.3.3: the audience of the assertion MUST match the client that authenticated.
                audience=(client.client_id,),
                only_audience=True,
                # Of all that is signed for a client, an ID token alone says all of these.
                required=("sub", "exp", "iat", "sid", "auth_time"),
                leeway=_LEEWAY,
                max_length=MAX_ID_TOKEN,
            ).claims
            said = msgspec.convert(claims, _Said)
        except JwtRejected as rejected:
            raise _refused(rejected.message) from None
        except msgspec.ValidationError:
            raise _refused("a claim has another type than in an ID token") from None
        view = await self._people.session_view(said.sid, said.sub)
        if view is None or not view.alive:
            raise _refused("the session is over, or its account cannot be used")
        if view.session.client_id != client.client_id:
            raise _refused("the session is another client's")
        return SignedIn(
            account=view.account,
            sid=view.session.sid,
            auth_time=said.auth_time,
            acr=said.acr,
            amr=said.amr,
            expires_at=view.session.expires_at,
            read_at=view.read_at,
        )

    async def issue(
        self, granted: AssertedGrant, signed_in: SignedIn, *, confirmation: Mapping[str, str] | None
    ) -> IssuedAssertion:
        """The assertion: who the person is to the other server, and what the client may have there.

        Raises OAuthError ``access_denied`` for a person who may not be told of, ``invalid_target`` where the other server
        is to be a client here and is none.
        Does not record anything: `record` does, before it is handed out.
        """
        policy, account = granted.policy, signed_in.account
        if policy.roles and set(policy.roles).isdisjoint(account.roles):
            raise OAuthError(ErrorCode.ACCESS_DENIED, "this account is not let into that audience")
        issued_at = int(signed_in.read_at)
        expires_at = min(issued_at + policy.lifetime, int(signed_in.expires_at))
        jti = base64url.encode(self._random_bytes(_JTI_BYTES))
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": await self._subject(granted, account.id),
            "aud": granted.audience,
            "client_id": granted.client_id,
            "jti": jti,
            "iat": issued_at,
            "exp": expires_at,
            "auth_time": int(signed_in.auth_time),
        }
        optional = {
            "acr": signed_in.acr,
            "amr": signed_in.amr,
            "email": account.email if policy.email and account.email_verified else None,
            "scope": " ".join(granted.scope),
            "resource": granted.resource[0] if len(granted.resource) == 1 else granted.resource,
            "authorization_details": granted.details,
            # The draft §8.6.1.1: with a proof of possession it MUST name the key.
            "cnf": confirmation,
        }
        claims |= {name: value for name, value in optional.items() if value}
        text = self._keys.signer(ID_JAG_TYP).sign(_encode(claims))
        return IssuedAssertion(text, jti, expires_at - issued_at)

    async def record(self, event: AuditEvent) -> None:
        """Write in the audit log that one was issued."""
        await self._people.append_audit(event)

    async def _subject(self, granted: AssertedGrant, account_id: str) -> str:
        """The draft §3.1: the same identifier as in ID tokens for the other server, where it is a client here."""
        if granted.policy.relying_party is None:
            return account_id
        known = await self._clients.find(granted.policy.relying_party)
        if known is None:
            detail = "relying_party of the settings is unknown or disabled"
            raise OAuthError(ErrorCode.INVALID_TARGET, "that audience is no client here now", detail=detail)
        return self._subjects.of(known, account_id)


def _refused(detail: str) -> OAuthError:
    return OAuthError(
        ErrorCode.INVALID_REQUEST, "subject_token is not a good ID token of this client's living session", detail=detail
    )
