"""Token exchange for an assertion to another authorization server (Identity Assertion JWT Authorization Grant §4.3).

Gives no token that anything here accepts, and no refresh token; neither uses up nor advances what it is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, TokenTypeUri

from watchword_server.clients.assertion_policy import AssertedGrant, AssertionPolicy
from watchword_server.endpoints.token.request import Granted, GrantRequest, TokenServices
from watchword_server.store.records import AuditEvent
from watchword_server.tokens.identity_assertion import IdentityAssertions, IssuedAssertion, SignedIn
from watchword_server.tokens.refresh import Presented, Refuse, decide

_NO_ACCESS_TOKEN: Final = "N_A"  # noqa: S105 - the name of no type
"""RFC 8693 §2.2.1: the ``token_type`` of what is no access token."""


@dataclass(frozen=True, slots=True)
class IdentityAssertionExchange:
    """The exchange, for installations that name an audience."""

    policy: AssertionPolicy
    assertions: IdentityAssertions

    async def __call__(self, request: GrantRequest, services: TokenServices) -> Granted:
        """An assertion about the person of an ID token or refresh token, for the authorization server in ``audience``.

        Raises OAuthError ``unauthorized_client``, ``invalid_request``, ``invalid_target``, ``invalid_scope``,
        ``invalid_authorization_details`` or ``access_denied``.
        """
        form, client = request.form, request.client
        if client.metadata.subject_type == "pairwise":
            # It can read what it carries, and must not learn by which name other servers know the person.
            raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "a client with pairwise subjects gets no assertions")
        if form.get("actor_token") is not None or form.get("actor_token_type") is not None:
            # The draft §4.3 leaves to others what it would mean; passed over, it would be believed to mean something.
            raise OAuthError(ErrorCode.INVALID_REQUEST, "an assertion names no actor")
        granted = self.policy.grant(
            client,
            audience=form.require("audience"),
            scope=form.get("scope"),
            resource=form.resources,
            details=form.get("authorization_details"),
        )
        signed_in = await self._signed_in(request, services)
        confirmation = None if request.proof is None else {"jkt": request.proof.jkt}
        issued = await self.assertions.issue(granted, signed_in, confirmation=confirmation)
        await self.assertions.record(_audit(request, granted, signed_in, issued))
        return Granted(
            issued.text,
            issued.expires_in,
            granted.scope,
            bound=False,
            details=granted.details,
            issued_token_type=TokenTypeUri.ID_JAG,
            token_type=_NO_ACCESS_TOKEN,
        )

    async def _signed_in(self, request: GrantRequest, services: TokenServices) -> SignedIn:
        raw = request.form.require("subject_token")
        match request.form.require("subject_token_type"):
            case TokenTypeUri.ID_TOKEN:
                return await self.assertions.signed_in(request.client, raw)
            case TokenTypeUri.REFRESH_TOKEN:
                return await _of_refresh_token(raw, request, services)
            case _:
                # RFC 8693 §2.1: nothing is taken for what it is not said to be.
                raise OAuthError(
                    ErrorCode.INVALID_REQUEST, "subject_token_type: assertions are made of ID tokens and refresh tokens"
                )


async def _of_refresh_token(raw: str, request: GrantRequest, services: TokenServices) -> SignedIn:
    """The draft §4.3.3: validated the same way as for a refresh, which it is not: the family stays as it is."""
    found = await services.rotation.look(raw)
    if found is None:
        raise _refused("no refresh token of this server")
    view, generation = found
    presented = Presented(
        authentic=True,
        generation=generation,
        client_id=request.client.client_id,
        device_kind=request.device_kind,
    )
    fate = decide(view, presented, request.holder.sender_key, view.read_at, services.rules)
    if isinstance(fate, Refuse):
        raise _refused(fate.reason.value)
    # One that is bound to nothing, from before its client authenticated, is good to whoever copied it.
    if view.family.sender_key is None:
        raise _refused("bound to nothing")
    if "openid" not in view.family.scope:
        raise _refused("nobody signed in with OpenID Connect for it")
    return SignedIn(
        account=view.account,
        sid=view.family.sid,
        auth_time=view.auth_time,
        acr=view.acr,
        amr=view.amr,
        expires_at=view.family.expires_at,
        read_at=view.read_at,
    )


def _audit(request: GrantRequest, granted: AssertedGrant, signed_in: SignedIn, issued: IssuedAssertion) -> AuditEvent:
    return AuditEvent(
        event="identity_assertion.issued",
        origin=request.origin,
        account_id=signed_in.account.id,
        sid=signed_in.sid,
        client_id=request.client.client_id,
        detail={"audience": granted.audience, "jti": issued.jti, "scope": " ".join(granted.scope)},
    )


def _refused(detail: str) -> OAuthError:
    description = "subject_token is not a good refresh token of this client's living session"
    return OAuthError(ErrorCode.INVALID_REQUEST, description, detail=detail)
