"""Django REST framework: an authentication class, permissions, and the challenge.

Holds no rules; everything is asked of the gate that ``settings.WATCHWORD`` describes (see ``django.conf``).
"""

from __future__ import annotations

from typing import Any, Unpack

from rest_framework import views
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from watchword.adapters.bearer import Refused
from watchword.adapters.django.conf import gate
from watchword.adapters.django.requests import admit, user_of
from watchword.adapters.requirement import PERHAPS_A_TOKEN, Asked, Requirement
from watchword.verify.access_token import AccessToken

__all__ = ["BearerAuthentication", "RequestRefused", "TokenRequired", "exception_handler", "require"]


class RequestRefused(APIException):
    """A refusal as REST framework answers it: ``detail``, with the challenge or ``Retry-After``."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.detail, "unavailable" if refused.status == 503 else "refused")
        self.status_code: int = refused.status
        # What REST framework's exception handler makes headers of.
        self.auth_header: str | None = refused.headers.get("WWW-Authenticate")
        self.wait: int = int(refused.headers.get("Retry-After", 0))
        self.dpop_nonce: str | None = refused.headers.get("DPoP-Nonce")
        """Goes into the answer by `exception_handler`."""


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's own, which knows no header but those two, and ``DPoP-Nonce``; needed only with nonces::

    "EXCEPTION_HANDLER": "watchword.adapters.drf.exception_handler",
    """
    response: Response | None = views.exception_handler(error, context)
    if response is not None and isinstance(error, RequestRefused) and error.dpop_nonce is not None:
        response["DPoP-Nonce"] = error.dpop_nonce
    return response


class BearerAuthentication(BaseAuthentication):
    """``request.user`` and ``request.auth``, an `AccessToken`, by bearer token::

        "DEFAULT_AUTHENTICATION_CLASSES": ["watchword.adapters.drf.BearerAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["watchword.adapters.drf.TokenRequired"],

    A request without credentials goes on to the next class, and to the permissions.
    """

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """As REST framework asks for it. Raises: RequestRefused for bad credentials."""
        try:
            token = admit(request._request, PERHAPS_A_TOKEN).token  # noqa: SLF001 - REST framework's documented way
        except Refused as refused:
            raise RequestRefused(refused) from refused
        return None if token is None else (user_of(token), token)

    def authenticate_header(self, _request: Request) -> str:
        """The challenge to requests without credentials."""
        return gate().bearer.missing().headers["WWW-Authenticate"]


def require(**asked: Unpack[Asked]) -> type[BasePermission]:
    """A permission: ``permission_classes = [require(scopes=["reports:read"])]``. ``asked`` as in `Requirement`.

    Several may be named, all must be met. It refuses by exception, with the challenge that is due: to the right of
    ``|`` it works, to the left of it nothing else is asked.
    """
    requirement = Requirement(**asked)

    class Required(BasePermission):
        def has_permission(self, request: Request, _view: object) -> bool:
            token = request.auth
            try:
                if isinstance(token, AccessToken) and not requirement.asks_freshly:
                    gate().check(token, requirement)
                else:
                    admit(request._request, requirement)  # noqa: SLF001 - as above
            except Refused as refused:
                raise RequestRefused(refused) from refused
            return True

    return Required


TokenRequired: type[BasePermission] = require()
"""Any good token will do."""
