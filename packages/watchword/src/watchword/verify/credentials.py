"""How a resource server shows an authorization server who it is: by secret, by key, or by token (RFC 6749 §2.3, RFC 7523).

Asks nothing itself; secrets stay out of reprs.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import quote_plus

import msgspec

from watchword.clock import EpochSeconds
from watchword.jose import base64url
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer

_ASSERTION_SECONDS: Final = 60
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ServerCredentials(Protocol):
    """What is added to a question to show who asks."""

    @property
    def client_id(self) -> str | None:
        """Under what name the authorization server knows the asker, if by one."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Headers to add."""
        ...

    def parameters(self, issuer: str, now: EpochSeconds) -> Mapping[str, str]:
        """Form parameters to add."""
        ...


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """``client_secret_basic`` (RFC 6749 §2.3.1)."""

    client_id: str
    secret: str = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        """As `ServerCredentials.headers`."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
        return {"Authorization": f"Basic {b64encode(pair.encode('ascii')).decode('ascii')}"}

    def parameters(self, _issuer: str, _now: EpochSeconds) -> Mapping[str, str]:
        """As `ServerCredentials.parameters`."""
        return {}


@dataclass(frozen=True, slots=True)
class ClientKey:
    """``private_key_jwt`` (RFC 7523 §2.2): an assertion for each question, good for a minute, meant for the issuer.

    Raises: JoseError if the key cannot sign.
    """

    client_id: str
    key: Key
    algorithm: str | None = None

    def __post_init__(self) -> None:
        Signer(self.key, algorithm=self.algorithm)

    def headers(self) -> Mapping[str, str]:
        """As `ServerCredentials.headers`."""
        return {}

    def parameters(self, issuer: str, now: EpochSeconds) -> Mapping[str, str]:
        """As `ServerCredentials.parameters`."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer,
            "jti": base64url.encode(os.urandom(16)),
            "iat": int(now),
            "exp": int(now) + _ASSERTION_SECONDS,
        }
        signer = Signer(self.key, algorithm=self.algorithm, typ="client-authentication+jwt")
        assertion = signer.sign(msgspec.json.encode(claims))
        return {
            "client_id": self.client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }


@dataclass(frozen=True, slots=True)
class BearerToken:
    """An access token of the resource server's own (RFC 7662 §2.1), or a function that gives the one of now."""

    token: str | Callable[[], str] = field(repr=False)
    client_id: str | None = None

    def headers(self) -> Mapping[str, str]:
        """As `ServerCredentials.headers`."""
        return {"Authorization": f"Bearer {self.token() if callable(self.token) else self.token}"}

    def parameters(self, _issuer: str, _now: EpochSeconds) -> Mapping[str, str]:
        """As `ServerCredentials.parameters`."""
        return {}
