"""Pure rules, keys, revocations and memory put together: everything a verifier does except waiting.

Does no I/O and awaits nothing (``verifier`` does). Holds no rule of its own but order: what makes a token good is in
``check``, what kills it in ``revocation``.
"""

from __future__ import annotations

import inspect
import math
import weakref
from collections.abc import Callable, Collection
from typing import Any, Final, Generic, TypeVar

from watchword.clock import Clock, EpochSeconds, system_clock
from watchword.jose.jwk import KeySet
from watchword.transport import HttpTransport, Transport
from watchword.verify.access_token import AccessToken
from watchword.verify.assembly import feed_of, token_keys, view_of
from watchword.verify.background import ended
from watchword.verify.check import check_access_token, check_privileges
from watchword.verify.dpop import DpopProof
from watchword.verify.errors import (
    KeysUnavailable,
    RejectionReason,
    RevocationViewStale,
    TokenRejected,
    UnknownKey,
    VerifierUnavailable,
)
from watchword.verify.feed import Feed
from watchword.verify.feed_settings import Revocations
from watchword.verify.forms import Decrypter, Form, SignedForms
from watchword.verify.health import Health
from watchword.verify.introspection import Introspection, IntrospectionEndpoint
from watchword.verify.keys import KeySource, RemoteKeys
from watchword.verify.lookup import RevocationLookup, Step
from watchword.verify.opaque import AnswerDue, OpaqueTokens
from watchword.verify.policy import DEFAULT_ALGORITHMS, DEFAULT_LEEWAY_SECONDS, Policy
from watchword.verify.possession import Dpop, Possession, PossessionRules
from watchword.verify.revocation import Axis, Revocable, RevocationView
from watchword.verify.seen import DEFAULT_CACHE_SIZE, Seen, SeenTokens
from watchword.verify.staleness import WhenStale
from watchword.verify.vitals import health_of
from watchword.verify.wanted import Wanted

_Asked = TypeVar("_Asked")
"""Whom to ask about tokens: an `Introspector` or an `AsyncIntrospector`, as the shell can wait for."""

_LOOK_AGAIN_SECONDS: Final = 60.0
"""How long a token seen before is good without another look at the keys, unless those tell that one was withdrawn."""


