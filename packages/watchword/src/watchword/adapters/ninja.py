"""Django Ninja: authentication for whole APIs, routers and operations.

Holds no rules; everything is asked of the gate that ``settings.WATCHWORD`` describes (see ``django.conf``).
"""

from __future__ import annotations

from typing import Final, Unpack

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.security.http import HttpAuthBase

from watchword.adapters.bearer import Refused
from watchword.adapters.django.requests import admit
from watchword.adapters.requirement import ANY_TOKEN, Asked, Requirement
from watchword.verify.access_token import AccessToken

__all__ = ["NOBODY", "BearerAuth", "Nobody"]


class Nobody:
    """``request.auth`` where a token is optional and there is none: Ninja takes what is falsy for a failure."""

    def __repr__(self) -> str:
        return "NOBODY"


NOBODY: Final = Nobody()


class BearerAuth(HttpAuthBase):
    """Authentication by bearer token::

        api = NinjaAPI()
        auth = BearerAuth(api)

        @api.get("/reports", auth=auth.require(scopes=["reports:read"]))
        def reports(request):
            return {"for": request.auth.sub}

    Sync and async operations alike. Shows in OpenAPI.
    """

    openapi_scheme = "bearer"
    openapi_bearerFormat = "JWT"  # noqa: N815 - OpenAPI's name

    def __init__(self, api: NinjaAPI) -> None:
        """Make it for one API, which from now on answers refusals as RFC 6750 says."""
        super().__init__()
        self.is_async = False
        self._api = api
        self._requirement = ANY_TOKEN
        api.add_exception_handler(Refused, self._answer)

    def require(self, **asked: Unpack[Asked]) -> BearerAuth:
        """The same for operations that ask for more. ``asked`` as in `Requirement`."""
        return self._asking(Requirement(**asked))

    def optional(self, **asked: Unpack[Asked]) -> BearerAuth:
        """The same for operations that are open to all: ``request.auth`` is `NOBODY` without credentials."""
        return self._asking(Requirement(**asked, optional=True))

    def __call__(self, request: HttpRequest) -> AccessToken | Nobody:
        """As Ninja asks for it. Raises: Refused."""
        return admit(request, self._requirement).token or NOBODY

    def _asking(self, requirement: Requirement) -> BearerAuth:
        other = BearerAuth(self._api)
        other._requirement = requirement
        return other

    def _answer(self, request: HttpRequest, refused: Refused | type[Refused]) -> HttpResponse:
        assert isinstance(refused, Refused)  # noqa: S101 - what Ninja's types leave open
        response = self._api.create_response(request, {"detail": refused.detail}, status=refused.status)
        for name, value in refused.headers.items():
            response[name] = value
        return response
