"""Asking the authorization server about one token (RFC 7662, signed RFC 9701): the question, and reading the answer.

Remembers nothing (``opaque`` does) and decides nothing about revocation.
"""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import wait
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from watchword.clock import Clock, EpochSeconds, system_clock
from watchword.jose import base64url, strict_json
from watchword.jose.errors import JoseError
from watchword.oauth.metadata import MAX_METADATA_BYTES, MetadataError, metadata_urls, parse_metadata
from watchword.transport import HttpTransport, Request, Transport, TransportError, check_url
from watchword.verify.access_token import AccessToken
from watchword.verify.check import access_token_of
from watchword.verify.credentials import ServerCredentials
from watchword.verify.errors import KeysUnavailable, RejectionReason, TokenRejected
from watchword.verify.jwt import JwtRejected, VerifiedJwt, check_jwt
from watchword.verify.keys import KeySource
from watchword.verify.policy import DEFAULT_ALGORITHMS, Policy

MAX_ANSWER_BYTES: Final = 65_536
SIGNED_TYPE: Final = "token-introspection+jwt"
_DEPTH: Final = 8
SIGNING_ALGORITHMS: Final = frozenset(DEFAULT_ALGORITHMS)
_ACCESS: Final = frozenset({"bearer", "dpop", "n_a"})


class IntrospectionFailed(Exception):  # noqa: N818 - a state of the other side
    """No answer that could be used. The message names the rule that was broken, and nothing of the token.

    ``of_token``: another token may well be answered about.
    """

    def __init__(self, message: str, *, of_token: bool = False) -> None:
        super().__init__(message)
        self.of_token = of_token


@dataclass(frozen=True, slots=True)
class Introspection:
    """How opaque tokens are asked about.

    ``credentials`` show who asks; ``url`` is the endpoint, found by discovery if it is not given. A token's answer is
    used again for ``cache_seconds``, at most ``max_entries`` answers at once; cut-offs are looked up at each use all the
    same. ``prefix`` is what opaque tokens begin with, one text or several: anything else is malformed, and nobody is asked
    about it. ``wo_`` are opaque access tokens, ``wk_`` API keys and personal access tokens.
    ``signed``: only signed answers are read (RFC 9701). At most ``max_waiting`` questions wait at once, ``max_concurrent``
    are asked at once.

    Raises: ValueError or TransportError for what cannot be.
    """

    credentials: ServerCredentials
    url: str | None = None
    cache_seconds: float = 30.0
    max_entries: int = 100_000
    prefix: str | tuple[str, ...] = ("wo_", "wk_")
    signed: bool = False
    max_concurrent: int = 8
    max_waiting: int = 256

    @property
    def prefixes(self) -> tuple[str, ...]:
        """``prefix``, as several."""
        return (self.prefix,) if isinstance(self.prefix, str) else self.prefix

    def __post_init__(self) -> None:
        if not 0 <= self.cache_seconds <= 3600:
            raise ValueError("cache_seconds must be between 0 and 3600")
        if self.max_entries < 2 or self.max_concurrent < 1 or self.max_waiting < 1:
            raise ValueError("max_entries, max_concurrent and max_waiting must leave room")
        if not isinstance(self.prefix, str) and (not self.prefix or "" in self.prefix):
            raise ValueError("several prefixes are at least one, and none of them empty")
        if self.url is not None:
            check_url(self.url, allow_http=True)


