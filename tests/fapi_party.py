"""A client of FAPI 2.0 as the conformance suite of the OpenID Foundation plays one: it pushes its requests, signed or not, proves
a DPoP key or shows a certificate, and opens what comes back, signed or not.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from joserfc import jwk, jws, jwt
from page_story import Person
from relying_party import RelyingParty, Told, b64
from secure import Secure, passes
from watchword_server.keys.development_certificates import Issued

Changes = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """What the suite lets one choose: how the client authenticates, what binds its tokens, and what is signed."""

    authentication: str = "private_key_jwt"
    binding: str = "dpop"
    signed: bool = False
    jarm: bool = False
    openid: bool = True

    @property
    def shows_certificate(self) -> bool:
        return "mtls" in (self.authentication, self.binding)

    def __str__(self) -> str:
        parts = [
            self.authentication,
            self.binding,
            "signed" * self.signed,
            "jarm" * self.jarm,
            "oauth" * (not self.openid),
        ]
        return "-".join(filter(None, parts))


def without_none(values: Changes) -> Changes:
    return {name: value for name, value in values.items() if value is not None}


class FapiParty(RelyingParty):
    """One client, in one variant of the plan."""

    def __init__(
        self, server: Secure, metadata: Changes, key: Any, variant: Variant, certificate: Issued | None = None
    ) -> None:
        super().__init__(server, metadata, key)
        self.variant = variant
        self.dpop_key = new_key()
        self.certified = self.http
        if variant.shows_certificate and certificate is not None:
            context = ssl.create_default_context(cafile=server.environ["WATCHWORD_OUTGOING__CA_FILE"])
            context.load_cert_chain(certificate.certificate, certificate.key)
            self.certified = httpx.Client(verify=context, timeout=30)
        self.nonce: str | None = None

    # Requests

    def request(self, **changes: str | None) -> dict[str, str]:
        given: dict[str, str | None] = {} if self.variant.openid else {"scope": "accounts", "nonce": None}
        if self.variant.jarm:
            given["response_mode"] = "jwt"
        return super().request(**given | changes)

    def signs_request(self, parameters: Changes, changes: Changes | None = None, header: Changes | None = None) -> str:
        """A request object of the parameters, for the server, of now."""
        now = int(time.time())
        whole = parameters | {"iss": self.client_id, "aud": self.op["issuer"], "nbf": now, "exp": now + 300}
        head = {"alg": self.key.alg, "kid": self.key.kid} | (header or {})
        return jwt.encode(head, without_none(whole | (changes or {})), self.key, algorithms=[head["alg"]])

    def push(
        self, parameters: Changes, *, request: str | None = None, headers: Changes | None = None, **form: str | None
    ) -> httpx.Response:
        """To the endpoint for pushed requests: signed where the variant says so, or ``request`` as given."""
        if request is None and self.variant.signed:
            request = self.signs_request(parameters)
        body = {"client_id": self.client_id, "request": request} if request is not None else parameters
        return self.call("pushed_authorization_request_endpoint", body | form, headers or {})

    def call(self, endpoint: str, form: Changes, headers: Changes | None = None) -> httpx.Response:
        """Authenticated, unless the form already holds an assertion."""
        own = {} if "client_assertion" in form else self.authentication()[1]
        return self.certified.post(self.op[endpoint], data=without_none(own | form), headers=headers or {})

    def authentication(self) -> tuple[dict[str, str], dict[str, str]]:
        if self.variant.authentication == "mtls":
            return {}, {"client_id": self.client_id}
        return super().authentication()

    def asserting(self, alg: str | None = None, **changes: Any) -> dict[str, str]:
        """An assertion that is not as it should be."""
        _, members = self.authentication()
        claims = jwt.decode(members["client_assertion"], self.key, algorithms=[self.key.alg]).claims
        header = {"alg": alg or self.key.alg, "kid": self.key.kid}
        key = self.key if alg is None else jwk.import_key(self.key.as_dict(private=True) | {"alg": alg})
        return members | {
            "client_assertion": jwt.encode(header, without_none(claims | changes), key, algorithms=[header["alg"]])
        }

    # Proofs of possession

    def proof(
        self,
        method: str,
        url: str,
        token: str | None = None,
        *,
        header: Changes | None = None,
        key: Any = None,
        **changes: Any,
    ) -> str:
        """A DPoP proof (RFC 9449 §4.2)."""
        key = key or self.dpop_key
        head = {"typ": "dpop+jwt", "alg": key.alg, "jwk": public(key)} | (header or {})
        claims = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url,
            "iat": int(time.time()),
            "nonce": self.nonce,
        }
        if token is not None:
            claims["ath"] = b64(hashlib.sha256(token.encode()).digest())
        loose = jws.JWSRegistry(algorithms=[head["alg"]], strict_check_header=False)
        return jwt.encode(without_none(head), without_none(claims | changes), key, registry=loose)

    def proved(self, endpoint: str, **changes: Any) -> dict[str, str]:
        """The header of a call to an endpoint of the server, or none where a certificate is the proof."""
        return {"DPoP": self.proof("POST", self.op[endpoint], **changes)} if self.variant.binding == "dpop" else {}

    # The flow

    async def opens(self, person: Person, pushed: httpx.Response, *, outside: Changes | None = None) -> str:
        """Send the person to the authorization endpoint, with what the suite repeats beside the name of the request, and have
        them pass. Returns where they were sent.
        """
        assert pushed.status_code == 201, pushed.text
        return await passes(person, self.beginning(pushed.json()["request_uri"], outside))

    def beginning(self, request_uri: str, outside: Changes | None = None) -> str:
        beside = {"response_type": "code", "scope": "openid" if self.variant.openid else "accounts"}
        return self.address(
            without_none({"client_id": self.client_id, "request_uri": request_uri} | beside | (outside or {}))
        )

    def answered(self, back: str, parameters: Changes) -> dict[str, str]:
        """The authorization response, opened and checked (§5.3.2.2: with ``iss``, and in the query alone)."""
        assert not urlsplit(back).fragment
        told = dict(parse_qsl(urlsplit(back).query))
        given = dict(parse_qsl(urlsplit(parameters["redirect_uri"]).query))
        assert {name: told.pop(name, None) for name in given} == given, "the redirect URI keeps its query"
        if self.variant.jarm:
            assert told.keys() == {"response"}, "nothing beside a signed response"
            told = self.unpacked(told["response"])
            lifetime = told.pop("exp") - time.time()
            assert 0 < lifetime <= 600
            assert told.pop("aud") == self.client_id
        assert told["iss"] == self.op["issuer"]
        assert told.get("state") == parameters.get("state")
        return told

    async def asks(self, person: Person, **changes: Any) -> Told:
        parameters = self.request(**changes)
        told = self.answered(await self.opens(person, self.push(parameters)), parameters)
        return Told(told, parameters.get("state", ""), parameters.get("nonce"), self.verifier)

    def exchange(self, told: Told, headers: Changes | None = None, **changes: Any) -> httpx.Response:
        form = {
            "grant_type": "authorization_code", "code": told.code, "code_verifier": told.verifier,
            "redirect_uri": self.client["redirect_uris"][0],
        }  # fmt: skip
        return self.call(
            "token_endpoint", form | changes, self.proved("token_endpoint") if headers is None else headers
        )

    def refreshes(self, token: str, headers: Changes | None = None, **form: Any) -> httpx.Response:
        given = {"grant_type": "refresh_token", "refresh_token": token} | form
        return self.call("token_endpoint", given, self.proved("token_endpoint") if headers is None else headers)

    def resource(self, token: str, headers: Changes | None = None, scheme: str | None = None) -> httpx.Response:
        """The userinfo endpoint, which the suite takes for a resource."""
        url = self.op["userinfo_endpoint"]
        dpop = self.variant.binding == "dpop"
        given = {"Authorization": f"{scheme or ('DPoP' if dpop else 'Bearer')} {token}"}
        if headers is None and dpop:
            headers = {"DPoP": self.proof("GET", url, token)}
        return self.certified.get(url, headers=given | (headers or {}))


def new_key(alg: str = "ES256") -> Any:
    options = {"kid": secrets.token_urlsafe(8), "alg": alg, "use": "sig"}
    if alg.startswith("ES"):
        return jwk.ECKey.generate_key("P-256", options)
    return jwk.RSAKey.generate_key(2048, options)


def public(key: Any) -> dict[str, str]:
    """A JWK with nothing but what makes it one."""
    return {
        name: value for name, value in key.as_dict(private=False).items() if name in {"kty", "crv", "x", "y", "n", "e"}
    }


def unsecured(claims: Changes, **header: str) -> str:
    """A JWT that nobody signed."""
    return ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "none"} | header, claims)) + "."
