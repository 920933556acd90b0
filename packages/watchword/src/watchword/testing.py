"""For the tests of those who accept tokens: an issuer in this process, and a clock that moves when told.

No network, no server, no sleeping. Not for production: `FakeIssuer` signs whatever it is asked to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec

from watchword.clock import Clock, EpochSeconds, system_clock
from watchword.jose import jws
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer
from watchword.transport import Request, Response, TransportError
from watchword.verify.access_token import AccessToken
from watchword.verify.answer import MEDIA_TYPE, TYP
from watchword.verify.dpop import access_token_hash
from watchword.verify.policy import MAX_LEEWAY_SECONDS
from watchword.verify.revocation import Axis, CutOff, RevocationView
from watchword.verify.verifier import SyncVerifier, Verifier

_LIFETIME_SECONDS: Final = 600.0
_PAGE_ENTRIES: Final = 1000

Answer: TypeAlias = Callable[[Request], Response]


class FakeClock:
    """Time that stands still until it is moved; starts at the time of this machine, or where it is told to."""

    def __init__(self, now: EpochSeconds | None = None) -> None:
        self._now = float(int(system_clock.now())) if now is None else now
        self._monotonic = 1000.0

    def now(self) -> EpochSeconds:
        """As `Clock.now`."""
        return self._now

    def monotonic(self) -> float:
        """As `Clock.monotonic`."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError("time does not go back; see jump")
        self._now += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, while no time passes."""
        self._now += seconds


class FakeTransport:
    """Answers requests from a table of URLs (without query), and keeps what was asked in ``asked``."""

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.answers: dict[str, Answer] = dict(answers or {})
        self.asked: list[Request] = []
        self.down = False
        """While set, nothing can be reached."""

    def fetch(self, request: Request) -> Response:
        """As `Transport.fetch`. A URL outside the table is answered 404."""
        self.asked.append(request)
        if self.down:
            raise TransportError("the fake network is down")
        answer = self.answers.get(request.url.partition("?")[0])
        return json_response({}, status=404) if answer is None else answer(request)


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A `Response` of JSON; names of ``headers`` in lower case."""
    return Response(status, {"content-type": "application/json", **(headers or {})}, msgspec.json.encode(value))


@contextmanager
def override(guarded: object, token: AccessToken) -> Iterator[None]:
    """Let every request in with this token, whatever it presents, as long as the context lasts::

        with override(auth, issuer.access_token("ada", roles=["admin"])):
            client.get("/admin")

    ``guarded`` is what the adapter was made of: a ``BearerAuth``, middleware or interceptor, or
    ``watchword.adapters.django.conf.gate()``. What routes ask for is looked at all the same.

    Raises: TypeError for anything else.
    """
    gate: Any = getattr(guarded, "gate", guarded)
    if not hasattr(gate, "stand_in"):
        raise TypeError("override what guards requests: an adapter, or its gate")
    before, gate.stand_in = gate.stand_in, token
    try:
        yield
    finally:
        gate.stand_in = before


class FakeDpopKey:
    """The key of a client that makes DPoP proofs (RFC 9449 §4.2)."""

    def __init__(self, algorithm: str = "ES256", *, clock: Clock = system_clock) -> None:
        """Make a new key. ``clock`` is best the issuer's."""
        self.key: Key = Key.generate(algorithm)
        self.jkt: str = self.key.thumbprint()
        """What tokens are bound to: ``issuer.token(cnf={"jkt": key.jkt})``."""
        self._clock = clock
        self._jti = 0

    def proof(
        self, method: str, url: str, access_token: str | None = None, *, nonce: str | None = None, **claims: Any
    ) -> str:
        """A proof for one request; further ``claims`` are added, replace others, or remove them if None."""
        self._jti += 1
        members = {
            "jti": f"proof-{self._jti}-{self.jkt}",
            "htm": method,
            "htu": url,
            "iat": int(self._clock.now()),
            "ath": None if access_token is None else access_token_hash(access_token),
            "nonce": nonce,
            **claims,
        }
        signer = Signer(self.key, typ="dpop+jwt", header={"jwk": self.key.public_jwk()})
        return signer.sign(msgspec.json.encode({name: value for name, value in members.items() if value is not None}))

    def headers(self, method: str, url: str, access_token: str, *, nonce: str | None = None) -> dict[str, str]:
        """``Authorization`` and ``DPoP`` for one request to a protected resource (RFC 9449 §7.1)."""
        proof = self.proof(method, url, access_token, nonce=nonce)
        return {"Authorization": f"DPoP {access_token}", "DPoP": proof}