class IntrospectionEndpoint:
    """The endpoint of one issuer. Blocking; safe in threads."""

    def __init__(
        self,
        settings: Introspection,
        issuer: str,
        *,
        transport: Transport,
        clock: Clock = system_clock,
        timeout: float = 5.0,
        keys: KeySource | None = None,
    ) -> None:
        """``keys`` are the issuer's, for signed answers."""
        self._settings = settings
        self._issuer = issuer
        self._transport = transport
        self._clock = clock
        self._timeout = timeout
        self._keys = keys
        self._url = settings.url

    def ask(self, raw: str) -> dict[str, Any]:
        """Ask about a token. Returns: the members of the answer. Raises: IntrospectionFailed, TransportError."""
        response = self._transport.fetch(self._question(raw))
        if response.status != 200:
            raise IntrospectionFailed(
                f"introspection endpoint answered {response.status}", of_token=response.status in {400, 413, 422}
            )
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == f"application/{SIGNED_TYPE}":
            return self._signed(response.body)
        if self._settings.signed:
            raise IntrospectionFailed("answer is not signed")
        try:
            return strict_json.decode_object(response.body, max_depth=_DEPTH, max_bytes=MAX_ANSWER_BYTES)
        except JoseError:
            raise IntrospectionFailed("answer is not a JSON object") from None

    def _question(self, raw: str) -> Request:
        if self._url is None:
            self._url = self._discover()
        settings = self._settings
        accept = f"application/{SIGNED_TYPE}" if settings.signed else "application/json"
        parameters = {
            "token": raw,
            "token_type_hint": "access_token",
            **settings.credentials.parameters(self._issuer, self._clock.now()),
        }
        return Request(
            self._url,
            method="POST",
            headers={
                "Accept": accept,
                "Content-Type": "application/x-www-form-urlencoded",
                **settings.credentials.headers(),
            },
            body=urlencode(parameters).encode("ascii"),
            timeout=self._timeout,
            max_bytes=MAX_ANSWER_BYTES,
        )

    def _discover(self) -> str:
        failure: Exception = IntrospectionFailed("issuer has no metadata")
        for url in metadata_urls(self._issuer):
            try:
                response = self._transport.fetch(
                    Request(
                        url, headers={"Accept": "application/json"}, timeout=self._timeout, max_bytes=MAX_METADATA_BYTES
                    )
                )
                if response.status != 200:
                    continue
                found = parse_metadata(response.body, issuer=self._issuer).introspection_endpoint
            except (TransportError, MetadataError) as error:
                failure = IntrospectionFailed(str(error))
                continue
            if found is None:
                failure = IntrospectionFailed("the issuer's metadata names no introspection endpoint")
            elif check_url(found, allow_http=True).scheme != "https" and self._issuer.startswith("https:"):
                # Our credentials would go over the wire for all to read.
                failure = IntrospectionFailed("introspection endpoint of an https issuer is not https")
            else:
                return found
        raise failure

    def _signed(self, body: bytes) -> dict[str, Any]:
        """RFC 9701 §5: typ, iss, aud and the answer in token_introspection."""
        verified = self._verified(body.decode("ascii", "replace"))
        answer = verified.claims["token_introspection"]
        if not isinstance(answer, dict):
            raise IntrospectionFailed("signed answer holds no answer")
        return answer

    def _verified(self, raw: str) -> VerifiedJwt:
        """Verify with the keys at hand; once more with newer ones if they might help."""
        source = self._keys
        if source is None:
            raise IntrospectionFailed("answer is signed, and there are no keys to verify it with")
        asker = self._settings.credentials.client_id
        for attempt in range(2):
            try:
                return check_jwt(
                    raw,
                    source.current(),
                    algorithms=SIGNING_ALGORITHMS,
                    now=self._clock.now(),
                    typ=(SIGNED_TYPE,),
                    issuer=self._issuer,
                    audience=None if asker is None else (asker,),
                    required=("iss", "aud", "iat", "token_introspection"),
                    max_length=2 * MAX_ANSWER_BYTES,
                )
            except (JwtRejected, KeysUnavailable) as error:
                unknown = isinstance(error, KeysUnavailable) or error.reason is RejectionReason.UNKNOWN_KEY
                step = source.refresh() if unknown and not attempt else None
                if step is None:
                    raise IntrospectionFailed(f"signed answer: {error}") from None
            wait([step], self._timeout)
        raise IntrospectionFailed("signed answer: no key")


def read_answer(answer: dict[str, Any], raw: str, policy: Policy, now: EpochSeconds) -> AccessToken:
    """Make a token of an answer (RFC 7662 §2.2), by the rules that hold for JWTs: issuer, audience, times, types.

    ``exp`` and ``aud`` must be there, and ``sub`` or ``client_id``; what else a JWT must have and an answer need not is
    made up for.

    Raises: TokenRejected.
    """
    if answer.get("active") is not True:
        raise TokenRejected(RejectionReason.INACTIVE)
    # A refresh token is active too, and opens nothing here.
    kind = answer.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() not in _ACCESS:
        raise TokenRejected(RejectionReason.WRONG_TYPE)
    members = {
        "iss": policy.issuer,
        "iat": int(now),
        "jti": f"opaque:{base64url.encode(hashlib.sha256(raw.encode()).digest())}",
        **{name: value for name, value in answer.items() if value is not None},
    }
    for name, other in (("sub", "client_id"), ("client_id", "sub")):
        if name not in members and other in members:
            members[name] = members[other]
    return access_token_of(members, msgspec.json.encode(members), None, policy, now)


class EndpointIntrospector:
    """An `Introspector` that asks the issuer's endpoint: for ``when_stale="introspect"`` in `SyncVerifier`."""

    def __init__(
        self, issuer: str, settings: Introspection, *, transport: Transport | None = None, timeout: float = 5.0
    ) -> None:
        """Prepare it; asks nothing yet."""
        self._endpoint = IntrospectionEndpoint(
            settings, issuer, transport=HttpTransport() if transport is None else transport, timeout=timeout
        )

    def introspect(self, raw: str) -> bool:
        """As `Introspector.introspect`."""
        return self._endpoint.ask(raw).get("active") is True


class AsyncEndpointIntrospector(EndpointIntrospector):
    """The same for `Verifier`; asks in a thread."""

    async def introspect(self, raw: str) -> bool:  # type: ignore[override]
        """As `AsyncIntrospector.introspect`."""
        answer = await asyncio.to_thread(self._endpoint.ask, raw)
        return answer.get("active") is True
