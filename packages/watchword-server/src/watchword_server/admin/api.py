"""The administration API as one application: routers, problem answers, OpenAPI and the page to read it.

Holds no route of its own but the page.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from watchword_server.accounts.results import AccountRefused
from watchword_server.admin import accounts, api_keys, clients, cut_offs, outbox, security
from watchword_server.admin.access import AdminServices
from watchword_server.admin.models import ProblemModel
from watchword_server.admin.reference import reference_routes
from watchword_server.store.port import StoreUnavailable
from watchword_server.web.errors import handle
from watchword_server.web.problem import FieldError, ProblemError, invalid

_DESCRIPTION = """\
Accounts, clients, sessions, cut-offs, keys, deliveries and the audit log, as JSON.

Every call needs a first-party access token with the scope `watchword:admin`, which a role grants:
log in with `POST /auth/login` and send `Authorization: Bearer <access_token>`.
Errors are problem documents (RFC 9457) with a stable `code`. Times are seconds since the epoch.
"""
PROBLEM_TYPE = "application/problem+json"
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": ProblemModel, "description": "The body is not JSON."},
    401: {"model": ProblemModel, "description": "No token, or one that is not valid here."},
    403: {"model": ProblemModel, "description": "The token lacks the scope."},
    404: {"model": ProblemModel, "description": "There is no such thing."},
    409: {"model": ProblemModel, "description": "It contradicts how things stand."},
    422: {"model": ProblemModel, "description": "A member or parameter is not acceptable."},
}


class AdminApi(FastAPI):
    """FastAPI, whose description says of errors that they are problem documents."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            operations = (one for path in document["paths"].values() for one in path.values())
            for answers in (one["responses"] for one in operations):
                for status, answer in answers.items():
                    if int(status) >= 400 and "application/json" in answer.get("content", {}):
                        answer["content"] = {PROBLEM_TYPE: answer["content"]["application/json"]}
        assert self.openapi_schema is not None  # noqa: S101 - made above
        return self.openapi_schema


def admin_api(services: AdminServices, *, version: str) -> FastAPI:
    """The application to mount under `/admin/api`."""
    app = AdminApi(
        title="Watchword administration",
        version=version,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEMS,
        redirect_slashes=False,
    )
    app.state.services = services
    for router in (accounts.router, api_keys.router, clients.router, cut_offs.router, outbox.router, security.router):
        app.include_router(router)
    app.include_router(_reference(app), include_in_schema=False)
    for kind in (ProblemError, StoreUnavailable, HTTPException, Exception):
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(RequestValidationError, _refuse_fields)
    app.add_exception_handler(AccountRefused, _refuse_account)
    return app


def _reference(app: FastAPI) -> APIRouter:
    return reference_routes(app.openapi)


async def _refuse_fields(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    fields = [
        FieldError(
            ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0]),
            str(fault["type"]),
            str(fault["msg"]),
        )
        for fault in error.errors()
    ]
    return invalid(fields).response()


async def _refuse_account(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AccountRefused)  # noqa: S101 - registered for this class alone
    return invalid(error.errors).response()