class FakeIssuer:
    """An authorization server of its own, as far as verifiers can tell.

    `verifier` gives verifiers that know its keys and cut-offs at once; `transport` serves the same by discovery, JWK
    Set and revocation feed, for verifiers made by hand.
    """

    def __init__(
        self,
        issuer: str = "https://issuer.test",
        *,
        audience: str = "api",
        algorithm: str = "ES256",
        clock: Clock | None = None,
        lifetime: float = _LIFETIME_SECONDS,
    ) -> None:
        """Make an issuer with one new key. ``lifetime`` of its tokens is in seconds."""
        self.issuer = issuer
        self.audience = audience
        self.clock: Clock = FakeClock() if clock is None else clock
        self.lifetime = lifetime
        self.view: RevocationView = RevocationView(clock=self.clock, grace=MAX_LEEWAY_SECONDS)
        """What its verifiers look into."""
        self._algorithm = algorithm
        self._cut_offs: list[tuple[CutOff, float]] = []
        self._jti = 0
        self._opaque: dict[str, dict[str, Any]] = {}
        self.key: Key = Key.generate(algorithm)
        self.keys: KeySet = KeySet([self.key])
        """Published now; assign another set to publish it instead."""
        self.feed_key: Key = Key.generate("ES256")
        """Signs the feed, and nothing else."""
        self.feed_keys: KeySet = KeySet([self.feed_key])
        """The feed's keys as they are published; assign another set to publish it instead."""
        self.introspection_authorization: str | None = None
        """The value of ``Authorization`` that the introspection endpoint asks for, if any."""
        self.feed_token: str | None = None
        """The credential the feed asks for, if any."""
        self.transport: FakeTransport = FakeTransport(
            {
                f"{issuer}/.well-known/openid-configuration": self._metadata,
                f"{issuer}/jwks": self._jwks,
                f"{issuer}/revocations": self._feed,
                f"{issuer}/introspect": self._introspect,
                f"{issuer}/revocations/keys": lambda _: json_response(self.feed_keys.public_jwks()),
            }
        )

    def token(
        self,
        sub: str = "ada",
        *,
        scope: str | Collection[str] = "",
        roles: Collection[str] = (),
        key: Key | None = None,
        typ: str | None = "at+jwt",
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Sign an access token for ``audience``; further ``claims`` are added, replace others, or remove them if None.

        ``key``, ``typ`` and ``header`` serve tests of tokens that must be refused.
        """
        signer = Signer(self.key if key is None else key, algorithm=None, typ=typ, header=header)
        return signer.sign(msgspec.json.encode(self._claims(sub, scope, roles, claims)))

    def encrypted_token(self, to: Any, sub: str = "ada", **options: Any) -> str:
        """A signed access token inside a JWE (extra ``jwe``); ``to`` is an `EncryptionKey`, else as `token`."""
        from watchword.jose.jwe import encrypt  # noqa: PLC0415 - only where the extra is installed

        return encrypt(self.token(sub, **options).encode(), to)

    def opaque_token(
        self, sub: str = "ada", *, scope: str | Collection[str] = "", roles: Collection[str] = (), **claims: Any
    ) -> str:
        """An opaque access token, about which the introspection endpoint answers; otherwise as `token`."""
        return self._kept("wo_", self._claims(sub, scope, roles, claims))

    def api_key(
        self, sub: str = "ada", *, scope: str | Collection[str] = "", roles: Collection[str] = (), **claims: Any
    ) -> str:
        """An API key or personal access token; otherwise as `opaque_token`."""
        return self._kept("wk_", self._claims(sub, scope, roles, claims))

    def _kept(self, prefix: str, members: dict[str, Any]) -> str:
        raw = f"{prefix}{members.get('jti', self._jti)}"
        self._opaque[raw] = members
        return raw

    def _claims(
        self, sub: str, scope: str | Collection[str], roles: Collection[str], claims: Mapping[str, Any]
    ) -> dict[str, Any]:
        now = int(self.clock.now())
        self._jti += 1
        members = {
            "iss": self.issuer,
            "sub": sub,
            "aud": self.audience,
            "exp": now + int(self.lifetime),
            "iat": now,
            "jti": f"token-{self._jti}",
            "client_id": "first-party",
            "scope": scope if isinstance(scope, str) else " ".join(scope),
            "sid": f"session-{sub}",
            "rev": len(self._cut_offs),
            "roles": list(roles),
            **claims,
        }
        return {name: value for name, value in members.items() if value is not None}

    def verifier(self, audience: str | None = None, **options: Any) -> Verifier:
        """A verifier for its tokens that needs no network; ``options`` as `Verifier` takes them."""
        return Verifier(self.issuer, audience or self.audience, **self._options(options))

    def sync_verifier(self, audience: str | None = None, **options: Any) -> SyncVerifier:
        """As `verifier`, without async."""
        return SyncVerifier(self.issuer, audience or self.audience, **self._options(options))

    def access_token(self, sub: str = "ada", **claims: Any) -> AccessToken:
        """What a verifier makes of such a `token`: for `override`, and for functions that take one."""
        return self.sync_verifier().verify(self.token(sub, **claims))

    def rotate(self) -> Key:
        """Sign with a new key from now on; the old ones stay published. Returns: the new key."""
        self.key = Key.generate(self._algorithm)
        self.keys = KeySet([*self.keys, self.key])
        return self.key

    def revoke(self, token: str) -> None:
        """Revoke one token, by its ``jti``."""
        claims = msgspec.json.decode(jws.parse(token).payload)
        self.cut_off("token", claims["jti"])

    def cut_off(self, axis: Axis, value: str = "", *, spares: str | None = None) -> CutOff:
        """Write a cut-off: at once for its own verifiers, with their next poll for those that follow the feed.

        ``value`` is a jti, sid, family id, sub, client_id, tenant or kid, as the axis says; ``spares`` a sid.
        """
        position = len(self._cut_offs) + 1
        floors = [
            old.position
            for old, _ in self._cut_offs
            if old.axis == axis and old.value == value and old.spares != spares
        ]
        entry = CutOff(position, axis, value, self.lifetime, spares, max(floors, default=0))
        self._cut_offs.append((entry, self.clock.now()))
        self.view.apply([entry])
        return entry

    # As `KeySource`: what its own verifiers ask.

    def current(self) -> KeySet:
        """The keys published now."""
        return self.keys

    def refresh(self) -> None:
        """Nothing newer is to be had."""

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        known = {"keys": self, "revocations": self.view, "clock": self.clock}
        return {**known, **({"transport": self.transport} if "introspection" in options else {}), **options}

    def _metadata(self, _request: Request) -> Response:
        return json_response(
            {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks",
                "introspection_endpoint": f"{self.issuer}/introspect",
                "watchword_revocations_keys_uri": f"{self.issuer}/revocations/keys",
            }
        )

    def _jwks(self, _request: Request) -> Response:
        return json_response(self.keys.public_jwks(), headers={"cache-control": "public, max-age=300"})

    def _introspect(self, request: Request) -> Response:
        if self.introspection_authorization not in {None, request.headers.get("Authorization")}:
            return json_response({"error": "invalid_client"}, status=401)
        form = {name: values[0] for name, values in parse_qs((request.body or b"").decode()).items()}
        claims = self._opaque.get(form.get("token", ""), {})
        named = [claims.get(name) for name in ("jti", "sid", "sub", "client_id", "tenant")]
        cut_off = any(entry.value in named for entry, _ in self._cut_offs)
        active = bool(claims) and not cut_off and self.clock.now() < claims.get("exp", 0)
        answer = {"active": True, "token_type": "Bearer", **claims} if active else {"active": False}
        if "token-introspection+jwt" not in request.headers.get("Accept", ""):
            return json_response(answer)
        signed = {
            "iss": self.issuer,
            "aud": form.get("client_id", "api"),
            "iat": int(self.clock.now()),
            "token_introspection": answer,
        }
        body = Signer(self.key, typ="token-introspection+jwt").sign(msgspec.json.encode(signed))
        return Response(200, {"content-type": "application/token-introspection+jwt"}, body.encode())

    def _feed(self, request: Request) -> Response:
        if self.feed_token is not None and request.headers.get("Authorization") != f"Bearer {self.feed_token}":
            return json_response({}, status=401)
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        page = self._page(query.get("cursor"), min(int(query.get("limit", "1000")), _PAGE_ENTRIES))
        if "nonce" not in query:
            return json_response(page)
        answer = {"iss": self.issuer, "nonce": query["nonce"], "from": query.get("cursor"), **page}
        signed = Signer(self.feed_key, typ=TYP).sign(msgspec.json.encode(answer))
        return Response(200, {"content-type": MEDIA_TYPE}, signed.encode())

    def _page(self, cursor: str | None, limit: int) -> dict[str, Any]:
        epoch, _, rest = (cursor or "").partition(".")
        snapshot = epoch != "fake"
        start = 0 if snapshot else int(rest.partition(".")[0])
        page = self._cut_offs[start : start + limit]
        now = self.clock.now()
        left = [(entry, at + entry.expires_in - now) for entry, at in page]
        entries = [msgspec.structs.replace(entry, expires_in=seconds) for entry, seconds in left if seconds > 0]
        end = start + len(page)
        return {
            "cursor": f"fake.{end}.0",
            "entries": entries,
            "more": end < len(self._cut_offs),
            "snapshot": snapshot,
        }
