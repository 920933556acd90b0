"""Machines that call: known by a token of the settings, or by an access token that a client got for itself.

Answers nothing and knows no endpoint: what a caller may do, its scope or its place in the settings says.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pydantic import SecretStr
from watchword.clock import Clock
from watchword.jose.jwk import KeySet
from watchword.oauth.challenge import challenge
from watchword.oauth.names import ErrorCode
from watchword.verify.check import check_access_token
from watchword.verify.errors import TokenRejected
from watchword.verify.policy import Policy

from watchword_server.revocation.own_view import OwnView
from watchword_server.web.problem import ProblemError

LONGEST_PRESENTED: Final = 8192


class Machines:
    """Tells machines by what they present. ``known``: token by name; ``access_tokens``: whether those of clients count, which
    ``policy`` judges by ``trusted_keys``, and of which ``view`` says whether they are cut off.
    """

    def __init__(
        self,
        known: Mapping[str, SecretStr],
        *,
        access_tokens: bool,
        policy: Policy,
        trusted_keys: Callable[[], KeySet],
        view: OwnView,
        clock: Clock,
    ) -> None:
        # By digest, so that a look-up tells nothing of how much of a token was right.
        self._known = {_digest(token.get_secret_value()): name for name, token in known.items()}
        self._access_tokens = access_tokens
        self._policy = policy
        self._trusted_keys = trusted_keys
        self._view = view
        self._clock = clock

    async def caller(self, authorization: Sequence[str], *scopes: str) -> str:
        """The machine that calls: its name in the settings, or ``client:<client_id>``.

        ``scopes``: of which an access token must hold one.
        Raises: ProblemError 401, 403; StoreUnavailable when the log does not say whether the token was revoked.
        """
        presented = (
            authorization[0][7:] if len(authorization) == 1 and authorization[0][:7].lower() == "bearer " else ""
        )
        if not 0 < len(presented) <= LONGEST_PRESENTED:
            raise _refused(presented)
        digest = _digest(presented)
        for known, name in self._known.items():
            if hmac.compare_digest(known, digest):
                return name
        if not self._access_tokens:
            raise _refused(presented)
        return await self._by_access_token(presented, scopes)

    async def _by_access_token(self, presented: str, scopes: tuple[str, ...]) -> str:
        try:
            token = check_access_token(presented, self._trusted_keys(), self._policy, self._clock.now())
        except TokenRejected as rejected:
            raise _refused(presented) from rejected
        # One that a client got for itself (RFC 9068 §2.2): no account can hand on by consent what concerns everybody.
        own = token.sid is None and token.sub == token.client_id
        if not own or not set(scopes) & set(token.scope):
            raise ProblemError(
                403,
                "insufficient_scope",
                f"This needs a token of the client's own with the scope {scopes[0]}.",
                headers={"WWW-Authenticate": challenge(error=ErrorCode.INSUFFICIENT_SCOPE, scope=scopes[:1])},
            )
        await self._view.catch_up()
        if self._view.kills(token):
            raise _refused(presented)
        return f"client:{token.client_id}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _refused(presented: str) -> ProblemError:
    return ProblemError(
        401,
        "caller_unknown",
        "This needs a token that the settings of the server allow here.",
        headers={"WWW-Authenticate": challenge(error=ErrorCode.INVALID_TOKEN if presented else None)},
    )
