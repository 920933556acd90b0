"""Several issuers at one resource server: which verifier a token is for, before anything about it is computed.

Verifies nothing itself: each issuer has a `Verifier` with keys, audience and policy of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack, ExitStack
from types import MappingProxyType
from typing import Any, Final, Generic, Self, TypeVar, Unpack

import msgspec

from watchword.clock import Clock
from watchword.jose import base64url, strict_json
from watchword.jose.errors import JoseError
from watchword.jose.header import MAX_HEADER_DEPTH
from watchword.verify.access_token import AccessToken
from watchword.verify.engine import Engine
from watchword.verify.errors import RejectionReason, TokenRejected
from watchword.verify.health import Health
from watchword.verify.possession import PossessionRules
from watchword.verify.revocation import Axis, Revocable
from watchword.verify.staleness import WhenStale
from watchword.verify.verifier import SyncVerifier, Verifier
from watchword.verify.wanted import Wanted
from watchword.verify.watch import Watch

MAX_ISSUERS: Final = 64
_MAX_HEADER: Final = 4096

_One = TypeVar("_One", bound=Engine[Any])


class _Names(msgspec.Struct, gc=False):
    """The one claim that is looked at before the signature, to choose whose rules hold; nothing else is believed."""

    iss: str


_names: Final = msgspec.json.Decoder(_Names)


class _Several(Generic[_One]):
    """What `SeveralIssuers` and `SyncSeveralIssuers` share."""

    def __init__(self, verifiers: Iterable[_One]) -> None:
        """Put verifiers together, each of another issuer.

        Raises: ValueError for none, too many, two of one issuer, or opaque tokens that could be of either of two: to
        ask the wrong one would hand the token to it.
        """
        given = tuple(verifiers)
        self.verifiers: MappingProxyType[str, _One] = MappingProxyType({one.policy.issuer: one for one in given})
        """By issuer."""
        if not 0 < len(given) <= MAX_ISSUERS or len(self.verifiers) != len(given):
            raise ValueError(f"verifiers must be 1 to {MAX_ISSUERS}, each of another issuer")
        prefixes = [(one.policy.issuer, prefix) for one in given for prefix in one.opaque_prefixes]
        if any(a.startswith(b) for its, a in prefixes for other, b in prefixes if its != other):
            raise ValueError("opaque tokens of several issuers must begin differently: Introspection(prefix=...)")
        self._all = given
        self._longest = max(one.policy.max_length for one in given)

    @property
    def possession(self) -> PossessionRules:
        """How proofs are announced: as the first verifier takes them. Each takes those for its tokens by its own rules."""
        return self._all[0].possession

    @property
    def clock(self) -> Clock:
        """That of the first verifier."""
        return self._all[0].clock

    def verifier_for(self, raw: str) -> _One:
        """The verifier of a token's issuer, compared exactly. Does not verify the token, and fetches nothing.

        Raises: TokenRejected for another issuer, or a token that does not say.
        """
        for one in self._all:
            if one.remembers(raw):
                return one
        if len(raw) > self._longest:
            raise TokenRejected(RejectionReason.TOO_LONG)
        segments = raw.split(".", 5)
        match len(segments):
            case 3:
                return self._known(_issuer_in(segments[1]))
            case 5:
                return self._decrypting(segments[0])
            case 1:
                found = [one for one in self._all if raw.startswith(one.opaque_prefixes)]
                if found:
                    return found[0]
        raise TokenRejected(RejectionReason.MALFORMED)

    def verify_now(self, raw: str, **wanted: Unpack[Wanted]) -> AccessToken:
        """As `Verifier.verify_now`, by the verifier of the token's issuer."""
        return self.verifier_for(raw).verify_now(raw, **wanted)

    def keep_within(self, max_staleness: float) -> None:
        """As `Verifier.keep_within`, of all."""
        for one in self._all:
            one.keep_within(max_staleness)

    def kills(self, bearer: Revocable) -> Axis | None:
        """By which axis a signed URL is cut off at any of the issuers. Raises: RevocationViewStale if one cannot tell."""
        for one in self._all:
            if (axis := one.kills(bearer)) is not None:
                return axis
        return None

    def health(self) -> dict[str, Health]:
        """How each fares, by issuer."""
        return {issuer: one.health() for issuer, one in self.verifiers.items()}

    def _known(self, issuer: str | None) -> _One:
        one = None if issuer is None else self.verifiers.get(issuer)
        if one is None:
            raise TokenRejected(RejectionReason.ISSUER)
        return one

    def _decrypting(self, header: str) -> _One:
        """Of an encrypted token the header may repeat the issuer (RFC 7519 §5.3); else one alone may have keys for it."""
        able = [one for one in self._all if one.decrypts]
        try:
            if len(header) > _MAX_HEADER:
                raise TokenRejected(RejectionReason.TOO_LONG)
            said = strict_json.decode_object(base64url.decode(header), max_depth=MAX_HEADER_DEPTH).get("iss")
        except JoseError:
            raise TokenRejected(RejectionReason.MALFORMED) from None
        if isinstance(said, str):
            able = [one for one in able if one.policy.issuer == said]
        if len(able) != 1:
            raise TokenRejected(RejectionReason.ISSUER)
        return able[0]


class SeveralIssuers(_Several[Verifier]):
    """Accepts tokens of several issuers: ``SeveralIssuers([Verifier(...), Verifier(...)])``. Stands where a `Verifier` may."""

    async def verify(self, raw: str, **wanted: Unpack[Wanted]) -> AccessToken:
        """As `Verifier.verify`, by the verifier of the token's issuer. Raises: TokenRejected for any other issuer."""
        return await self.verifier_for(raw).verify(raw, **wanted)

    def watch(
        self, token: AccessToken, *, max_staleness: float | None = None, when_stale: WhenStale | None = None
    ) -> Watch:
        """As `Verifier.watch`."""
        return self._known(token.iss).watch(token, max_staleness=max_staleness, when_stale=when_stale)

    async def start(self) -> dict[str, Health]:
        """As `Verifier.start`, all at once."""
        await asyncio.gather(*(one.start() for one in self._all))
        return self.health()

    async def aclose(self) -> None:
        """As `Verifier.aclose`, all of them."""
        async with AsyncExitStack() as stack:
            for one in self._all:
                stack.push_async_callback(one.aclose)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


class SyncSeveralIssuers(_Several[SyncVerifier]):
    """As `SeveralIssuers`, over `SyncVerifier`."""

    def verify(self, raw: str, **wanted: Unpack[Wanted]) -> AccessToken:
        """As `SyncVerifier.verify`, by the verifier of the token's issuer. Raises: TokenRejected for any other issuer."""
        return self.verifier_for(raw).verify(raw, **wanted)

    def start(self) -> dict[str, Health]:
        """As `SyncVerifier.start`, one after the other."""
        for one in self._all:
            one.start()
        return self.health()

    def close(self) -> None:
        """As `SyncVerifier.close`, all of them."""
        with ExitStack() as stack:
            for one in self._all:
                stack.callback(one.close)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _issuer_in(segment: str) -> str | None:
    try:
        return _names.decode(base64url.decode(segment)).iss
    except (JoseError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
