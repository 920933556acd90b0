"""Who may read the feed, how much of it, and until when: the feed's own token, a client's access token, a certificate.

Answers nothing and holds no reader; what a client may ask for, the token endpoint has decided.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import math
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from watchword.clock import Clock, EpochSeconds
from watchword.jose.certificate import Certificate
from watchword.jose.jwk import KeySet
from watchword.oauth.challenge import challenge
from watchword.oauth.names import ErrorCode
from watchword.verify.access_token import AccessToken
from watchword.verify.check import check_access_token
from watchword.verify.errors import TokenRejected
from watchword.verify.policy import Policy

from watchword_server.revocation.node import FeedNode
from watchword_server.revocation.own_view import OwnView
from watchword_server.revocation.streams import Stream
from watchword_server.settings.tree import Feed as FeedSettings
from watchword_server.store.records import Record
from watchword_server.web.client_certificate import client_certificate
from watchword_server.web.problem import ProblemError

SCOPE: Final = "watchword:feed"
"""What an access token must hold to read the feed."""
LONGEST_PRESENTED: Final = 8192
"""Characters of a credential that are looked at."""
LOOK_AGAIN: Final = 5.0
"""Seconds between looks at the credentials of open streams when nothing is revoked."""
RETRY_AFTER: Final = 0.5

_log = logging.getLogger("watchword_server")


class Reader(Record, frozen=True):
    """One who may read."""

    tenant: str | None = None
    """Whose verifier it is; None: it is shown everything."""
    until: EpochSeconds = math.inf
    """When what it presented runs out."""
    token: AccessToken | None = None


class FeedAccess:
    """Lets readers in by what the settings allow; with nothing allowed (development only) everybody.

    ``policy`` judges access tokens by ``trusted_keys``, and the node's own view says which are cut off.
    """

    def __init__(
        self,
        settings: FeedSettings,
        node: FeedNode,
        *,
        policy: Policy,
        trusted_keys: Callable[[], KeySet],
        clock: Clock,
        patience: float,
    ) -> None:
        self._token = settings.token.get_secret_value().encode() if settings.token is not None else None
        self._access_tokens = settings.access_tokens
        self._certificates = frozenset(settings.certificates)
        self._open = self._token is None and not self._access_tokens and not self._certificates
        self._node = node
        self._policy = policy
        self._trusted_keys = trusted_keys
        self._clock = clock
        self._patience = patience
        self._view = OwnView(node, clock, leeway=policy.leeway)
        self._watched: dict[Stream, Reader] = {}
        self._guard: asyncio.Task[None] | None = None

    async def reader(self, request: Request) -> Reader:
        """Who asks. A credential in the Authorization header counts alone; without one, the client's certificate.

        Raises:
            ProblemError: 401 `feed_unauthorized`; 403 `insufficient_scope` for an access token that is good for other
                things.
            StoreUnavailable, TimeoutError: the log says not whether an access token was revoked.
        """
        if self._open:
            return Reader()
        authorization = request.headers.getlist("authorization")
        if not authorization:
            return self._by_certificate(request)
        presented = (
            authorization[0][7:] if len(authorization) == 1 and authorization[0][:7].lower() == "bearer " else ""
        )
        if self._token is not None and hmac.compare_digest(presented.encode("utf-8", "replace"), self._token):
            return Reader()
        if not self._access_tokens or not 0 < len(presented) <= LONGEST_PRESENTED:
            raise _refused(presented)
        reader = self._by_access_token(presented)
        await self.check(reader)
        return reader

    async def check(self, reader: Reader) -> None:
        """That what it presented is still good, by a read of the log begun now. Raises as ``reader``."""
        if reader.token is None:
            return
        async with asyncio.timeout(self._patience):
            await self._view.catch_up()
        if not self._good(reader):
            raise _refused("revoked")

    def watch(self, stream: Stream, reader: Reader) -> None:
        """End the stream when what its reader presented is good no more. To be given back by ``forget``."""
        if reader.until == math.inf:
            return
        self._watched[stream] = reader
        if self._guard is None or self._guard.done():
            self._guard = asyncio.create_task(self._watch())

    def forget(self, stream: Stream) -> None:
        """The stream is over."""
        self._watched.pop(stream, None)

    def _by_access_token(self, presented: str) -> Reader:
        try:
            token = check_access_token(presented, self._trusted_keys(), self._policy, self._clock.now())
        except TokenRejected as rejected:
            raise _refused(presented) from rejected
        # One that a client got for itself (RFC 9068 §2.2): a person who may grant this scope must not hand it on by consent.
        if SCOPE not in token.scope or token.sid is not None or token.sub != token.client_id:
            raise ProblemError(
                403,
                "insufficient_scope",
                f"Reading the revocation feed needs a token of the client's own with the scope {SCOPE}.",
                headers={"WWW-Authenticate": challenge(error=ErrorCode.INSUFFICIENT_SCOPE, scope=(SCOPE,))},
            )
        return Reader(tenant=token.tenant, until=token.exp, token=token)

    def _by_certificate(self, request: Request) -> Reader:
        certificate = client_certificate(request.scope) if self._certificates else None
        if certificate is None or self._certificates.isdisjoint(names_of(certificate)):
            raise _refused("")
        reader = Reader(until=certificate.not_after)
        if not certificate.not_before <= self._clock.now() < reader.until:
            raise _refused("")
        return reader

    def _good(self, reader: Reader) -> bool:
        if self._clock.now() >= reader.until:
            return False
        return reader.token is None or not self._view.kills(reader.token)

    async def _watch(self) -> None:
        """As long as there are streams to watch over: after every change of the log, and when one runs out."""
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        while self._watched and not self._node.draining:
            seen = self._node.changes
            try:
                async with asyncio.timeout(self._patience):
                    await self._view.catch_up()
            except Exception as error:  # noqa: BLE001 - what runs out must end, whatever keeps the log from being read
                _log.warning("feed: streams' tokens not looked up", extra={"error": type(error).__name__})
                await asyncio.sleep(RETRY_AFTER)
            for stream, reader in tuple(self._watched.items()):
                if stream.ending is not None or not self._good(reader):
                    self._node.dismiss(stream)
                    self.forget(stream)
            if not self._watched:
                return
            left = min(reader.until for reader in self._watched.values()) - self._clock.now()
            await self._node.changed(seen, min(LOOK_AGAIN, max(left, 0.01)), never)


def names_of(certificate: Certificate) -> frozenset[str]:
    """What a certificate may be called in the settings: by its names and by itself, each under its kind."""
    return frozenset(
        (
            f"x5t#S256:{certificate.thumbprint}",
            *(f"dns:{name.lower()}" for name in certificate.dns),
            *(f"uri:{name}" for name in certificate.uri),
        )
    )


def _refused(presented: str) -> ProblemError:
    return ProblemError(
        401,
        "feed_unauthorized",
        "Reading the revocation feed needs a credential that feed.* of the server allows.",
        headers={"WWW-Authenticate": challenge(error=ErrorCode.INVALID_TOKEN if presented else None)},
    )
