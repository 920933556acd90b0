"""A whole server with clients on record, and authorizations as a person would have given them."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import httpx
import msgspec
from story import ISSUER, Server
from watchword.jose import base64url
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer
from watchword_server import entropy
from watchword_server.clients.metadata import ClientSettings
from watchword_server.clients.registration import read_metadata
from watchword_server.store.authorization_records import NewCode, NewSignOn
from watchword_server.store.records import AuditEvent, Origin
from watchword_server.tokens.terms import AuthorizationTerms

ORIGIN = Origin(actor="test")
CALLBACK = "https://app.example.test/callback"
VERIFIER = "v" * 43
CHALLENGE = base64url.encode(hashlib.sha256(VERIFIER.encode()).digest())
TOKEN = f"{ISSUER}/token"


@dataclass
class Registered:
    """A client on record, and how it authenticates."""

    client_id: str
    secret: str | None
    key: Key | None = None

    @property
    def basic(self) -> dict[str, str]:
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret or '')}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


@dataclass
class Prover:
    """Whoever holds a key and makes DPoP proofs with it."""

    clock: Any
    key: Key = field(default_factory=lambda: Key.generate("ES256"))

    @property
    def jkt(self) -> str:
        return self.key.thumbprint()

    def proof(self, url: str = TOKEN, method: str = "POST", *, token: str | None = None, **changes: Any) -> str:
        claims = {"jti": entropy.identifier(), "htm": method, "htu": url, "iat": int(self.clock.now())}
        if token is not None:
            claims["ath"] = base64url.encode(hashlib.sha256(token.encode()).digest())
        signer = Signer(self.key, typ="dpop+jwt", header={"jwk": self.key.public_jwk()})
        return signer.sign(msgspec.json.encode(claims | changes))

    def headers(self, url: str = TOKEN, method: str = "POST", **changes: Any) -> dict[str, str]:
        return {"DPoP": self.proof(url, method, **changes)}


class OAuth:
    """The server as clients see it."""

    def __init__(self, server: Server, http: httpx.AsyncClient) -> None:
        self.server, self.http = server, http
        self.store: Any = server.services.store
        self.sign_ons: dict[str, str] = {}

    async def account(self, email: str = "ada@example.test", **more: str) -> str:
        return (await self.server.register(self.http, email, **more))["id"]

    async def client(
        self, client_id: str = "app", *, settings: ClientSettings | None = None, key: Key | None = None, **metadata: Any
    ) -> Registered:
        """A client on record, of the code grant unless said otherwise."""
        given: dict[str, Any] = {
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "id_token_signed_response_alg": "ES256",
        }
        if key is not None:
            given |= {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk()]}}
        made = await self.server.services.oauth.administration.add(
            read_metadata(given | metadata), ORIGIN, client_id=client_id, settings=settings
        )
        assert made is not None
        return Registered(client_id, made.secret, key)

    async def machine(self, client_id: str = "robot", **more: Any) -> Registered:
        """A client of the client credentials grant."""
        return await self.client(client_id, **({"redirect_uris": [], "grant_types": ["client_credentials"]} | more))

    async def sign_on(self, account_id: str, **members: Any) -> str:
        view = await self.store.account(account_id)
        sign_on = entropy.identifier()
        given = {
            "id": sign_on,
            "digest": hashlib.sha256(sign_on.encode()).digest(),
            "account_id": account_id,
            "rev": view.rev,
            "device": "Firefox on Linux",
            "place": "192.0.2.0/24",
            "auth_time": view.read_at,
            "amr": ("pwd",),
            "acr": None,
            "idle_expires_at": view.read_at + 86_400,
            "expires_at": view.read_at + 7 * 86_400,
        }
        new = NewSignOn(**given | members)
        assert await self.store.start_sign_on(new, AuditEvent(event="sign_on.started", origin=ORIGIN))
        return sign_on

    async def code(self, client: Registered, account_id: str, *, sign_on: str | None = None, **terms: Any) -> str:
        """A code as the authorization endpoint issues one after consent."""
        sign_on = sign_on or await self.sign_on(account_id)
        view = await self.store.account(account_id)
        code = entropy.prefixed("wc")
        given = {"scope": ("openid",), "redirect_uri": CALLBACK, "code_challenge": CHALLENGE}
        new = NewCode(
            digest=hashlib.sha256(code.encode()).digest(),
            client_id=client.client_id,
            account_id=account_id,
            sign_on=sign_on,
            rev=view.rev,
            terms=AuthorizationTerms(**given | terms).encode(),
            expires_at=view.read_at + 60,
        )
        assert await self.store.add_code(new)
        return code

    async def post(
        self, path: str, client: Registered | None = None, *, headers: dict[str, str] | None = None, **form: Any
    ) -> httpx.Response:
        """A form with the client's secret in the header, or its name in the body."""
        sent = dict(headers or {})
        if client is not None and client.secret is not None and "Authorization" not in sent:
            sent |= client.basic
        elif client is not None and client.key is None and "Authorization" not in sent:
            form.setdefault("client_id", client.client_id)
        elif client is not None and client.key is not None:
            form |= self.assertion(client)
        return await self.http.post(path, data=form, headers=sent)

    async def token(self, client: Registered | None, grant_type: str, **more: Any) -> httpx.Response:
        return await self.post("/token", client, grant_type=grant_type, **more)

    async def exchange(self, client: Registered, code: str, **more: Any) -> httpx.Response:
        given = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return await self.token(
            client, "authorization_code", **{name: value for name, value in (given | more).items() if value is not None}
        )

    async def tokens(self, client: Registered, account_id: str, *, sign_on: str | None = None, **terms: Any) -> dict:
        """Tokens of a fresh authorization."""
        answer = await self.exchange(client, await self.code(client, account_id, sign_on=sign_on, **terms))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def assertion(self, client: Registered, **changes: Any) -> dict[str, str]:
        assert client.key is not None
        now = int(self.server.clock.now())
        claims = {
            "iss": client.client_id, "sub": client.client_id, "aud": ISSUER, "exp": now + 60, "iat": now,
            "jti": entropy.identifier(),
        }  # fmt: skip
        return {
            "client_assertion": Signer(client.key).sign(msgspec.json.encode(claims | changes)),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }

    async def introspected(self, client: Registered, token: str) -> dict[str, Any]:
        answer = await self.post("/introspect", client, token=token)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def userinfo(self, token: str, scheme: str = "Bearer", **headers: str) -> httpx.Response:
        return await self.http.get("/userinfo", headers={"Authorization": f"{scheme} {token}", **headers})


def said(token: str) -> dict[str, Any]:
    """What a JWT says, unverified."""
    return json.loads(base64url.decode(token.split(".")[1]))


def refused(answer: httpx.Response, code: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
    assert answer.headers["cache-control"] == "no-store"
