"""The rules by which a DPoP proof is accepted (RFC 9449 §4.3): the proof, the request it came with, now.

Pure: no clock, no network, no memory. That a proof is used once is held by ``replay``, that it is fresh by ``dpop_nonces``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection
from typing import Annotated, Any, Final, NoReturn, TypeAlias

import msgspec

from watchword.clock import EpochSeconds
from watchword.jose import base64url, jws, strict_json
from watchword.jose.algorithms import ASYMMETRIC
from watchword.jose.errors import JoseError
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.verify.target import normalised_target

DPOP_ALGORITHMS: Final = ("ES256", "Ed25519", "EdDSA", "PS256", "RS256", "ES384", "ES512", "PS384", "RS384")
"""Asymmetric, as RFC 9449 §4.2 wants it; what is announced as ``dpop_signing_alg_values_supported`` and ``algs``."""
DEFAULT_MAX_AGE_SECONDS: Final = 60.0
"""How old a proof may be, beside the leeway."""
DEFAULT_LEEWAY_SECONDS: Final = 10.0
MAX_PROOF_LENGTH: Final = 8192
"""Characters of a proof that is looked at at all; one with an RSA key of 8192 bits is shorter."""
MAX_JTI_LENGTH: Final = 256
MAX_NONCE_LENGTH: Final = 512
TYP: Final = "dpop+jwt"

_MAX_PAYLOAD_BYTES: Final = 4096 + 2048
_MAX_DEPTH: Final = 4
_YEAR_9999: Final = 253_402_300_799
_Seconds: TypeAlias = (
    Annotated[int, msgspec.Meta(ge=0, le=_YEAR_9999)] | Annotated[float, msgspec.Meta(ge=0, le=_YEAR_9999)]
)

NonceCheck: TypeAlias = Callable[[str], bool]
"""Whether a nonce is one that was given out and is still good; `DpopNonces.accepts` bound to a time is one."""


class _Claims(msgspec.Struct, gc=False):
    """RFC 9449 §4.2: what a proof holds. Anything else in these places rejects it."""

    jti: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_JTI_LENGTH)]
    htm: str
    htu: str
    iat: _Seconds
    ath: str | None = None
    nonce: Annotated[str, msgspec.Meta(max_length=MAX_NONCE_LENGTH)] | None = None
    exp: _Seconds | None = None
    nbf: _Seconds | None = None


class DpopProof(msgspec.Struct, frozen=True, gc=False):
    """A proof that broke no rule: whoever sent the request holds the key. Says nothing of who that is."""

    jkt: str
    """The SHA-256 thumbprint of the key (RFC 7638): what ``cnf.jkt`` and ``dpop_jkt`` are compared with."""
    jti: str
    iat: EpochSeconds
    htm: str
    htu: str
    """The target in its one spelling, without query and fragment."""
    nonce: str | None
    expires_at: EpochSeconds
    """When the proof is too old for anyone: until then it must be remembered as used."""
    algorithm: str

    @property
    def replay_key(self) -> str:
        """Under what the proof is remembered as used (RFC 9449 §11.1): of bounded length, and another for each key."""
        return f"dpop:{base64url.encode(hashlib.sha256(f'{self.jkt}.{self.jti}'.encode()).digest())}"


def check_dpop_proof(
    proof: str,
    *,
    method: str,
    url: str,
    now: EpochSeconds,
    access_token: str | None = None,
    nonce: NonceCheck | None = None,
    max_age: float = DEFAULT_MAX_AGE_SECONDS,
    leeway: float = DEFAULT_LEEWAY_SECONDS,
    algorithms: Collection[str] = DPOP_ALGORITHMS,
) -> DpopProof:
    """Check a DPoP proof as RFC 9449 §4.3 says, but for what needs a memory.

    ``proof`` is the value of the one ``DPoP`` header (see `single_proof`); ``method`` and ``url`` are those of the
    request as the client sent it, query and fragment allowed and ignored; ``access_token`` is the token the request
    carries, at a protected resource, and must be named by ``ath``. ``nonce`` decides about the nonce; with it, a proof
    without a good one is answered by ``use_dpop_nonce`` (§8, §9), after everything else was found right. ``max_age``
    and ``leeway`` are in seconds: a proof may be older by both, and newer by ``leeway``.

    Returns: what the proof says; compare ``jkt`` with the key that the token, code or refresh token is bound to.
    Raises: OAuthError ``invalid_dpop_proof`` or ``use_dpop_nonce``, and never another exception whatever ``proof`` and
    ``url`` are; ValueError for algorithms that are not asymmetric ones of this library.
    Does not remember it: whoever accepts it must see to its first use (``replay_key``, ``expires_at``).
    """
    allowed = algorithms if isinstance(algorithms, frozenset) else frozenset(algorithms)
    if isinstance(algorithms, str) or not allowed or not allowed <= ASYMMETRIC:
        raise ValueError("algorithms must be asymmetric ones")  # §4.2: MUST NOT be none or a symmetric algorithm
    verified = _verified(proof, allowed)
    claims = _claims(verified.payload)
    # §4.3, 8: htm matches the HTTP method. Methods are case-sensitive (RFC 9110 §9.1).
    if claims.htm != method:
        _refuse("the proof is for another method")
    # §4.3, 9: htu matches the URI of the request, ignoring any query and fragment parts.
    target = normalised_target(url)
    if target is None or normalised_target(claims.htu) != target:
        _refuse("the proof is for another target")
    _check_times(claims, now, max_age, leeway)
    if access_token is not None:
        _check_access_token_hash(claims.ath, access_token)
    # §4.3, 10. Last, so that nobody is told to come again with a proof that would be refused all the same.
    if nonce is not None and (claims.nonce is None or not nonce(claims.nonce)):
        raise OAuthError(ErrorCode.USE_DPOP_NONCE, "the proof needs a nonce of this server, or a newer one")
    return DpopProof(
        jkt=verified.key.thumbprint(),
        jti=claims.jti,
        iat=claims.iat,
        htm=claims.htm,
        htu=target,
        nonce=claims.nonce,
        expires_at=claims.iat + max_age + leeway,
        algorithm=verified.header["alg"],
    )


def single_proof(values: Collection[str]) -> str | None:
    """The proof among the values of the ``DPoP`` header.

    Returns: the one value, unverified; None without any.
    Raises: OAuthError ``invalid_dpop_proof`` if there are several (RFC 9449 §4.3, 1: not more than one DPoP header).
    """
    if len(values) > 1:
        _refuse("more than one proof")
    return next(iter(values), None)


def access_token_hash(access_token: str) -> str:
    """The value of ``ath`` (RFC 9449 §4.2): base64url of SHA-256 of the token's ASCII."""
    return base64url.encode(hashlib.sha256(access_token.encode("utf-8", "replace")).digest())


