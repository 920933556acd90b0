"""Authorization responses (RFC 6749 §4.1.2, RFC 9207): by query, fragment or form post, always with ``iss``; signed for
clients that want them so (JARM).

Sends them only to a proven destination; what cannot go there is a page.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response
from watchword.clock import Clock
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ResponseMode

from watchword_server.endpoints.authorize.parameters import Destination
from watchword_server.pages.rendering import Pages, posting_back
from watchword_server.web.redirects import redirect, with_query

SIGNED_LIFETIME: Final = 600
"""Seconds that a signed answer is good for (JARM §2.1: 10 minutes at most)."""
_SIGNED: Final = {
    ResponseMode.JWT: ResponseMode.QUERY,
    ResponseMode.QUERY_JWT: ResponseMode.QUERY,
    ResponseMode.FRAGMENT_JWT: ResponseMode.FRAGMENT,
    ResponseMode.FORM_POST_JWT: ResponseMode.FORM_POST,
}
_log = logging.getLogger(__name__)


class Answers:
    """Makes the responses of one issuer."""

    def __init__(
        self,
        issuer: str,
        pages: Pages,
        clock: Clock,
        *,
        sign: Callable[[Mapping[str, Any], str], Awaitable[str]],
        algorithms: tuple[str, ...],
    ) -> None:
        """``sign`` gives claims signed by one of ``algorithms``, of which the first is for clients that named none."""
        self._issuer = issuer
        self._pages = pages
        self._clock = clock
        self._sign = sign
        self._algorithms = algorithms

    async def code(self, destination: Destination, code: str, language: str) -> Response:
        """The answer that carries a code."""
        return await self._send(destination, {"code": code}, language)

    async def refusal(self, destination: Destination, error: OAuthError, language: str) -> Response:
        """The answer that tells the client why not."""
        if error.detail:
            _log.info("refused", extra={"error": error.code.value, "detail": error.detail})
        return await self._send(destination, error.members(), language)

    async def _send(self, destination: Destination, members: Mapping[str, str], language: str) -> Response:
        fields, mode = dict(members), destination.mode
        if destination.state is not None:
            fields["state"] = destination.state
        # RFC 9207 §2: the server MUST say who it is in every response, errors included, against mix-up.
        fields["iss"] = self._issuer
        if mode in _SIGNED:
            fields, mode = {"response": await self._signed(destination, fields)}, _SIGNED[mode]
        match mode:
            case ResponseMode.FORM_POST:
                return self._pages.show(
                    "form_post",
                    language,
                    posts_to=posting_back(destination.redirect_uri),
                    action=destination.redirect_uri,
                    fields=fields,
                )
            case ResponseMode.FRAGMENT:
                return redirect(f"{destination.redirect_uri}#{urlencode(fields)}")
            case _:
                return redirect(with_query(destination.redirect_uri, fields))

    async def _signed(self, destination: Destination, fields: Mapping[str, str]) -> str:
        """JARM §2.1: the answer as a JWT from this server, for this client, for ten minutes."""
        wanted = destination.algorithm
        algorithm = wanted if wanted in self._algorithms else self._algorithms[0]
        lifetime = {"aud": destination.client_id, "exp": int(self._clock.now()) + SIGNED_LIFETIME}
        return await self._sign(dict(fields) | lifetime, algorithm)
