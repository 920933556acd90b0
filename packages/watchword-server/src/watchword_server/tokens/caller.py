"""Who calls a first-party endpoint: the server's own access tokens, verified with the library and checked in the store.

Does not serve resource servers; they verify offline with `watchword.verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from watchword.clock import Clock
from watchword.jose.jwk import KeySet
from watchword.oauth.challenge import challenge
from watchword.oauth.names import ErrorCode
from watchword.verify.access_token import AccessToken
from watchword.verify.check import check_access_token
from watchword.verify.errors import TokenRejected
from watchword.verify.policy import Policy

from watchword_server.store.port import Sessions
from watchword_server.store.records import SessionView
from watchword_server.tokens.claims import FIRST_PARTY
from watchword_server.web.metrics import Metrics
from watchword_server.web.problem import ProblemError

MAX_AUTHORIZATION = 8192
"""Characters of an Authorization header that are looked at; own tokens are far shorter."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified token whose session lives, with the account as the store knows it now."""

    token: AccessToken
    view: SessionView

    @property
    def sid(self) -> str:
        """The session of the call."""
        return self.view.session.sid


class Callers:
    """Authenticates calls by bearer token. One answer for every defect, so that probing teaches nothing."""

    def __init__(
        self, store: Sessions, trusted_keys: Callable[[], KeySet], policy: Policy, clock: Clock, metrics: Metrics
    ) -> None:
        self._store = store
        self._trusted_keys = trusted_keys
        self._policy = policy
        self._clock = clock
        self._metrics = metrics

    def token(self, authorization: Sequence[str]) -> AccessToken:
        """The first-party token of an Authorization header, checked for everything but whether its session lives.

        Raises:
            ProblemError: 401 `unauthenticated` without credentials; 401 `invalid_token` for whatever else is wrong.
        """
        raw = self._raw(authorization)
        try:
            token = check_access_token(raw, self._trusted_keys(), self._policy, self._clock.now())
        except TokenRejected as rejected:
            self._metrics.verifications.labels(str(rejected.reason)).inc()
            raise _invalid() from rejected
        if token.client_id != FIRST_PARTY or token.sid is None:
            self._metrics.verifications.labels("client").inc()
            raise _invalid()
        return token

    async def authenticate(self, authorization: Sequence[str], *, scope: str | None = None) -> Caller:
        """The caller, its session proven alive by the store in this very call; with ``scope``, holding that too.

        Raises:
            ProblemError: 401 as ``token``, also for a session that was ended or cut off; 403 `insufficient_scope`.
        """
        token = self.token(authorization)
        view = await self._store.session_view(token.sid or "", token.sub, jti=token.jti)
        if view is None or not view.alive or token.rev is None or token.rev < view.token_cut_off:
            self._metrics.verifications.labels("revoked").inc()
            raise _invalid()
        self._metrics.verifications.labels("accepted").inc()
        if scope is not None and scope not in token.scope:
            raise ProblemError(
                403,
                "insufficient_scope",
                f"This call needs the scope {scope}.",
                headers={"WWW-Authenticate": challenge(error=ErrorCode.INSUFFICIENT_SCOPE, scope=(scope,))},
            )
        return Caller(token, view)

    def _raw(self, authorization: Sequence[str]) -> str:
        if not authorization:
            raise ProblemError(
                401,
                "unauthenticated",
                "Send the access token as `Authorization: Bearer`.",
                headers={"WWW-Authenticate": challenge()},
            )
        scheme, _, raw = authorization[0].partition(" ")
        if len(authorization) > 1 or scheme.lower() != "bearer" or not 0 < len(raw) <= MAX_AUTHORIZATION:
            self._metrics.verifications.labels("malformed").inc()
            raise _invalid()
        return raw


def _invalid() -> ProblemError:
    return ProblemError(
        401,
        "invalid_token",
        "The access token is not valid here, or its session has ended. Refresh it, or log in.",
        headers={"WWW-Authenticate": challenge(error=ErrorCode.INVALID_TOKEN)},
    )
