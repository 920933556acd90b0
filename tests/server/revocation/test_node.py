"""One node between the log and its readers: what it costs the store, and what it never does."""

import asyncio
import contextlib
import json

import pytest
from watchword.jose import base64url
from watchword_server.revocation import node as node_module
from watchword_server.revocation.cursor import write_cursor
from watchword_server.revocation.node import FeedNode
from watchword_server.revocation.streams import Ending
from watchword_server.store.port import StoreUnavailable
from watchword_server.web.metrics import Metrics

LONG = 60.0


class Counting:
    """A store's log, with the reads counted, and a gate in the way of answers already read."""

    def __init__(self, store) -> None:
        self.store = store
        self.reads = 0
        self.under_way = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_gate = asyncio.Event()
        self.away = False

    async def head(self):
        return await self._counted(self.store.head())

    async def cut_offs_after(self, cursor, *, limit):
        return await self._counted(self.store.cut_offs_after(cursor, limit=limit))

    def watching(self, changed):
        return self.store.watching(changed)

    async def _counted(self, read):
        self.reads += 1
        self.under_way += 1
        try:
            answer = await read
            if not self.gate.is_set():
                self.at_gate.set()
                await self.gate.wait()
            if self.away:
                raise StoreUnavailable("away")
            return answer
        finally:
            self.under_way -= 1


class World:
    def __init__(self, store, sample) -> None:
        self.log = Counting(store)
        self.metrics = Metrics()
        self.signatures = 0
        self.node = FeedNode(self.log, self.sign, self.metrics, issuer="https://issuer.example")
        self.store, self.sample = store, sample
        self.gone = asyncio.get_running_loop().create_future()

    def sign(self, payload: bytes) -> str:
        self.signatures += 1
        return f"h.{base64url.encode(payload)}.s"

    async def cut(self, value: str = "a", axis: str = "token"):
        return await self.store.cut_off(
            axis, value, spares=None, ends_families=False, cause="test", audit=self.sample.event()
        )

    async def held(self, cursor):
        """As a long poll is: until there is something after the cursor."""
        while True:
            seen = self.node.changes
            page = await self.node.page(cursor, 500)
            if page.cursor != cursor or self.node.draining:
                return page
            await self.node.changed(seen, LONG, self.gone)

    async def waiting(self, count: int) -> None:
        async with asyncio.timeout(LONG):
            while len(self.node._waiting) != count or self.log.under_way:
                await asyncio.sleep(0.001)


@pytest.fixture
def world(store, sample):
    async def make() -> World:
        return World(store, sample)

    return make


def told(event: bytes) -> dict:
    """The payload of one event."""
    name, cursor, data, *rest = event.decode().split("\n")
    assert name == "event: cut-offs"
    assert rest == ["", ""]
    payload = json.loads(base64url.decode(data.removeprefix("data: ").split(".")[1]))
    assert cursor == f"id: {payload['cursor']}"
    return payload


def events(raw: bytes) -> list[dict]:
    return [told(event + b"\n\n") for event in raw.split(b"\n\n") if event]


async def test_two_hundred_waiting_readers_cost_a_few_reads_a_change_whatever_their_number(world):
    w = await world()
    async with w.node.following():
        head = await w.store.head()
        readers = [asyncio.create_task(w.held(head)) for _ in range(200)]
        await w.waiting(200)
        assert w.log.reads <= 8
        for number in range(5):
            before = w.log.reads
            await w.cut(f"t{number}")
            pages = await asyncio.gather(*readers)
            assert {page.cursor for page in pages} == {await w.store.head()}
            assert {tuple(entry.value for entry in page.entries) for page in pages} == {(f"t{number}",)}
            readers = [asyncio.create_task(w.held(pages[0].cursor)) for _ in range(200)]
            await w.waiting(200)
            assert w.log.reads - before <= 6
        w.node.drain()
        await asyncio.gather(*readers)


