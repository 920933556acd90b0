"""What waits for one reader of the stream."""

import asyncio

from watchword_server.revocation import streams
from watchword_server.revocation.streams import Ending, Stream

LONG = 60.0


async def test_events_come_in_order_and_together_when_they_have_gathered():
    stream = Stream()
    stream.put(b"a")
    assert await stream.take(LONG) == b"a"
    stream.put(b"b")
    stream.put(b"c")
    assert await stream.take(LONG) == b"bc"


async def test_who_waits_is_woken_by_an_event():
    stream = Stream()
    waiting = asyncio.create_task(stream.take(LONG))
    await asyncio.sleep(0)
    stream.put(b"a")
    assert await waiting == b"a"


async def test_without_events_patience_ends_and_the_stream_goes_on():
    stream = Stream()
    assert await stream.take(0.001) == b""
    assert stream.ending is None
    stream.put(b"a")
    assert await stream.take(LONG) == b"a"


async def test_a_reader_too_far_behind_loses_what_waits_and_must_resync():
    stream = Stream(most=3)
    for event in (b"a", b"b", b"c"):
        stream.put(event)
    assert stream.ending is None
    stream.put(b"d")
    assert stream.ending is Ending.SLOW
    assert await stream.take(LONG) == b""
    stream.put(b"e")
    assert await stream.take(LONG) == b""


async def test_a_reader_is_bounded_in_bytes_too(monkeypatch):
    monkeypatch.setattr(streams, "MOST_BYTES", 100)
    stream = Stream()
    stream.put(b"x" * 60)
    assert await stream.take(LONG) == b"x" * 60
    stream.put(b"x" * 60)
    stream.put(b"x" * 60)
    assert stream.ending is Ending.SLOW


async def test_not_all_that_waits_is_joined_at_once(monkeypatch):
    monkeypatch.setattr(streams, "AT_ONCE", 4)
    stream = Stream()
    for event in (b"aaa", b"bbb", b"ccc"):
        stream.put(event)
    assert [await stream.take(LONG), await stream.take(LONG)] == [b"aaabbb", b"ccc"]


async def test_an_ending_wakes_who_waits_and_the_first_one_counts():
    stream = Stream()
    waiting = asyncio.create_task(stream.take(LONG))
    await asyncio.sleep(0)
    stream.end(Ending.LOST)
    stream.end(Ending.GONE)
    assert await waiting == b""
    assert stream.ending is Ending.LOST


async def test_what_waits_when_the_server_stops_is_sent_still():
    stream = Stream()
    stream.put(b"a")
    stream.end(Ending.DRAINING)
    stream.put(b"b")
    assert await stream.take(LONG) == b"a"
    assert await stream.take(LONG) == b""
