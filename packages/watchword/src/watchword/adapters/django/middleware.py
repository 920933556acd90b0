"""Django's middleware: ``request.access_token`` and ``request.user`` for every view.

Lets in who has no credentials: what needs a token says so with ``require``, ``login_required`` or a permission.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse

from watchword.adapters.bearer import Refused
from watchword.adapters.django.requests import admit, admit_async, response_to
from watchword.adapters.gate import Admitted
from watchword.adapters.requirement import PERHAPS_A_TOKEN

NAME: Final = "watchword.adapters.django.middleware.BearerMiddleware"


class BearerMiddleware:
    """``MIDDLEWARE += ["watchword.adapters.django.middleware.BearerMiddleware"]``, below Django's own for users.

    Bad credentials are answered here, wherever they are for. A request with a good token has the user of that token,
    whatever its cookies say, and needs no CSRF token: browsers do not add ``Authorization`` by themselves.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """As Django asks for it, from WSGI and ASGI."""
        if self._is_async:
            return self._answer(request)
        try:
            _spare_csrf(request, admit(request, PERHAPS_A_TOKEN))
        except Refused as refused:
            return response_to(refused)
        return self.get_response(request)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        try:
            _spare_csrf(request, await admit_async(request, PERHAPS_A_TOKEN))
        except Refused as refused:
            return response_to(refused)
        response: HttpResponse = await self.get_response(request)
        return response


def _spare_csrf(request: Any, admitted: Admitted) -> None:
    if admitted.token is not None:
        request._dont_enforce_csrf_checks = True  # noqa: SLF001 - as Django's test client
