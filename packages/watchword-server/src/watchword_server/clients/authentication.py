"""Client authentication (RFC 6749 §2.3, RFC 7523 §2.2, OpenID Connect Core §9): who sends this request.

Takes plain values and reads no HTTP; client_request.py does. Does not ask what the client may do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping
from typing import Final, NoReturn, Protocol
from urllib.parse import unquote_to_bytes

from watchword.clock import Clock
from watchword.jose import jws
from watchword.jose.errors import JoseError
from watchword.jose.jwk import Key, KeySet
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ClientAuthentication, ErrorCode
from watchword.verify.jwt import JwtRejected, VerifiedJwt, check_jwt, unverified_claims

from watchword_server.clients.client_keys import ClientKeys
from watchword_server.clients.directory import ClientSource
from watchword_server.clients.metadata import Client
from watchword_server.clients.registration import (
    ASSERTION_ALGORITHMS,
    FAPI2_ALGORITHMS,
    SECRET_ASSERTION_ALGORITHMS,
)
from watchword_server.store.authorization_port import Replays
from watchword_server.store.records import Record

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REPLAY_PURPOSE: Final = "client_assertion"
MAX_BASIC: Final = 4096
MAX_ASSERTION: Final = 8192
_LEEWAY: Final = 10.0
_NOBODY: Final = hashlib.sha256(b"nobody has this secret").digest()
_METHODS: Final = ClientAuthentication


class PresentedCredentials(Record, frozen=True):
    """What a request brought to prove which client sent it."""

    authorization: str | None = None
    """The value of its Authorization header."""
    client_id: str | None = None
    client_secret: str | None = None
    assertion: str | None = None
    assertion_type: str | None = None
    certificate: object | None = None
    """The certificate of its TLS connection (RFC 8705); None without one."""

    @classmethod
    def of(
        cls, authorization: str | None, form: Mapping[str, str], certificate: object | None = None
    ) -> PresentedCredentials:
        """From header and form parameters."""
        return cls(
            authorization,
            form.get("client_id"),
            form.get("client_secret"),
            form.get("client_assertion"),
            form.get("client_assertion_type"),
            certificate,
        )

    @property
    def is_bare(self) -> bool:
        """Whether nothing is presented by which a client could be authenticated."""
        return not (self.authorization or self.client_secret or self.assertion or self.certificate)

    def __repr__(self) -> str:
        """Without credentials."""
        return f"PresentedCredentials(client_id={self.client_id!r})"


class AuthenticatedClient(Record, frozen=True):
    """A client and how it proved itself."""

    client: Client
    method: str

    @property
    def binding(self) -> str | None:
        """What its refresh families are bound to: the client's own credentials; None for a public client."""
        return f"client:{self.client.client_id}" if self.method != _METHODS.NONE else None


class TlsAuthentication(Protocol):
    """Mutual TLS (RFC 8705 §2), for the methods tls_client_auth and self_signed_tls_client_auth."""

    async def proves(self, client: Client, certificate: object) -> bool:
        """Whether the certificate is the client's, by the method it registered."""
        ...


