"""Django's decorators: views that need a token, with or without the middleware.

Holds no rules; everything is asked of the gate in ``conf``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, Unpack, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest

from watchword.adapters.bearer import Refused
from watchword.adapters.django.requests import admit, admit_async, response_to
from watchword.adapters.requirement import Asked, Requirement

_View = TypeVar("_View", bound=Callable[..., Any])


def require(**asked: Unpack[Asked]) -> Callable[[_View], _View]:
    """Guard a view, sync or async: ``@require(scopes=["reports:read"])``. ``asked`` as in `Requirement`.

    The view finds the token in ``request.access_token``, its user in ``request.user``. It needs no CSRF token, since no
    cookie lets anybody in. For classes: ``@method_decorator(require(), name="dispatch")``.
    """
    return _guard(Requirement(**asked))


def optional(**asked: Unpack[Asked]) -> Callable[[_View], _View]:
    """As `require`, but open to requests without credentials: ``request.access_token`` is None then."""
    return _guard(Requirement(**asked, optional=True))


def _guard(requirement: Requirement) -> Callable[[_View], _View]:
    def guard(view: _View) -> _View:
        @functools.wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                await admit_async(request, requirement)
            except Refused as refused:
                return response_to(refused)
            return await view(request, *args, **kwargs)

        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                admit(request, requirement)
            except Refused as refused:
                return response_to(refused)
            return view(request, *args, **kwargs)

        made: Any = guarded_async if iscoroutinefunction(view) else guarded
        if not requirement.optional:
            made.csrf_exempt = True
        return cast("_View", made)

    return guard
