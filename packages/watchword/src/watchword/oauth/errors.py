"""The one error of the OAuth endpoints, and the one table that says how each code is answered.

Knows no HTTP framework: it gives status, headers and members, and ``web`` or an adapter writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from watchword.oauth.challenge import challenge, plain_text
from watchword.oauth.names import ErrorCode, Scheme

_BASIC: Final = challenge(Scheme.BASIC, realm="watchword")
_RETRY_AFTER_SECONDS: Final = "1"

# 400 unless said otherwise here. RFC 6749 §5.2: invalid_client is 401 and names the scheme the client may use;
# RFC 6750 §3.1: invalid_token 401, insufficient_scope 403; RFC 9470 §3: 401.
_STATUS: Final[Mapping[ErrorCode, int]] = MappingProxyType(
    {
        ErrorCode.INVALID_CLIENT: 401,
        ErrorCode.INVALID_TOKEN: 401,
        ErrorCode.INSUFFICIENT_USER_AUTHENTICATION: 401,
        ErrorCode.INSUFFICIENT_SCOPE: 403,
        ErrorCode.SERVER_ERROR: 500,
        ErrorCode.TEMPORARILY_UNAVAILABLE: 503,
    }
)
# A protected resource answers a failed DPoP proof with 401 and a challenge (RFC 9449 §7.1), a token endpoint with 400.
_AT_RESOURCE: Final[Mapping[ErrorCode, int]] = MappingProxyType(
    {ErrorCode.INVALID_DPOP_PROOF: 401, ErrorCode.USE_DPOP_NONCE: 401}
)
_NO_STORE: Final = ("Cache-Control", "no-store")


class OAuthError(Exception):
    """A request refused in the words of OAuth (RFC 6749 §5.2).

    ``description`` goes to the client, cleaned to the characters the RFC allows; ``detail`` goes to the log alone.
    Status and headers follow from ``code``, never from the place that raises.
    """

    def __init__(self, code: ErrorCode, description: str, *, detail: str | None = None) -> None:
        self.code: ErrorCode = ErrorCode(code)
        self.description: str = plain_text(description)
        self.detail = detail
        super().__init__(self.code.value, self.description)

    def __str__(self) -> str:
        return f"{self.code.value}: {self.description}"

    @property
    def status(self) -> int:
        """The HTTP status at an endpoint of the authorization server."""
        return _STATUS.get(self.code, 400)

    @property
    def status_at_resource(self) -> int:
        """The HTTP status at a protected resource; differs for DPoP alone."""
        return _AT_RESOURCE.get(self.code, self.status)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers that the answer must carry (RFC 6749 §5.1, §5.2; RFC 9110 §11.6.1: every 401 has a challenge)."""
        if self.code is ErrorCode.INVALID_CLIENT:
            return (_NO_STORE, ("WWW-Authenticate", _BASIC))
        if self.status in {401, 403}:
            return (_NO_STORE, ("WWW-Authenticate", challenge(error=self.code, description=self.description)))
        if self.code is ErrorCode.TEMPORARILY_UNAVAILABLE:
            return (_NO_STORE, ("Retry-After", _RETRY_AFTER_SECONDS))
        return (_NO_STORE,)

    def members(self) -> dict[str, str]:
        """``error`` and ``error_description``, for a JSON body or the query of a redirect. Does not hold ``detail``."""
        return {"error": self.code.value, "error_description": self.description}
