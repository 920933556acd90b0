"""Every check of the endpoints that clients call, against every endpoint and grant, in one table.

The pipelines ask it and do nothing that is not in it; how a check is made stands with its maker, which the rows name.
A new grant is one column here and one file in endpoints/token/.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Place(StrEnum):
    """Where a client's request arrives: a grant of the token endpoint, or another endpoint."""

    CLIENT_CREDENTIALS = "client_credentials"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant
    AUTHORIZATION_CODE = "authorization_code"
    DEVICE_CODE = "device_code"
    TOKEN_EXCHANGE = "token_exchange"  # noqa: S105 - the name of a grant
    JWT_BEARER = "jwt_bearer"
    DEVICE_AUTHORIZATION = "device_authorization"
    INTROSPECT = "introspect"
    REVOKE = "revoke"
    USERINFO = "userinfo"
    PUSHED_REQUEST = "pushed_request"


class Check(StrEnum):
    """What is checked; beside it who does, and the sentence it rests on."""

    STRICT_FORM = "strict form"
    """web/body.py: one media type, no parameter twice, bounded (RFC 6749 §3.2)."""
    NOTHING_IN_QUERY = "nothing in query"
    """clients/client_request.py: no secret or code in a URL (RFC 6749 §2.3.1, RFC 9700 §4.3)."""
    CLIENT_AUTHENTICATION = "client authentication"
    """clients/authentication.py: by exactly the registered method (RFC 6749 §3.2.1)."""
    CONFIDENTIAL_CLIENT = "confidential client"
    """No public client at all (RFC 6749 §4.4, RFC 7662 §2.1)."""
    GRANT_ALLOWED = "grant allowed"
    """The client registered for this grant (RFC 7591 §2, ``unauthorized_client``)."""
    DPOP_PROOF = "DPoP proof"
    """tokens/proofs.py: sound, fresh, used once, if there is one (RFC 9449 §4.3, §11.1)."""
    DPOP_REQUIRED = "DPoP required"
    """There must be one for a client that registered so (RFC 9449 §5.2), and for a FAPI 2.0 client."""
    BINDING = "binding"
    """What the code, family or token is bound to is what was shown (RFC 9449 §10, §5, §7)."""
    OWN = "own"
    """The code, family or token was issued to this very client (RFC 6749 §5.2, RFC 7009 §2.1)."""
    REDIRECT_URI = "redirect URI"
    """The same text as in the authorization request (RFC 6749 §4.1.3)."""
    PKCE = "PKCE"
    """The verifier of the challenge; none where there was no challenge (RFC 7636 §4.6, RFC 9700 §2.1.1)."""
    SINGLE_USE = "single use"
    """For exactly one caller, whatever races; a second use ends what the first gave (RFC 6749 §4.1.2, RFC 9700 §4.14)."""
    SCOPE = "scope"
    """Known, this client's, and not more than was granted (RFC 6749 §3.3, §6)."""
    RESOURCE = "resource"
    """Known, this client's, and not more than was granted (RFC 8707 §2)."""
    AUTHORIZATION_DETAILS = "authorization details"
    """clients/details.py: of a known type, this client's, and not more than was granted (RFC 9396 §5, §6.1)."""
    ALIVE = "alive"
    """store: account, client, session and tenant neither ended nor cut off, in the snapshot that is decided on."""
    AUDIENCE = "audience"
    """The token is meant for who asks about it, or for this endpoint (RFC 7662 §4, RFC 9700 §2.3)."""


_TABLE: Final = """
                        client_credentials refresh_token authorization_code device_code token_exchange jwt_bearer device_authorization introspect revoke userinfo pushed_request
strict form             x                  x             x                  x           x              x          x                    x          x      x        x
nothing in query        x                  x             x                  x           x              x          x                    x          x      x        x
client authentication   x                  x             x                  x           x              x          x                    x          x      -        x
confidential client     x                  -             -                  -           x              x          -                    x          -      -        -
grant allowed           x                  x             x                  x           x              x          x                    -          -      -        x
DPoP proof              x                  x             x                  x           x              x          -                    -          -      x        x
DPoP required           x                  x             x                  x           x              x          -                    -          -      -        -
binding                 -                  x             x                  -           x              -          -                    -          -      x        -
own                     -                  x             x                  x           -              x          -                    -          x      -        -
redirect URI            -                  -             x                  -           -              -          -                    -          -      -        -
PKCE                    -                  -             x                  -           -              -          -                    -          -      -        -
single use              -                  x             x                  x           -              x          -                    -          -      -        -
scope                   x                  x             -                  -           x              x          x                    -          -      x        x
resource                x                  x             x                  x           x              x          x                    -          -      -        x
authorization details   x                  x             x                  x           x              x          x                    -          -      -        x
alive                   -                  x             x                  x           x              x          -                    x          -      x        -
audience                -                  -             -                  -           x              x          -                    x          -      x        -
"""


def _read(table: str) -> Mapping[Place, frozenset[Check]]:
    head, *rows = table.strip("\n").splitlines()
    places = [Place(name) for name in head.split()]
    found: dict[Place, set[Check]] = {place: set() for place in places}
    seen = []
    for row in rows:
        # Marks stand alone at the end of a row; what is before them is its name.
        words = row.split()
        check, marks = Check(" ".join(words[: -len(places)])), words[-len(places) :]
        seen.append(check)
        for place, mark in zip(places, marks, strict=True):
            if mark == "x":
                found[place].add(check)
    if sorted(seen) != sorted(Check) or set(places) != set(Place):
        raise ValueError("the table of checks names every check and every place exactly once")
    return MappingProxyType({place: frozenset(checks) for place, checks in found.items()})


CHECKS: Final = _read(_TABLE)
"""For each place the checks that are made there."""


def applies(check: Check, place: Place) -> bool:
    """Whether this check is made there."""
    return check in CHECKS[place]
