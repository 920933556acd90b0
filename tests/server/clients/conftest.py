"""Clients with keys and secrets, an authenticator over them, and a memory of what was used."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import quote_plus

import msgspec
import pytest
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer
from watchword.testing import FakeClock
from watchword_server.clients.authentication import ASSERTION_TYPE, ClientAuthenticator, PresentedCredentials
from watchword_server.clients.client_keys import ClientKeys
from watchword_server.clients.directory import ClientDirectory, ConfiguredClients
from watchword_server.clients.metadata import Client, ClientMetadata, ClientSettings
from watchword_server.web.outgoing import Answer, OutgoingFailed

ISSUER = "https://login.example.test"
TOKEN_ENDPOINT = f"{ISSUER}/token"
SECRET = "wcs_" + "k" * 40


class Remembering:
    """The part of the store that remembers what was used."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, bytes], float] = {}

    async def first_use(self, purpose: str, digest: bytes, *, expires_at: float) -> bool:
        if (purpose, digest) in self.seen:
            return False
        self.seen[purpose, digest] = expires_at
        return True


class Web:
    """Documents by address, and how often each was asked for."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.asked: list[str] = []

    async def get(self, url: str) -> Answer:
        self.asked.append(url)
        if url not in self.documents:
            raise OutgoingFailed("nobody there")
        return Answer(200, {}, self.documents[url])


class Authenticating:
    """An authenticator over clients that a test makes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.clients: dict[str, Client] = {}
        self.replays = Remembering()
        self.web = Web()
        self.key = Key.generate("ES256", "k1")

    def client(self, client_id: str, method: str, *, settings: ClientSettings | None = None, **metadata: Any) -> Client:
        self.clients[client_id] = Client(
            client_id=client_id,
            source="configuration",
            metadata=ClientMetadata(token_endpoint_auth_method=method, **metadata),
            settings=settings or ClientSettings(),
            secret_digests=(hashlib.sha256(SECRET.encode()).digest(),) if "secret" in method else (),
            sealed_secret=SECRET.encode() if method == "client_secret_jwt" else None,
        )
        return self.clients[client_id]

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.key.public_jwk()]}

    def authenticator(self) -> ClientAuthenticator:
        return ClientAuthenticator(
            clients=ClientDirectory([ConfiguredClients(self.clients)]),
            keys=ClientKeys(self.web, self.clock),
            replays=self.replays,
            open_secret=lambda _client_id, sealed: sealed,
            clock=self.clock,
            issuer=ISSUER,
            audiences=(ISSUER, TOKEN_ENDPOINT),
            assertion_lifetime=300,
        )

    async def authenticate(self, **presented: Any):
        return await self.authenticator().authenticate(PresentedCredentials(**presented))

    def claims(self, client_id: str, **changes: Any) -> dict[str, Any]:
        now = int(self.clock.now())
        given = {"iss": client_id, "sub": client_id, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": "once"}
        return {name: value for name, value in (given | changes).items() if value is not None}

    def assertion(self, client_id: str, *, signer: Signer | None = None, **changes: Any) -> dict[str, str]:
        signer = signer or Signer(self.key)
        raw = signer.sign(msgspec.json.encode(self.claims(client_id, **changes)))
        return {"assertion": raw, "assertion_type": ASSERTION_TYPE}


def basic(client_id: str, secret: str) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.fixture
def world() -> Authenticating:
    return Authenticating()
