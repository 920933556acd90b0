"""`POST /signed-urls` and `GET /signed-urls/keys`: links for applications that hold no key, and what verifies them.

Knows no form of a link; the library signs. Links are of the origins that the settings name, and of no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Final, Literal, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from watchword.clock import Clock
from watchword.jose.jwk import Key, KeySet
from watchword.oauth.challenge import challenge
from watchword.oauth.names import ErrorCode
from watchword.signedurl import Bindings, SignedUrls, UrlRejected
from watchword.verify.access_token import AccessToken
from watchword.verify.check import check_access_token
from watchword.verify.errors import TokenRejected
from watchword.verify.policy import Policy

from watchword_server.keys.jwks import JwksDocument
from watchword_server.settings.signed_urls import SignedUrls as SignedUrlSettings
from watchword_server.settings.tree import Settings
from watchword_server.web.body import BodyLimits, read_json
from watchword_server.web.documents import document_response
from watchword_server.web.problem import FieldError, ProblemError, invalid

PATH: Final = "/signed-urls"
KEYS_PATH: Final = "/signed-urls/keys"
SCOPE: Final = "urls:sign"
"""What an access token must hold to have links signed."""
LIMITS: Final = BodyLimits(max_bytes=32_768, max_depth=3)
_LONGEST_PRESENTED: Final = 8192
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked for; see `watchword.signedurl.Bindings` for what binds."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
    """Absolute, of one of the origins."""
    expires_in: Annotated[int, msgspec.Meta(gt=0, le=604_800)]
    """Seconds."""
    subject_token: Annotated[str, msgspec.Meta(max_length=_LONGEST_PRESENTED)] | None = None
    """An access token of the person the link is for: the link dies with that session."""
    method: _Text | None = None
    prefix: _Text | None = None
    query: Literal["all", "none"] | Annotated[tuple[_Text, ...], msgspec.Meta(max_length=32)] = "all"
    clients: Annotated[tuple[_Text, ...], msgspec.Meta(max_length=8)] = ()
    content_type: _Text | None = None
    content_length: Annotated[int, msgspec.Meta(ge=0)] | None = None
    once: bool = False


class CutOffs(Protocol):
    """Who knows what is revoked, as of now."""

    async def catch_up(self) -> None: ...
    def kills(self, token: AccessToken, /) -> object: ...


class SignedUrlEndpoint:
    """The endpoints. ``key`` gives the signing key of the moment, ``trusted_keys`` those of access tokens."""

    def __init__(
        self,
        settings: SignedUrlSettings,
        *,
        key: Callable[[], Key],
        jwks: Callable[[], JwksDocument],
        policy: Policy,
        trusted_keys: Callable[[], KeySet],
        cut_offs: CutOffs,
        clock: Clock,
        patience: float,
        keys_max_age: int,
    ) -> None:
        self._settings = settings
        self._key = key
        self._jwks = jwks
        self._policy = policy
        self._trusted_keys = trusted_keys
        self._cut_offs = cut_offs
        self._clock = clock
        self._patience = patience
        self._keys_max_age = keys_max_age

    def routes(self) -> list[Route]:
        """Where they are mounted."""
        return [
            Route(PATH, self.sign, methods=["POST"]),
            Route(KEYS_PATH, self.serve_keys, methods=["GET"]),
        ]

    async def serve_keys(self, request: Request) -> Response:
        """The JWK set that verifies links: public, cacheable, apart from the keys of tokens."""
        jwks = self._jwks()
        return document_response(request, jwks.body, jwks.etag, max_age=self._keys_max_age)

    async def sign(self, request: Request) -> Response:
        """201 with ``url`` and ``expires_at``.

        Raises: ProblemError 401 or 403 as RFC 6750 §3.1 says; 422 for what cannot be signed as asked.
        """
        authorization = request.headers.getlist("authorization")
        raw = authorization[0][7:] if len(authorization) == 1 and authorization[0][:7].lower() == "bearer " else ""
        token = await self._token(raw)
        if token is None:
            error = ErrorCode.INVALID_TOKEN if authorization else None
            raise ProblemError(
                401,
                "invalid_token" if authorization else "unauthenticated",
                "Having links signed needs an access token that is good here.",
                headers={"WWW-Authenticate": challenge(error=error)},
            )
        if SCOPE not in token.scope:
            raise ProblemError(
                403,
                "insufficient_scope",
                f"Having links signed needs the scope {SCOPE}.",
                headers={"WWW-Authenticate": challenge(error=ErrorCode.INSUFFICIENT_SCOPE, scope=(SCOPE,))},
            )
        wanted = await read_json(request, Wanted, LIMITS)
        subject = None
        if wanted.subject_token is not None:
            subject = await self._token(wanted.subject_token)
            if subject is None or subject.sid is None:
                raise invalid([FieldError("subject_token", "invalid", "must be a good access token of a session")])
        url = self._signed(wanted, subject)
        expires_at = int(self._clock.now()) + wanted.expires_in
        return JSONResponse({"url": url, "expires_at": expires_at}, 201, {"Cache-Control": "no-store"})

    def _signed(self, wanted: Wanted, subject: AccessToken | None) -> str:
        origin = next((origin for origin in self._settings.origins if _is_of(wanted.url, origin)), None)
        if origin is None:
            raise invalid([FieldError("url", "foreign", "must be absolute, of an origin that this server signs for")])
        urls = SignedUrls(
            self._key(),
            origin=origin,
            max_lifetime=self._settings.max_lifetime,
            max_bound_lifetime=min(self._settings.bound_lifetime, self._settings.max_lifetime),
            clock=self._clock,
        )
        bindings: Bindings = {
            "method": wanted.method,
            "prefix": wanted.prefix,
            "query": wanted.query,
            "session": subject,
            "clients": wanted.clients,
            "content_type": wanted.content_type,
            "content_length": wanted.content_length,
            "once": wanted.once,
        }
        try:
            return urls.sign(wanted.url, wanted.expires_in, **bindings)
        except (ValueError, UrlRejected) as error:
            raise invalid([FieldError("url", "not_signable", str(error))]) from None

    async def _token(self, raw: str) -> AccessToken | None:
        """An access token that is good here and now, or None."""
        if not 0 < len(raw) <= _LONGEST_PRESENTED:
            return None
        try:
            token = check_access_token(raw, self._trusted_keys(), self._policy, self._clock.now())
        except TokenRejected:
            return None
        async with asyncio.timeout(self._patience):
            await self._cut_offs.catch_up()
        return None if self._cut_offs.kills(token) else token


def signed_url_members(settings: Settings) -> dict[str, str]:
    """What discovery says of it, if it is served."""
    issuer = settings.issuer.rstrip("/")
    if not settings.signed_urls.origins:
        return {}
    return {"watchword_signed_urls_uri": issuer + PATH, "watchword_signed_urls_keys_uri": issuer + KEYS_PATH}


def _is_of(url: str, origin: str) -> bool:
    return url == origin or url.startswith((f"{origin}/", f"{origin}?"))
