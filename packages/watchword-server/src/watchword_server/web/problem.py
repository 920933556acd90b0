"""Problem details (RFC 9457), the errors of first-party JSON calls.

Says how a problem looks, not which exception becomes which; errors.py does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from watchword_server.web.correlation import correlation_id
from watchword_server.web.field_error import FieldError as FieldError  # noqa: PLC0414 - it is half of a problem

MEDIA_TYPE = "application/problem+json"

_encode = msgspec.json.Encoder().encode


class ProblemError(Exception):
    """An expected refusal of a first-party call. ``code`` is stable and part of the contract.

    ``detail`` is for the client and must hold no secret. ``retry_after``: seconds after which the call may succeed. Extra
    members (``reason``, ``challenge``) go in ``extra``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        retry_after: int | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)
        self.extra = extra

    def response(self) -> Response:
        """The answer for this problem."""
        return problem_response(
            self.status, self.code, self.detail, errors=self.errors, headers=self.headers, **self.extra
        )


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> Response:
    """A problem document: ``type``, ``title``, ``status``, ``detail`` (RFC 9457 §3.1), ``code``, ``correlation_id``.

    ``errors`` has one entry a field. Never cached. Extra members cannot replace the standard ones.
    """
    body: dict[str, Any] = extra | {
        "type": f"urn:watchword:problem:{code}",
        "title": _title(status),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if reference := correlation_id():
        body["correlation_id"] = reference
    if errors:
        body["errors"] = [
            {"field": error.field, "code": error.code, "detail": error.detail, "pointer": error.pointer}
            for error in errors
        ]
    return Response(
        _encode(body), status, headers={"cache-control": "no-store", **(headers or {})}, media_type=MEDIA_TYPE
    )


def invalid(errors: Sequence[FieldError]) -> ProblemError:
    """422: the body is JSON of the right kind, but some fields are not acceptable."""
    return ProblemError(422, "invalid_fields", "Some fields are not acceptable.", errors=errors)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
