"""The one place where an exception becomes an answer: OAuth JSON, or a problem (RFC 9457) for first-party calls.

Raises nothing itself and decides nothing: whoever refuses says why by the exception it raises.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import wraps

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.store.port import StoreUnavailable
from watchword_server.web.answering import answer_of
from watchword_server.web.correlation import correlation_id
from watchword_server.web.problem import ProblemError, problem_response

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

RETRY_AFTER_SECONDS = "1"
Endpoint = Callable[[Request], Awaitable[Response]]


def oauth_response(error: OAuthError) -> Response:
    """An OAuth error as JSON (RFC 6749 §5.2), with status and headers of the library's table."""
    if error.detail:
        _log.info("refused", extra={"error": error.code.value, "detail": error.detail})
    return Response(_encode(error.members()), error.status, headers=dict(error.headers), media_type="application/json")


def as_oauth(error: Exception) -> OAuthError:
    """What an endpoint of OAuth answers for this exception; a body that cannot be read is ``invalid_request``."""
    match error:
        case OAuthError():
            return error
        case ProblemError() if error.status < 500:
            return OAuthError(ErrorCode.INVALID_REQUEST, error.detail)
        case ProblemError() | StoreUnavailable():
            _log.warning("temporarily unavailable", exc_info=error)
            return OAuthError(ErrorCode.TEMPORARILY_UNAVAILABLE, "The server cannot answer now; try again.")
        case _:
            _log_unexpected(error)
            return OAuthError(ErrorCode.SERVER_ERROR, f"Unexpected error, reference {correlation_id()}")


def oauth_endpoint(endpoint: Endpoint) -> Endpoint:
    """Let an endpoint of OAuth answer all its errors in the words of OAuth."""

    @wraps(endpoint)
    async def answering(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - every exception becomes an answer here
            return oauth_response(as_oauth(error))

    return answering


def problem_of(error: Exception) -> Response:
    """What everything else answers: OAuthError as OAuth JSON, all others as a problem. Nothing unexpected leaks."""
    match error:
        case ProblemError():
            return error.response()
        case OAuthError():
            return oauth_response(error)
        case HTTPException():
            return _routing(error)
        case StoreUnavailable():
            _log.warning("store unavailable", exc_info=error)
            detail = "The server cannot reach its store; nothing was done. Try again."
            return problem_response(503, "store_unavailable", detail, headers={"retry-after": RETRY_AFTER_SECONDS})
        case _:
            _log_unexpected(error)
            detail = "Something unexpected went wrong. The correlation id finds it in the server's log."
            return problem_response(500, "server_error", detail)


_ROUTING = {404: ("not_found", "There is nothing here."), 405: ("method_not_allowed", "Another method is needed here.")}


def _routing(error: HTTPException) -> Response:
    code, detail = _ROUTING.get(error.status_code, ("refused", "The request was refused."))
    return problem_response(error.status_code, code, detail, headers=error.headers)


def _log_unexpected(error: Exception) -> None:
    _log.error("unexpected error", exc_info=error)


async def handle(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's shape of a handler
    """An exception handler for Starlette: ``Starlette(exception_handlers={HTTPException: handle})``."""
    return problem_of(error)


class ErrorBoundary:
    """ASGI middleware around the routes: whatever they raise becomes an answer, unless one has begun already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer, send = answer_of(scope, send)
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            _log.debug("client went away")
        except Exception as error:
            if answer.status:
                # Half an answer cannot be mended: let the server close the connection, so that nobody takes it as whole.
                _log_unexpected(error)
                raise
            await problem_of(error)(scope, receive, send)
