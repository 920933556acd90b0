"""One question to the feed, and its answer: with a nonce of its own, read by the feed's keys or not at all.

Decides neither when to ask nor what becomes of the answer (``feed``).
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from concurrent.futures import wait
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

from watchword.jose.jwk import KeySet
from watchword.transport import Request, Response, Transport
from watchword.verify import answer
from watchword.verify.answer import Batch, FeedError, ForgedAnswer, PushedBatch, UnknownFeedKey, parse_batch
from watchword.verify.errors import KeysUnavailable
from watchword.verify.feed_settings import TokenProvider, check_token
from watchword.verify.keys import KeySource, RemoteKeys
from watchword.verify.naming import Label
from watchword.verify.nonces import HEADER as NONCES_HEADER
from watchword.verify.nonces import nonce_in

if TYPE_CHECKING:
    from watchword.verify.shared import SharedFeed

PAGE_ENTRIES: Final = 1000
_NONCE_BYTES: Final = 16

_Read = TypeVar("_Read")


class CursorRefused(FeedError):  # noqa: N818 - a finding about the answer
    """The feed does not understand the question; perhaps because of the cursor."""


class Questions:
    """Asks the feed of ``issuer`` at ``url``, with its credential and its keys (None: it does not sign)."""

    def __init__(
        self,
        transport: Transport,
        *,
        issuer: str,
        url: str,
        token: str | TokenProvider | None,
        timeout: float,
        label: Label,
        keys: KeySource | None,
        token_keys: Callable[[], KeySet | None],
    ) -> None:
        """Prepare it; ``timeout`` bounds the wait for newer keys, ``token_keys`` are those no answer may be signed by."""
        self.url = url
        self.signed: bool = keys is not None
        self._headers: dict[str, str] = {
            "Accept": f"{answer.MEDIA_TYPE}, application/json",
            "Cache-Control": "no-cache",
        }
        self._token = token
        self._asking_for_token = threading.Lock()
        self.shared: SharedFeed | None = None
        """By way of whom the feed is asked, if it is shared."""
        self._label = label
        self._transport = transport
        self._issuer = issuer
        self._timeout = timeout
        self._keys = keys
        self._token_keys = token_keys
        self._distrusted: tuple[KeySet | None, frozenset[str]] = (None, frozenset())

    def headers(self) -> dict[str, str]:
        """The headers of a question asked now. Raises: FeedError if there is no credential to ask with."""
        headers = {**self._headers, **self._label.headers()}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._credential(self._token)}"
        return headers

    def after_fork(self) -> None:
        """In the child: forget a lock that another thread held."""
        self._asking_for_token = threading.Lock()

    def ask(self, cursor: str | None, *, held: float, timeout: float, gather: float = 0.0) -> Batch:
        """Ask for the page after ``cursor``; ``held``: seconds to have the question held until there is news;
        ``gather``: seconds in which those who share the feed may join in.

        Raises: FeedError, TransportError, KeysUnavailable.
        """
        nonce = urlsafe_b64encode(os.urandom(_NONCE_BYTES)).rstrip(b"=").decode()
        query = f"limit={PAGE_ENTRIES}"
        if cursor is not None:
            query = f"cursor={quote(cursor, safe='')}&{query}"
        if self.signed:
            query = f"{query}&nonce={nonce}"
        if held:
            query = f"{query}&wait={held:.2f}"
        request = Request(
            f"{self.url}{'&' if '?' in self.url else '?'}{query}",
            headers=self.headers(),
            timeout=timeout + held,
            max_bytes=answer.MAX_ANSWER_BYTES,
        )
        response = None
        if self.shared is not None and not held:
            most = answer.MAX_ANSWER_BYTES
            response = self.shared.ask(cursor, nonce, gather=gather, timeout=timeout, max_bytes=most)
        shared = response is not None
        if response is None:
            response = self._transport.fetch(request)
        if response.status == 400 and not held:
            raise CursorRefused("feed answered 400")
        if response.status != 200:
            raise FeedError(f"feed answered {response.status}")
        if not self.signed:
            return parse_batch(response.body)
        if response.headers.get("content-type", "").startswith("application/json"):
            # Told apart only for the sake of the message: it would be refused as unsigned all the same.
            raise ForgedAnswer("feed does not sign its answers, so they prove nothing; update the server")
        try:
            return self._read(response, nonce, cursor)
        except ForgedAnswer:
            if shared and self.shared is not None:
                self.shared.avoid("it gave a forged answer")
            raise

    def _read(self, response: Response, nonce: str, cursor: str | None) -> Batch:
        repeated: str | None = nonce
        if nonces := response.headers.get(NONCES_HEADER):
            repeated = nonce_in(nonce, nonces)
        if repeated is None:
            raise ForgedAnswer("answer is to others' questions")
        return self._with_keys(
            lambda keys: answer.read_page(
                response.body,
                keys,
                issuer=self._issuer,
                nonce=repeated,
                cursor=cursor,
                distrusted=self._thumbprints(),
            )
        )

    def read_pushed(self, raw: bytes) -> PushedBatch:
        """Read a batch that was pushed. Raises: FeedError, KeysUnavailable. Does not apply it."""
        return self._with_keys(
            lambda keys: answer.read_pushed(raw, keys, issuer=self._issuer, distrusted=self._thumbprints())
        )

    def close(self) -> None:
        """Fetch no more keys."""
        if isinstance(self._keys, RemoteKeys):
            self._keys.background.stop()

    def _credential(self, token: str | TokenProvider) -> str:
        if isinstance(token, str):
            return token
        try:
            with self._asking_for_token:  # questions and streams have threads of their own
                given = token()
                return check_token(asyncio.run(_awaited(given)) if inspect.isawaitable(given) else given)
        except Exception as error:  # noqa: BLE001 - whatever it was, there is nothing to ask with
            # Its name alone: the message may hold a secret.
            raise FeedError(f"no credential for the feed: {type(error).__name__}") from None

    def _with_keys(self, read: Callable[[KeySet], _Read]) -> _Read:
        """Read with the feed's keys; once more with newer ones if they might help."""
        source = self._keys
        if source is None:
            raise KeysUnavailable("the feed has no keys")
        keys = None
        try:
            keys = source.current()
            return read(keys)
        except (KeysUnavailable, UnknownFeedKey):
            step = source.refresh()
            if step is not None:
                wait([step], self._timeout)
            newer = source.current()
            if newer is keys:
                raise
            return read(newer)

    def _thumbprints(self) -> frozenset[str]:
        keys = self._token_keys()
        if keys is not self._distrusted[0]:
            self._distrusted = (keys, frozenset(key.thumbprint() for key in keys or ()))
        return self._distrusted[1]


async def _awaited(given: Awaitable[str]) -> str:
    return await given
