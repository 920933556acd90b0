"""Proofs of possession that come with a request to this server (RFC 9449): checked, fresh, used once.

Compares with nothing: what key a code, token or client is bound to is for the caller.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from watchword.clock import Clock
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.verify.dpop import DPOP_ALGORITHMS, DpopProof, check_dpop_proof, single_proof
from watchword.verify.dpop_nonces import DpopNonces

from watchword_server.clients.metadata import Client
from watchword_server.clients.registration import FAPI2_ALGORITHMS
from watchword_server.store.authorization_port import Replays

REPLAY_PURPOSE: Final = "dpop"


def check_proof_algorithm(client: Client, proof: DpopProof | None) -> None:
    """FAPI 2.0 Security Profile §5.4.1: JWTs of such a client are signed by PS256, ES256 or EdDSA. Raises OAuthError."""
    if client.is_fapi2 and proof is not None and proof.algorithm not in FAPI2_ALGORITHMS:
        raise OAuthError(ErrorCode.INVALID_DPOP_PROOF, "this client's proofs are signed by PS256, ES256 or EdDSA")


class Proofs:
    """Checks proofs for the endpoints of this server."""

    def __init__(
        self, *, replays: Replays, clock: Clock, issuer: str, nonces: DpopNonces | None, max_age: float
    ) -> None:
        """``nonces`` None: no nonce is asked for. ``max_age`` in seconds. The target of a proof is built from the issuer,
        never from the Host header.
        """
        self._replays = replays
        self._clock = clock
        self._issuer = issuer
        self._nonces = nonces
        self._max_age = max_age

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Algorithms of proofs, for discovery."""
        return DPOP_ALGORITHMS

    async def dpop(
        self,
        values: Sequence[str],
        *,
        method: str,
        path: str,
        origin: str | None = None,
        access_token: str | None = None,
    ) -> DpopProof | None:
        """The proof among the values of the DPoP header; None without one. ``origin``: that of the settings which the request
        was sent to, when it is not the issuer (RFC 8705 §5).

        Raises OAuthError ``invalid_dpop_proof``, also for one that was used before, on whatever host; ``use_dpop_nonce``,
        to be answered with `nonce_headers`.
        """
        raw = single_proof(values)
        if raw is None:
            return None
        now = self._clock.now()
        nonces = self._nonces
        proof = check_dpop_proof(
            raw,
            method=method,
            url=(origin or self._issuer) + path,
            now=now,
            access_token=access_token,
            nonce=None if nonces is None else lambda nonce: nonces.accepts(nonce, now),
            max_age=self._max_age,
        )
        digest = hashlib.sha256(proof.replay_key.encode()).digest()
        # RFC 9449 §11.1: to prevent multiple uses, servers can store the jti for the time it would be accepted.
        if not await self._replays.first_use(REPLAY_PURPOSE, digest, expires_at=proof.expires_at):
            raise OAuthError(ErrorCode.INVALID_DPOP_PROOF, "the proof was used before")
        return proof

    def nonce_headers(self) -> dict[str, str]:
        """What every answer to a client that may use DPoP carries, where nonces are asked for (RFC 9449 §8.2)."""
        return {} if self._nonces is None else {"DPoP-Nonce": self._nonces.issue(self._clock.now())}