class ClientAuthenticator:
    """Authenticates clients by exactly one method, which is the one they registered."""

    def __init__(
        self,
        *,
        clients: ClientSource,
        keys: ClientKeys,
        replays: Replays,
        open_secret: Callable[[str, bytes], bytes],
        clock: Clock,
        issuer: str,
        audiences: Collection[str],
        assertion_lifetime: float,
        tls: TlsAuthentication | None = None,
    ) -> None:
        """``open_secret(client_id, sealed)`` gives the secret of ``client_secret_jwt``. ``audiences``: what an assertion may
        name as ``aud``, the issuer and URLs of the endpoints; ``assertion_lifetime`` in seconds.
        """
        self._clients = clients
        self._keys = keys
        self._replays = replays
        self._open_secret = open_secret
        self._clock = clock
        self._issuer = issuer
        self._audiences = frozenset(audiences)
        self._assertion_lifetime = assertion_lifetime
        self._tls = tls

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods that work here, for discovery."""
        tls = (_METHODS.TLS_CLIENT_AUTH, _METHODS.SELF_SIGNED_TLS_CLIENT_AUTH) if self._tls is not None else ()
        return (*_PLAIN_METHODS, *tls)

    async def authenticate(self, presented: PresentedCredentials) -> AuthenticatedClient:
        """Who sends the request (RFC 6749 §3.2.1).

        Raises OAuthError ``invalid_client``, in the same words for an unknown client, a wrong secret and a method that was
        not registered; ``invalid_request`` for credentials by two methods.
        """
        if presented.assertion is not None or presented.assertion_type is not None:
            _only(presented, assertion=True)
            return await self._by_assertion(presented)
        if presented.authorization is not None:
            _only(presented)
            client_id, secret = _basic(presented.authorization)
            # RFC 6749 §2.3.1 lets client_id stand in the body too; it must then be the same.
            if presented.client_id is not None and presented.client_id != client_id:
                raise OAuthError(ErrorCode.INVALID_REQUEST, "client_id is given twice, and not the same")
            return await self._by_secret(client_id, secret, _METHODS.CLIENT_SECRET_BASIC)
        if presented.client_id is None:
            _refuse("no client credentials")
        if presented.client_secret is not None:
            return await self._by_secret(presented.client_id, presented.client_secret, _METHODS.CLIENT_SECRET_POST)
        return await self._without_secret(presented.client_id, presented.certificate)

    async def _by_secret(self, client_id: str, secret: str, method: str) -> AuthenticatedClient:
        client = await self._clients.find(client_id)
        digests = client.secret_digests if client is not None else ()
        presented = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        # Two comparisons always: how many secrets there are, and whether there is a client, is not to be timed.
        first, second = (*digests, _NOBODY, _NOBODY)[:2]
        good = hmac.compare_digest(presented, first) | hmac.compare_digest(presented, second)
        if client is None or not good or client.metadata.token_endpoint_auth_method != method:
            _refuse("unknown client, wrong secret, or another method", client_id=client_id)
        return AuthenticatedClient(client, method)

    async def _without_secret(self, client_id: str, certificate: object | None) -> AuthenticatedClient:
        client = await self._clients.find(client_id)
        if client is None:
            _refuse("unknown client", client_id=client_id)
        method = client.metadata.token_endpoint_auth_method
        if method == _METHODS.NONE:
            return AuthenticatedClient(client, _METHODS.NONE)
        by_tls = method in {_METHODS.TLS_CLIENT_AUTH, _METHODS.SELF_SIGNED_TLS_CLIENT_AUTH}
        tls = self._tls if by_tls else None
        if tls is None or certificate is None or not await tls.proves(client, certificate):
            _refuse("the registered method was not used", client_id=client_id)
        return AuthenticatedClient(client, method)

    async def _by_assertion(self, presented: PresentedCredentials) -> AuthenticatedClient:
        raw = presented.assertion or ""
        if presented.assertion_type != ASSERTION_TYPE:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "client_assertion_type is not that of a JWT")
        try:
            parsed = jws.parse(raw, max_length=MAX_ASSERTION)
            issuer = unverified_claims(raw, max_length=MAX_ASSERTION).get("iss")
        except (JoseError, JwtRejected):
            _refuse("malformed assertion")
        if not isinstance(issuer, str) or (presented.client_id is not None and presented.client_id != issuer):
            _refuse("the assertion is of another client than client_id")
        client = await self._clients.find(issuer)
        if client is None:
            _refuse("unknown client", client_id=issuer)
        method = client.metadata.token_endpoint_auth_method
        # The algorithms follow from what was registered, never from the assertion: a public key is no HMAC secret here.
        if method == _METHODS.PRIVATE_KEY_JWT:
            keys: KeySet | Key = await self._keys.of(client, kid=parsed.kid)
            algorithms: tuple[str, ...] = (
                FAPI2_ALGORITHMS if client.settings.profile == "fapi2" else ASSERTION_ALGORITHMS
            )
        elif method == _METHODS.CLIENT_SECRET_JWT and client.sealed_secret is not None:
            keys = self._secret_key(client, parsed.algorithm)
            algorithms = SECRET_ASSERTION_ALGORITHMS
        else:
            _refuse("the client did not register to authenticate by assertion", client_id=issuer)
        wanted = client.metadata.token_endpoint_auth_signing_alg
        verified = self._verified(raw, client, keys, algorithms if wanted is None else (wanted,))
        await self._used_once(client, verified)
        return AuthenticatedClient(client, method)

    def _secret_key(self, client: Client, algorithm: str) -> Key:
        if algorithm not in SECRET_ASSERTION_ALGORITHMS:
            _refuse("an assertion by secret with another algorithm", client_id=client.client_id)
        try:
            return Key.from_secret(self._open_secret(client.client_id, client.sealed_secret or b""), algorithm)
        except JoseError:
            _refuse("the secret is too short for this algorithm", client_id=client.client_id)

    def _verified(self, raw: str, client: Client, keys: KeySet | Key, algorithms: Collection[str]) -> VerifiedJwt:
        # FAPI 2.0 §5.3.2.1: only the issuer identifier as a string is accepted as aud, so that no other server that the
        # client talks to can use the assertion here.
        fapi2 = client.settings.profile == "fapi2"
        try:
            verified = check_jwt(
                raw,
                keys,
                algorithms=algorithms,
                now=self._clock.now(),
                typ=("", "jwt", "client-authentication+jwt"),
                # RFC 7523 §3: iss and sub MUST be the client_id.
                issuer=client.client_id,
                subject=client.client_id,
                audience={self._issuer} if fapi2 else self._audiences,
                only_audience=True,
                required=("iss", "sub", "aud", "exp", "jti"),
                max_lifetime=self._assertion_lifetime,
                leeway=_LEEWAY,
                max_length=MAX_ASSERTION,
            )
        except JwtRejected as rejected:
            _refuse(f"assertion: {rejected.message}", client_id=client.client_id)
        if fapi2 and not isinstance(verified.claims["aud"], str):
            _refuse("assertion: aud is not the issuer as a string", client_id=client.client_id)
        return verified

    async def _used_once(self, client: Client, verified: VerifiedJwt) -> None:
        # RFC 7523 §3: the authorization server MAY ensure that JWTs are not replayed. It does.
        text = f"{client.client_id}\x00{verified.claims['jti']}"
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        expires_at = verified.claims["exp"] + _LEEWAY
        if not await self._replays.first_use(REPLAY_PURPOSE, digest, expires_at=expires_at):
            _refuse("the assertion was used before", client_id=client.client_id)


_PLAIN_METHODS: Final = (
    _METHODS.NONE,
    _METHODS.CLIENT_SECRET_BASIC,
    _METHODS.CLIENT_SECRET_POST,
    _METHODS.CLIENT_SECRET_JWT,
    _METHODS.PRIVATE_KEY_JWT,
)


def _only(presented: PresentedCredentials, *, assertion: bool = False) -> None:
    """RFC 6749 §2.3: the client MUST NOT use more than one authentication method in each request."""
    given = [presented.client_secret is not None, presented.authorization is not None, presented.assertion is not None]
    if sum(given) > 1 and presented.assertion is not None:
        # RFC 7521 §4.2.1: with more than one mechanism beside an assertion the error MUST be invalid_client.
        _refuse("an assertion, and another method")
    if sum(given) > 1 or (assertion and presented.assertion is None):
        raise OAuthError(ErrorCode.INVALID_REQUEST, "one method of client authentication, whole, in each request")


def _basic(authorization: str) -> tuple[str, str]:
    """Identifier and secret of an Authorization header; both are form-encoded first (RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or not 0 < len(encoded) <= MAX_BASIC:
        _refuse("not Basic")
    try:
        raw = base64.b64decode(encoded.strip(" "), validate=True)
        client_id, colon, secret = raw.partition(b":")
        if not colon or not client_id or not secret:
            _refuse("Basic without identifier or secret")
        return _form_decoded(client_id), _form_decoded(secret)
    except (binascii.Error, ValueError):
        _refuse("Basic that cannot be decoded")


def _form_decoded(raw: bytes) -> str:
    raw = raw.replace(b"+", b" ")
    return (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8")


def _refuse(detail: str, *, client_id: str | None = None) -> NoReturn:
    shown = f" ({client_id[:64]!r})" if client_id is not None else ""
    raise OAuthError(ErrorCode.INVALID_CLIENT, "client authentication failed", detail=detail + shown)
