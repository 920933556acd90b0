"""The rules for tokens bound to a key or a certificate (RFC 9449 §7, RFC 8705 §3), and what a request shows for them.

Reads no request: adapters say what it presented. Pure but for nonces, which depend on ``now`` alone.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NoReturn

from watchword.clock import Clock, EpochSeconds, system_clock
from watchword.jose.algorithms import ASYMMETRIC
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode, Scheme
from watchword.verify.access_token import AccessToken, Confirmation
from watchword.verify.dpop import (
    DEFAULT_LEEWAY_SECONDS,
    DEFAULT_MAX_AGE_SECONDS,
    DPOP_ALGORITHMS,
    DpopProof,
    check_dpop_proof,
    single_proof,
)
from watchword.verify.dpop_nonces import DpopNonces
from watchword.verify.errors import RejectionReason, TokenRejected
from watchword.verify.replay import AsyncReplayMemory, LocalReplayMemory, ReplayMemory, ReplayMemoryUnavailable
from watchword.verify.target import normalised_target

_MAX_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Possession:
    """What a request shows beside its token. The default shows nothing: a plain bearer token.

    ``scheme`` is that of ``Authorization``; ``proofs`` are all values of the header ``DPoP``, to which belong ``method``
    and ``url``, as the client sent them; ``certificate`` is the thumbprint (``x5t#S256``) of the certificate with which
    the client opened the connection. ``proven`` is what was proven of this very request before, further out: it is not
    asked again, since a proof is good once.
    """

    scheme: Scheme = Scheme.BEARER
    proofs: tuple[str, ...] = field(default=(), repr=False)
    method: str = ""
    url: str = field(default="", repr=False)
    certificate: str | None = None
    proven: Confirmation | None = None


NOTHING_SHOWN: Final = Possession()


@dataclass(frozen=True, slots=True)
class Dpop:
    """How one resource server takes DPoP proofs (RFC 9449).

    ``replay`` remembers used proofs: by default each process its own, which where several serve the same resource
    lets a proof pass once in each; a `SharedReplayMemory` closes that. ``nonces``, if set, are asked for in every
    proof. ``max_age`` and ``leeway`` are in seconds. ``public_url`` (``https://api.example``, or
    with the path that a proxy takes away) is put in the place of the request's own scheme and host where a proxy in front
    has another name or ends TLS. ``announced``: challenges offer DPoP also to
    those who did not use it.

    Raises: ValueError for what cannot be.
    """

    replay: ReplayMemory | AsyncReplayMemory = field(default_factory=LocalReplayMemory)
    nonces: DpopNonces | None = None
    algorithms: Collection[str] = DPOP_ALGORITHMS
    max_age: float = DEFAULT_MAX_AGE_SECONDS
    leeway: float = DEFAULT_LEEWAY_SECONDS
    public_url: str | None = None
    announced: bool = True

    def __post_init__(self) -> None:
        algorithms = tuple(dict.fromkeys(self.algorithms))
        if isinstance(self.algorithms, str) or not algorithms or not ASYMMETRIC.issuperset(algorithms):
            raise ValueError("algorithms must be asymmetric ones")
        object.__setattr__(self, "algorithms", algorithms)
        if not 0 < self.max_age <= _MAX_SECONDS or not 0 <= self.leeway <= _MAX_SECONDS:
            raise ValueError(f"max_age and leeway must be between 0 and {_MAX_SECONDS:.0f} s")
        if self.public_url is not None and (
            normalised_target(self.public_url) is None or "?" in self.public_url or "#" in self.public_url
        ):
            raise ValueError("public_url must be a URL without query and fragment, such as https://api.example")


class FirstUseDue(ReplayMemoryUnavailable):
    """Raised by `verify_now` where only a memory that must be waited for can tell whether a proof was used before.

    `verify` asks it.
    """

    def __init__(self, token: AccessToken, proof: DpopProof) -> None:
        super().__init__("whether the proof was used before must be asked of a memory elsewhere")
        self.token: AccessToken = token
        """Good but for that."""
        self.proof: DpopProof = proof


class PossessionRules:
    """What one verifier asks of requests that bring tokens. ``required``: only bound tokens are accepted."""

    __slots__ = ("_public_url", "dpop", "required")

    def __init__(self, dpop: Dpop | None, *, required: bool, clock: Clock = system_clock) -> None:
        self.dpop: Dpop = Dpop(LocalReplayMemory(clock=clock), announced=required) if dpop is None else dpop
        self.required: bool = required
        url = None if self.dpop.public_url is None else normalised_target(self.dpop.public_url)
        self._public_url = None if url is None else url.rstrip("/")

    def check(self, raw: str, token: AccessToken, possession: Possession | None, now: EpochSeconds) -> DpopProof | None:
        """Check that whoever sent a verified token is the one it was issued to.

        Returns: the proof, if there was one, which must now be seen to be used for the first time.
        Raises: TokenRejected.
        """
        shown = NOTHING_SHOWN if possession is None else possession
        bound_to = token.cnf
        if bound_to is None:
            # RFC 9449 §7.1: the resource server confirms that the token is bound to the key of the proof. One that is
            # bound to nothing is a bearer token in the wrong scheme.
            if shown.scheme is Scheme.DPOP or self.required:
                raise TokenRejected(RejectionReason.NOT_BOUND)
            return None
        if shown.proven is not None and shown.proven == bound_to:
            return None
        # RFC 8705 §3: the certificate of the connection MUST match; otherwise 401 and invalid_token.
        if bound_to.x5t is not None and not (shown.certificate and _equal(shown.certificate, bound_to.x5t)):
            raise TokenRejected(RejectionReason.BOUND)
        if bound_to.jkt is None:
            if bound_to.x5t is None or shown.scheme is Scheme.DPOP:
                raise TokenRejected(RejectionReason.BOUND)
            return None
        # RFC 9449 §7.2: MUST reject a DPoP-bound access token received as a bearer token.
        if shown.scheme is not Scheme.DPOP:
            raise TokenRejected(RejectionReason.BOUND)
        proof = self._proof(raw, shown, now)
        if not _equal(proof.jkt, bound_to.jkt):
            raise TokenRejected(RejectionReason.BOUND, "the access token is bound to another key than the proof's")
        return proof

    def used_first(self, token: AccessToken, proof: DpopProof) -> None:
        """See to it that a proof is used once. Raises: TokenRejected; FirstUseDue where a memory must be waited for."""
        memory = self.dpop.replay
        if not isinstance(memory, LocalReplayMemory):
            raise FirstUseDue(token, proof)
        if not memory.first_use(proof.replay_key, proof.expires_at):
            raise TokenRejected(RejectionReason.REPLAYED)

    def nonce(self, used: str | None, now: EpochSeconds) -> str | None:
        """The nonce to give out with an answer, unless the client has it already; None without nonces."""
        nonces = self.dpop.nonces
        return None if nonces is None else nonces.newer(used, now)

    def _proof(self, raw: str, shown: Possession, now: EpochSeconds) -> DpopProof:
        dpop = self.dpop
        try:
            proof = single_proof(shown.proofs)
            if proof is None:
                raise TokenRejected(RejectionReason.DPOP_PROOF, "a DPoP proof is required")
            return check_dpop_proof(
                proof,
                method=shown.method,
                url=self._url(shown.url),
                now=now,
                access_token=raw,
                nonce=None if dpop.nonces is None else partial(dpop.nonces.accepts, now=now),
                max_age=dpop.max_age,
                leeway=dpop.leeway,
                algorithms=dpop.algorithms,
            )
        except OAuthError as error:
            self._refuse(error, now)

    def _refuse(self, error: OAuthError, now: EpochSeconds) -> NoReturn:
        wants_nonce = error.code is ErrorCode.USE_DPOP_NONCE
        reason = RejectionReason.DPOP_NONCE if wants_nonce else RejectionReason.DPOP_PROOF
        rejected = TokenRejected(reason, error.description)
        rejected.dpop_nonce = self.nonce(None, now) if wants_nonce else None
        raise rejected from None

    def _url(self, url: str) -> str:
        if self._public_url is None:
            return url
        _, _, rest = url.partition("://")
        _, slash, path = rest.partition("/")
        return f"{self._public_url}{slash}{path}"


def proven_by(token: AccessToken, possession: Possession | None) -> Possession:
    """The same request, whose token was found to be its own: for those who look at it once more."""
    return replace(NOTHING_SHOWN if possession is None else possession, proven=token.cnf)


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
