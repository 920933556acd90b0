"""`POST /revoke`: a client gives a token back (RFC 7009).

Revokes the caller's own tokens alone; a token that is unknown, expired or dead already is answered like one that was cut
off just now.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.client_request import ClientRequests
from watchword_server.store.authorization_port import OpaqueTokens
from watchword_server.store.port import Families, Revocations
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.tokens import refresh_token
from watchword_server.tokens.reading import ReadToken, TokenReader
from watchword_server.tokens.rotation import Rotation
from watchword_server.web.errors import oauth_endpoint
from watchword_server.web.metrics import Metrics
from watchword_server.web.origin import origin

PATH: Final = "/revoke"
CAUSE: Final = "revoked_by_client"


class RevocationStore(Families, Revocations, OpaqueTokens, Protocol):
    """The part of the store that is needed here."""


class Revocation:
    """The endpoint."""

    def __init__(
        self,
        requests: ClientRequests,
        reader: TokenReader,
        rotation: Rotation,
        store: RevocationStore,
        metrics: Metrics,
    ) -> None:
        self._requests = requests
        self._reader = reader
        self._rotation = rotation
        self._store = store
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """Where it is mounted."""
        return [Route(PATH, oauth_endpoint(self.handle), methods=["POST"])]

    def metadata_members(self, issuer: str) -> dict[str, Any]:
        """What discovery says of it (RFC 8414 §2)."""
        return {"revocation_endpoint": issuer + PATH}

    async def handle(self, request: Request) -> Response:
        """200, also for a token that is none (RFC 7009 §2.2). ``token_type_hint`` is not needed: prefixes tell."""
        form = await self._requests.form(request)
        authenticated = await self._requests.authenticate(request, form)
        client_id = authenticated.client.client_id
        raw = form.require("token")
        came_from = origin(request, f"client:{client_id}")
        if raw.startswith(refresh_token.PREFIX):
            done = await self._refresh_token(raw, client_id, came_from)
        else:
            token = await self._reader.access_token(raw)
            done = token is not None and await self._access_token(token, client_id, came_from)
        if done:
            self._metrics.revocations.labels(CAUSE).inc()
        return Response(status_code=200, headers={"Cache-Control": "no-store"})

    async def _refresh_token(self, raw: str, client_id: str, origin: Origin) -> bool:
        """RFC 7009 §2.1: if it is a refresh token, access tokens of the same grant SHOULD be invalidated too; they are."""
        found = await self._rotation.look(raw)
        if found is None:
            return False
        family = found[0].family
        _own(family.client_id, client_id)
        audit = AuditEvent(
            event="session.ended",
            origin=origin,
            account_id=family.account_id,
            sid=family.sid,
            client_id=client_id,
            reason=CAUSE,
            detail={"family": family.id},
        )
        return await self._store.revoke_family(family.id, reason=CAUSE, audit=audit, notice=None)

    async def _access_token(self, token: ReadToken, client_id: str, origin: Origin) -> bool:
        _own(token.facts.client_id, client_id)
        # One that is dead already needs no entry in the log, however often it is given back.
        if not await self._reader.is_alive(token):
            return False
        audit = AuditEvent(
            event="token.revoked",
            origin=origin,
            account_id=token.facts.account_id,
            sid=token.facts.sid,
            client_id=client_id,
            reason=CAUSE,
            detail={"jti": token.facts.jti},
        )
        # In the log, whatever its form: verifiers remember what introspection told of it, and others may have exchanged it.
        await self._store.cut_off("token", token.facts.jti, spares=None, ends_families=False, cause=CAUSE, audit=audit)
        if token.opaque is not None:
            await self._store.delete_opaque_token(token.opaque, client_id=client_id)
        return True


def _own(owner: str, client_id: str) -> None:
    """RFC 7009 §2.1: whether the token was issued to the client making the request; else it is refused and told so."""
    if owner != client_id:
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "the token was issued to another client")
