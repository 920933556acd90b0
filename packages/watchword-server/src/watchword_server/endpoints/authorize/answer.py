"""Authorization responses (RFC 6749 §4.1.2, RFC 9207): by query, fragment or form post, always with ``iss``.

Sends them only to a proven destination; what cannot go there is a page.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.responses import Response
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ResponseMode

from watchword_server.endpoints.authorize.parameters import Destination
from watchword_server.pages.rendering import Pages, posting_back
from watchword_server.web.redirects import redirect, with_query

_log = logging.getLogger(__name__)


class Answers:
    """Makes the responses of one issuer."""

    def __init__(self, issuer: str, pages: Pages) -> None:
        self._issuer = issuer
        self._pages = pages

    def code(self, destination: Destination, code: str, language: str) -> Response:
        """The answer that carries a code."""
        return self._send(destination, {"code": code}, language)

    def refusal(self, destination: Destination, error: OAuthError, language: str) -> Response:
        """The answer that tells the client why not."""
        if error.detail:
            _log.info("refused", extra={"error": error.code.value, "detail": error.detail})
        return self._send(destination, error.members(), language)

    def _send(self, destination: Destination, members: Mapping[str, str], language: str) -> Response:
        fields = dict(members)
        if destination.state is not None:
            fields["state"] = destination.state
        # RFC 9207 §2: the server MUST say who it is in every response, errors included, against mix-up.
        fields["iss"] = self._issuer
        match destination.mode:
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
            case ResponseMode.QUERY:
                return redirect(with_query(destination.redirect_uri, fields))