class Engine(Generic[_Asked]):
    """What `Verifier` and `SyncVerifier` share."""

    awaits: bool = False
    """Whether its shell can await what it asks."""

    def __init__(
        self,
        issuer: str,
        audience: str | Collection[str],
        *,
        algorithms: Collection[str] = DEFAULT_ALGORITHMS,
        leeway: float = DEFAULT_LEEWAY_SECONDS,
        required_claims: Collection[str] = (),
        keys: KeySet | KeySource | None = None,
        jwks_uri: str | None = None,
        revocations: Revocations | RevocationView | None = None,
        transport: Transport | None = None,
        clock: Clock = system_clock,
        cache_size: int = DEFAULT_CACHE_SIZE,
        timeout: float = 5.0,
        introspector: _Asked | None = None,
        dpop: Dpop | None = None,
        require_bound: bool = False,
        introspection: Introspection | None = None,
        decrypter: Decrypter | None = None,
        forms: Collection[Form] | None = None,
    ) -> None:
        """Make a verifier for tokens of one issuer.

        ``issuer`` is compared exactly, and asked for its keys by discovery; ``audience`` is what this resource server
        is called in tokens, or several such names. ``leeway`` (seconds) is granted on all times. ``keys`` are used
        instead of fetched ones; ``jwks_uri`` spares discovery. ``revocations`` says where cut-offs are learnt from
        (None: nowhere, a token then lives until it expires). ``cache_size`` tokens are remembered; 0 verifies each
        anew. ``timeout`` (seconds) bounds every fetch, and every wait for one. ``introspector`` is whom ``when_stale="introspect"`` asks. ``dpop`` says
        how proofs of possession are taken; ``require_bound`` accepts no token that is not bound to a key or certificate.
        ``introspection`` says how opaque tokens are asked about, ``decrypter`` holds the keys of encrypted ones (extra
        ``jwe``); without them such tokens are malformed. ``forms`` are the forms accepted: ``jwt`` and what those allow,
        unless it leaves some out.

        Raises: ValueError, TypeError or TransportError for settings that cannot be.
        Does not start anything: that is for `start`, or the first token.
        """
        self.policy: Policy = Policy(
            issuer, audience, algorithms=algorithms, leeway=leeway, required_claims=required_claims
        )
        self.clock: Clock = clock
        self._wall, self._monotonic = clock.now, clock.monotonic
        self.timeout = timeout
        self._transport = HttpTransport() if transport is None else transport
        self._introspector = introspector
        self._cache_size = cache_size
        self._seen = SeenTokens(cache_size)
        self._keys: KeySource = token_keys(
            issuer,
            keys,
            jwks_uri=jwks_uri,
            transport=self._transport,
            clock=clock,
            timeout=timeout,
            on_removal=self._forget_all,
        )
        self._feed: Feed | None = None
        if isinstance(revocations, Revocations):
            self._feed = feed_of(
                revocations,
                issuer,
                transport=self._transport,
                clock=clock,
                leeway=leeway,
                timeout=timeout,
                # Without holding the verifier: the feed's threads would keep alive one that everybody forgot.
                token_keys=_weakly(weakref.WeakMethod(self._at_hand)),
            )
        self._view: RevocationView | None = view_of(revocations, self._feed, leeway)
        self._freshness = None if self._feed is None else self._feed.freshness
        self.possession: PossessionRules = PossessionRules(dpop, required=require_bound, clock=clock)
        if not self.awaits and inspect.iscoroutinefunction(self.possession.dpop.replay.first_use):
            raise TypeError("an asynchronous memory of used proofs asks for Verifier")
        self._issuer_offset = -math.inf
        self._lookup = RevocationLookup(self._view, self._feed, can_introspect=introspector is not None)
        self._signed_forms = SignedForms(decrypter, forms, opaque=introspection is not None)
        self._opaque: OpaqueTokens | None = None
        if introspection is not None and (forms is None or "opaque" in forms):
            endpoint = IntrospectionEndpoint(
                introspection, issuer, transport=self._transport, clock=clock, timeout=timeout, keys=self._keys
            )
            self._opaque = OpaqueTokens(introspection, endpoint, self.policy, self._lookup, clock)

    def verify_now(
        self,
        raw: str,
        *,
        scopes: Collection[str] = (),
        roles: Collection[str] = (),
        permissions: Collection[str] = (),
        tenants: Collection[str] = (),
        acr_values: Collection[str] = (),
        max_age: float | None = None,
        max_staleness: float | None = None,
        when_stale: WhenStale | None = None,
        possession: Possession | None = None,
    ) -> AccessToken:
        """Verify an access token with what is at hand. Does no I/O, awaits nothing, blocks on nothing.

        ``scopes``, ``roles`` and ``permissions`` must all be had; ``tenants``, ``acr_values`` and ``max_age`` are asked
        as `check_privileges` says. ``max_staleness`` (seconds) and ``when_stale`` are put in the place of what the
        verifier's `Revocations` say; views given without a feed have no age, and are never stale. ``possession`` is what
        the request shows beside the token; without it, bound tokens are refused.

        Returns: the verified token.
        Raises: TokenRejected if it is not good here; VerifierUnavailable if that cannot be told; ValueError for a bound
        that a verifier without revocations cannot keep.
        """
        memory = self._seen
        seen = memory.recent.get(raw)
        if max_staleness is not None or when_stale is not None:
            token = self._verify_within(memory, raw, seen, max_staleness, when_stale)
        elif seen is None:
            token = self._verify_unseen(raw)
        else:
            token, begins, until, version = seen
            now = self._wall()
            monotonic = self._monotonic()
            issuer_now = monotonic + self._issuer_offset
            freshness = self._freshness
            if (
                not begins <= now < until
                or issuer_now >= until
                or (freshness is not None and (monotonic >= freshness.until or now >= freshness.until_wall))
            ):
                token = self._check_again(memory, raw, seen)
            # After the age, never before it: a view renewed between the two may hold this token.
            elif self._view is not None and version != self._view.version:
                token = self._look_up_again(memory, raw, seen, self._view)
        if scopes or roles or permissions or tenants or acr_values or max_age is not None:
            check_privileges(
                token,
                scopes,
                roles,
                permissions=permissions,
                tenants=tenants,
                acr_values=acr_values,
                max_age=max_age,
                now=self._now(),
            )
        # Last, so that a proof is used up only where it lets someone in.
        if token.cnf is not None or possession is not None or self.possession.required:
            proof = self.possession.check(raw, token, possession, self._now())
            if proof is not None:
                self.possession.used_first(token, proof)
        return token

    def examine(self, raw: str, token: AccessToken, wanted: Wanted) -> DpopProof | None:
        """Look at what a call asks of a token that is known to be good otherwise.

        Returns: the proof that must be seen to be used first, if there is one. Raises: TokenRejected.
        """
        privileges: dict[str, Any] = {name: wanted[name] for name in _PRIVILEGES if name in wanted}
        check_privileges(token, **privileges, now=self._now())
        return self.possession.check(raw, token, wanted.get("possession"), self._now())

    def health(self) -> Health:
        """How the verifier fares. Does no I/O."""
        return health_of(
            self._keys,
            self._feed,
            self._view,
            self._lookup.staleness,
            keys_at_hand=len(self._at_hand() or ()),
            cached_tokens=len(self._seen) + len(self._opaque or ()),
            refuses_when_stale=self._lookup.when_stale == "refuse",
        )

    def keep_within(self, max_staleness: float) -> None:
        """Announce that someone will verify with this ``max_staleness``, so that the view is renewed often enough.

        `verify` announces by itself, when it is first called so; adapters do when they are made.

        Raises: ValueError for a bound that cannot be kept.
        """
        self._lookup.keep_within(max_staleness)

    def kills(self, bearer: Revocable) -> Axis | None:
        """By which axis a signed URL, or its like, is cut off, if it is. Raises: RevocationViewStale if nobody knows."""
        return self._lookup.kills(bearer)

    @property
    def opaque_prefixes(self) -> tuple[str, ...]:
        """What the opaque tokens begin with that it asks about; empty if it takes none."""
        return () if self._opaque is None else self._opaque.prefixes

    @property
    def decrypts(self) -> bool:
        """Whether it takes encrypted tokens."""
        return self._signed_forms.decrypts

    def remembers(self, raw: str) -> bool:
        """Whether a token was verified here a moment ago; says nothing of whether it is still good."""
        return raw in self._seen.recent

    def _forget_all(self) -> None:
        self._seen = SeenTokens(self._cache_size)

    def _now(self) -> EpochSeconds:
        """The wall clock, unless the issuer's clock is known to be further.

        A token issued at ``iat`` proves that it was ``iat`` at the issuer. Counted on from there by the monotonic
        clock, this keeps what has expired expired when the wall clock is set back: its cut-offs may be pruned already.
        """
        now, issuer_now = self._wall(), self._monotonic() + self._issuer_offset
        return max(issuer_now, now)

    def _verify_within(
        self, memory: SeenTokens, raw: str, seen: Seen | None, bound: float | None, when_stale: WhenStale | None
    ) -> AccessToken:
        """What a call with a bound or a policy of its own goes through."""
        if bound is not None:
            self.keep_within(bound)
        if when_stale is not None:
            self._lookup.check_policy(bound, when_stale)
        if seen is None:
            return self._verify_unseen(raw, bound, when_stale)
        return self._check_again(memory, raw, seen, bound, when_stale)

    def _verify_unseen(self, raw: str, bound: float | None = None, when_stale: WhenStale | None = None) -> AccessToken:
        # The memory before the keys: if one of them is withdrawn meanwhile, a new memory was begun, and what was
        # verified with the old keys is not remembered.
        memory = self._seen
        seen = memory.find_older(raw)
        if seen is not None:
            return self._check_again(memory, raw, seen, bound, when_stale)
        if self._opaque is not None and self._opaque.takes(raw):
            return self._opaque.verify(raw, self._now(), bound, when_stale)
        keys = self._keys.current()
        if memory.keys is not keys:
            memory = self._begin_memory(keys)
        wall, monotonic = self._wall(), self._monotonic()
        now = max(wall, monotonic + self._issuer_offset)
        try:
            signed = self._signed_forms.signed(raw, self.policy.max_length)
            token = check_access_token(signed, keys, self.policy, now, possession_follows=True)
        except TokenRejected as rejected:
            if rejected.reason is RejectionReason.UNKNOWN_KEY:
                raise UnknownKey(keys) from None
            raise
        # It is at least ``iat`` at the issuer (see `_now`), believed as far as our own clock bears it out: or each token a
        # little ahead would make one further ahead credible.
        self._issuer_offset = max(self._issuer_offset, min(token.iat, wall) - monotonic)
        version = self._lookup.check(token, bound, when_stale)
        begins = (token.iat if token.nbf is None else max(token.iat, token.nbf)) - self.policy.leeway
        memory.put(raw, (token, begins, self._good_until(token, now), version))
        return token

    def _begin_memory(self, keys: KeySet) -> SeenTokens:
        memory = self._seen = SeenTokens(self._cache_size, keys)
        # If they were replaced in between, whoever did it may have forgotten the memory before this one.
        if self._keys.current() is not keys:
            self._seen = SeenTokens(self._cache_size)
        return memory

    def _good_until(self, token: AccessToken, now: EpochSeconds) -> EpochSeconds:
        return min(token.exp + self.policy.leeway, now + _LOOK_AGAIN_SECONDS)

    def _check_again(
        self,
        memory: SeenTokens,
        raw: str,
        seen: Seen,
        bound: float | None = None,
        when_stale: WhenStale | None = None,
    ) -> AccessToken:
        """Look at all that may have changed since a token was verified: time, keys, revocations."""
        # What is found goes into the memory it came from: if that was forgotten meanwhile, so is the token.
        token, begins, _, _ = seen
        now, ends = self._now(), token.exp + self.policy.leeway
        if not begins <= now < ends:
            memory.forget(raw)
            raise TokenRejected(RejectionReason.EXPIRED if now >= ends else RejectionReason.NOT_YET_VALID)
        if self._keys.current() is not memory.keys:
            memory.forget(raw)
            return self._verify_unseen(raw, bound, when_stale)
        version = self._lookup.check(token, bound, when_stale)
        memory.put(raw, (token, begins, self._good_until(token, now), version))
        return token

    def _look_up_again(self, memory: SeenTokens, raw: str, seen: Seen, view: RevocationView) -> AccessToken:
        """What a token seen before needs when nothing has changed but the view."""
        version = view.version  # before the look-up: see `RevocationLookup.check`
        if view.full:
            return self._check_again(memory, raw, seen)
        token, begins, until, _ = seen
        if view.kills(token) is not None:
            raise TokenRejected(RejectionReason.REVOKED)
        memory.put(raw, (token, begins, until, version))
        return token

    def begin(self) -> list[Step]:
        """Start what runs in the background. Returns: what to wait for until all is at hand."""
        steps = [] if self._feed is None or self._feed.freshness.known else [self._feed.background.request()]
        if self._at_hand() is None and (refresh := self._keys.refresh()) is not None:
            steps.append(refresh)
        return steps

    def remedy(self, error: TokenRejected | VerifierUnavailable) -> Step | None:
        """What to wait for before trying again, if that could help."""
        if isinstance(error, UnknownKey | KeysUnavailable):
            used = error.keys if isinstance(error, UnknownKey) else None
            return self._keys.refresh() or (ended() if self._at_hand() is not used else None)
        if isinstance(error, AnswerDue):
            return None if self._opaque is None else self._opaque.ask(error.raw)
        return self._lookup.remedy(error) if isinstance(error, RevocationViewStale) else None

    def _at_hand(self) -> KeySet | None:
        try:
            return self._keys.current()
        except KeysUnavailable:
            return None

    def end(self) -> None:
        if isinstance(self._keys, RemoteKeys):
            self._keys.background.stop()
        if self._feed is not None:
            self._feed.close()
        if self._opaque is not None:
            self._opaque.close()
        if isinstance(self._transport, HttpTransport):
            self._transport.close()


_PRIVILEGES: Final = ("scopes", "roles", "permissions", "tenants", "acr_values", "max_age")


def _weakly(method: weakref.WeakMethod[Callable[[], KeySet | None]]) -> Callable[[], KeySet | None]:
    return lambda: None if (at_hand := method()) is None else at_hand()
