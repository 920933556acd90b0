"""The authorization code grant (RFC 6749 §4.1.3): a code, once, by the client it was issued to, becomes tokens.

Issues no code; the authorization endpoint does.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from watchword.jose import base64url
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.client_request import ClientForm
from watchword_server.clients.metadata import Client
from watchword_server.endpoints.token.granting import code_digest, redeemed
from watchword_server.endpoints.token.request import (
    Granted,
    GrantRequest,
    TokenServices,
    invalid_grant,
    narrowed,
    targeted,
)
from watchword_server.store.authorization_records import CodeView
from watchword_server.store.records import AuditEvent, NewNotice
from watchword_server.tokens.client_sessions import Approved
from watchword_server.tokens.terms import AuthorizationTerms, decode_terms

_ATTEMPTS: Final = 5
"""Codes of one client in one browser, exchanged at once, share a session: all but the first are decided again."""
_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}", re.ASCII)
_REFUSED: Final = "the code is wrong, used, expired, or of another client"


async def authorization_code(request: GrantRequest, services: TokenServices) -> Granted:
    """Read, decide, sign, swap, answer. What fails before the swap leaves the code as it was: a thief who guesses wrong
    must not be able to use it up.

    Raises OAuthError ``invalid_grant``, ``invalid_target``, ``invalid_authorization_details``, ``invalid_request`` or ``invalid_dpop_proof``.
    """
    digest = code_digest(request.form.require("code"))
    for _ in range(_ATTEMPTS):
        granted = await _attempt(request, services, digest)
        if granted is not None:
            return granted
    raise invalid_grant(_REFUSED, detail="code lost every race")


async def _attempt(request: GrantRequest, services: TokenServices, digest: bytes) -> Granted | None:
    """Read, decide, sign and swap; None when what the code gives was opened or ended in between, by another code of this
    client or by its end, and all is to be decided again.
    """
    view = await services.codes.code(digest)
    if view is None:
        raise invalid_grant(_REFUSED, detail="unknown code")
    # RFC 6749 §5.2: a code that was issued to another client is invalid_grant; and it is left as it is.
    if not hmac.compare_digest(view.client_id.encode(), request.client.client_id.encode()):
        raise invalid_grant(_REFUSED, detail="code of another client")
    if view.used:
        await _replayed(request, services, view, digest)
        raise invalid_grant(_REFUSED, detail="used code")
    if view.read_at >= view.expires_at or not view.alive:
        raise invalid_grant(_REFUSED, detail="expired code, or what it rests on has ended")
    terms = decode_terms(view.terms)
    _check_redirect_uri(terms, request.form, request.client)
    _check_pkce(terms, request.form)
    _check_binding(terms, request)
    approved = Approved(
        client=request.client,
        terms=terms,
        account=view.account,
        sign_on=view.sign_on,
        sid=view.sid,
        rev=view.rev,
        read_at=view.read_at,
        resource=targeted(request, services, terms),
        details=narrowed(request, services, terms.details),
    )
    return await redeemed(
        request, services, approved, services.codes.redeem_code, digest=digest, grant="authorization_code"
    )


async def _replayed(request: GrantRequest, services: TokenServices, view: CodeView, digest: bytes) -> None:
    """RFC 6749 §4.1.2: a code used more than once is denied, and what it gave SHOULD be revoked. Committed before the
    refusal is told.
    """
    audit = AuditEvent(
        event="code.replayed",
        origin=request.origin,
        account_id=view.account.id,
        client_id=request.client.client_id,
        reason="code_replayed",
        detail={"place": request.place},
    )
    notice = NewNotice(kind="code.replayed", detail={"client": request.client.client_id, "place": request.place})
    if await services.codes.replay_code(digest, audit=audit, notice=notice):
        services.metrics.revocations.labels("code_replayed").inc()


def _check_redirect_uri(terms: AuthorizationTerms, form: ClientForm, client: Client) -> None:
    given = form.get("redirect_uri")
    # RFC 6749 §4.1.3: required if it was included in the authorization request, and their values MUST be identical.
    if given == terms.redirect_uri:
        return
    if terms.redirect_uri is None and client.metadata.redirect_uris == (given,):
        return
    raise invalid_grant("redirect_uri is not that of the authorization request")


def _check_pkce(terms: AuthorizationTerms, form: ClientForm) -> None:
    verifier = form.get("code_verifier")
    if terms.code_challenge is None:
        # RFC 9700 §2.1.1, downgrade: a verifier MUST be refused where there was no challenge; somebody took it out.
        if verifier is not None:
            raise invalid_grant("code_verifier is sent, but the authorization request had no code_challenge")
        return
    if verifier is None or _VERIFIER.fullmatch(verifier) is None:
        raise invalid_grant("code_verifier is missing or malformed")
    challenge = base64url.encode(hashlib.sha256(verifier.encode("ascii")).digest())
    if not hmac.compare_digest(challenge.encode(), terms.code_challenge.encode()):
        raise invalid_grant("code_verifier is not that of the code_challenge")


def _check_binding(terms: AuthorizationTerms, request: GrantRequest) -> None:
    if terms.dpop_jkt is None:
        return
    # RFC 9449 §10: if they do not match, the authorization server MUST reject the request.
    if request.proof is None:
        raise OAuthError(ErrorCode.INVALID_DPOP_PROOF, "the code is bound to a key; send a proof of it")
    if not hmac.compare_digest(terms.dpop_jkt.encode(), request.proof.jkt.encode()):
        raise invalid_grant("the code is bound to another key")
