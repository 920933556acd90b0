"""`GET /revocations` and `GET /revocations/keys`: who may ask, and how the answer is given.

Writes nothing. Reading needs a credential (access.py), since an open feed would tell strangers who logs out when.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from watchword_server.endpoints.feed.access import FeedAccess, Reader
from watchword_server.endpoints.feed.holding import COME_BACK, EventStream, Places, departure
from watchword_server.endpoints.feed.question import Question, accepts, parse_question
from watchword_server.keys.jwks import JwksDocument
from watchword_server.revocation.node import FeedNode
from watchword_server.revocation.verifiers import Verifiers
from watchword_server.revocation.wire import (
    SIGNED_MEDIA_TYPE,
    STREAM_MEDIA_TYPE,
    last_place,
    plain_page,
    signed_page,
)
from watchword_server.settings.tree import Feed as FeedSettings
from watchword_server.store.records import CutOffBatch
from watchword_server.web.documents import document_response
from watchword_server.web.metrics import Metrics, held_for
from watchword_server.web.problem import ProblemError

T = TypeVar("T")

PATH: Final = "/revocations"
KEYS_PATH: Final = "/revocations/keys"
KEYS_MAX_AGE: Final = 60
"""Seconds a verifier may keep the feed's keys: how long a distrusted one may go on being believed."""
SMALLEST_PACKED: Final = 1024
"""Bytes; below, gzip costs more than it saves."""
_PACKED_ASIDE: Final = 64 << 10
"""Bytes from which packing is left to another thread."""
_PACKING_LEVEL: Final = 4


class Feed:
    """The endpoints over one node.

    ``access`` lets readers in. ``patience``: seconds for one read of the store. ``verifiers`` is told who asks and what
    was sent.
    """

    def __init__(
        self,
        node: FeedNode,
        metrics: Metrics,
        *,
        access: FeedAccess,
        keys: Callable[[], JwksDocument],
        issuer: str,
        settings: FeedSettings,
        patience: float,
        verifiers: Verifiers,
    ) -> None:
        self._node = node
        self._verifiers = verifiers
        self._metrics = metrics
        self._keys = keys
        self._issuer = issuer
        self._access = access
        self._keep_alive = settings.keep_alive
        self._patience = patience
        self._places = Places(settings.max_readers, metrics)

    def routes(self) -> list[Route]:
        """Where they are mounted."""
        return [Route(PATH, self.read, methods=["GET"]), Route(KEYS_PATH, self.serve_keys, methods=["GET"])]

    async def serve_keys(self, request: Request) -> Response:
        """The JWK set of feed keys: active, next and retired; a distrusted one is gone at once."""
        document = self._keys()
        return document_response(request, document.body, document.etag, max_age=KEYS_MAX_AGE)

    async def read(self, request: Request) -> Response:
        """A page after `cursor`, a signed one with `nonce`, once there is news with `wait`; or a stream of events."""
        reader = await self._in_time(self._access.reader(request))
        question = parse_question(request)
        if question.stream:
            return await self._stream(question, request, reader)
        self._verifiers.asked(question.verifier, question.cursor, held=question.wait > 0)
        if question.wait > 0:
            batch = await self._held(question, request, reader)
            # It was let in a while ago.
            await self._in_time(self._access.check(reader))
        else:
            batch = await self._page(question, reader)
        self._metrics.feed_reads.labels("snapshot" if batch.snapshot else "batch").inc()
        self._verifiers.sent(question.verifier, batch.cursor)
        if question.nonce is None:
            return await _packed(plain_page(batch, tenant=reader.tenant), "application/json", request)
        signed = signed_page(
            batch,
            self._node.sign,
            issuer=self._issuer,
            nonce=question.nonce,
            asked=question.asked,
            tenant=reader.tenant,
        )
        return await _packed(signed, SIGNED_MEDIA_TYPE, request)

    async def _page(self, question: Question, reader: Reader) -> CutOffBatch:
        return await self._in_time(self._node.page(question.cursor, question.limit, tenant=reader.tenant))

    async def _in_time(self, reading: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await reading
        except TimeoutError as error:
            detail = "The revocation log could not be read in time."
            raise ProblemError(503, "request_timeout", detail, headers=COME_BACK) from error

    async def _held(self, question: Question, request: Request, reader: Reader) -> CutOffBatch:
        """The page once there is something after the cursor, or the time is over: always from a read begun then."""
        loop = asyncio.get_running_loop()
        until = loop.time() + question.wait
        with self._places.taken_by("poll"):
            gone = asyncio.ensure_future(departure(request.receive))
            try:
                while True:
                    seen = self._node.changes
                    batch = await self._page(question, reader)
                    left = until - loop.time()
                    if batch.cursor != question.cursor or left <= 0 or self._node.draining:
                        return batch
                    with held_for(request.scope):
                        await self._node.changed(seen, left, gone)
                    if gone.done():
                        raise ClientDisconnect
            finally:
                gone.cancel()

    async def _stream(self, question: Question, request: Request, reader: Reader) -> Response:
        if request.method == "HEAD":
            return Response(media_type=STREAM_MEDIA_TYPE)
        if self._node.draining:
            raise ProblemError(503, "feed_draining", "The server is stopping.", headers=COME_BACK)
        self._places.take("stream")
        try:
            stream = await self._in_time(self._node.stream(question.cursor, tenant=reader.tenant))
        except BaseException:
            self._places.give_back("stream")
            raise

        self._access.watch(stream, reader)
        shown = ExitStack()
        shown.enter_context(self._verifiers.streaming(question.verifier))

        def left() -> None:
            self._access.forget(stream)
            self._node.leave(stream)
            self._places.give_back("stream")
            shown.close()

        def sent(events: bytes) -> None:
            if question.verifier is not None and (place := last_place(events)) is not None:
                self._verifiers.sent(question.verifier, place)

        return EventStream(stream, keep_alive=self._keep_alive, left=left, sent=sent)


async def _packed(body: bytes, media_type: str, request: Request) -> Response:
    """The answer, compressed where that helps and is understood (RFC 9110 §8.4.1.3)."""
    headers = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding"}
    if len(body) > SMALLEST_PACKED and accepts(request.headers.getlist("accept-encoding"), "gzip"):
        headers["Content-Encoding"] = "gzip"
        if len(body) > _PACKED_ASIDE:
            body = await asyncio.to_thread(gzip.compress, body, _PACKING_LEVEL, mtime=0)
        else:
            body = gzip.compress(body, _PACKING_LEVEL, mtime=0)
    return Response(body, media_type=media_type, headers=headers)
