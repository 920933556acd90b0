"""The device code grant (RFC 8628 §3.4): a device polls until its person has decided, and then gets tokens, once.

Makes no code; device_authorization.py does, and the page `/device` asks the person.
"""

from __future__ import annotations

import hmac
from typing import Final

from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.endpoints.token.granting import code_digest, redeemed
from watchword_server.endpoints.token.request import (
    Granted,
    GrantRequest,
    TokenServices,
    invalid_grant,
    narrowed,
    targeted,
)
from watchword_server.store.authorization_records import DeviceView
from watchword_server.tokens.client_sessions import Approved
from watchword_server.tokens.device_request import decode_device_request
from watchword_server.tokens.terms import decode_terms

_REFUSED: Final = "the device code is wrong, used, or of another client"


async def device_code(request: GrantRequest, services: TokenServices) -> Granted:
    """Tokens for an approved device; its session is its own and does not end with the browser that approved it.

    Raises OAuthError ``authorization_pending``, ``slow_down``, ``access_denied``, ``expired_token``, ``invalid_grant``,
    ``invalid_target`` or ``invalid_authorization_details``.
    """
    digest = code_digest(request.form.require("device_code"))
    view = await services.codes.poll_device(digest)
    if view is None:
        raise invalid_grant(_REFUSED, detail="unknown device code")
    if not hmac.compare_digest(view.client_id.encode(), request.client.client_id.encode()):
        raise invalid_grant(_REFUSED, detail="device code of another client")
    _check_state(view)
    if view.account is None or view.sign_on is None or not view.alive:
        raise invalid_grant("what was approved has ended since", detail="account or sign-on over")
    wanted = decode_device_request(view.request)
    terms = decode_terms(view.terms)
    approved = Approved(
        client=request.client,
        terms=terms,
        account=view.account,
        sign_on=view.sign_on,
        sid=None,
        rev=view.rev,
        read_at=view.read_at,
        resource=targeted(request, services, terms),
        details=narrowed(request, services, terms.details),
        device=wanted.device,
        detached=True,
    )
    granted = await redeemed(
        request, services, approved, services.codes.redeem_device, digest=digest, grant="device_code"
    )
    if granted is None:
        raise invalid_grant(_REFUSED, detail="device code lost to another request")
    return granted


def _check_state(view: DeviceView) -> None:
    """RFC 8628 §3.5. What has expired is said first: a device that is told to wait would wait for nothing."""
    if view.state == "redeemed":
        raise invalid_grant(_REFUSED, detail="used device code")
    if view.read_at >= view.expires_at:
        raise OAuthError(ErrorCode.EXPIRED_TOKEN, "the device code has expired; ask for another")
    if view.state == "denied":
        raise OAuthError(ErrorCode.ACCESS_DENIED, "the person refused")
    if view.state == "pending":
        if view.too_soon:
            raise OAuthError(ErrorCode.SLOW_DOWN, "poll less often: the interval is five seconds longer now")
        raise OAuthError(ErrorCode.AUTHORIZATION_PENDING, "the person has not decided yet")
