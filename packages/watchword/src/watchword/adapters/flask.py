"""Flask: an extension whose decorator lets a view be called with a good token only.

Holds no rules; everything is asked of ``gate``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, Unpack, cast

from flask import Flask, current_app, request
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.local import LocalProxy

from watchword.adapters.bearer import Refused
from watchword.adapters.gate import AnyVerifier, Gate
from watchword.adapters.requirement import Asked, Requirement
from watchword.adapters.wsgi import KEY, presented_by, token_of
from watchword.verify.access_token import AccessToken
from watchword.verify.staleness import WhenStale

__all__ = ["BearerAuth", "current_token"]

_View = TypeVar("_View", bound=Callable[..., Any])


def _current() -> AccessToken:
    try:
        return token_of(request.environ)
    except LookupError as error:
        raise RuntimeError(str(error)) from None  # which makes the proxy falsy


current_token: AccessToken = cast("AccessToken", LocalProxy(_current))
"""The token of this request. Falsy where an optional one is missing; using it then is a RuntimeError."""


class BearerAuth:
    """Authentication by bearer token::

        auth = BearerAuth(verifier)

        @app.get("/reports")
        @auth.require(scopes=["reports:read"])
        def reports():
            return {"for": current_token.sub}

    Asks for a `SyncVerifier`. Refusals are werkzeug's ``Unauthorized``, ``Forbidden``, ``BadRequest`` and
    ``ServiceUnavailable``, with their headers: what ``app.errorhandler(401)`` returns is the answer.
    """

    def __init__(
        self,
        verifier: AnyVerifier,
        app: Flask | None = None,
        *,
        realm: str | None = None,
        resource_metadata: str | None = None,
        max_staleness: float | None = None,
        when_stale: WhenStale | None = None,
    ) -> None:
        """Make the extension; with ``app``, or `init_app`, every view of it needs a token unless it is `optional`.

        ``realm`` and ``resource_metadata`` (a URL, RFC 9728) go into challenges; ``max_staleness`` and ``when_stale``
        to `Verifier.verify`.

        Raises: TypeError for a `Verifier`; ValueError for a ``max_staleness`` that the verifier cannot keep.
        """
        self.gate: Gate = Gate(
            verifier,
            realm=realm,
            resource_metadata=resource_metadata,
            max_staleness=max_staleness,
            when_stale=when_stale,
        )
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Ask for a token at every view of this application that is not marked `open` or `optional`, static files too."""
        app.before_request(self._before_request)

    def require(self, **asked: Unpack[Asked]) -> Callable[[_View], _View]:
        """Guard a view, sync or async. ``asked`` as in `Requirement`. Stands below ``@app.get``."""
        return self._guard(self.gate.announce(Requirement(**asked)))

    def optional(self, **asked: Unpack[Asked]) -> Callable[[_View], _View]:
        """As `require`, but open to requests without credentials: ``current_token`` is falsy then."""
        return self._guard(self.gate.announce(Requirement(**asked, optional=True)))

    def open(self, view: _View) -> _View:
        """Mark a view that anybody may call, of an application that asks for tokens everywhere."""
        view.__watchword_open__ = True  # type: ignore[attr-defined]
        return view

    def _before_request(self) -> None:
        view = current_app.view_functions.get(request.endpoint or "")
        if not getattr(view, "__watchword_open__", False):
            self._admit(Requirement())

    def _admit(self, requirement: Requirement) -> None:
        try:
            admitted = self.gate.admit_sync(presented_by(request.environ), requirement, request.environ.get(KEY))
        except Refused as refused:
            raise exception_of(refused) from refused
        # Not in `g`, which outlives the request where an application context was pushed by hand.
        request.environ[KEY] = admitted

    def _guard(self, requirement: Requirement) -> Callable[[_View], _View]:
        def guard(view: _View) -> _View:
            @functools.wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                self._admit(requirement)
                return current_app.ensure_sync(view)(*args, **kwargs)

            guarded.__watchword_open__ = requirement.optional  # type: ignore[attr-defined]
            return cast("_View", guarded)

        return guard


def exception_of(refused: Refused) -> HTTPException:
    """The refusal as werkzeug's exception of that status, with its headers."""
    kind = default_exceptions[refused.status]

    class RefusedRequest(kind):  # type: ignore[valid-type, misc]
        def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
            return [*HTTPException.get_headers(self, *args, **kwargs), *refused.headers.items()]

    RefusedRequest.__name__ = kind.__name__
    return RefusedRequest(refused.detail)