async def test_two_hundred_streams_cost_one_read_and_one_signature_a_change(world):
    w = await world()
    async with w.node.following():
        streams = [await w.node.stream(None) for _ in range(200)]
        await w.waiting(0)
        for number in range(5):
            reads, signatures = w.log.reads, w.signatures
            await w.cut(f"t{number}")
            raw = await asyncio.gather(*(stream.take(LONG) for stream in streams))
            assert len(set(raw)) == 1
            assert [entry["value"] for entry in told(raw[0])["entries"]] == [f"t{number}"]
            assert w.signatures == signatures + 1
            await w.waiting(0)
            assert w.log.reads - reads <= 2


async def test_a_question_is_never_answered_from_a_read_that_was_under_way(world):
    w = await world()
    head = await w.store.head()
    await w.node.page(head, 9)
    w.log.gate.clear()
    early = asyncio.create_task(w.node.page(head, 9))
    async with asyncio.timeout(LONG):
        await w.log.at_gate.wait()
    entry = await w.cut("revoked meanwhile")
    late = [asyncio.create_task(w.node.page(head, 9)) for _ in range(20)]
    await asyncio.sleep(0)
    w.log.gate.set()
    assert (await early).entries == ()
    assert {page.entries for page in await asyncio.gather(*late)} == {(entry,)}


async def test_pages_from_the_start_are_shared_too(world):
    w = await world()
    for number in range(5):
        await w.cut(f"t{number}")
    pages = await asyncio.gather(*(w.node.page(None, 2) for _ in range(100)))
    assert {len(page.entries) for page in pages} == {2}
    assert pages[0].snapshot
    assert w.log.reads <= 2


async def test_a_stream_begins_where_its_reader_is_and_misses_nothing_while_it_comes(world):
    w = await world()
    async with w.node.following():
        start = await w.store.head()
        for number in range(3):
            await w.cut(f"t{number}")
        joining = [asyncio.create_task(w.node.stream(start)) for _ in range(20)]
        for number in range(3, 40):
            await w.cut(f"t{number}")
        wanted = [f"t{number}" for number in range(40)]
        for stream in await asyncio.gather(*joining):
            seen, place = [], write_cursor(start)
            async with asyncio.timeout(LONG):
                while len(seen) < 40:
                    for payload in events(await stream.take(LONG)):
                        assert payload["from"] == place
                        place = payload["cursor"]
                        seen += [entry["value"] for entry in payload["entries"]]
            assert seen == wanted


async def test_readers_who_come_back_together_share_the_signature(world):
    w = await world()
    async with w.node.following():
        await w.node.stream(None)
        start = await w.store.head()
        await w.cut()
        await w.waiting(0)
        await w.node.page(await w.store.head(), 9)
        before = w.signatures
        streams = await asyncio.gather(*(w.node.stream(start) for _ in range(50)))
        assert len({await stream.take(LONG) for stream in streams}) == 1
        assert w.signatures <= before + 2


async def test_a_reader_older_than_the_tail_is_brought_up_from_the_store(world, monkeypatch):
    monkeypatch.setattr(node_module, "PAGE", 4)
    w = await world()
    start = await w.store.head()
    for number in range(10):
        await w.cut(f"t{number}")
    async with w.node.following():
        await w.node.page(await w.store.head(), 9)
        stream = await w.node.stream(start)
        payloads = events(await stream.take(LONG))
        assert [entry["value"] for payload in payloads for entry in payload["entries"]] == [f"t{n}" for n in range(10)]
        assert [payload["from"] for payload in payloads[1:]] == [payload["cursor"] for payload in payloads[:-1]]
        assert len(payloads) == 3


