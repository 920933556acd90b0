"""An ID token that comes back as a hint: of whom a request speaks, or whom a logout is about. Pure.

Proves that this server made it, nothing else: it may be long expired, and whoever holds it need not be who it names.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from watchword.jose import jws
from watchword.jose.errors import JoseError
from watchword.jose.jwk import KeySet

from watchword_server.store.records import Record
from watchword_server.tokens.id_token import TYP

MAX_HINT = 4096
"""Characters."""
ENCRYPTED = "id_token_hint is encrypted to the client; send the signed ID token that is in it"
_DOTS_OF_JWE = 4


def is_encrypted(raw: str) -> bool:
    """Whether a hint is a JWE. Then its client has to send what is inside (OpenID Connect Core §3.1.2.1: to use one as a
    hint, the client MUST decrypt it).
    """
    return raw.count(".") == _DOTS_OF_JWE


class IdTokenHint(Record, frozen=True, kw_only=True):
    """What a hint says."""

    sub: str
    client_id: str
    sid: str | None


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str
    sid: str | None = None


_decode = msgspec.json.Decoder(_Claims).decode


def read_hint(raw: str, keys: KeySet, *, algorithms: Collection[str], issuer: str) -> IdTokenHint | None:
    """What an ID token of this issuer says; None for anything else, such as an access token or somebody else's.

    ``keys``: those that sign and those that did, since OpenID Connect RP-Initiated Logout §2 wants hints accepted that
    have expired. Does not check times.
    """
    try:
        verified = jws.verify(raw, keys, algorithms=frozenset(algorithms), max_length=MAX_HINT)
        # RFC 8725 §3.11: another kind of token has another typ.
        if verified.header.get("typ", TYP) != TYP:
            return None
        claims = _decode(verified.payload)
    except (JoseError, msgspec.MsgspecError):
        return None
    if claims.iss != issuer:
        return None
    return IdTokenHint(sub=claims.sub, client_id=claims.aud, sid=claims.sid)
