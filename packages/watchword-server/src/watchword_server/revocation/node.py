"""One server process between the revocation log and any number of verifiers: cost to the store follows nodes.

Knows neither HTTP nor keys: endpoints/feed asks, and `sign` signs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from watchword_server.revocation.coalescing import Coalesced
from watchword_server.revocation.streams import Ending, Stream
from watchword_server.revocation.tail import Tail
from watchword_server.revocation.tenants import Owners, Tenants, shown
from watchword_server.revocation.wire import Sign, pushed_event
from watchword_server.store.port import Revocations, StoreUnavailable
from watchword_server.store.records import Cursor, CutOffBatch
from watchword_server.web.metrics import Metrics

PAGE: Final = 1000
"""Entries in one read and one event."""
MOST_PAGES: Final = 16
"""Pages a node reads to catch up; farther behind, it begins anew at the head and its streams resync."""
PAGES_AT_ONCE: Final = 2
"""Reads of old pages under way at once, beside the one of the newest."""
READS_APART: Final = 0.01
"""Seconds between reads of the newest for polls that come one by one; after a change none is waited."""
RETRY_AFTER: Final = 0.5
"""Seconds until the log is read again for the streams when the store was away."""

_log = logging.getLogger("watchword_server")


class _Page(NamedTuple):
    cursor: Cursor | None
    limit: int


class FeedNode:
    """Answers questions from reads begun after they were asked, and tells streams what is new.

    ``sign`` gives the signature of pushed events, one a batch for all readers. Lives on one event loop.
    """

    def __init__(self, store: Revocations, sign: Sign, metrics: Metrics, *, issuer: str) -> None:
        self._store = store
        self.sign = sign
        self._metrics = metrics
        self._issuer = issuer
        self._tail: Tail | None = None
        self._newest: Coalesced[None, Tail] = Coalesced(lambda _: self._catch_up(), apart=READS_APART)
        self._pages: Coalesced[_Page, CutOffBatch] = Coalesced(self._read_page, at_once=PAGES_AT_ONCE)
        self._streams: set[Stream] = set()
        self._waiting: set[asyncio.Future[None]] = set()
        self._stirred = asyncio.Event()
        self.changes = 0
        """Grows whenever the log may have moved."""
        self.draining = False
        self._tenants = Tenants(store)
        self._events: dict[tuple[Cursor, Cursor, str | None], bytes] = {}
        """Events made since the last read: readers who come back together share them."""

    async def page(self, cursor: Cursor | None, limit: int, *, tenant: str | None = None) -> CutOffBatch:
        """Entries after the cursor, from a read of the store that begins after this call; with ``tenant``, those that
        concern it.

        Questions that wait together share the read. Raises StoreUnavailable.
        """
        page = await self._page(cursor, limit)
        return shown(page, tenant, await self._owners(page, tenant))

    async def _owners(self, batch: CutOffBatch, tenant: str | None) -> Owners:
        return {} if tenant is None else await self._tenants.owners(batch.entries)

    async def _page(self, cursor: Cursor | None, limit: int) -> CutOffBatch:
        if cursor is not None:
            page = (await self._newest.ask(None)).page(cursor, limit)
            if page is not None:
                return page
        return await self._pages.ask(_Page(cursor, limit))

    async def changed(self, since: int, seconds: float, gone: asyncio.Future[None]) -> None:
        """Wait until the log may have moved after ``changes`` was ``since``, for so many seconds at most, and no longer
        than until ``gone`` is done or the server stops.
        """
        if self.changes != since or self.draining or gone.done() or seconds <= 0:
            return
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def wake(_gone: asyncio.Future[None] | None = None) -> None:
            if not woken.done():
                woken.set_result(None)

        timer = loop.call_later(seconds, wake)
        gone.add_done_callback(wake)
        self._waiting.add(woken)
        try:
            await woken
        finally:
            self._waiting.discard(woken)
            timer.cancel()
            gone.remove_done_callback(wake)

    async def stream(self, cursor: Cursor | None, *, tenant: str | None = None) -> Stream:
        """A stream of everything after the cursor, or of what concerns that tenant; from now on without a cursor. To be
        given back by ``leave``.

        A stream whose cursor is not of this log ends at once, to resync. Raises StoreUnavailable.
        """
        stream = Stream(tenant=tenant)
        for _ in range(MOST_PAGES):
            tail = await self._newest.ask(None)
            cursor = cursor or tail.head
            while (missed := tail.page(cursor, PAGE)) is not None and missed.cursor != cursor:
                stream.put(self._event(cursor, missed, tenant, await self._owners(missed, tenant)))
                cursor = missed.cursor
            if missed is not None and tail is self._tail:
                # No wait since the tail was looked at: nothing is missed and nothing told twice.
                self._streams.add(stream)
                break
            old = await self._pages.ask(_Page(cursor, PAGE))
            if old.snapshot:
                self._end(stream, Ending.LOST)
                break
            if old.cursor != cursor:
                stream.put(self._event(cursor, old, tenant, await self._owners(old, tenant)))
                cursor = old.cursor
        else:
            self._end(stream, Ending.LOST)
        if self.draining:
            self._end(stream, Ending.DRAINING)
        return stream

    def leave(self, stream: Stream) -> None:
        """The reader went away, or its stream is over."""
        stream.end(Ending.GONE)
        self._streams.discard(stream)

    def dismiss(self, stream: Stream) -> None:
        """What the reader was let in with is good no more."""
        self._end(stream, Ending.EXPIRED)

    def stir(self) -> None:
        """The log may have moved: look, for the streams, and wake those who wait."""
        self.changes += 1
        self._newest.hurry()
        self._stirred.set()
        self._wake()

    def drain(self) -> None:
        """The server stops: nobody is held any longer."""
        self.draining = True
        self._wake()
        self._end_all(Ending.DRAINING)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Within it the node learns of changes by itself, whichever process or host makes them."""
        following = asyncio.create_task(self._follow())
        try:
            async with self._store.watching(self.stir):
                yield
        finally:
            self.drain()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await self._newest.close()
            await self._pages.close()

    async def _follow(self) -> None:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            if not self._streams:
                continue
            try:
                await self._newest.ask(None)
            except Exception as error:  # noqa: BLE001 - streams must not fall silent, whatever went wrong once
                _log.warning("revocation log not read for the streams", extra={"error": str(error)})
                await asyncio.sleep(RETRY_AFTER)
                self._stirred.set()

    async def _catch_up(self) -> Tail:
        """Read what follows the tail, and tell the streams."""
        for pages in range(1, 2 * MOST_PAGES):
            tail = self._tail or await self._begin()
            batch = await self._read_page(_Page(tail.head, PAGE))
            if batch.snapshot:
                self._tail = None
                continue
            # Asked before the tail knows the batch: from there to the last stream nothing may be waited for.
            one = next((stream.tenant for stream in self._streams if stream.tenant is not None), None)
            owners = await self._owners(batch, one)
            before = tail.head
            tail.extend(batch)
            if batch.cursor != before:
                self._tell(before, batch, owners)
            if not batch.more:
                return tail
            if pages == MOST_PAGES:
                self._tail = None
        raise StoreUnavailable("the revocation log moves faster than it can be read")

    async def _begin(self) -> Tail:
        """Begin anew at the head, without what came before: streams could miss some of it."""
        self._metrics.feed_store_reads.inc()
        tail = self._tail = Tail(await self._store.head())
        self._end_all(Ending.LOST)
        self.changes += 1
        self._wake()
        return tail

    async def _read_page(self, page: _Page) -> CutOffBatch:
        self._metrics.feed_store_reads.inc()
        self._events.clear()
        return await self._store.cut_offs_after(page.cursor, limit=page.limit)

    def _tell(self, before: Cursor, batch: CutOffBatch, owners: Owners) -> None:
        self.changes += 1
        self._wake()
        if not self._streams:
            return
        try:
            events = {
                tenant: self._event(before, batch, tenant, owners)
                for tenant in {stream.tenant for stream in self._streams}
            }
        except StoreUnavailable:  # no key to sign with: what cannot be pushed is there to be asked for
            self._end_all(Ending.LOST)
            return
        for stream in self._streams:
            stream.put(events[stream.tenant])
        slow = [stream for stream in self._streams if stream.ending is not None]
        self._metrics.feed_pushes.inc(len(self._streams) - len(slow))
        for stream in slow:
            self._streams.discard(stream)
            self._metrics.feed_resyncs.labels(Ending.SLOW).inc()

    def _event(self, before: Cursor, batch: CutOffBatch, tenant: str | None, owners: Owners) -> bytes:
        event = self._events.get((before, batch.cursor, tenant))
        if event is None:
            event = pushed_event(before, shown(batch, tenant, owners), self.sign, issuer=self._issuer, tenant=tenant)
            self._events[before, batch.cursor, tenant] = event
        return event

    def _end_all(self, ending: Ending) -> None:
        for stream in tuple(self._streams):
            self._end(stream, ending)

    def _end(self, stream: Stream, ending: Ending) -> None:
        stream.end(ending)
        self._streams.discard(stream)
        if ending in {Ending.SLOW, Ending.LOST}:
            self._metrics.feed_resyncs.labels(ending).inc()

    def _wake(self) -> None:
        for woken in tuple(self._waiting):
            if not woken.done():
                woken.set_result(None)
