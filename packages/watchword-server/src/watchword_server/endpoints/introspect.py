"""`POST /introspect`: what a token is worth now (RFC 7662), signed where it is asked for so (RFC 9701).

Answers the client a token was issued to, and resource servers that it is meant for; to anyone else no token is active.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.clock import Clock
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.client_request import ClientRequests
from watchword_server.clients.details import meant_for
from watchword_server.clients.metadata import Client
from watchword_server.tokens import refresh_token
from watchword_server.tokens.api_keys import PREFIX as KEY_PREFIX
from watchword_server.tokens.api_keys import ApiKeyService
from watchword_server.tokens.checks import Check, Place, applies
from watchword_server.tokens.id_token import IdTokens
from watchword_server.tokens.reading import ReadToken, TokenReader
from watchword_server.tokens.refresh import ended
from watchword_server.tokens.rotation import Rotation
from watchword_server.web.body import header_values
from watchword_server.web.documents import EncodedJson
from watchword_server.web.errors import oauth_endpoint

PATH: Final = "/introspect"
SIGNED_TYPE: Final = "token-introspection+jwt"
_SIGNED: Final = f"application/{SIGNED_TYPE}"
_INACTIVE: Final[dict[str, Any]] = {"active": False}
_OURS: Final = frozenset({"userinfo"})
"""Claims that are for this server alone."""
_encode = msgspec.json.Encoder().encode
_NO_STORE: Final = {"Cache-Control": "no-store"}
_UNCACHED: Final = ((b"cache-control", b"no-store"),)


class Introspection:
    """The endpoint."""

    def __init__(
        self,
        requests: ClientRequests,
        reader: TokenReader,
        keys: ApiKeyService,
        rotation: Rotation,
        answers: IdTokens,
        clock: Clock,
        *,
        issuer: str,
        audience: str,
        algorithms: tuple[str, ...],
    ) -> None:
        """``audience``: the default one, for which a resource server answers that names no other. ``algorithms``: those that
        signed answers are offered by.
        """
        self._requests = requests
        self._reader = reader
        self._keys = keys
        self._rotation = rotation
        self._answers = answers
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._algorithms = algorithms

    def routes(self) -> list[Route]:
        """Where it is mounted."""
        return [Route(PATH, oauth_endpoint(self.handle), methods=["POST"])]

    def metadata_members(self, issuer: str) -> dict[str, Any]:
        """What discovery says of it (RFC 8414 §2, RFC 9701 §7)."""
        return {
            "introspection_endpoint": issuer + PATH,
            "introspection_signing_alg_values_supported": list(self._algorithms),
        }

    async def handle(self, request: Request) -> Response:
        """200 with ``active`` and, if true, what the token says; an error only for a caller who is nobody's client."""
        form = await self._requests.form(request)
        if self._requests.presented(request, form).is_bare:
            # RFC 9701 §5: the AS MUST refuse requests that don't authenticate the caller, with status 400.
            raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "only callers that authenticate are answered here")
        authenticated = await self._requests.authenticate(request, form)
        # RFC 7662 §2.1: the endpoint MUST require some form of authorization, or tokens could be tried out here.
        if applies(Check.CONFIDENTIAL_CLIENT, Place.INTROSPECT) and authenticated.binding is None:
            raise OAuthError(ErrorCode.INVALID_CLIENT, "client authentication failed", detail="public client")
        members = await self._members(form.require("token"), authenticated.client)
        if any(_SIGNED in value.lower() for value in header_values(request, b"accept")):
            return await self._signed(members, authenticated.client)
        return EncodedJson(_encode(members), _UNCACHED)

    async def _members(self, raw: str, caller: Client) -> dict[str, Any]:
        if raw.startswith(refresh_token.PREFIX):
            return await self._of_refresh_token(raw, caller)
        of_key = raw.startswith(KEY_PREFIX)
        token = await (self._keys.read(raw) if of_key else self._reader.access_token(raw))
        if token is None or not self._is_for(token, caller) or not await self._reader.is_alive(token):
            return _INACTIVE
        if of_key:
            await self._keys.used(token)
        members = {name: value for name, value in token.claims.items() if name not in _OURS}
        if "authorization_details" in members and token.facts.client_id != caller.client_id:
            # RFC 9396 §9.2: filtered to what concerns the resource server that asks.
            audiences = {*(caller.settings.audiences or (self._audience,)), caller.client_id}
            members["authorization_details"] = meant_for(tuple(members["authorization_details"]), audiences)
        if token.facts.account_id is not None and token.facts.client_id == caller.client_id:
            members["sub"] = self._answers.subjects.of(caller, token.facts.account_id)
        if "act" in members and token.facts.client_id == caller.client_id:
            members |= self._line_for(caller, members)
        return {"active": True, **members, "token_type": "Bearer" if token.jkt is None else "DPoP"}

    def _line_for(self, caller: Client, members: dict[str, Any]) -> dict[str, Any]:
        """Who acts, and what an exchanged token was made of, with everybody as that client knows them."""
        if caller.metadata.subject_type != "pairwise":
            return {}
        known, acting = self._answers.subjects.of, members["act"]
        levels = []
        while isinstance(acting, dict):
            # A service that acts in its own name is told by that alone; who is told beside a service is a person.
            levels.append(acting | {"sub": known(caller, acting["sub"])} if "client_id" in acting else dict(acting))
            acting = acting.get("act")
        for outer, inner in itertools.pairwise(levels):
            outer["act"] = inner
        made_of = [
            one | {"sub": known(caller, one["sub"])} if "sub" in one else one for one in members.get("made_of", ())
        ]
        return {"act": levels[0], "made_of": made_of}

    def _is_for(self, token: ReadToken, caller: Client) -> bool:
        """Whether the caller may learn of this token: its own, or as a resource server one that is meant for it."""
        if token.facts.client_id == caller.client_id:
            return True
        if not caller.settings.may_introspect:
            return False
        audiences = caller.settings.audiences or (self._audience,)
        return not {*audiences, caller.client_id}.isdisjoint(token.audience)

    async def _of_refresh_token(self, raw: str, caller: Client) -> dict[str, Any]:
        """Only for the client that holds it: to a resource server a refresh token is nothing (RFC 7662 §4)."""
        found = await self._rotation.look(raw)
        if found is None:
            return _INACTIVE
        view, generation = found
        family = view.family
        newest = generation == family.generation or (family.sender_key is not None and generation < family.generation)
        if family.client_id != caller.client_id or not newest or ended(view, view.read_at) is not None:
            return _INACTIVE
        return {
            "active": True,
            "iss": self._issuer,
            "client_id": family.client_id,
            "sub": self._answers.subjects.of(caller, family.account_id),
            "scope": " ".join(family.scope),
            "exp": int(min(family.idle_expires_at, family.expires_at)),
            "sid": family.sid,
        }

    async def _signed(self, members: dict[str, Any], caller: Client) -> Response:
        """RFC 9701 §5: the answer as a JWT for this caller alone."""
        algorithm = caller.metadata.introspection_signed_response_alg or self._algorithms[0]
        claims = {
            "iss": self._issuer,
            "aud": caller.client_id,
            "iat": int(self._clock.now()),
            "token_introspection": members,
        }
        text = await self._answers.sign(claims, algorithm=algorithm, typ=SIGNED_TYPE)
        return Response(text, headers=_NO_STORE, media_type=f"application/{SIGNED_TYPE}")
