"""What issuers elsewhere assert about people, checked (RFC 7523 §3, Identity Assertion JWT Authorization Grant §5).

Takes plain values, opens nothing and knows no account: it tells which one the settings name for the subject.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final, NoReturn

import msgspec
from watchword.clock import Clock, EpochSeconds
from watchword.jose import jws
from watchword.jose.errors import JoseError
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.oauth.scope import parse_scope
from watchword.verify.jwt import JwtRejected, check_jwt, unverified_claims

from watchword_server.clients.client_keys import ClientKeys
from watchword_server.clients.details import Details, parse_details
from watchword_server.clients.entitlement import MAX_RESOURCES
from watchword_server.clients.metadata import Client
from watchword_server.clients.registration import ASSERTION_ALGORITHMS, FAPI2_ALGORITHMS
from watchword_server.settings.trusted_issuers import TrustedIssuer
from watchword_server.store.authorization_port import Replays
from watchword_server.store.records import Record

ID_JAG_TYP: Final = "oauth-id-jag+jwt"
REPLAY_PURPOSE: Final = "issuer_assertion"
MAX_ASSERTION: Final = 8192
_MAX_JTI: Final = 256
_LEEWAY: Final = 10.0
_REFUSED: Final = "the assertion is not good, was used, or is not for this client"


class Assertion(Record, frozen=True, kw_only=True):
    """A good assertion, not used yet."""

    issuer: str
    account_id: str
    scope: tuple[str, ...] | None
    """The most it allows; None where its issuer leaves that to this server."""
    resource: tuple[str, ...] | None
    """As ``scope``."""
    details: Details
    """The most authorization details it allows (RFC 9396)."""
    confirmation: Mapping[str, Any]
    """The keys whose possession has to be shown with it (RFC 7800 §3.1); empty: none."""
    digest: bytes
    """Of issuer and ``jti``: by which it is used once."""
    expires_at: EpochSeconds


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    cnf: dict[str, Any] = {}


class _IdJag(_Said, frozen=True, kw_only=True):
    client_id: str
    iat: float
    scope: str = ""
    resource: str | tuple[str, ...] = ()
    authorization_details: tuple[dict[str, Any], ...] = ()


class TrustedIssuers:
    """The issuers of one installation."""

    def __init__(
        self,
        issuers: Mapping[str, TrustedIssuer],
        *,
        keys: ClientKeys,
        replays: Replays,
        clock: Clock,
        issuer: str,
        token_endpoints: Collection[str],
    ) -> None:
        """``issuer`` and ``token_endpoints`` are this server's own: what an assertion may name as ``aud``."""
        # The draft, §"Cross-Domain Use": an ID-JAG MUST NOT be taken by whoever issued it.
        self._issuers = {name: one for name, one in issuers.items() if name != issuer}
        self._keys = keys
        self._replays = replays
        self._clock = clock
        self._issuer = issuer
        self._token_endpoints = frozenset(token_endpoints)

    async def check(self, raw: str, client: Client) -> Assertion:
        """What an assertion says, when it is good and this client may present it.

        Raises OAuthError ``invalid_grant``, in the same words whatever is wrong. Does not use it up: ``use`` does.
        """
        try:
            parsed = jws.parse(raw, max_length=MAX_ASSERTION)
            name = unverified_claims(raw, max_length=MAX_ASSERTION).get("iss")
        except (JoseError, JwtRejected):
            _refuse("malformed assertion")
        trusted = self._issuers.get(name) if isinstance(name, str) else None
        # Before any key is fetched: a stranger's assertion, or another client's, costs nothing.
        if trusted is None or not isinstance(name, str) or client.client_id not in trusted.clients:
            _refuse("an issuer that is not trusted for this client")
        keys = await self._keys.published(trusted.jwks, trusted.jwks_uri, kid=parsed.kid)
        jag = trusted.profile == "id-jag"
        try:
            verified = check_jwt(
                raw,
                keys,
                # Public keys only, whatever the header says: no HMAC by a key that everybody can read.
                algorithms=FAPI2_ALGORITHMS if client.is_fapi2 else ASSERTION_ALGORITHMS,
                now=self._clock.now(),
                # RFC 8725 §3.11: never an ID token or access token in its place.
                typ=(ID_JAG_TYP,) if jag else ("", "jwt"),
                issuer=name,
                # The draft, §"Processing Rules": aud MUST identify the issuer. RFC 7523 §3 knows the token endpoint too.
                audience={self._issuer} if jag else {self._issuer, *self._token_endpoints},
                only_audience=True,
                required=("iss", "sub", "aud", "exp", "jti"),
                max_lifetime=trusted.lifetime,
                leeway=_LEEWAY,
                max_length=MAX_ASSERTION,
            )
        except JwtRejected as rejected:
            _refuse(rejected.message)
        return _read(name, trusted, client, verified.claims)

    async def use(self, assertion: Assertion) -> None:
        """Use it up. Raises OAuthError ``invalid_grant`` for all callers but the first, on every node."""
        if not await self._replays.first_use(REPLAY_PURPOSE, assertion.digest, expires_at=assertion.expires_at):
            _refuse("the assertion was used before")


def _read(issuer: str, trusted: TrustedIssuer, client: Client, claims: Mapping[str, Any]) -> Assertion:
    jti = claims["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
        _refuse("jti is empty, too long, or no text")
    account_id = trusted.accounts.get(claims["sub"])
    if account_id is None:
        _refuse("a subject of whom this issuer may not speak")
    scope: tuple[str, ...] | None = None
    resource: tuple[str, ...] | None = None
    details: Details = ()
    try:
        said = msgspec.convert(claims, _IdJag if trusted.profile == "id-jag" else _Said)
        if isinstance(said, _IdJag):
            scope = parse_scope(said.scope) if said.scope else ()
            if said.authorization_details:
                details = parse_details(msgspec.json.encode(said.authorization_details).decode())
    except (msgspec.ValidationError, OAuthError):
        _refuse("a claim of the assertion is missing or of the wrong form")
    if isinstance(said, _IdJag):
        # The draft, §"Processing Rules": client_id MUST identify the client that authenticated.
        if said.client_id != client.client_id:
            _refuse("the ID-JAG was made for another client")
        resource = (said.resource,) if isinstance(said.resource, str) else said.resource
        if len(resource) > MAX_RESOURCES:
            _refuse("too many resources")
    text = f"{issuer}\x00{jti}"
    return Assertion(
        issuer=issuer,
        account_id=account_id,
        scope=scope,
        resource=resource,
        details=details,
        confirmation=said.cnf,
        digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(),
        expires_at=EpochSeconds(claims["exp"] + _LEEWAY),
    )


def _refuse(detail: str) -> NoReturn:
    raise OAuthError(ErrorCode.INVALID_GRANT, _REFUSED, detail=detail)
