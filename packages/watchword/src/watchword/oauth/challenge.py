"""What to write into ``WWW-Authenticate`` (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1).

Decides nothing: which challenge is due, the caller knows. No value can break out of its quotes or of its line.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from watchword.oauth.names import ErrorCode, Scheme

# RFC 6750 §3: error_description must not hold anything outside %x20-21 / %x23-5B / %x5D-7E (no quote, no backslash).
_NOT_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_MAX_DESCRIPTION = 400


def plain_text(text: str) -> str:
    """Text fit for ``error_description`` (RFC 6749 §5.2, RFC 6750 §3): other characters become ``?``, length is cut.

    Does not fail: it stands between an error and its answer.
    """
    return _NOT_DESCRIPTION.sub("?", text[:_MAX_DESCRIPTION])


def quoted(value: str) -> str:
    """A quoted-string (RFC 9110 §5.6.4) of printable ASCII.

    Raises: ValueError for any other character, line breaks above all, so that a header cannot be split.
    """
    if _NOT_PRINTABLE.search(value):
        raise ValueError("a challenge may hold printable ASCII only")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def challenge(
    scheme: Scheme = Scheme.BEARER,
    *,
    realm: str | None = None,
    error: ErrorCode | None = None,
    description: str | None = None,
    scope: Collection[str] = (),
    resource_metadata: str | None = None,
    algorithms: Collection[str] = (),
    acr_values: Collection[str] = (),
    max_age: int | None = None,
) -> str:
    """Write one challenge.

    ``realm`` and ``resource_metadata`` (a URL, RFC 9728 §5.1) are the operator's; ``scope`` names what the request
    would have needed (RFC 6750 §3); ``algorithms`` belongs to DPoP (RFC 9449 §7.1); ``acr_values`` and ``max_age`` (in
    seconds) to step-up (RFC 9470 §3). Without any of them the challenge is bare, as RFC 6750 §3.1 wants it when the
    request carried no credentials.

    Returns: the value of the header, without its name.
    Raises: ValueError when ``realm``, ``resource_metadata``, ``scope``, ``algorithms`` or ``acr_values`` hold anything
    but printable ASCII. ``description`` is cleaned instead.
    """
    members: list[str] = []
    if realm is not None:
        members.append(f"realm={quoted(realm)}")
    if error is not None:
        members.append(f'error="{error.value}"')
    if description is not None:
        members.append(f'error_description="{plain_text(description)}"')
    for name, values in (("scope", scope), ("algs", algorithms), ("acr_values", acr_values)):
        if values:
            members.append(f"{name}={quoted(' '.join(values))}")
    if max_age is not None:
        members.append(f'max_age="{max_age:d}"')
    if resource_metadata is not None:
        members.append(f"resource_metadata={quoted(resource_metadata)}")
    return f"{scheme.value} {', '.join(members)}" if members else scheme.value
