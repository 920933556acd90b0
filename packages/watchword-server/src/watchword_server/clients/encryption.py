"""Encrypting access tokens to the one resource server that may read them (RFC 7516, RFC 9068 §4).

Makes and signs no token; the key of each resource comes from the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from watchword.jose.errors import JoseError

from watchword_server.clients.configuration import ClientRefused
from watchword_server.settings.oauth import Resource

Encrypt: TypeAlias = Callable[[str], str]
"""A signed token in, a token that only its resource can open out."""


def encrypters(resources: Mapping[str, Resource]) -> dict[str, Encrypt]:
    """For each resource with a key, what encrypts to it.

    Raises ClientRefused for a key that cannot be used, and where the extra is not installed.
    """
    return {name: _encrypter(name, one) for name, one in resources.items() if one.encryption_key is not None}


def _encrypter(name: str, resource: Resource) -> Encrypt:
    try:
        from watchword.jose.encryption_key import EncryptionKey  # noqa: PLC0415 - an extra, needed with such keys only
        from watchword.jose.jwe import encrypt  # noqa: PLC0415
    except ImportError:
        raise ClientRefused(f"resources: {name!r} has format jwe; install watchword[jwe]") from None
    try:
        key = EncryptionKey.from_jwk(resource.encryption_key or {}).public()
    except JoseError as fault:
        raise ClientRefused(f"resources: the encryption_key of {name!r} cannot be used: {fault.message}") from None
    return partial(_encrypted, encrypt, key)


def _encrypted(encrypt: Callable[..., str], key: object, signed: str) -> str:
    # RFC 9068 §4: the resource server decrypts first; what is inside is the signed token (RFC 7519 §5.2).
    return encrypt(signed.encode("ascii"), key, cty="JWT")
