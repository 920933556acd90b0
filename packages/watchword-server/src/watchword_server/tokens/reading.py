"""Access tokens that come back to this server: proven to be its own and unexpired, whatever their form.

Does not say who may use them, nor what for: endpoints check audience, owner and binding.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from watchword.clock import Clock
from watchword.jose import jws
from watchword.jose.errors import JoseError
from watchword.jose.jwk import KeySet

from watchword_server.keys.ring import ALGORITHMS
from watchword_server.store.authorization_port import OpaqueTokens
from watchword_server.store.authorization_records import TokenFacts
from watchword_server.store.records import Record
from watchword_server.tokens.issuer import ACCESS_TOKEN_TYP, OPAQUE_PREFIX, opaque_digest
from watchword_server.tokens.lineage import ancestors

MAX_TOKEN: Final = 8192
"""Characters of a token that is looked at; own tokens are far shorter."""
_REMEMBERED: Final = 4096
_DOTS_OF_JWE: Final = 4

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ReadToken(Record, frozen=True):
    """An access token that this server issued and that has not expired."""

    claims: Mapping[str, Any]
    facts: TokenFacts
    alive: bool | None
    """Whether it was cut off, where that is known already; None: to be asked with `TokenReader.is_alive`."""
    opaque: bytes | None = None
    """The digest of an opaque or encrypted one, under which it is kept."""

    @property
    def audience(self) -> tuple[str, ...]:
        """For whom it is meant."""
        aud = self.claims["aud"]
        return (aud,) if isinstance(aud, str) else tuple(aud)

    @property
    def scope(self) -> tuple[str, ...]:
        """Its scope."""
        return tuple(str(self.claims.get("scope", "")).split())

    @property
    def jkt(self) -> str | None:
        """The key it is bound to (RFC 9449 §6.1)."""
        confirmation = self.claims.get("cnf")
        return confirmation.get("jkt") if isinstance(confirmation, Mapping) else None

    @property
    def certificate(self) -> str | None:
        """``x5t#S256`` of the certificate it is bound to (RFC 8705 §3.1)."""
        confirmation = self.claims.get("cnf")
        return confirmation.get("x5t#S256") if isinstance(confirmation, Mapping) else None

    def __repr__(self) -> str:
        """Without what it says."""
        return f"ReadToken(client_id={self.facts.client_id!r})"


class TokenReader:
    """Reads access tokens of this server."""

    def __init__(self, store: OpaqueTokens, keys: Callable[[], KeySet], clock: Clock, *, issuer: str) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._verified: OrderedDict[str, tuple[KeySet, ReadToken]] = OrderedDict()

    async def access_token(self, raw: str) -> ReadToken | None:
        """The token; None for anything that is not one of this server's own, and for one that has expired."""
        if len(raw) > MAX_TOKEN:
            return None
        recorded = is_opaque(raw) or raw.count(".") == _DOTS_OF_JWE
        return await self._recorded(raw) if recorded else self._signed(raw)

    async def is_alive(self, token: ReadToken) -> bool:
        """Whether neither it, nor what it rests on, nor any that it was made of was ended or cut off, as the store says now."""
        if not (await self._store.is_alive(token.facts) if token.alive is None else token.alive):
            return False
        # Dead is dead: one after the other finds each cut-off that was there when this was asked.
        for ancestor in ancestors(token.claims, token.facts):
            if not await self._store.is_alive(ancestor.facts):
                return False
        return True

    async def _recorded(self, raw: str) -> ReadToken | None:
        digest = opaque_digest(raw)
        view = await self._store.opaque_token(digest)
        if view is None or view.read_at >= view.expires_at:
            return None
        return ReadToken(claims=_decode(view.claims), facts=view.facts, alive=view.alive, opaque=digest)

    def _signed(self, raw: str) -> ReadToken | None:
        keys, now = self._keys(), self._clock.now()
        known = self._verified.get(raw)
        # Only as long as the very same keys are trusted: a distrusted key must not live on in here.
        if known is not None and known[0] is keys:
            return known[1] if now < known[1].claims["exp"] else None
        token = self._verify(raw, keys)
        if token is None or now >= token.claims["exp"]:
            return None
        self._verified[raw] = (keys, token)
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return token

    def _verify(self, raw: str, keys: KeySet) -> ReadToken | None:
        try:
            parsed = jws.parse(raw, max_length=MAX_TOKEN)
            # RFC 9068 §4: an ID token or a logout token, signed by the same keys, is no access token.
            if parsed.header.get("typ") != ACCESS_TOKEN_TYP:
                return None
            verified = jws.verify_parsed(parsed, keys, algorithms=ALGORITHMS)
            claims = _decode(verified.payload)
        except (JoseError, msgspec.MsgspecError):
            return None
        if claims.get("iss") != self._issuer:
            return None
        return ReadToken(claims=claims, facts=_facts(claims, verified.key.kid), alive=None)


def is_opaque(raw: str) -> bool:
    """Whether it means something by introspection alone; nobody verifies it offline."""
    return raw.startswith(OPAQUE_PREFIX)


def _facts(claims: Mapping[str, Any], kid: str | None) -> TokenFacts:
    sid = claims.get("sid")
    return TokenFacts(
        jti=claims["jti"],
        client_id=claims["client_id"],
        account_id=claims["sub"] if sid is not None else None,
        sid=sid,
        tenant=claims.get("tenant"),
        rev=claims["rev"],
        kid=kid,
    )
