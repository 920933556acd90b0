"""What Django's requests hold of tokens: how they were let in, and who they are of.

Guards nothing: ``middleware`` and ``views`` do.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.functional import SimpleLazyObject

from watchword.adapters.bearer import Refused
from watchword.adapters.django.conf import gate, user_function
from watchword.adapters.gate import Admitted, Presented
from watchword.adapters.requirement import Requirement
from watchword.verify.access_token import AccessToken

_KEY: Final = "_watchword"


class TokenUser:
    """``request.user`` behind a token, where ``settings.WATCHWORD["USER"]`` names no other. Has no row in a database."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    def __init__(self, token: AccessToken) -> None:
        self.token: AccessToken = token
        self.pk: str = token.sub
        self.id: str = token.sub
        self.username: str = token.sub

    def get_username(self) -> str:
        """``sub``."""
        return self.token.sub

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Whether the token has this permission, spelled the same. Permissions on one object it has none."""
        return obj is None and perm in self.token.permissions

    def has_perms(self, perms: Collection[str], obj: object = None) -> bool:
        """Whether the token has all of them."""
        if isinstance(perms, str):
            raise TypeError("perms are a collection of names, not one string")
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, _label: str) -> bool:
        """No: tokens know no applications of Django's."""
        return False

    def __str__(self) -> str:
        return self.token.sub

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenUser) and (other.token.iss, other.pk) == (self.token.iss, self.pk)

    def __hash__(self) -> int:
        return hash((self.token.iss, self.pk))


def token_of(request: HttpRequest) -> AccessToken:
    """The token of a request that came in by middleware or decorator. Raises: LookupError if there is none."""
    return Admitted.token_in(getattr(request, _KEY, None))


def admit(request: HttpRequest, requirement: Requirement) -> Admitted:
    """Let a request in, in a thread. Raises: Refused."""
    return keep(request, gate().admit_sync(presented_by(request), requirement, getattr(request, _KEY, None)))


async def admit_async(request: HttpRequest, requirement: Requirement) -> Admitted:
    """Let a request in, on an event loop. Raises: Refused."""
    return keep(request, await gate().admit(presented_by(request), requirement, getattr(request, _KEY, None)))


def keep(request: HttpRequest, admitted: Admitted) -> Admitted:
    """Remember how a request was let in: ``request.access_token``, ``request.user``."""
    kept: Any = request  # Django's own attributes are typed, ours are not
    setattr(kept, _KEY, admitted)
    kept.access_token = admitted.token
    if admitted.token is not None:
        token = admitted.token
        user = SimpleLazyObject(lambda: user_of(token))

        async def auser() -> Any:
            from asgiref.sync import sync_to_async  # noqa: PLC0415 - for the few that ask

            return await sync_to_async(user_of)(token)

        kept.user = user
        kept.auser = auser
    return admitted


def user_of(token: AccessToken) -> Any:
    """Who a token is of: what ``USER`` says, and nobody if it says None."""
    function = user_function()
    if function is None:
        return TokenUser(token)
    user = function(token)
    if user is None:
        from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415 - asks for installed applications

        return AnonymousUser()
    return user


def presented_by(request: HttpRequest) -> Presented:
    """What a request presents."""
    meta = request.META
    authorization = [meta["HTTP_AUTHORIZATION"]] if "HTTP_AUTHORIZATION" in meta else []
    if "HTTP_DPOP" not in meta:
        return Presented(authorization)
    url = request.build_absolute_uri(request.get_full_path())
    return Presented(authorization, (), [meta["HTTP_DPOP"]], request.method or "", url)


def response_to(refused: Refused) -> HttpResponse:
    """The answer to a refusal: status, challenge, and ``detail`` as JSON."""
    return JsonResponse({"detail": refused.detail}, status=refused.status, headers=refused.headers)
