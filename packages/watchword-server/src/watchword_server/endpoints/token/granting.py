"""How a grant ends: what was issued is recorded where it has to be, and becomes the answer.

Decides neither whether nor what is granted; each grant has its own file for that.
"""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

from watchword_server.endpoints.token.request import Granted, GrantRequest, TokenServices
from watchword_server.store.authorization_records import NewOpaqueToken
from watchword_server.store.records import AuditEvent, NewSession
from watchword_server.tokens.claims import AccessTerms
from watchword_server.tokens.client_sessions import Approved, Prepared
from watchword_server.tokens.issuer import IssuedToken
from watchword_server.tokens.rotation import Refreshed

_MAX_CODE: Final = 256
"""Characters of a presented code that are looked at: more than any code has."""


class Redeem(Protocol):
    """The verb of the store by which a code becomes a session (`Codes.redeem_code`, `Codes.redeem_device`)."""

    async def __call__(self, digest: bytes, *, session: NewSession, audit: AuditEvent) -> bool: ...


def code_digest(code: str) -> bytes:
    """Under what a code is kept, of one as it was presented."""
    return hashlib.sha256(code[:_MAX_CODE].encode("utf-8", "surrogatepass")).digest()


async def redeemed(
    request: GrantRequest, services: TokenServices, approved: Approved, redeem: Redeem, *, digest: bytes, grant: str
) -> Granted | None:
    """Sign what was approved, redeem the code for it, and hand it out; None, and nothing is handed out, when another
    request was first. ``grant`` names the grant in the audit log.
    """
    prepared = await services.sessions.prepare(approved, request.holder)
    audit = AuditEvent(
        event="session.started",
        origin=request.origin,
        account_id=approved.account.id,
        sid=prepared.session.sid,
        client_id=request.client.client_id,
        detail={"grant": grant, "place": request.place},
    )
    if not await redeem(digest, session=prepared.session, audit=audit):
        return None
    return await granted_session(request, services, prepared, id_token=prepared.id_token)


async def granted_session(
    request: GrantRequest, services: TokenServices, given: Prepared | Refreshed, *, id_token: str | None
) -> Granted:
    """The answer with the tokens of a session that is recorded already."""
    await _record(services, given.opaque)
    return Granted(
        given.access_token,
        given.expires_in,
        given.scope,
        bound=request.proof is not None,
        refresh_token=given.refresh_token,
        id_token=id_token,
        details=given.details,
    )


async def granted_token(
    request: GrantRequest,
    services: TokenServices,
    issued: IssuedToken,
    terms: AccessTerms,
    *,
    issued_token_type: str | None = None,
) -> Granted:
    """The answer with an access token alone."""
    await _record(services, issued.record)
    return Granted(
        issued.text,
        issued.expires_in,
        terms.scope,
        bound=request.proof is not None,
        details=terms.details,
        issued_token_type=issued_token_type,
    )


async def _record(services: TokenServices, opaque: NewOpaqueToken | None) -> None:
    """Of an opaque access token, before it is handed out: nobody is to hold one that the store does not know."""
    if opaque is not None:
        await services.opaque.add_opaque_token(opaque)
