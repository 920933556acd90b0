"""`GET` and `POST /userinfo`: claims about the person an access token is for (OpenID Connect Core §5.3).

Tells what the token's scopes and the names asked for open, and nothing to a token that is meant for someone else.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from watchword.oauth.challenge import challenge
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, Scheme

from watchword_server.clients.answer_encryption import ENCODINGS, AnswerEncryption
from watchword_server.clients.directory import ClientSource
from watchword_server.clients.metadata import Client
from watchword_server.store.authorization_port import Profiles
from watchword_server.store.port import Accounts
from watchword_server.store.records import Account
from watchword_server.tokens.id_token import IdTokens
from watchword_server.tokens.person import CLAIMS, asked_claims, scope_claims
from watchword_server.tokens.proofs import Proofs
from watchword_server.tokens.reading import ReadToken, TokenReader
from watchword_server.web.body import BodyLimits, read_form
from watchword_server.web.client_certificate import client_certificate
from watchword_server.web.errors import as_oauth
from watchword_server.web.mutual_tls_host import mutual_tls_origin

PATH: Final = "/userinfo"
_encode = msgspec.json.Encoder().encode
_NO_STORE: Final = {"Cache-Control": "no-store"}
_FORM: Final = "application/x-www-form-urlencoded"


class People(Accounts, Profiles, Protocol):
    """The part of the store that tells of persons."""


class Userinfo:
    """The endpoint."""

    def __init__(
        self,
        *,
        reader: TokenReader,
        proofs: Proofs,
        clients: ClientSource,
        people: People,
        answers: IdTokens,
        limits: BodyLimits,
        issuer: str,
        audience: str,
        algorithms: tuple[str, ...],
        encryption: AnswerEncryption,
        encryption_algorithms: tuple[str, ...],
    ) -> None:
        """``audience`` is the default one: tokens that name no resource, and those for the issuer, are good here."""
        self._reader = reader
        self._proofs = proofs
        self._clients = clients
        self._people = people
        self._answers = answers
        self._limits = limits
        self._issuer = issuer
        self._audiences = frozenset({issuer, audience})
        self._algorithms = algorithms
        self._encryption = encryption
        self._encryption_algorithms = encryption_algorithms

    def routes(self) -> list[Route]:
        """Where it is mounted."""
        return [Route(PATH, self.handle, methods=["GET", "POST"])]

    def metadata_members(self, issuer: str) -> dict[str, Any]:
        """What discovery says of it (OpenID Connect Discovery §3)."""
        encrypted = {
            "userinfo_encryption_alg_values_supported": list(self._encryption_algorithms),
            "userinfo_encryption_enc_values_supported": list(ENCODINGS),
        }
        return {
            **(encrypted if self._encryption_algorithms else {}),
            "userinfo_endpoint": issuer + PATH,
            "userinfo_signing_alg_values_supported": list(self._algorithms),
            "claims_supported": ["sub", *CLAIMS],
            "claim_types_supported": ["normal"],
        }

    async def handle(self, request: Request) -> Response:
        """200 with claims, as JSON or, for a client that registered so, signed; else a challenge (RFC 6750 §3)."""
        try:
            response = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - every exception becomes an answer here
            response = self._refused(as_oauth(error), request)
        response.headers.update(self._proofs.nonce_headers())
        return response

    async def _answer(self, request: Request) -> Response:
        scheme, raw = await self._credentials(request)
        token = await self._reader.access_token(raw)
        if token is None or self._audiences.isdisjoint(token.audience):
            raise OAuthError(ErrorCode.INVALID_TOKEN, "the access token is not valid here")
        await self._check_binding(request, scheme, raw, token)
        account, client = await self._living(token)
        if "openid" not in token.scope:
            raise OAuthError(ErrorCode.INSUFFICIENT_SCOPE, "the access token lacks the scope openid")
        profile = await self._people.profile(account.id)
        names = [name for name in token.claims.get("userinfo", ()) if isinstance(name, str)]
        claims = scope_claims(account, profile, token.scope) | asked_claims(account, profile, names)
        claims["sub"] = self._answers.subjects.of(client, account.id)
        return await self._written(claims, client)

    async def _credentials(self, request: Request) -> tuple[Scheme, str]:
        """The one access token of the request. Never one in the URL (RFC 9700 §4.3.2)."""
        if b"access_token=" in request.scope.get("query_string", b""):
            raise OAuthError(ErrorCode.INVALID_REQUEST, "the access token does not belong in the URL")
        headers = request.headers.getlist("authorization")
        in_body = None
        if request.method == "POST" and request.headers.get("content-type", "").partition(";")[0].strip() == _FORM:
            in_body = (await read_form(request, self._limits)).get("access_token")
        if len(headers) + (in_body is not None) > 1:
            # RFC 6750 §2: clients MUST NOT use more than one method to transmit the token in each request.
            raise OAuthError(ErrorCode.INVALID_REQUEST, "more than one access token")
        if in_body is not None:
            return Scheme.BEARER, in_body
        scheme, _, raw = (headers[0] if headers else "").partition(" ")
        known = {"bearer": Scheme.BEARER, "dpop": Scheme.DPOP}.get(scheme.lower())
        if known is None or not raw:
            raise _NoCredentials
        return known, raw

    async def _check_binding(self, request: Request, scheme: Scheme, raw: str, token: ReadToken) -> None:
        """RFC 9449 §7: a bound token needs a proof of its key, and is nothing as a bearer token."""
        proof = None
        if scheme is Scheme.DPOP:
            proof = await self._proofs.dpop(
                request.headers.getlist("dpop"),
                method=request.method,
                path=PATH,
                origin=mutual_tls_origin(request.scope),
                access_token=raw,
            )
            if proof is None:
                raise OAuthError(ErrorCode.INVALID_DPOP_PROOF, "a proof of the token's key is missing")
        if token.jkt != (None if proof is None else proof.jkt):
            raise OAuthError(ErrorCode.INVALID_TOKEN, "the access token is not bound to what was shown, or is bound")
        if token.certificate is not None:
            # RFC 8705 §3: the certificate of this very connection, or the token is refused.
            shown = client_certificate(request.scope)
            if shown is None or shown.thumbprint != token.certificate:
                raise OAuthError(ErrorCode.INVALID_TOKEN, "the access token is bound to another certificate")

    async def _living(self, token: ReadToken) -> tuple[Account, Client]:
        account_id = token.facts.account_id
        view = None
        if account_id is not None and await self._reader.is_alive(token):
            view = await self._people.account(account_id)
        client = await self._clients.find(token.facts.client_id)
        if view is None or view.account.disabled_at is not None or client is None:
            raise OAuthError(ErrorCode.INVALID_TOKEN, "the access token is not valid any more")
        return view.account, client

    async def _written(self, claims: dict[str, Any], client: Client) -> Response:
        asked = client.metadata
        algorithm, encrypted = asked.userinfo_signed_response_alg, asked.userinfo_encrypted_response_alg
        if algorithm is None and encrypted is None:
            return Response(_encode(claims), headers=_NO_STORE, media_type="application/json")
        if algorithm is None:
            text = _encode(claims).decode()
        else:
            # §5.3.2: a signed answer contains iss and aud, so that nobody takes it for another client's.
            named = claims | {"iss": self._issuer, "aud": client.client_id}
            text = await self._answers.sign(named, algorithm=algorithm, typ="JWT")
        if encrypted is not None:
            # §5.3.2: signed first, then encrypted: a nested JWT (RFC 7519 §5.2).
            encoding, cty = asked.userinfo_encrypted_response_enc or ENCODINGS[0], "JWT" if algorithm else None
            text = await self._encryption.encrypt(client, text, algorithm=encrypted, encoding=encoding, cty=cty)
        return Response(text, headers=_NO_STORE, media_type="application/jwt")

    def _refused(self, error: OAuthError, request: Request) -> Response:
        bare = isinstance(error, _NoCredentials)
        by_dpop = request.headers.get("authorization", "").lower().startswith("dpop ")
        scheme = Scheme.DPOP if by_dpop else Scheme.BEARER
        headers = dict(_NO_STORE)
        if error.status_at_resource in {401, 403}:
            headers["WWW-Authenticate"] = challenge(
                scheme,
                error=None if bare else error.code,
                description=None if bare else error.description,
                algorithms=self._proofs.algorithms if by_dpop else (),
                scope=("openid",) if error.code is ErrorCode.INSUFFICIENT_SCOPE else (),
            )
        body = b"" if bare else _encode(error.members())
        return Response(body, error.status_at_resource, headers, media_type="application/json")


class _NoCredentials(OAuthError):  # noqa: N818 - a state of the request
    """No access token at all: a bare challenge (RFC 6750 §3.1)."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.INVALID_TOKEN, "no access token was sent")
