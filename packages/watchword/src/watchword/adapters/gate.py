"""What every adapter does with a request: find the credentials, verify them, look at what the route asks.

Knows no framework: adapters say what the request presents, and write the answer that `Refused` holds.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from watchword.adapters.bearer import Bearer, Credentials, Refused
from watchword.adapters.requirement import ANY_TOKEN, Requirement
from watchword.clock import Clock, EpochSeconds, system_clock
from watchword.oauth.names import Scheme
from watchword.verify.access_token import AccessToken
from watchword.verify.check import check_privileges
from watchword.verify.errors import RejectionReason, TokenRejected, VerifierUnavailable
from watchword.verify.possession import Possession
from watchword.verify.staleness import IntrospectionDue, WhenStale
from watchword.verify.watch import Ended, TokenEnded


class AnyVerifier(Protocol):
    """What is asked of a verifier here; `watchword.Verifier` and `watchword.SyncVerifier` are such."""

    @property
    def verify(self) -> Callable[..., Any]: ...


class Presented(msgspec.Struct, frozen=True, gc=False):
    """What a request brings that may be a credential, or a proof of one: values as they came, nothing looked at.

    ``authorization`` are all values of that header; ``protocols`` those of ``Sec-WebSocket-Protocol``, for WebSockets
    only; ``dpop`` those of ``DPoP``, to which belong ``method`` and ``url``, as the client sent them (RFC 9449 §4.3).
    ``certificate`` is the thumbprint (``x5t#S256``) of the one the client connected with, told by the server itself.
    """

    authorization: Sequence[str] = ()
    protocols: Sequence[str] = ()
    dpop: Sequence[str] = ()
    method: str = ""
    url: str = ""
    certificate: str | None = None

    def __repr__(self) -> str:
        return f"Presented({len(self.authorization)} credentials, {len(self.dpop)} proofs)"  # which are secrets


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that was let in; kept where the framework keeps what belongs to a request."""

    token: AccessToken | None
    """None if it came without credentials, where that will do."""
    by: AnyVerifier

    @staticmethod
    def token_in(kept: object) -> AccessToken:
        """The token out of what was kept. Raises: LookupError if there is none."""
        if isinstance(kept, Admitted) and kept.token is not None:
            return kept.token
        raise LookupError("no access token: the request came in without one, or past its gate")


class Gate:
    """One verifier and one way to challenge; lets requests in, or raises `Refused`."""

    def __init__(
        self,
        verifier: AnyVerifier,
        *,
        realm: str | None = None,
        resource_metadata: str | None = None,
        max_staleness: float | None = None,
        when_stale: WhenStale | None = None,
        waits: bool = True,
    ) -> None:
        """Make a gate. ``waits``: requests come in threads, which may block; `admit_sync` is then to be called.

        Raises: TypeError for a `Verifier` where requests come in threads; ValueError as `Bearer`.
        """
        self.is_async: bool = inspect.iscoroutinefunction(verifier.verify)
        if waits and self.is_async:
            raise TypeError("requests come in threads here: use SyncVerifier in the place of Verifier")
        self.verifier = verifier
        self.bearer: Bearer = Bearer(realm, resource_metadata, max_staleness, when_stale)
        self.bearer.announce(verifier)
        self.stand_in: AccessToken | None = None
        """The token of every request, whatever it presents; set by `watchword.testing.override` alone."""

    def announce(self, requirement: Requirement) -> Requirement:
        """Tell the verifier in good time how fresh a view a route will ask for. Returns: the requirement.

        Raises: ValueError for a bound that cannot be kept.
        """
        keep_within = getattr(self.verifier, "keep_within", None)
        if requirement.max_staleness is not None and keep_within is not None:
            keep_within(requirement.max_staleness)
        return requirement

    async def admit(
        self,
        presented: Presented,
        requirement: Requirement = ANY_TOKEN,
        before: object = None,
        *,
        anew: bool = False,
    ) -> Admitted:
        """Let a request in.

        ``before`` is how it was let in already, if it was, by a gate further out; of another verifier it counts nothing.
        ``anew``: that may be long ago, on a connection that stays open, so that its token is looked at again.

        Returns: the request with its verified token; without one only if the requirement is optional.
        Raises: Refused, whatever is wrong.
        """
        known, found = self._known(presented, requirement, before, anew=anew)
        if found is None:
            return Admitted(known, self.verifier)
        asked = self._asked(presented, found.scheme, requirement, before)
        try:
            if self.is_async:
                token: AccessToken = await self.verifier.verify(found.raw, **asked)
            else:
                token = await self._verify_aside(found.raw, asked)
        except (TokenRejected, VerifierUnavailable) as error:
            raise self.bearer.refused(error, found.scheme) from error
        return Admitted(token, self.verifier)

    def admit_sync(
        self,
        presented: Presented,
        requirement: Requirement = ANY_TOKEN,
        before: object = None,
        *,
        anew: bool = False,
    ) -> Admitted:
        """As `admit`, without async; may block while keys are fetched."""
        known, found = self._known(presented, requirement, before, anew=anew)
        if found is None:
            return Admitted(known, self.verifier)
        asked = self._asked(presented, found.scheme, requirement, before)
        try:
            token: AccessToken = self.verifier.verify(found.raw, **asked)
        except (TokenRejected, VerifierUnavailable) as error:
            raise self.bearer.refused(error, found.scheme) from error
        return Admitted(token, self.verifier)

    def check(self, token: AccessToken | None, requirement: Requirement) -> None:
        """Look at a token that was verified before. Raises: Refused; also for None, unless that will do."""
        if token is None:
            if requirement.optional:
                return
            raise self.bearer.missing()
        try:
            check_privileges(token, **_privileges(requirement), now=self._now())
        except TokenRejected as error:
            raise self.bearer.refused(error, _scheme_of(token)) from error

    def over(self, token: AccessToken, over: TokenEnded) -> Refused:
        """What to answer to a request whose token ended while it was being answered, if nothing was said yet."""
        if over.why is Ended.STALE:
            return self.bearer.refused(VerifierUnavailable(str(over)))
        reason = RejectionReason.EXPIRED if over.why is Ended.EXPIRED else RejectionReason.REVOKED
        return self.bearer.refused(TokenRejected(reason), _scheme_of(token))

    def _known(
        self, presented: Presented, requirement: Requirement, before: object, *, anew: bool = False
    ) -> tuple[AccessToken | None, Credentials | None]:
        """What can be said without the verifier. Returns: the outcome, or None and the credentials to verify."""
        token = self.stand_in
        if token is None and not anew and not requirement.asks_freshly:
            token = self._token_before(before)
        if token is not None:
            self.check(token, requirement)
            return token, None
        found = self.bearer.presented(presented.authorization, presented.protocols)
        if found is None:
            self.check(None, requirement)
        return None, found

    def _token_before(self, before: object) -> AccessToken | None:
        return before.token if isinstance(before, Admitted) and before.by is self.verifier else None

    def _asked(self, presented: Presented, scheme: Scheme, requirement: Requirement, before: object) -> dict[str, Any]:
        asked: dict[str, Any] = _privileges(requirement)
        source = requirement if requirement.asks_freshly else self.bearer
        if source.max_staleness is not None or source.when_stale is not None:
            asked |= {"max_staleness": source.max_staleness, "when_stale": source.when_stale}
        if scheme is Scheme.DPOP or presented.certificate is not None:
            earlier = self._token_before(before)
            asked["possession"] = Possession(
                scheme,
                tuple(presented.dpop),
                presented.method,
                presented.url,
                presented.certificate,
                # Of the same request: a second look at its token must not take its proof for a replay.
                None if earlier is None else earlier.cnf,
            )
        return asked

    def _now(self) -> EpochSeconds:
        clock: Clock = getattr(self.verifier, "clock", system_clock)
        return clock.now()

    async def _verify_aside(self, raw: str, asked: dict[str, Any]) -> AccessToken:
        """Ask a `SyncVerifier` on an event loop: at once if it need not wait, else in a thread."""
        now: Callable[..., AccessToken] | None = getattr(self.verifier, "verify_now", None)
        if now is not None:
            try:
                return now(raw, **asked)
            except IntrospectionDue:
                pass
            except TokenRejected as error:
                if error.reason is not RejectionReason.UNKNOWN_KEY:
                    raise
            except VerifierUnavailable:
                pass
        return await asyncio.to_thread(self.verifier.verify, raw, **asked)


def _scheme_of(token: AccessToken) -> Scheme:
    """Which scheme a token came with, where that is not known any more: with DPoP, if it is bound to a key."""
    return Scheme.DPOP if token.cnf is not None and token.cnf.jkt is not None else Scheme.BEARER


def _privileges(requirement: Requirement) -> dict[str, Any]:
    return dict(requirement.privileges())


def body_of(refused: Refused) -> bytes:
    """The body of a refusal where the framework has none of its own: JSON with ``detail``."""
    return msgspec.json.encode({"detail": refused.detail})


def headers_of(refused: Refused) -> list[tuple[str, str]]:
    """The headers to that body."""
    length = str(len(body_of(refused)))
    return [("Content-Type", "application/json"), ("Content-Length", length), *refused.headers.items()]
