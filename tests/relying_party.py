"""A relying party that takes nothing on trust: it verifies by joserfc, and speaks as a client of any kind."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

import httpx
from joserfc import jwk, jwt
from page_story import Person
from secure import Secure, passes

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Told:
    """An authorization response, and what it answers."""

    parameters: dict[str, str]
    state: str
    nonce: str | None
    verifier: str | None

    @property
    def code(self) -> str:
        return self.parameters["code"]


class RelyingParty:
    """One client. ``key`` signs its assertions and request objects; without PKCE when it is exempt."""

    def __init__(self, server: Secure, metadata: dict[str, Any], key: Any = None) -> None:
        self.server, self.client, self.key = server, metadata, key
        self.op = server.metadata
        self.http = httpx.Client(verify=server.trust, timeout=60)

    @property
    def client_id(self) -> str:
        return self.client["client_id"]

    def request(self, **changes: str | None) -> dict[str, str]:
        """What it asks for; None leaves a parameter out."""
        verifier = secrets.token_urlsafe(48)
        given: dict[str, str | None] = {
            "client_id": self.client_id,
            "redirect_uri": self.client["redirect_uris"][0],
            "response_type": "code",
            "scope": "openid",
            "state": secrets.token_urlsafe(12),
            "nonce": secrets.token_urlsafe(12),
        }
        if not self.client.get("pkce_exempt"):
            challenge = b64(hashlib.sha256(verifier.encode()).digest())
            given |= {"code_challenge": challenge, "code_challenge_method": "S256"}
            self.verifier: str | None = verifier
        else:
            self.verifier = None
        return {name: value for name, value in (given | changes).items() if value is not None}

    def address(self, parameters: dict[str, str]) -> str:
        return f"{self.op['authorization_endpoint']}?{urlencode(parameters)}"

    async def asks(self, person: Person, **changes: str | None) -> Told:
        """Have the person open the page, log in and allow as far as asked. Returns what came back, checked."""
        parameters = self.request(**changes)
        back = await passes(person, self.address(parameters))
        assert back.partition("?")[0].partition("#")[0] == parameters["redirect_uri"].partition("?")[0]
        told = person.posted or dict(parse_qsl(urlsplit(back).fragment or urlsplit(back).query))
        if "response" in told:
            told = self.unpacked(told["response"])
        assert told["iss"] == self.op["issuer"], "RFC 9207"
        assert told.get("state") == parameters.get("state")
        return Told(told, parameters.get("state", ""), parameters.get("nonce"), self.verifier)

    def unpacked(self, response: str) -> dict[str, str]:
        """What a signed response says (JARM §2.4)."""
        algorithm = self.client.get("authorization_signed_response_alg", "RS256")
        claims = jwt.decode(response, self.keys(), algorithms=[algorithm]).claims
        assert claims["aud"] in (self.client_id, [self.client_id])
        assert claims["exp"] > time.time()
        return claims

    def authentication(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form members by its one method."""
        secret = self.client.get("client_secret", "")
        match self.client.get("token_endpoint_auth_method", "client_secret_basic"):
            case "client_secret_basic":
                pair = f"{quote_plus(self.client_id)}:{quote_plus(secret)}"
                return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}, {}
            case "client_secret_post":
                return {}, {"client_id": self.client_id, "client_secret": secret}
            case "client_secret_jwt":
                return {}, self._assertion({"alg": "HS256"}, jwk.OctKey.import_key(secret))
            case "private_key_jwt":
                named = {} if self.key.kid is None else {"kid": self.key.kid}
                return {}, self._assertion({"alg": self.key.alg} | named, self.key)
            case _:
                return {}, {"client_id": self.client_id}

    def _assertion(self, header: dict[str, str], key: Any) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": self.client_id, "sub": self.client_id, "aud": self.op["issuer"], "iat": now, "exp": now + 60,
            "jti": secrets.token_urlsafe(16),
        }  # fmt: skip
        return {
            "client_assertion": jwt.encode(header, claims, key, algorithms=[header["alg"]]),
            "client_assertion_type": ASSERTION,
        }

    def post(self, endpoint: str, **form: str) -> httpx.Response:
        """Authenticated, to an endpoint by its name in discovery."""
        headers, members = self.authentication()
        return self.http.post(self.op[endpoint], data=form | members, headers=headers)

    def exchange(self, told: Told, **changes: str) -> httpx.Response:
        given = {"grant_type": "authorization_code", "code": told.code, "redirect_uri": self.client["redirect_uris"][0]}
        if told.verifier is not None:
            given["code_verifier"] = told.verifier
        return self.post("token_endpoint", **given | changes)

    def keys(self) -> jwk.KeySet:
        return jwk.KeySet.import_key_set(self.http.get(self.op["jwks_uri"]).json())

    def verified(self, token: str, typ: str | None = None) -> dict[str, Any]:
        """The claims of a token of the server's. ``typ`` is what its header must say."""
        algorithm = self.client.get("id_token_signed_response_alg", "RS256")
        found = jwt.decode(token, self.keys(), algorithms=[algorithm])
        assert typ is None or found.header["typ"] == typ
        assert found.claims["iss"] == self.op["issuer"]
        return found.claims

    def id_token(self, answer: dict[str, Any], told: Told) -> dict[str, Any]:
        """The claims of the ID token, checked as OpenID Connect Core §3.1.3.7 has it."""
        claims = self.verified(answer["id_token"])
        now = time.time()
        assert claims["aud"] in (self.client_id, [self.client_id])
        assert now - 60 < claims["iat"] <= now + 5
        assert claims["iat"] < claims["exp"]
        assert claims["exp"] > now
        assert claims.get("nonce") == told.nonce
        assert 0 < len(claims["sub"]) <= 255
        if "at_hash" in claims:
            size = {"256": "sha256", "384": "sha384", "512": "sha512"}
            alg = self.client.get("id_token_signed_response_alg", "RS256")
            digest = hashlib.new(size.get(alg[-3:], "sha512"), answer["access_token"].encode()).digest()
            assert claims["at_hash"] == b64(digest[: len(digest) // 2])
        return claims

    async def signs_in(self, person: Person, **changes: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
        """The whole of it. Returns the token answer and the claims of the ID token."""
        told = await self.asks(person, **changes)
        answer = self.exchange(told)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json(), self.id_token(answer.json(), told)

    def userinfo(self, token: str) -> httpx.Response:
        return self.http.get(self.op["userinfo_endpoint"], headers={"Authorization": f"Bearer {token}"})
