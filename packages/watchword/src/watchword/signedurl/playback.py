"""The same promise as a JWT in one query parameter, for players and edges that know nothing else. PURE.

A JWT of its own type (RFC 8725 §3.11): no access token is one of these, and none of these is an access token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from watchword.jose import jws, strict_json
from watchword.jose.errors import JoseError, Reason
from watchword.jose.key import Key
from watchword.signedurl.caveats import Caveats, UrlRequest
from watchword.signedurl.errors import UrlReason, UrlRejected
from watchword.signedurl.grammar import MAX_TARGET_LENGTH, check_below, listed
from watchword.signedurl.keys import PLAYBACK_TYPE

_SECRET: Final = frozenset({"HS256"})
_PUBLIC: Final = frozenset({"Ed25519", "EdDSA"})
_MAX_PAYLOAD: Final = 4096
_MAX_INSTANT: Final = 99_999_999_999
_REASONS: Final = {Reason.UNKNOWN_KEY: UrlReason.UNKNOWN_KEY, Reason.BAD_SIGNATURE: UrlReason.BAD_SIGNATURE}
PARAMETER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What the parameter may be called."""


class PlaybackClaims(Caveats, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The payload: every caveat under its name, and what the canonical form says otherwise."""

    aud: str
    """The origin."""
    exp: int
    path: str | None = None
    """The path, byte for byte; None where there is a prefix."""
    params: str | None = None
    """The bound part of the query, as it stands; None for none."""


_decode: Final = msgspec.json.Decoder(PlaybackClaims).decode


def payload(caveats: Caveats, origin: str, expires: int, path: str, query: str | None) -> bytes:
    """The payload for a path with query; bound as the caveats say."""
    claims = PlaybackClaims(
        **msgspec.structs.asdict(caveats),
        aud=origin,
        exp=expires,
        path=path if caveats.prefix is None else None,
        params=bound_query(caveats, query),
    )
    return msgspec.json.encode(claims, order="deterministic")


def bound_query(caveats: Caveats, query: str | None) -> str | None:
    """The bound part of a query. Raises: UrlRejected ``query``."""
    if caveats.query == "all":
        return query
    return None if caveats.query == "none" else listed(query, tuple(caveats.query))


def find(target: str, parameter: str) -> tuple[str, str | None, str]:
    """Find the JWT in a target. Returns: path, the rest of the query, the JWT, unverified.

    Raises: UrlRejected ``too_long``, ``unsigned``, or ``malformed`` if there are two.
    """
    if len(target) > MAX_TARGET_LENGTH:
        raise UrlRejected(UrlReason.TOO_LONG)
    path, mark, text = target.partition("?")
    parameters = text.split("&") if mark else []
    found = [one for one in parameters if one.partition("=")[0] == parameter]
    if len(found) != 1:
        raise UrlRejected(UrlReason.MALFORMED if found else UrlReason.UNSIGNED)
    parameters.remove(found[0])
    return path, ("&".join(parameters) if parameters else None), found[0].partition("=")[2]


def verify(
    request: UrlRequest, parameter: str, origin: str, keys: Mapping[str, Key]
) -> tuple[str, PlaybackClaims, str]:
    """Verify signature, type, origin, path and query. Returns: kid, claims, and the target without the JWT.

    Raises: UrlRejected. Does not look at time, clients, sessions.
    """
    path, query, raw = find(request.target, parameter)
    try:
        found = jws.parse(raw)
        key = keys.get(found.kid or "")
        if key is None:
            raise UrlRejected(UrlReason.UNKNOWN_KEY)
        # The key has one algorithm, and the header must name it (RFC 8725 §3.1).
        jws.verify_parsed(found, key, algorithms=_SECRET if key.is_symmetric else _PUBLIC)
        strict_json.decode_object(found.payload, max_depth=2, max_bytes=_MAX_PAYLOAD)
        claims = _decode(found.payload)
    except JoseError as error:
        raise UrlRejected(_REASONS.get(Reason(error.reason), UrlReason.MALFORMED)) from None
    except msgspec.MsgspecError:
        raise UrlRejected(UrlReason.MALFORMED) from None
    if (
        found.header.get("typ") != PLAYBACK_TYPE
        or not 0 <= claims.exp <= _MAX_INSTANT
        or (claims.once and claims.jti is None)
    ):
        raise UrlRejected(UrlReason.MALFORMED)
    if claims.aud != origin:
        raise UrlRejected(UrlReason.HOST)
    if claims.prefix is not None:
        check_below(claims.prefix, path)
    elif claims.path != path:
        raise UrlRejected(UrlReason.PATH)
    if bound_query(claims, query) != claims.params:
        raise UrlRejected(UrlReason.QUERY)
    return found.kid or "", claims, path if query is None else f"{path}?{query}"
