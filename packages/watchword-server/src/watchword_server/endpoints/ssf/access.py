"""Who may manage streams and fetch events: receivers of the settings by their token, clients by an access token.

Answers nothing and knows no stream.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Final

from watchword.clock import Clock
from watchword.jose.jwk import KeySet
from watchword.oauth.challenge import challenge
from watchword.oauth.names import ErrorCode
from watchword.verify.check import check_access_token
from watchword.verify.errors import TokenRejected
from watchword.verify.policy import Policy

from watchword_server.revocation.own_view import OwnView
from watchword_server.settings.deliveries import Ssf
from watchword_server.web.problem import ProblemError

MANAGE: Final = "ssf.manage"
READ: Final = "ssf.read"
LONGEST_PRESENTED: Final = 8192


class Receivers:
    """Tells receivers by what they present. ``policy`` judges access tokens, ``view`` says which are cut off."""

    def __init__(
        self, settings: Ssf, *, policy: Policy, trusted_keys: Callable[[], KeySet], view: OwnView, clock: Clock
    ) -> None:
        # By digest, so that a look-up tells nothing of how much of a token was right.
        self._known = {_digest(token.get_secret_value()): name for name, token in settings.receivers.items()}
        self._access_tokens = settings.access_tokens
        self._policy = policy
        self._trusted_keys = trusted_keys
        self._view = view
        self._clock = clock

    async def receiver(self, authorization: Sequence[str], *, scope: str) -> str:
        """The receiver that asks: its name in the settings, or ``client:<client_id>``.

        ``scope``: what an access token must hold; ``ssf.manage`` does for ``ssf.read`` too.
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
        return await self._by_access_token(presented, scope)

    async def _by_access_token(self, presented: str, scope: str) -> str:
        try:
            token = check_access_token(presented, self._trusted_keys(), self._policy, self._clock.now())
        except TokenRejected as rejected:
            raise _refused(presented) from rejected
        # One that a client got for itself (RFC 9068 §2.2): no account can hand a stream of everybody's events on by consent.
        own = token.sid is None and token.sub == token.client_id
        if not own or not {scope, MANAGE} & set(token.scope):
            raise ProblemError(
                403,
                "insufficient_scope",
                f"This needs a token of the client's own with the scope {scope}.",
                headers={"WWW-Authenticate": challenge(error=ErrorCode.INSUFFICIENT_SCOPE, scope=(scope,))},
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
        "receiver_unknown",
        "Streams of events are managed with a token that ssf.* of the server allows.",
        headers={"WWW-Authenticate": challenge(error=ErrorCode.INVALID_TOKEN if presented else None)},
    )
