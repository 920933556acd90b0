"""Streams of events and their subjects, on both engines."""

import asyncio

import msgspec
import pytest
from watchword_server.store.delivery_records import NewDelivery
from watchword_server.store.open import store_from_url
from watchword_server.store.signal_records import Stream


@pytest.fixture
async def rivals(store, store_url, store_clock):
    other = store_from_url(store_url, clock=store_clock)
    await other.open(migrate=True)
    yield store, other
    await other.close()


def stream(stream_id="g1", **members) -> Stream:
    given = {
        "id": stream_id,
        "receiver": "acme",
        "method": "push",
        "endpoint": "https://acme.example/events",
        "sealed": b"\x00sealed",
        "requested": ("a", "b"),
        "description": "for acme",
        "status": "enabled",
        "reason": "",
        "created_at": 1.0,
        "verified_at": 0.0,
    }
    return Stream(**given | members)


async def about(store, *names, by_default=False):
    return [one.stream.id for one in await store.streams_about(names, by_default=by_default)]


async def test_a_stream_is_kept_whole(store):
    assert await store.create_stream(stream(), most=9)
    assert await store.stream("g1") == stream()
    assert await store.stream("g2") is None
    assert await store.stream("\0") is None
    assert "sealed" not in repr(stream())


async def test_streams_are_listed_by_receiver(store):
    for stream_id, receiver in (("g2", "acme"), ("g1", "acme"), ("g3", "other")):
        await store.create_stream(stream(stream_id, receiver=receiver), most=9)
    assert [one.id for one in await store.streams("acme")] == ["g1", "g2"]
    assert [one.id for one in await store.streams(None)] == ["g1", "g2", "g3"]


async def test_a_receiver_never_has_more_streams_than_it_may(rivals):
    made = await asyncio.gather(*(rivals[n % 2].create_stream(stream(f"g{n}"), most=3) for n in range(12)))
    assert made.count(True) == 3
    assert await rivals[0].create_stream(stream("x", receiver="other"), most=3)


async def test_of_many_who_saw_the_same_stream_one_changes_it(rivals):
    store = rivals[0]
    await store.create_stream(stream(), most=9)
    done = await asyncio.gather(
        *(
            rivals[n % 2].replace_stream(stream(status="paused", reason=str(n), endpoint=None, sealed=None))
            for n in range(12)
        )
    )
    assert done.count(True) == 1
    now = await store.stream("g1")
    assert (now.status, now.reason, now.version, now.endpoint, now.sealed) == (
        "paused",
        str(done.index(True)),
        1,
        None,
        None,
    )
    assert await store.replace_stream(msgspec.structs.replace(now, verified_at=5.0, requested=()))
    assert (await store.stream("g1")).verified_at == 5.0
    assert (await store.stream("g1")).created_at == 1.0


async def test_a_stream_goes_with_its_subjects_and_deliveries_and_leaves_those_of_others(rivals):
    store = rivals[0]
    for stream_id in ("g1", "g2"):
        await store.create_stream(stream(stream_id), most=9)
        await store.set_subject(stream_id, "ada", included=True, most=9)
        for kind in ("ssf_push", "ssf_poll", "mail"):
            await store.enqueue([NewDelivery(kind=kind, destination=stream_id, payload=b"", dedupe="1")])
    done = await asyncio.gather(*(rivals[n % 2].delete_stream("g1") for n in range(12)))
    assert done.count(True) == 1
    assert await about(store, "ada") == ["g2"]
    left = await store.deliveries(dead=False, after=None, limit=99)
    assert sorted((one.kind, one.destination) for one in left) == [
        ("mail", "g1"),
        ("mail", "g2"),
        ("ssf_poll", "g2"),
        ("ssf_push", "g2"),
    ]


async def test_a_stream_is_about_whom_it_was_told_of(store):
    for stream_id, status in (("g1", "enabled"), ("g2", "paused"), ("g3", "disabled")):
        await store.create_stream(stream(stream_id, status=status), most=9)
        assert await store.set_subject(stream_id, "ada", included=True, most=9)
    assert await about(store, "ada", "ada@example.test") == ["g1", "g2"]
    assert await about(store, "bob") == []
    assert await about(store) == []
    assert await about(store, "bob", by_default=True) == ["g1", "g2"]
    await store.set_subject("g1", "ada", included=False, most=9)
    assert await about(store, "ada") == ["g2"]
    assert await about(store, "ada", by_default=True) == ["g2"]
    await store.set_subject("g1", "ada@example.test", included=True, most=9)
    assert await about(store, "ada", "ada@example.test") == ["g1", "g2"]


async def test_a_stream_has_at_most_so_many_subjects_and_a_known_one_can_change_still(store):
    await store.create_stream(stream(), most=9)
    assert [await store.set_subject("g1", f"u{n}", included=True, most=2) for n in range(3)] == [True, True, False]
    assert await store.set_subject("g1", "u0", included=False, most=2)
    assert not await store.set_subject("gone", "u0", included=True, most=2)


async def test_how_much_waits_for_a_stream_is_told_with_it(store):
    await store.create_stream(stream(), most=9)
    await store.set_subject("g1", "ada", included=True, most=9)
    await store.enqueue([NewDelivery(kind="ssf_push", destination="g1", payload=b"", dedupe=str(n)) for n in range(3)])
    assert [one.queued for one in await store.streams_about(["ada"], by_default=False)] == [3]
