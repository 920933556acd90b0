"""From parameters to a request that may be answered: client found, pushed request fetched, destination proven, judged.

Decides nothing about people. Done anew at every step, so that a client disabled or changed meanwhile is noticed.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from watchword.clock import EpochSeconds
from watchword.jose import jws
from watchword.jose.errors import JoseError
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.entitlement import came_by_itself
from watchword_server.clients.metadata import Client
from watchword_server.clients.registration import ASSERTION_ALGORITHMS, FAPI2_ALGORITHMS
from watchword_server.clients.request_object import MAX_LENGTH, SignedRequest, merged, read_request_object
from watchword_server.endpoints.authorize.parameters import PUSHED, Destination, Parameters, destination
from watchword_server.endpoints.authorize.request import AuthorizationRequest, read_request
from watchword_server.endpoints.authorize.services import AuthorizeServices
from watchword_server.tokens.id_token_hint import ENCRYPTED, is_encrypted

_REPLAY_PURPOSE: Final = "request_object"
_LEEWAY: Final = 60.0
"""Seconds for which an object is remembered beyond its end: clocks differ."""
_LONGEST_MEMORY: Final = 86_400.0


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be answered."""

    request: AuthorizationRequest
    pushed: bytes | None
    """Digest of the pushed request it came by, which is good for one answer."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose client is to be told why not."""

    destination: Destination
    error: OAuthError
    pushed: bytes | None
    by_stranger: bool = False
    """Whether nobody here registered the client, so that its redirect URI proves nothing of where it leads."""


class Checker:
    """Reads requests for one installation."""

    def __init__(self, services: AuthorizeServices) -> None:
        self._services = services

    async def check(self, parameters: Parameters) -> Checked | Refusal:
        """The request, or why it is refused.

        Raises OAuthError for what must not leave this server: no proven client and redirect URI (RFC 6749 §4.1.2.1).
        """
        client = await self._client(parameters)
        pushed = None
        if (parameters.get("request_uri") or "").startswith(PUSHED):
            pushed = digest_of(parameters.get("request_uri") or "")
            parameters = await self._pushed(pushed, client)
        where = destination(parameters, client)
        try:
            request = self.judge(parameters, client, where, pushed=pushed is not None)
        except OAuthError as error:
            return Refusal(destination=where, error=error, pushed=pushed, by_stranger=came_by_itself(client))
        return Checked(request=request, pushed=pushed)

    def judge(
        self, parameters: Parameters, client: Client, where: Destination, *, pushed: bool
    ) -> AuthorizationRequest:
        """As request.read_request, with the subject of the hint. Raises OAuthError."""
        hint = parameters.get("id_token_hint")
        hinted = None
        if hint is not None:
            if is_encrypted(hint):
                raise OAuthError(ErrorCode.INVALID_REQUEST, ENCRYPTED)
            hinted = self._services.hinted_subject(hint, client)
            if hinted is None:
                raise OAuthError(ErrorCode.INVALID_REQUEST, "id_token_hint is not an ID token for this client")
        return read_request(parameters, client, where, self._services.entitlements, hinted=hinted, pushed=pushed)

    async def unpacked(self, parameters: Parameters) -> tuple[Parameters, SignedRequest | None]:
        """The request, out of the request object where it comes in one (RFC 9101), whose signature is checked here and once:
        later steps would find it expired. Beside it the object, for `use_once`.

        Raises OAuthError, to be shown on a page: nothing around what is signed proves where an answer may go.
        """
        raw = parameters.get("request")
        if raw is None or parameters.get("request_uri") is not None:
            return parameters, None
        client = await self._client(parameters)
        raw = await self._services.request_decryption.opened(raw, client)
        offered = FAPI2_ALGORITHMS if client.is_fapi2 else ASSERTION_ALGORITHMS
        wanted = client.metadata.request_object_signing_alg
        try:
            kid = jws.parse(raw, max_length=MAX_LENGTH).kid
        except JoseError:
            kid = None
        signed = read_request_object(
            raw,
            await self._services.client_keys.of(client, kid=kid),
            client_id=client.client_id,
            audience=(self._services.issuer,),
            # RFC 9101 §10.1: the one that was registered, and in any case one that nobody but the client can make.
            algorithms=offered if wanted is None else {wanted}.intersection(offered),
            now=self._services.clock.now(),
            strict=client.is_fapi2,
        )
        return Parameters(values=merged(parameters.values, signed), resource=signed.resource, signed=True), signed

    async def use_once(self, client: Client, signed: SignedRequest) -> None:
        """Take an object that names itself (``jti``) for one request alone. Raises OAuthError for a second one.

        For pushed requests: at `/authorize` a person who loads the page again sends the same one, and gains nothing.
        """
        if signed.jti is None:
            return
        digest = digest_of(f"{client.client_id}\0{signed.jti}")
        # One without an end, or with a far one, is remembered for a day: nobody fills the store with them.
        latest = self._services.clock.now() + _LONGEST_MEMORY
        expires_at = EpochSeconds(min((signed.expires_at or latest) + _LEEWAY, latest))
        if not await self._services.state.first_use(_REPLAY_PURPOSE, digest, expires_at=expires_at):
            raise OAuthError(ErrorCode.INVALID_REQUEST_OBJECT, "The request object was used before.")

    async def _client(self, parameters: Parameters) -> Client:
        client_id = parameters.visible("client_id")
        if client_id is None:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "client_id is missing")
        client = await self._services.clients.find(client_id)
        if client is None:
            raise OAuthError(ErrorCode.INVALID_CLIENT, "client_id is not known here")
        return client

    async def _pushed(self, digest: bytes, client: Client) -> Parameters:
        """RFC 9126 §4: what was pushed is the request; whatever else is in the query is not."""
        held = await self._services.state.pushed_request(digest)
        if held is None or held.used or held.client_id != client.client_id:
            raise OAuthError(ErrorCode.INVALID_REQUEST_URI, "request_uri is unknown, used or no longer good")
        return msgspec.json.decode(held.request, type=Parameters)


def digest_of(text: str) -> bytes:
    """What the store keeps of a code or of the name of a pushed request: both have 256 unpredictable bits."""
    return hashlib.sha256(text.encode()).digest()
