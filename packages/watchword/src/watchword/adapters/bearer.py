"""Credentials, whatever the framework: out of the request, to the verifier, into an answer (RFC 6750, RFC 9449 §7).

Imports no web framework and reads no request: adapters hand in header values and write the answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from watchword.oauth.challenge import challenge
from watchword.oauth.names import ErrorCode, Scheme
from watchword.verify.access_token import AccessToken
from watchword.verify.errors import RejectionReason, TokenRejected, VerifierUnavailable
from watchword.verify.possession import PossessionRules
from watchword.verify.staleness import WhenStale

SUBPROTOCOL: Final = "bearer"
"""The WebSocket subprotocol after which a token may stand: ``new WebSocket(url, ["bearer", token])``."""

# b64token (RFC 6750 §2.1); a comma, a space or anything outside ASCII in its place is a second credential or worse.
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
# auth-scheme (RFC 9110 §11.1); what is no such name is no other scheme either, but ours with something wrong behind it.
_SCHEME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]*")
_SECOND: Final = re.compile(r",[ \t]*(?:bearer|dpop)[ \t]", re.IGNORECASE)
_SCHEMES: Final = {"bearer": Scheme.BEARER, "dpop": Scheme.DPOP}
_UNBOUND: Final = frozenset({RejectionReason.BOUND, RejectionReason.NOT_BOUND})


class AsyncVerifier(Protocol):
    """What is asked of a verifier here; `watchword.Verifier` is one."""

    async def verify(
        self,
        raw: str,
        *,
        scopes: Collection[str] = (),
        roles: Collection[str] = (),
        max_staleness: float | None = None,
        when_stale: WhenStale | None = None,
    ) -> AccessToken: ...


class Credentials(NamedTuple):
    """A token, unverified, and the scheme it came with."""

    raw: str
    scheme: Scheme


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """A request that is answered here and goes no further."""

    def __init__(self, status: int, detail: str, headers: dict[str, str]) -> None:
        super().__init__(status, detail, headers)
        self.status = status
        self.detail = detail
        """For the body of the answer; holds nothing of the request."""
        self.headers = headers


@dataclass(slots=True)
class Bearer:
    """How one resource server challenges. ``resource_metadata`` is the URL of its metadata (RFC 9728 §5.1).

    ``max_staleness`` and ``when_stale`` are asked of every verification, if set: see `Verifier.verify`.

    Raises: ValueError if ``realm`` or ``resource_metadata`` cannot stand in a header.
    """

    realm: str | None = None
    resource_metadata: str | None = None
    max_staleness: float | None = None
    when_stale: WhenStale | None = None
    possession: PossessionRules | None = None
    """How the verifier takes proofs of possession; learnt by `announce`."""

    def __post_init__(self) -> None:
        challenge(realm=self.realm, resource_metadata=self.resource_metadata)

    async def authenticate(
        self,
        verifier: AsyncVerifier,
        raw: str | None,
        *,
        scopes: Collection[str] = (),
        roles: Collection[str] = (),
    ) -> AccessToken:
        """Verify bearer credentials that `credentials` found.

        Raises: Refused, whatever is wrong.
        """
        if raw is None:
            raise self.missing()
        try:
            if self.max_staleness is None and self.when_stale is None:
                return await verifier.verify(raw, scopes=scopes, roles=roles)
            return await verifier.verify(
                raw, scopes=scopes, roles=roles, max_staleness=self.max_staleness, when_stale=self.when_stale
            )
        except (TokenRejected, VerifierUnavailable) as error:
            raise self.refused(error) from error

    def announce(self, verifier: object) -> None:
        """Get to know a verifier, and tell it in good time how fresh a view will be asked for.

        Raises: ValueError if that cannot be had.
        """
        keep_within = getattr(verifier, "keep_within", None)
        if self.max_staleness is not None and keep_within is not None:
            keep_within(self.max_staleness)
        possession = getattr(verifier, "possession", None)
        if isinstance(possession, PossessionRules):
            self.possession = possession

    def credentials(self, authorization: Sequence[str], protocols: Iterable[str] = ()) -> str | None:
        """Find a bearer token; as `presented` otherwise.

        Returns: the token; None if the request carries no bearer credentials, other schemes included.
        """
        found = self.presented(authorization, protocols)
        return found.raw if found is not None and found.scheme is Scheme.BEARER else None

    def presented(self, authorization: Sequence[str], protocols: Iterable[str] = ()) -> Credentials | None:
        """Find the token in the values of ``Authorization`` (RFC 6750 §2.1, RFC 9449 §7.1).

        ``protocols`` are the values of ``Sec-WebSocket-Protocol``, for WebSockets only.

        Returns: token and scheme; None if the request carries neither bearer nor DPoP credentials.
        Raises: Refused, 400, for credentials that are malformed or given twice, joined by a comma included. RFC 6750
        §2: clients MUST NOT use more than one method to transmit the token in each request.
        Does not look into forms or queries: a token in a URL ends in logs (RFC 9700 §4.3.2).
        """
        offered = offered_token(protocols) if protocols else None
        if len(authorization) > 1 or (authorization and offered is not None):
            raise self._malformed("more than one credential")
        if not authorization:
            if offered is not None and not _TOKEN.fullmatch(offered):
                raise self._malformed("malformed bearer credentials")
            return None if offered is None else Credentials(offered, Scheme.BEARER)
        value = authorization[0].strip(" \t")
        name, _, raw = value.partition(" ")
        scheme = _SCHEMES.get(name.lower())
        if scheme is None:
            # Whoever is let in as nobody with bad credentials never learns that they were bad.
            if not _SCHEME.fullmatch(name) or _SECOND.search(value):
                raise self._malformed("malformed credentials")
            return None
        raw = raw.lstrip(" ")
        if not _TOKEN.fullmatch(raw):
            raise self._malformed(f"malformed {name.lower()} credentials", scheme)
        return Credentials(raw, scheme)

    def missing(self) -> Refused:
        """No credentials: 401, and a challenge without error code (RFC 6750 §3.1)."""
        return Refused(401, "an access token is required", {"WWW-Authenticate": self._offers()})

    def refused(self, error: TokenRejected | VerifierUnavailable, scheme: Scheme = Scheme.BEARER) -> Refused:
        """What to answer when verification failed: 401, 403, or 503 when the verifier is at fault and not the token.

        ``scheme`` is that of the request: the challenge answers in the same (RFC 9449 §7.1).
        """
        if isinstance(error, VerifierUnavailable):
            return Refused(503, "access tokens cannot be verified just now", {"Retry-After": str(error.retry_after)})
        status = 403 if error.error is ErrorCode.INSUFFICIENT_SCOPE else 401
        value = self._challenge(
            scheme,
            error=error.error,
            description=error.description,
            scope=error.scope,
            acr_values=error.acr_values,
            max_age=error.max_age,
        )
        # RFC 9449 §7.2: to one who took the wrong scheme, the right one is shown beside it.
        if error.reason in _UNBOUND and scheme is Scheme.BEARER and self.possession is not None:
            value = f"{value}, {challenge(Scheme.DPOP, algorithms=self.possession.dpop.algorithms)}"
        headers = {"WWW-Authenticate": value}
        if error.dpop_nonce is not None:
            headers["DPoP-Nonce"] = error.dpop_nonce
        return Refused(status, error.description, headers)

    def _malformed(self, what: str, scheme: Scheme = Scheme.BEARER) -> Refused:
        value = self._challenge(scheme, error=ErrorCode.INVALID_REQUEST, description=what)
        return Refused(400, what, {"WWW-Authenticate": value})

    def _offers(self) -> str:
        """One challenge for each scheme that will do."""
        rules = self.possession
        if rules is None or not rules.dpop.announced:
            return self._challenge(Scheme.BEARER)
        dpop = self._challenge(Scheme.DPOP)
        return dpop if rules.required else f"{self._challenge(Scheme.BEARER)}, {dpop}"

    def _challenge(
        self,
        scheme: Scheme,
        *,
        error: ErrorCode | None = None,
        description: str | None = None,
        scope: tuple[str, ...] = (),
        acr_values: tuple[str, ...] = (),
        max_age: int | None = None,
    ) -> str:
        rules = self.possession
        return challenge(
            scheme,
            realm=self.realm,
            error=error,
            description=description,
            scope=scope,
            resource_metadata=self.resource_metadata,
            # RFC 9449 §7.1: algs says with what proofs may be signed.
            algorithms=rules.dpop.algorithms if scheme is Scheme.DPOP and rules is not None else (),
            acr_values=acr_values,
            max_age=max_age,
        )


def offered_token(protocols: Iterable[str]) -> str | None:
    """The token after ``bearer`` in the values of ``Sec-WebSocket-Protocol``.

    Browsers cannot set headers on a WebSocket; this is the field they can. The server must accept with the subprotocol
    ``bearer``, or the browser gives up; never with the token itself.

    Returns: the token, unverified; an empty text if ``bearer`` stands alone or twice; None without ``bearer``.
    """
    names = [name.strip(" \t") for value in protocols for name in value.split(",")]
    if SUBPROTOCOL not in names:
        return None
    place = names.index(SUBPROTOCOL) + 1
    return names[place] if place < len(names) and names.count(SUBPROTOCOL) == 1 else ""
