"""Discovery (RFC 8414, OpenID Connect Discovery §4) and the JWK Set (RFC 7517 §5).

Built from the issuer setting and from what is switched on, never from the Host header.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchword_server.keys.jwks import JwksDocument
from watchword_server.web.documents import document_response

ALIASED: Final = (
    "token_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "userinfo_endpoint",
    "watchword_revocations_uri",
)
"""Members of the metadata that name an endpoint which takes client certificates: by them it knows a client, or looks at
what a token is bound to, or lets a verifier read.
"""
METADATA_MAX_AGE = 3600
"""Seconds a client may keep the metadata."""


def metadata(issuer: str, members: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The metadata document: only what works is listed. ``members`` are those of the endpoints that are mounted, as each
    of them tells.

    `response_types_supported` is REQUIRED (RFC 8414 §2), and empty where no authorization endpoint is served.
    """
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks.json",
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "watchword_revocations_uri": f"{issuer}/revocations",
        "watchword_revocations_keys_uri": f"{issuer}/revocations/keys",
        **(members or {}),
    }


def mutual_tls_aliases(issuer: str, url: str, members: Mapping[str, Any]) -> dict[str, str]:
    """`mtls_endpoint_aliases` (RFC 8705 §5): the endpoints of ``members`` that take certificates, by their URLs at ``url``."""
    known = metadata(issuer, members)
    return {name: url + str(known[name]).removeprefix(issuer) for name in ALIASED if name in known}


class Discovery:
    """The endpoints. ``jwks`` gives the current document; it is asked on every request and must be cheap."""

    def __init__(
        self,
        issuer: str,
        jwks: Callable[[], JwksDocument],
        *,
        jwks_max_age: int,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        body = msgspec.json.encode(metadata(issuer, members))
        self._metadata = JwksDocument(body=body, etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        self._jwks = jwks
        self._jwks_max_age = jwks_max_age

    def routes(self) -> list[Route]:
        """Where they are mounted."""
        return [
            Route("/.well-known/openid-configuration", self.serve_metadata, methods=["GET"]),
            Route("/.well-known/oauth-authorization-server", self.serve_metadata, methods=["GET"]),
            Route("/jwks.json", self.serve_jwks, methods=["GET"]),
        ]

    async def serve_metadata(self, request: Request) -> Response:
        """The metadata; public, cacheable."""
        return document_response(request, self._metadata.body, self._metadata.etag, max_age=METADATA_MAX_AGE)

    async def serve_jwks(self, request: Request) -> Response:
        """Active, next and retired keys; a distrusted one is gone at once."""
        jwks = self._jwks()
        return document_response(request, jwks.body, jwks.etag, max_age=self._jwks_max_age)
