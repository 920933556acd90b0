"""Where an authorization response may go: the redirect URI of a request against those the client registered. PURE.

Does not judge what may be registered, nor when two URIs are the same; clients/redirect_uris.py does.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.metadata import Client
from watchword_server.clients.redirect_uris import redirect_uri_allowed


def prove_redirect_uri(given: str | None, client: Client) -> str:
    """The redirect URI that the answer goes to, once it is proven to be the client's.

    Raises OAuthError, to be shown on a page and never redirected (RFC 6749 §4.1.2.1; RFC 9700 §4.11.2).
    """
    registered = client.metadata.redirect_uris
    if given is None:
        if len(registered) != 1:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "redirect_uri is missing")
        return registered[0]
    if not redirect_uri_allowed(given, registered, client.metadata.kind):
        raise OAuthError(ErrorCode.INVALID_REQUEST, "redirect_uri is not one that this client registered")
    return given


def is_claimed_by_anyone(redirect_uri: str) -> bool:
    """Whether another app on the device could take the answer: a loopback port or a scheme of its own, which nobody proves
    to own (RFC 8252 §8.6).
    """
    return not redirect_uri.startswith("https://")


def shown_host(redirect_uri: str) -> str:
    """Where the answer goes, for people: the host, or the scheme of an app."""
    parts = urlsplit(redirect_uri)
    return parts.netloc if parts.scheme in {"https", "http"} else f"{parts.scheme}:"
