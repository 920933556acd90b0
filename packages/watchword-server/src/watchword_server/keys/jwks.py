"""The JWK set this server publishes (RFC 7517 §5), as ready bytes with their ETag.

Holds public keys only, and does not choose which: the ring does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from watchword_server.store.records import Record, SigningKey


class JwksDocument(Record, frozen=True):
    """The document as it is served, made once per change of the ring."""

    body: bytes
    etag: str
    """A strong validator (RFC 9110 §8.8.3), quotes included."""


def jwks_document(keys: Iterable[SigningKey]) -> JwksDocument:
    """The document of these keys, in their order."""
    members = [json.loads(key.public_jwk) | {"kid": key.kid, "alg": key.algorithm, "use": _use(key)} for key in keys]
    body = json.dumps({"keys": members}, separators=(",", ":"), sort_keys=True).encode()
    return JwksDocument(body=body, etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _use(key: SigningKey) -> str:
    """RFC 7517 §4.2: never both."""
    return "enc" if key.purpose == "request_object" else "sig"