def _verified(proof: str, algorithms: frozenset[str]) -> jws.VerifiedJws:
    try:
        parsed = jws.parse(proof.strip(" \t"), max_length=MAX_PROOF_LENGTH)
        # §4.3, 4: the typ JOSE Header Parameter has the value dpop+jwt. A media type: case means nothing (RFC 7515
        # §4.1.9), and a name without a slash is short for application/.
        typ = parsed.header.get("typ", "").lower()
        if typ not in {TYP, f"application/{TYP}"}:
            _refuse("the proof is not of type dpop+jwt")
        # §4.3, 5 to 7: an allowed algorithm, a signature by the key in jwk, and no private key in there.
        return jws.verify_parsed_with_embedded_key(parsed, algorithms=algorithms)
    except JoseError as error:
        raise OAuthError(
            ErrorCode.INVALID_DPOP_PROOF, "the proof is malformed or not signed by its key", detail=error.message
        ) from None


def _claims(payload: bytes) -> _Claims:
    try:
        members: dict[str, Any] = strict_json.decode_object(payload, max_depth=_MAX_DEPTH, max_bytes=_MAX_PAYLOAD_BYTES)
        return msgspec.convert(members, _Claims)
    except (JoseError, msgspec.ValidationError):
        _refuse("the proof lacks a claim, or holds one of the wrong type")


def _check_times(claims: _Claims, now: EpochSeconds, max_age: float, leeway: float) -> None:
    # §4.3, 11: the creation time, iat, is within an acceptable window; §11.1: in the past and in the near future.
    if now >= claims.iat + max_age + leeway:
        _refuse("the proof is too old")
    if now < claims.iat - leeway:
        _refuse("the proof was made in the future")
    # Nothing asks for these two in a proof; where they stand they mean what they say (RFC 7519 §4.1.4, §4.1.5).
    if claims.exp is not None and now >= claims.exp + leeway:
        _refuse("the proof has expired")
    if claims.nbf is not None and now < claims.nbf - leeway:
        _refuse("the proof is not valid yet")


def _check_access_token_hash(ath: str | None, access_token: str) -> None:
    # §4.3, 12: the value of ath equals the hash of the access token.
    if ath is None or not hmac.compare_digest(ath.encode("utf-8", "replace"), access_token_hash(access_token).encode()):
        _refuse("the proof is for another access token")


def _refuse(description: str) -> NoReturn:
    raise OAuthError(ErrorCode.INVALID_DPOP_PROOF, description)