async def test_a_reader_with_a_cursor_of_another_log_must_resync(world):
    w = await world()
    head = await w.store.head()
    async with w.node.following():
        for stranger in (
            type(head)(epoch="f" * 32, position=head.position, chain=head.chain),
            type(head)(epoch=head.epoch, position=9, chain="0" * 64),
        ):
            stream = await w.node.stream(stranger)
            assert stream.ending is Ending.LOST
            assert await stream.take(LONG) == b""
        assert not w.node._streams


async def test_a_node_far_behind_begins_anew_at_the_head_and_its_streams_resync(world, monkeypatch):
    monkeypatch.setattr(node_module, "PAGE", 2)
    monkeypatch.setattr(node_module, "MOST_PAGES", 3)
    w = await world()
    stream = await w.node.stream(None)
    start = await w.store.head()
    for number in range(30):
        await w.cut(f"t{number}")
    page = await w.node.page(start, 500)
    assert len(page.entries) == 30
    assert stream.ending is Ending.LOST
    head = await w.store.head()
    assert (await w.node.page(head, 500)).cursor == head


async def test_a_new_epoch_ends_the_streams_and_answers_with_a_snapshot(world):
    w = await world()
    async with w.node.following():
        old = await w.store.head()
        await w.cut()
        stream = await w.node.stream(None)
        waiting = asyncio.create_task(w.held(await w.store.head()))
        await w.waiting(1)
        await w.store.begin_epoch(w.sample.event())
        page = await waiting
        assert page.snapshot
        assert page.cursor == await w.store.head()
        assert {entry.axis for entry in page.entries} >= {"everything"}
        assert (await w.node.page(old, 9)).snapshot
        await stream.take(LONG)
        async with asyncio.timeout(LONG):
            while stream.ending is None:
                await asyncio.sleep(0.001)
        assert stream.ending is Ending.LOST


async def test_a_store_that_is_away_for_a_while_loses_no_event(world, monkeypatch):
    monkeypatch.setattr(node_module, "RETRY_AFTER", 0.01)
    w = await world()
    async with w.node.following():
        stream = await w.node.stream(None)
        await w.waiting(0)
        w.log.away = True
        await w.cut("hidden")
        with pytest.raises(StoreUnavailable):
            await w.node.page(await w.store.head(), 9)
        w.log.away = False
        assert [entry["value"] for entry in told(await stream.take(LONG))["entries"]] == ["hidden"]


async def test_without_a_key_to_sign_with_streams_resync_and_nothing_is_lost(world):
    w = await world()

    def keyless(_payload: bytes) -> str:
        raise StoreUnavailable("the key ring has no key to sign with")

    async with w.node.following():
        stream = await w.node.stream(None)
        head = await w.store.head()
        await w.waiting(0)
        w.node.sign = keyless
        entry = await w.cut()
        assert await stream.take(LONG) == b""
        assert stream.ending is Ending.LOST
        assert (await w.node.page(head, 9)).entries == (entry,)


async def test_a_stopping_node_holds_nobody(world):
    w = await world()
    async with w.node.following():
        head = await w.store.head()
        stream = await w.node.stream(None)
        waiting = [asyncio.create_task(w.held(head)) for _ in range(10)]
        await w.waiting(10)
        w.node.drain()
        assert {page.cursor for page in await asyncio.gather(*waiting)} == {head}
        assert await stream.take(LONG) == b""
        assert stream.ending is Ending.DRAINING
        assert (await w.node.stream(None)).ending is Ending.DRAINING
        assert await w.held(head)
        assert not w.node._streams


async def test_a_reader_that_goes_away_is_let_go(world):
    w = await world()
    waiting = asyncio.create_task(w.held(await w.store.head()))
    await w.waiting(1)
    w.gone.set_result(None)
    async with asyncio.timeout(LONG):
        while w.node._waiting:
            await asyncio.sleep(0.001)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


async def test_after_the_end_nothing_is_left_running(world):
    w = await world()
    tasks = len(asyncio.all_tasks())
    async with w.node.following():
        await w.node.page(await w.store.head(), 9)
        await w.node.stream(None)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == tasks
