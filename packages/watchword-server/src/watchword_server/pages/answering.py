"""What people see when a page cannot be shown: every exception of an endpoint of pages becomes a page.

Decides nothing; endpoints that answer machines use web/errors.py.
"""

from __future__ import annotations

import logging
from functools import wraps

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.pages.rendering import Pages
from watchword_server.store.port import StoreUnavailable
from watchword_server.web.errors import Endpoint
from watchword_server.web.problem import ProblemError
from watchword_server.web.ticket import TicketRefused

_log = logging.getLogger(__name__)


def page_endpoint(pages: Pages, endpoint: Endpoint) -> Endpoint:
    """Let an endpoint of pages answer all that goes wrong with a page."""

    @wraps(endpoint)
    async def answering(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - every exception becomes an answer here
            return _page_of(pages, request, error)

    return answering


def _page_of(pages: Pages, request: Request, error: Exception) -> Response:
    words = pages.translate(pages.language(request))
    match error:
        case OAuthError():
            if error.detail:
                _log.info("refused", extra={"error": error.code.value, "detail": error.detail})
            return pages.error(request, error=error.code.value, description=error.description)
        case TicketRefused():
            return pages.error(
                request,
                error="page_expired",
                description="The page belongs to another browser, was altered, or its cookie is gone.",
                message=words(
                    "This page is not good any more. Go back to the application and start again; cookies have to be allowed."
                ),
            )
        case ProblemError(status=403):
            message = words("This page was sent by another site, so nothing was done. Start again at the application.")
            return pages.error(request, error=error.code, description=error.detail, message=message, status=403)
        case ProblemError() if error.status < 500:
            return pages.error(request, error=error.code, description=error.detail, status=error.status)
        case ProblemError() | StoreUnavailable():
            _log.warning("page not shown", exc_info=error)
            message = words("The server cannot answer now. Nothing was done; please try again.")
            description = "The server cannot reach its store."
            code = ErrorCode.TEMPORARILY_UNAVAILABLE.value
            return pages.error(request, error=code, description=description, message=message, status=503)
        case _:
            _log.error("unexpected error", exc_info=error)
            message = words("Something unexpected went wrong. Please try again.")
            description = "The reference finds it in the server's log."
            return pages.error(
                request, error=ErrorCode.SERVER_ERROR.value, description=description, message=message, status=500
            )
