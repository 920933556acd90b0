"""`POST /auth/refresh`: a refresh token for a new pair.

Holds no rule of rotation; tokens/refresh.py decides, tokens/rotation.py acts.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from watchword_server.endpoints.session.login import TokenAnswer
from watchword_server.endpoints.session.services import NO_STORE, SessionServices, token_answer
from watchword_server.tokens.claims import FIRST_PARTY
from watchword_server.tokens.refresh import Reason
from watchword_server.tokens.rotation import Refreshed, RefreshRequest, Refused
from watchword_server.web.body import read_optional_json
from watchword_server.web.origin import origin
from watchword_server.web.problem import ProblemError, problem_response

_encode = msgspec.json.Encoder().encode

_WORDS = {
    Reason.REUSE: "This refresh token was used before: the session has been ended, since it may have been stolen.",
    Reason.RESTORED: "This refresh token is newer than the server's records, so the session has been ended.",
}


class RefreshBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body, if the token does not come in the cookie."""

    refresh_token: str


class Refresh:
    """The endpoint."""

    def __init__(self, services: SessionServices, *, idle: float) -> None:
        self._services = services
        self._idle = idle

    async def handle(self, request: Request) -> Response:
        """200 with new tokens; 401 with `reason` when refused, and then a cookie that was sent is cleared."""
        services = self._services
        cookie = services.cookie.read(request.headers)
        if cookie is not None:
            services.refuse_foreign(request)
        body = await read_optional_json(request, RefreshBody, services.limits)
        if cookie is not None and body is not None:
            raise ProblemError(400, "two_tokens", "Send the refresh token in the cookie or in the body, not in both.")
        presented = cookie if body is None else body.refresh_token
        if presented is None:
            return self._refused("missing", "No refresh token was sent. Log in.", clears=False)
        device = services.device(request)
        outcome = await services.rotation.refresh(
            RefreshRequest(
                token=presented,
                client_id=FIRST_PARTY,
                device_kind=device.kind,
                place=device.place,
                origin=origin(request),
            )
        )
        if isinstance(outcome, Refused):
            services.metrics.refreshes.labels(outcome.reason.value).inc()
            words = _WORDS.get(outcome.reason, "The refresh token is not valid any more. Log in.")
            return self._refused(outcome.reason.value, words, clears=cookie is not None)
        services.metrics.refreshes.labels("odd_repeat" if outcome.odd else outcome.fate).inc()
        return self._granted(outcome, by_cookie=cookie is not None)

    def _granted(self, outcome: Refreshed, *, by_cookie: bool) -> Response:
        answer = TokenAnswer(
            outcome.access_token, "Bearer", outcome.expires_in, None if by_cookie else outcome.refresh_token
        )
        set_cookie = None
        if by_cookie and outcome.sets_cookie:
            left = min(self._idle, outcome.view.family.expires_at - outcome.view.read_at)
            set_cookie = self._services.cookie.set(outcome.refresh_token, max_age=int(left))
        return token_answer(_encode(answer), cookie=set_cookie)

    def _refused(self, reason: str, words: str, *, clears: bool) -> Response:
        headers = dict(NO_STORE)
        if clears:
            headers["Set-Cookie"] = self._services.cookie.clear()
        return problem_response(401, "refresh_refused", words, headers=headers, reason=reason)
